//! Open event streams: what the gateway holds for each, how soon an event passes, what slow readers cost, and how streams end.
//!
//! The program, built for release, before a server of this process. Users and their tokens are written into its store.

mod client;
mod site;
mod upstream;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Args;
use futures_util::future::{join_all, try_join_all};
use tokio::task::JoinSet;

use self::client::{Clients, EventStream, Wire};
use self::site::Site;
use crate::machine;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Streams over HTTP/1.1, to the gateway and from it.
    #[arg(long, default_value_t = 8000)]
    http1: usize,
    /// Streams over HTTP/2, to the gateway and from it.
    #[arg(long, default_value_t = 10_000)]
    http2: usize,
    /// Whose streams these are.
    #[arg(long, default_value_t = 1000)]
    users: usize,
    /// How many events are timed.
    #[arg(long, default_value_t = 2000)]
    events: usize,
    /// How many readers do not read.
    #[arg(long, default_value_t = 200)]
    slow: usize,
    /// How many tokens are remembered at once.
    #[arg(long, default_value_t = 50_000)]
    tokens: usize,
}

/// Measures, and prints what came out.
pub(crate) async fn run(options: Options) -> Result<()> {
    let most = options.http1.max(options.http2);
    ensure!(options.users > 0 && options.events > 0, "there is nothing to measure");
    machine::allow_open_files(u64::try_from(2 * most)? + 500);
    let folder = tempfile::tempdir()?;
    println!("{}\n\n| what | HTTP/1.1 | HTTP/2 |\n|---|---:|---:|", machine::describe(folder.path())?);
    let http1 = measured(Wire::Http1, options.http1, &options).await?;
    let http2 = measured(Wire::Http2, options.http2, &options).await?;
    for ((what, over_http1), (_, over_http2)) in http1.iter().zip(&http2) {
        println!("| {what} | {over_http1} | {over_http2} |");
    }
    if options.tokens > 0 {
        let (each, most) = remembered(options.tokens).await?;
        println!("\n{:.2} KiB for each of {most} remembered tokens", each / 1024.0);
    }
    Ok(())
}

