//! Many clients who work at once, and how much they get done.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::server::Server;

/// What clients do over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Verify,
    Refresh,
}

/// Clients with grants of their own: the first has the numbers 0, 64, 128, …, the second 1, 65, 129, ….
pub(crate) struct Clients(Vec<Client>);

struct Client {
    number: u64,
    /// How many clients there are.
    of: u64,
    /// How many grants each has.
    each: u64,
    /// How many it has taken so far.
    taken: u64,
    /// The refresh tokens that it got. The others are those that their grants began with.
    refresh_tokens: HashMap<u64, String>,
}

impl Clients {
    /// Clients who share as many grants among them.
    pub(crate) fn new(clients: u64, grants: u64) -> Self {
        let client = |number| Client {
            number,
            of: clients,
            each: grants / clients,
            taken: 0,
            refresh_tokens: HashMap::new(),
        };
        Self((0..clients).map(client).collect())
    }

    /// Has all of them work for some time, and returns how often they did it in a second.
    pub(crate) async fn work(&mut self, server: &Server, task: Task, seconds: f64) -> Result<f64> {
        let began = Instant::now();
        let until = began + Duration::from_secs_f64(seconds);
        let mut working = JoinSet::new();
        for mut client in self.0.drain(..) {
            let server = server.clone();
            working.spawn(async move {
                let mut done = 0_u32;
                while Instant::now() < until {
                    client.work(&server, task).await?;
                    done += 1;
                }
                anyhow::Ok((client, done))
            });
        }
        let mut all = 0.0;
        while let Some(worked) = working.join_next().await {
            let (client, done) = worked??;
            all += f64::from(done);
            self.0.push(client);
        }
        Ok(all / began.elapsed().as_secs_f64())
    }
}

impl Client {
    async fn work(&mut self, server: &Server, task: Task) -> Result<()> {
        let grant = self.next_grant();
        match task {
            Task::Verify => server.verify(grant).await,
            Task::Refresh => {
                let known = self.refresh_tokens.remove(&grant);
                let token = known.unwrap_or_else(|| server.first_refresh_token(grant));
                self.refresh_tokens.insert(grant, server.refresh(&token).await?);
                Ok(())
            }
        }
    }

    /// Every grant once before any comes again, in an order that has nothing to do with how they lie in the store.
    fn next_grant(&mut self) -> u64 {
        self.taken += 1;
        (self.taken * STRIDE % self.each) * self.of + self.number
    }
}

/// Writes the grants of these numbers, and returns how many in a second.
pub(crate) async fn insert(server: &Server, grants: Range<u64>, clients: u64) -> Result<f64> {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(grants.start));
    let mut working = JoinSet::new();
    for _ in 0..clients {
        let (server, next) = (server.clone(), Arc::clone(&next));
        working.spawn(async move {
            loop {
                let grant = next.fetch_add(1, Ordering::Relaxed);
                if grant >= grants.end {
                    return anyhow::Ok(());
                }
                server.insert(grant).await?;
            }
        });
    }
    while let Some(worked) = working.join_next().await {
        worked??;
    }
    Ok(f64::from(u32::try_from(grants.end - grants.start)?) / began.elapsed().as_secs_f64())
}

/// A prime beyond the number of grants that a client may have, so that its multiples meet each of them.
const STRIDE: u64 = 7_368_787;
