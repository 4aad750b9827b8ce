//! The token endpoint: how many refreshes and whole code grants each contender does in a second, and what that costs.
//!
//! One contender runs at a time, on a core of its own; the load, and the provider at which users sign in, share the other one. Each round
//! starts every contender anew, one after the other, so that whatever else the machine does meets all of them alike.

mod alone;
mod contender;
mod provider;
mod table;
mod user;
mod wire;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tokio::task::JoinHandle;

use self::alone::Alone;
pub(crate) use self::alone::{Options as AloneOptions, run as run_alone};
use self::contender::Contender;
use self::user::{Site, User};
use crate::machine;
use crate::processes::{self, LOAD_CORE};
use crate::served::Served;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Which contenders. The ratios are to the rows of the program that are among them.
    #[arg(long, alias = "peers", value_delimiter = ',', default_value = ALL)]
    contenders: Vec<Contender>,
    /// How often each figure is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long refreshes are counted, and then code grants, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long each runs before it counts, in seconds.
    #[arg(long, default_value_t = 2.0)]
    warmup: f64,
    /// How many users ask at once, each of whom waits for the answer.
    #[arg(long, default_value_t = 16)]
    users: usize,
}

/// Measures, and prints what came out.
pub(crate) async fn run(options: Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.users > 0, "there is nothing to measure");
    let folder = tempfile::tempdir()?;
    let machine = machine::describe(folder.path())?;
    processes::stay_on(LOAD_CORE)?;
    let provider = provider::start().await?;
    let mut lines: Vec<Line> = options.contenders.iter().map(|contender| Line::new(*contender)).collect();
    let stores = [Contender::Coatroom, Contender::CoatroomNormal];
    let compares = stores.iter().any(|store| options.contenders.contains(store));
    let kinds: &[Alone] = if compares { &Alone::ALL } else { &[] };
    let mut alone: Vec<(Alone, Vec<Round>)> = kinds.iter().map(|kind| (*kind, Vec::new())).collect();
    for round in 1..=options.rounds {
        for line in &mut lines {
            line.round(provider, &options).await.with_context(|| line.contender.to_string())?;
        }
        for (kind, rounds) in &mut alone {
            rounds.push(kind.measure(Duration::from_secs_f64(options.seconds))?);
        }
        eprintln!("round {round} of {} is done", options.rounds);
    }
    println!("{machine}\n\n{}", table::of(&lines, &alone));
    println!(
        "\nMedians of {} rounds of {} s each for refreshes and code grants, after {} s that do not count; {} users at once.",
        options.rounds, options.seconds, options.warmup, options.users
    );
    Ok(())
}

/// One contender, and what it did in each round.
struct Line {
    contender: Contender,
    refreshes: Vec<Round>,
    grants: Vec<Round>,
    starts: Vec<Duration>,
    /// Resident memory, and its proportional part where memory is shared, in KiB.
    idle: Vec<(u64, u64)>,
}

/// What was done in one round.
#[derive(Debug, Clone, Copy)]
struct Round {
    done: f64,
    seconds: f64,
    computed: Duration,
}

impl Round {
    fn rate(&self) -> f64 {
        self.done / self.seconds
    }

    /// Seconds of computing for a thousand.
    fn cost(&self) -> f64 {
        self.computed.as_secs_f64() / self.done * 1000.0
    }
}

impl Line {
    const fn new(contender: Contender) -> Self {
        Self { contender, refreshes: Vec::new(), grants: Vec::new(), starts: Vec::new(), idle: Vec::new() }
    }

    async fn round(&mut self, provider: u16, options: &Options) -> Result<()> {
        let served = self.contender.start(&format!("http://127.0.0.1:{provider}")).await?;
        self.starts.push(served.started_in);
        tokio::time::sleep(SETTLE).await;
        self.idle.push(processes::memory(served.process()));
        if self.contender == Contender::Nginx {
            return Ok(());
        }
        let measured = self.work(&served, provider, options).await;
        measured.with_context(|| format!("the end of its log:\n{}", served.log()))
    }

    async fn work(&mut self, served: &Served, provider: u16, options: &Options) -> Result<()> {
        let contender = self.contender;
        let found = Site::find(served.address, contender.discovery(), contender.scope(), contender.agree());
        let site = Rc::new(found.await?);
        let mut users = Vec::new();
        for number in 0..options.users {
            let mut user = User::new(number, served.address, provider);
            user.grant(&site).await?;
            users.push(user);
        }
        for task in [Task::Refresh, Task::Grant] {
            let (measured, same) = measure(task, users, &site, served.process(), options).await?;
            users = same;
            match task {
                Task::Refresh => self.refreshes.push(measured),
                Task::Grant => self.grants.push(measured),
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Task {
    Refresh,
    Grant,
}

/// Lets all users ask at once for some time, and counts what is answered and computed meanwhile. It goes on for longer where less was
/// answered than there are users.
async fn measure(
    task: Task,
    users: Vec<User>,
    site: &Rc<Site>,
    process: u32,
    options: &Options,
) -> Result<(Round, Vec<User>)> {
    let (answered, is_over) = (Rc::new(Cell::new(0_u32)), Rc::new(Cell::new(false)));
    let mut asking = Vec::new();
    for mut user in users {
        let (site, answered, is_over) = (Rc::clone(site), Rc::clone(&answered), Rc::clone(&is_over));
        asking.push(tokio::task::spawn_local(async move {
            user.reconnect();
            while !is_over.get() {
                match task {
                    Task::Refresh => user.refresh(&site).await?,
                    Task::Grant => user.grant(&site).await?,
                }
                answered.set(answered.get() + 1);
            }
            anyhow::Ok(user)
        }));
    }
    tokio::time::sleep(Duration::from_secs_f64(options.warmup)).await;
    let (began, computed, done) = (Instant::now(), processes::computed(process), answered.get());
    tokio::time::sleep(Duration::from_secs_f64(options.seconds)).await;
    while usize::try_from(answered.get() - done)? < options.users
        && !asking.iter().any(JoinHandle::is_finished)
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let round = Round {
        done: f64::from(answered.get() - done),
        seconds: began.elapsed().as_secs_f64(),
        computed: processes::computed(process).saturating_sub(computed),
    };
    is_over.set(true);
    let mut users = Vec::new();
    for asking in asking {
        users.push(asking.await??);
    }
    Ok((round, users))
}

/// How long a server has been there when its memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);

const ALL: &str = "coatroom-memory,coatroom,coatroom-normal,mcp-auth-router,fastmcp-memory,oidc-provider,\
                   workers-oauth-provider,better-auth,fastmcp-oauth-proxy,nginx";
