//! Figures: `cargo run --release -p coatroom-bench -- stores`. One file for each subject; docs/benchmarks.md has what came out.

mod machine;
mod stdio;
mod stores;

use clap::Parser;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
enum Subject {
    /// What each store does with few and with many live grants, and what committing together is worth.
    Stores(stores::Options),
    /// What a user's own process of a server on stdio costs.
    Stdio(stdio::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Subject::parse() {
        Subject::Stores(options) => stores::run(options).await,
        Subject::Stdio(options) => stdio::run(options).await,
    }
}
