//! The stores: how much each does in a second, and whether that depends on how much it holds.
//!
//! A store is filled twice, with few and with many grants, and the rounds of both alternate, so that whatever else the machine does
//! meanwhile meets both alike.

mod fill;
mod group_commit;
mod minted;
mod one_by_one;
mod place;
mod server;
mod work;

use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;

use self::minted::Minted;
use self::place::{Place, StoreKind};
use self::server::Server;
use self::work::{Clients, Task};
use crate::machine::{self, median};

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Which stores.
    #[arg(long, value_delimiter = ',', default_value = "memory,sqlite,postgres,redis,cluster")]
    stores: Vec<StoreKind>,
    /// How many live grants, from few to many.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    grants: Vec<u64>,
    /// How often each figure is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a round of refreshes or verifications takes, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many clients work at once.
    #[arg(long, default_value_t = 64)]
    clients: u64,
}

/// Measures, and prints what came out.
pub(crate) async fn run(options: Options) -> Result<()> {
    let fewest = options.grants.iter().min().copied().unwrap_or_default();
    ensure!(options.rounds > 0 && options.clients > 0, "there is nothing to measure");
    ensure!(fewest >= options.clients, "each client needs a grant of its own");
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let minted = Minted::new(&options.grants).await?;
    eprintln!("made the grants in {} s", began.elapsed().as_secs());
    let mut lines = Vec::new();
    for &kind in &options.stores {
        for line in store(kind, &minted, &options).await? {
            eprintln!("{line}");
            lines.push(line);
        }
    }
    println!("{}\n", machine::describe(folder.path())?);
    println!("{}\n\n{HEAD}", heading(&options));
    for line in &lines {
        println!("{line}");
    }
    if options.stores.contains(&StoreKind::Sqlite) {
        println!("\n{}", group_commit::table(&minted, &options).await?);
    }
    Ok(())
}

fn heading(options: &Options) -> String {
    format!(
        "{} clients at once in the process of the library, on the cores that the store's server uses too; medians of {} rounds of {} s. \
         Inserted: the keys of a grant made, its credential sealed, its three records written. Refreshes: `POST /token`. \
         Verifications: `POST /mcp` through the guard, with nothing remembered and tokens that were used before. Every grant is \
         as likely as any other. Times slower: the rate with the fewest grants divided by this one.",
        options.clients, options.rounds, options.seconds
    )
}

const HEAD: &str = "| store | live grants | inserted/s | refreshes/s | times slower | cold verifications/s | times slower | bytes per grant |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|";

/// One store with one number of grants.
struct Filled {
    place: Place,
    server: Server,
    clients: Clients,
    grants: u64,
    bytes: u64,
    /// Per second, one for each round.
    inserted: Vec<f64>,
    refreshed: Vec<f64>,
    verified: Vec<f64>,
}

impl Filled {
    async fn new(kind: StoreKind, grants: u64, minted: &Minted, options: &Options) -> Result<Self> {
        let place = Place::open(kind).await?;
        let server = Server::over(place.store(), &minted.keys, Some(&minted.client)).await?;
        let empty = place.bytes().await?;
        let began = Instant::now();
        place.fill(minted.records(grants)).await?;
        eprintln!("{kind}: filled with {grants} grants in {} s", began.elapsed().as_secs());
        let bytes = place.bytes().await?.saturating_sub(empty) / grants;
        let clients = Clients::new(options.clients, grants);
        let (inserted, refreshed, verified) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { place, server, clients, grants, bytes, inserted, refreshed, verified })
    }

    fn line(&self, fewest: &Self) -> String {
        let (refreshed, verified) = (median(&self.refreshed), median(&self.verified));
        let slower = |rates: &[f64], rate: f64| median(rates) / rate;
        format!(
            "| {} | {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.2} | {} |",
            self.place,
            self.grants,
            median(&self.inserted),
            refreshed,
            slower(&fewest.refreshed, refreshed),
            verified,
            slower(&fewest.verified, verified),
            self.bytes,
        )
    }
}

async fn store(kind: StoreKind, minted: &Minted, options: &Options) -> Result<Vec<String>> {
    let mut sizes = Vec::new();
    for &grants in &options.grants {
        sizes.push(Filled::new(kind, grants, minted, options).await?);
    }
    let mut round = async |is_counted: bool| -> Result<()> {
        for task in [Task::Verify, Task::Refresh] {
            for size in &mut sizes {
                let rate = size.clients.work(&size.server, task, options.seconds).await?;
                let rates = if task == Task::Verify { &mut size.verified } else { &mut size.refreshed };
                rates.extend(is_counted.then_some(rate));
            }
        }
        Ok(())
    };
    // The first one fills caches and opens connections.
    round(false).await?;
    for _ in 0..options.rounds {
        round(true).await?;
    }
    // Last, since there are more grants after each.
    for number in 0..u64::try_from(options.rounds)? {
        for size in &mut sizes {
            let more = (size.grants / 10).min(MOST_INSERTED);
            let first = size.grants + number * more;
            size.inserted.push(work::insert(&size.server, first..first + more, options.clients).await?);
        }
    }
    Ok(sizes.iter().map(|size| size.line(&sizes[0])).collect())
}

const MOST_INSERTED: u64 = 10_000;
