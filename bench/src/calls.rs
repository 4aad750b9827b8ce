//! One call of a tool, over and over: what each contender adds to the server behind it.
//!
//! The contender has a core to itself; load and server share another one. Their rounds alternate, so that whatever else the machine does
//! meets all of them alike.

mod contender;
mod floor;
mod load;
mod nginx;
mod upstream;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use self::contender::{Contender, Running};
pub(crate) use self::floor::Options as FloorOptions;
pub(crate) use self::floor::run as run_floor;
use self::load::{Load, Measured};
pub(crate) use self::upstream::run as run_upstream;
use crate::machine;
use crate::processes::{self, LOAD_CORE};

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Which contenders. The ratios are to nginx as a plain proxy, if it is one of them, and to the floor.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "direct,nginx,nginx-auth,hyper,floor,coatroom,coatroom-jwt,coatroom-jwt-new,typescript-sdk,fastmcp,fastmcp-tuned,mcp-use"
    )]
    contenders: Vec<Contender>,
    /// How often each figure is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a round takes, in seconds.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// How many connections call at once, each for another user.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How large the arguments of a call are, in bytes.
    #[arg(long, default_value_t = 400)]
    body: usize,
}

/// Measures, and prints what came out.
pub(crate) async fn run(options: Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.connections > 0, "there is nothing to measure");
    let machine = machine::describe(tempfile::tempdir()?.path())?;
    processes::stay_on(LOAD_CORE)?;
    let upstream = upstream::start()?;
    let mut running = Vec::new();
    for contender in &options.contenders {
        let started = Running::start(*contender, &upstream, options.connections).await?;
        running.push(Line { running: started, many: Vec::new(), one: Vec::new() });
    }
    let time = Duration::from_secs_f64(options.seconds);
    for round in 0..=options.rounds {
        for line in &mut running {
            // What contenders say meanwhile is read by the other threads, or they would wait for that.
            let (many, one) = tokio::task::block_in_place(|| {
                let many = line.round(&options, options.connections, time)?;
                anyhow::Ok((many, line.round(&options, 1, time / 2)?))
            })?;
            // The first round fills caches and opens connections.
            if round > 0 {
                line.many.push(many);
                line.one.push(one);
            }
        }
        eprintln!("round {round} of {} is done", options.rounds);
    }
    println!("{machine}\n");
    print(&options, &running);
    Ok(())
}

/// One contender, and what it did in each round.
struct Line {
    running: Running,
    many: Vec<Measured>,
    one: Vec<Measured>,
}

impl Line {
    fn round(&self, options: &Options, connections: usize, time: Duration) -> Result<Measured> {
        let callers = &self.running.callers[..connections];
        let Running { address, path, in_turn, process, .. } = &self.running;
        Load { address: *address, path, callers, in_turn, argument: options.body }.run(time, *process)
    }

    fn median(&self, of: impl Fn(&Measured) -> f64, one: bool) -> f64 {
        machine::median(&(if one { &self.one } else { &self.many }).iter().map(of).collect::<Vec<_>>())
    }
}

fn print(options: &Options, lines: &[Line]) {
    println!("{HEAD}");
    let of = |contender| lines.iter().find(|line| line.running.contender == contender);
    let (nginx, floor) = (of(Contender::Nginx), of(Contender::Floor));
    let direct = of(Contender::Direct).map(|line| line.median(|it| it.p50, true));
    for line in lines {
        let (rate, cpu) = (line.median(Measured::rate, false), line.median(Measured::cpu, false));
        let ratio = |mine: f64, of: Option<&Line>, what: fn(&Measured) -> f64| {
            of.map_or("–".to_owned(), |of| format!("{:.2}", mine / of.median(what, false)))
        };
        let p50 = line.median(|it| it.p50, true);
        println!(
            "| {} | {:.0} | {} | {:.3} | {} | {} | {:.2} | {:.2} | {} | {:.0} | {} |",
            line.running.contender,
            rate,
            ratio(rate, nginx, Measured::rate),
            cpu,
            if cpu > 0.0 { ratio(cpu, nginx, Measured::cpu) } else { "–".to_owned() },
            if cpu > 0.0 { ratio(cpu, floor, Measured::cpu) } else { "–".to_owned() },
            line.median(|it| it.p50, false) / 1000.0,
            line.median(|it| it.p99, false) / 1000.0,
            ratio(line.median(|it| it.p99, false), nginx, |it| it.p99),
            p50,
            direct.map_or("–".to_owned(), |direct| format!("{:.0}", p50 - direct)),
        );
    }
    println!(
        "\nMedians of {} rounds of {} s with {} connections, and of half as long with one; arguments of {} bytes.",
        options.rounds, options.seconds, options.connections, options.body
    );
}

const HEAD: &str = "| contender | requests/s | ÷ nginx | CPU s per 10,000 | ÷ nginx | ÷ floor | p50 ms | p99 ms | p99 ÷ nginx | one connection: p50 µs | added µs |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";