type Rows = Vec<(&'static str, String)>;

async fn measured(wire: Wire, streams: usize, options: &Options) -> Result<Rows> {
    let server = if wire == Wire::Http2 { "http2 = true" } else { "" };
    let more = format!("[limits]\nconnections = {}\n", streams + 1000);
    let mut site = Site::start(options.users, server, &more).await?;
    let mut rows = vec![("streams", streams.to_string()), ("users", options.users.to_string())];
    let (direct, _) = latency(&mut directly(wire, &site).await?, &site, options.events).await?;
    site.upstream.forget();

    // What the program holds anyway, once it has worked.
    let mut clients = through(wire, &site);
    drop(open(&mut clients, &site, 100.min(streams)).await?);
    settle(&site, 0).await?;
    let idle = site.held();
    let began = Instant::now();
    let mut opened = open(&mut clients, &site, streams).await?;
    rows.push(("opened in a second", format!("{:.0}", per(streams, began.elapsed().as_secs_f64()))));
    let each = (site.held() - idle) / quotient(streams);
    rows.push(("memory for each open stream", format!("{:.1} KiB", each / 1024.0)));

    let (median, p99) = latency(&mut opened[..1], &site, options.events).await?;
    rows.push(("an event, directly, median", ms(direct)));
    rows.push(("an event, through the gateway, median", ms(median)));
    rows.push(("added, median", ms(median.saturating_sub(direct))));
    rows.push(("an event, through the gateway, p99", ms(p99)));

    let (all, took) = everybody(&mut opened, &site).await?;
    rows.push(("streams that got every event", format!("{all} of {streams}")));
    rows.push(("from one event to everybody to the last one's arrival", ms(took)));
    let each = (site.held() - idle) / quotient(streams);
    rows.push(("memory for each stream, once used", format!("{:.1} KiB", each / 1024.0)));

    let before = site.held();
    let slow = options.slow.min(streams);
    let said = flood(&site, slow).await?;
    let each = (site.held() - before) / quotient(slow);
    rows.push(("a reader that does not read: taken of the server", format!("{:.0} KiB", said / 1024.0)));
    rows.push(("a reader that does not read: held by the gateway", format!("{:.0} KiB", each / 1024.0)));

    let (clean, took) = shutdown(&mut site, opened).await?;
    rows.push(("streams that ended cleanly at shutdown", format!("{clean} of {streams}")));
    rows.push(("from SIGTERM to the end of the program", ms(took)));
    Ok(rows)
}

fn through(wire: Wire, site: &Site) -> Clients {
    let (address, host) = site.gateway.place();
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default();
    Clients::new(wire, port, &host)
}

/// One stream without the gateway.
async fn directly(wire: Wire, site: &Site) -> Result<[EventStream; 1]> {
    let port = site.upstream.port();
    Ok([Clients::new(wire, port, &format!("127.0.0.1:{port}")).open("nobody", 0).await?])
}

/// Opens so many streams, some at a time.
async fn open(clients: &mut Clients, site: &Site, streams: usize) -> Result<Vec<EventStream>> {
    let mut opened = Vec::with_capacity(streams);
    for number in 0..streams {
        let stream = clients.open(site.token(number), number).await;
        opened.push(stream.with_context(|| format!("stream {number}:\n{}", site.gateway.log()))?);
    }
    settle(site, streams).await?;
    Ok(opened)
}

/// Waits until the server has so many streams.
async fn settle(site: &Site, streams: usize) -> Result<()> {
    for _ in 0..100 {
        if site.upstream.open() == streams {
            tokio::time::sleep(Duration::from_millis(500)).await;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the server has {} streams, not {streams}", site.upstream.open())
}

/// How long one event after the other takes in the first of the streams: median and 99th percentile.
async fn latency(streams: &mut [EventStream], site: &Site, events: usize) -> Result<(Duration, Duration)> {
    let stream = streams.first_mut().context("there is no stream")?;
    let mut took = Vec::with_capacity(events);
    for number in 0..events {
        let said = Instant::now();
        site.upstream.say(0, event(number)).await?;
        let (piece, came) = stream.soon().await?;
        ensure!(piece == event(number), "another event came");
        took.push(came.duration_since(said));
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    took.sort();
    Ok((took[took.len() / 2], took[took.len() * 99 / 100]))
}

/// Says three things to everybody: how many heard all of it, and how long the last event took at the most.
async fn everybody(streams: &mut [EventStream], site: &Site) -> Result<(usize, Duration)> {
    let count = streams.len();
    let listening = streams.iter_mut().map(async |stream| {
        let mut heard = Vec::new();
        let whole: usize = (0..3).map(|number| event(number).len()).sum();
        while heard.len() < whole {
            heard.extend_from_slice(&stream.soon().await?.0);
        }
        let all = [event(0), event(1), event(2)].concat();
        anyhow::Ok((heard == all, Instant::now()))
    });
    let speaking = async {
        let mut began = Instant::now();
        for number in 0..3 {
            began = Instant::now();
            try_join_all((0..count).map(|stream| site.upstream.say(stream, event(number)))).await?;
        }
        anyhow::Ok(began)
    };
    let (heard, began) = tokio::join!(join_all(listening), speaking);
    let (began, heard) = (began?, heard.into_iter().filter_map(Result::ok).collect::<Vec<_>>());
    let last = heard.iter().map(|(_, at)| *at).max().unwrap_or(began);
    Ok((heard.iter().filter(|(all, _)| *all).count(), last.saturating_duration_since(began)))
}

/// Says as much as is taken to the first of the streams, which nobody reads: how many bytes that is for each.
async fn flood(site: &Site, streams: usize) -> Result<f64> {
    let piece = Bytes::from(format!("data: {}\n\n", "x".repeat(PIECE)));
    let mut said = 0;
    let mut last = Instant::now();
    let began = Instant::now();
    while last.elapsed() < Duration::from_secs(2) && began.elapsed() < Duration::from_mins(1) {
        for stream in 0..streams {
            while site.upstream.try_say(stream, piece.clone())? {
                said += piece.len();
                last = Instant::now();
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ensure!(began.elapsed() < Duration::from_mins(1), "a server may say more than anybody reads");
    Ok(quotient(said) / quotient(streams))
}

/// Asks the gateway to stop: how many streams ended as streams should, and how long it took.
async fn shutdown(site: &mut Site, streams: Vec<EventStream>) -> Result<(usize, Duration)> {
    let mut reading = JoinSet::new();
    for mut stream in streams {
        reading.spawn(async move {
            while stream.next().await?.is_some() {}
            anyhow::Ok(())
        });
    }
    let took = site.gateway.stop().await;
    let ended = reading.join_all().await;
    if let Some(Err(error)) = ended.iter().find(|ended| ended.is_err()) {
        println!("one stream: {error:#}");
    }
    Ok((ended.iter().filter(|ended| ended.is_ok()).count(), took))
}

/// What each of so many tokens costs that are remembered at once, in bytes; and how many they are.
async fn remembered(tokens: usize) -> Result<(f64, usize)> {
    let site = Site::start(tokens, "", "[lifetimes]\nremembered_token = \"1min\"\n").await?;
    let (first, others) = (tokens / 10, tokens - tokens / 10);
    let mut clients = through(Wire::Http2, &site);
    // The store's own memory and the pools are full then.
    for _ in 0..2 {
        for token in 0..first {
            ensure!(clients.ping(site.token(token)).await? == 200, "a call failed");
        }
    }
    let before = site.held();
    for token in first..tokens {
        ensure!(clients.ping(site.token(token)).await? == 200, "a call failed");
    }
    Ok(((site.held() - before) / quotient(others), others))
}

fn event(number: usize) -> Bytes {
    Bytes::from(format!(
        "event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{number:06}\"}}\n\n"
    ))
}

#[expect(clippy::cast_precision_loss, reason = "figures of this size are exact")]
fn quotient(count: usize) -> f64 {
    count.max(1) as f64
}

fn per(count: usize, seconds: f64) -> f64 {
    quotient(count) / seconds
}

fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

/// In bytes.
const PIECE: usize = 4096;
