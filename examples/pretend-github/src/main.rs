//! Serves the pretended GitHub, and prints what to tell an example about it.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use pretend_github::{GitHub, GitHubApp};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A server shaped like GitHub with two people, Alice and Bob. It is no GitHub, and keeps nothing.
#[derive(Debug, Parser)]
struct Options {
    /// The loopback address to listen on.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// After how many seconds tokens are to be renewed, as those of GitHub Apps are. Without it they never end.
    #[arg(long, value_name = "SECONDS")]
    expires: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(Options { listen, expires }: Options) -> io::Result<()> {
    if !listen.ip().is_loopback() {
        return Err(io::Error::other(format!(
            "{listen} is no loopback address: whoever can reach this server can be Alice"
        )));
    }
    let listener = TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {listen} ({error}); try --listen 127.0.0.1:PORT"),
        )
    })?;
    let app = expires.map_or(GitHubApp::OAuth, GitHubApp::Expiring);
    let github = GitHub::serve(listener, "localhost", app, |_| {})?;
    welcome(&github);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "a program for people at a terminal")]
fn welcome(github: &GitHub) {
    println!("Pretend GitHub is at {}. In the terminal of the example:\n", github.origin);
    for (name, value) in github.variables() {
        println!("export {name}={value}");
    }
    println!(
        "\nThese are the same the next time. Tokens of Alice and Bob end with this program: afterwards they sign in once\n\
         more. Ctrl-C stops it."
    );
}

#[expect(clippy::print_stderr, reason = "a program for people at a terminal")]
fn complain(error: &io::Error) {
    eprintln!("pretend-github: {error}");
}
