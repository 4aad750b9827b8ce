//! Figures: `cargo run --release -p coatroom-bench -- stores`. One file for each subject; docs/benchmarks.md has what came out.

mod calls;
mod machine;
mod nginx;
mod peers;
mod processes;
mod program;
mod served;
mod stdio;
mod stores;
mod streams;
mod tokens;

use clap::Parser;
use tokio::task::LocalSet;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
enum Subject {
    /// One call of a tool, through the program, through others, and directly.
    Calls(calls::Options),
    /// What each store does with few and with many live grants, and what committing together is worth.
    Stores(stores::Options),
    /// What a user's own process of a server on stdio costs.
    Stdio(stdio::Options),
    /// What open event streams cost, how soon events pass, and how streams end.
    Streams(streams::Options),
    /// Refreshes and code grants, of the program and of others.
    Tokens(tokens::Options),
    /// What SQLite does by itself, a row of `tokens`.
    #[command(hide = true)]
    Rotations(tokens::AloneOptions),
    /// The server behind the contenders of `calls`.
    #[command(hide = true)]
    Upstream,
    /// A minimal proxy, a contender of `calls`.
    #[command(hide = true)]
    Floor(calls::FloorOptions),
}

fn main() -> anyhow::Result<()> {
    let subject = Subject::parse();
    match subject {
        Subject::Calls(_) | Subject::Streams(_) | Subject::Tokens(_) => {
            program::name_or_build(&["coatroom-gateway"])?;
        }
        // With the server that it runs.
        Subject::Stdio(_) => program::name_or_build(&["coatroom-gateway", "coatroom-e2e"])?,
        Subject::Stores(_) | Subject::Rotations(_) | Subject::Upstream | Subject::Floor(_) => {}
    }
    // The server of `calls` shares its core with the load.
    let one_thread = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let all_threads = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match subject {
        Subject::Calls(options) => all_threads()?.block_on(calls::run(options)),
        Subject::Stores(options) => all_threads()?.block_on(stores::run(options)),
        Subject::Stdio(options) => all_threads()?.block_on(stdio::run(options)),
        Subject::Streams(options) => all_threads()?.block_on(streams::run(options)),
        Subject::Tokens(options) => LocalSet::new().block_on(&one_thread()?, tokens::run(options)),
        Subject::Rotations(options) => tokens::run_alone(&options),
        Subject::Upstream => LocalSet::new().block_on(&one_thread()?, calls::run_upstream()),
        Subject::Floor(options) => all_threads()?.block_on(calls::run_floor(options)),
    }
}
