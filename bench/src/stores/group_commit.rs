//! What it is worth that SQLite's one writer commits together what waits together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use coatroom::store::{Kind, NewRecord, Store, Version};
use tokio::task::JoinSet;

use super::minted::Minted;
use super::one_by_one::OneByOne;
use super::place::{Place, StoreKind};
use super::server::Server;
use super::work::{Clients, Task};
use super::{Options, median};

/// One way to commit, and what it got done.
struct Way {
    server: Server,
    store: Arc<dyn Store>,
    clients: Clients,
    refreshed: Vec<f64>,
    written: Vec<f64>,
    /// The file goes with it.
    _place: Place,
}

impl Way {
    async fn new(
        minted: &Minted,
        options: &Options,
        wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Result<Self> {
        let place = Place::open(StoreKind::Sqlite).await?;
        let store = wrap(place.store());
        let grants = options.grants[0];
        place.fill(minted.records(grants)).await?;
        let server = Server::over(Arc::clone(&store), &minted.keys, Some(&minted.client)).await?;
        let clients = Clients::new(options.clients, grants);
        Ok(Self { server, store, clients, refreshed: Vec::new(), written: Vec::new(), _place: place })
    }
}

/// Measures both ways in turn.
pub(crate) async fn table(minted: &Minted, options: &Options) -> Result<String> {
    let together = Way::new(minted, options, |store| store).await?;
    let alone = Way::new(minted, options, |store| Arc::new(OneByOne::new(store))).await?;
    let mut ways = [together, alone];
    for round in 0..options.rounds {
        for way in &mut ways {
            way.refreshed.push(way.clients.work(&way.server, Task::Refresh, options.seconds).await?);
            way.written.push(write(&way.store, round, options).await?);
        }
    }
    let [together, alone] = &ways;
    let line = |what: &str, together: &[f64], alone: &[f64]| {
        let (together, alone) = (median(together), median(alone));
        format!("| {what} | {together:.0} | {alone:.0} | {:.1} |", together / alone)
    };
    Ok(format!(
        "SQLite, every commit flushed to the disk, {} clients at once. A refresh is three writes, and all the work of `POST /token`; a \
         write is one record of 1 KiB replaced, and nothing else.\n\n\
         | per second | committed together | one commit per write | times |\n|---|---:|---:|---:|\n{}\n{}",
        options.clients,
        line("durable refreshes", &together.refreshed, &alone.refreshed),
        line("durable writes", &together.written, &alone.written),
    ))
}

/// Has each client replace a record of its own, over and over.
async fn write(store: &Arc<dyn Store>, round: usize, options: &Options) -> Result<f64> {
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(options.seconds);
    let mut working = JoinSet::new();
    for client in 0..options.clients {
        let store = Arc::clone(store);
        let record = NewRecord {
            kind: Kind::Setting,
            key: format!("bench {round} {client}"),
            owner: None,
            expires_at: None,
            body: "x".repeat(1024),
        };
        working.spawn(async move {
            store.insert(record.clone()).await?;
            let (mut seen, mut done) = (Version::FIRST, 0_u32);
            while Instant::now() < until {
                store.replace(record.clone(), seen).await?;
                seen = seen.next();
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut all = 0.0;
    while let Some(worked) = working.join_next().await {
        all += f64::from(worked??);
    }
    Ok(all / began.elapsed().as_secs_f64())
}
