//! Servers on stdio: what a user's own process costs, and what the gateway adds to a call.
//!
//! The program and the small server of the tests, both built for release, with users of a provider that runs here.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use coatroom_e2e::upstream::Crowd;
use coatroom_e2e::{Era, Gateway, Mcp, OAuthClient, StdioServer, oauth, processes, stdio, tools};
use serde_json::json;

use crate::machine;
use crate::processes::computed;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The server: `probe`, built for release.
    #[arg(long, default_value = "target/release/probe")]
    server: PathBuf,
    /// How many users are idle at once, and how many first calls are timed.
    #[arg(long, default_value_t = 50)]
    users: usize,
    /// How many calls are timed.
    #[arg(long, default_value_t = 2000)]
    calls: usize,
    /// How long idle users are watched, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// Measures, and prints what came out.
pub(crate) async fn run(options: Options) -> Result<()> {
    ensure!(options.users > 0 && options.calls > 0, "there is nothing to measure");
    let server = fs::canonicalize(&options.server).context("the server is not built")?;
    let server = server.to_str().context("the server's path is not UTF-8")?;
    let site = Site::start(server, options.users).await;
    let idle_before = site.gateway.resident_kib();
    let first = site.first_calls(server).await;
    let idle = site.idle(server, idle_before, Duration::from_secs_f64(options.seconds)).await;
    let calls = site.calls(server, options.calls).await;
    let folder = tempfile::tempdir()?;
    println!("{}\n\n| what | figure |\n|---|---:|", machine::describe(folder.path())?);
    for (what, figure) in first.into_iter().chain(idle).chain(calls) {
        println!("| {what} | {figure} |");
    }
    Ok(())
}

type Row = (String, String);

/// The gateway in front of the server, and users who have signed in and not called yet.
struct Site {
    gateway: Gateway,
    users: Vec<Mcp>,
    /// What every process of a user has in its environment.
    mark: String,
}

impl Site {
    async fn start(server: &str, users: usize) -> Self {
        let crowd = Crowd::start(users, None).await;
        let (port, mark) = (tools::free_port(), format!("mark-{}", oauth::random()));
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"memory:\"\n{}\n\
             [processes]\nin_all = {}\n[servers.probe]\npath = \"/mcp\"\nprovider = \"crowd\"\ncommand = [\"{server}\"]\n\
             read = [\"{server}\"]\nidle = \"1h\"\nenv.TOKEN = \"{{crowd.access_token}}\"\nenv.MARK = \"{mark}\"\n\
             env.PROBE_REVISION = \"2026-07-28\"\n",
            crowd.configuration(),
            users + 1,
        );
        let gateway = Gateway::serve_with(port, &configuration, &[("COATROOM_LOG", "warn")]).await;
        let client = OAuthClient::connect(&gateway.mcp_url()).await;
        let mut signed_in = Vec::new();
        for number in 0..users {
            let tokens = client.sign_in(&Crowd::name(number)).await;
            let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access);
            // The connection is not what is measured.
            mcp.notify("notifications/cancelled", json!({})).await;
            signed_in.push(mcp);
        }
        Self { gateway, users: signed_in, mark }
    }

    /// From each user's first call to its answer, and the same with a server that is started by hand.
    async fn first_calls(&self, server: &str) -> Vec<Row> {
        let (mut through, mut by_hand) = (Vec::new(), Vec::new());
        for user in &self.users {
            let began = Instant::now();
            assert!(user.call("count", json!({})).await.text().contains("\"asked\":1"));
            through.push(began.elapsed());
            let began = Instant::now();
            started(server).await;
            by_hand.push(began.elapsed());
        }
        let (through, by_hand) = (median(&mut through), median(&mut by_hand));
        vec![
            row("first answer, server started by hand", by_hand),
            row("first answer, through the gateway", through),
            row("added to a start", through.saturating_sub(by_hand)),
        ]
    }

    /// What users cost who do nothing.
    async fn idle(&self, server: &str, before: u64, time: Duration) -> Vec<Row> {
        let all = processes::descendants(self.gateway.id());
        let own = processes::of(server, &self.mark);
        let users = self.users.len() as u64;
        let private =
            |of: &[u32]| of.iter().map(|process| processes::private_kib(*process)).sum::<u64>() / users;
        let (whole, servers) = (private(&all), private(&own));
        let grown = self.gateway.resident_kib().saturating_sub(before) / users;
        let began = computed(self.gateway.id());
        tokio::time::sleep(time).await;
        let spent = computed(self.gateway.id()).saturating_sub(began).div_f64(time.as_secs_f64());
        let spent = spent / u32::try_from(users).unwrap_or(u32::MAX);
        vec![
            ("processes of an idle user".to_owned(), (all.len() / self.users.len()).to_string()),
            ("their private memory".to_owned(), format!("{whole} KiB")),
            ("of that, the server itself".to_owned(), format!("{servers} KiB")),
            ("memory of the gateway for a user".to_owned(), format!("{grown} KiB")),
            (
                "computing of an idle user in a second, with the gateway's share".to_owned(),
                format!("{spent:?}"),
            ),
        ]
    }

    /// Calls one after the other of one user, and the same calls directly.
    async fn calls(&self, server: &str, calls: usize) -> Vec<Row> {
        let user = &self.users[0];
        let mut direct = started(server).await;
        let (mut through, mut by_hand, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        let http = oauth::http();
        let keys = format!("{}/jwks.json", self.gateway.origin());
        for _ in 0..calls {
            let began = Instant::now();
            user.call("count", json!({})).await;
            through.push(began.elapsed());
            let began = Instant::now();
            direct.call("count", json!({})).await;
            by_hand.push(began.elapsed());
            let began = Instant::now();
            let _ = http.get(&keys).send().await.expect("an answer").bytes().await;
            floor.push(began.elapsed());
        }
        let (through, by_hand, floor) = (median(&mut through), median(&mut by_hand), median(&mut floor));
        vec![
            row("a call, on stdio directly", by_hand),
            row("a call, through the gateway", through),
            row("added to a call", through.saturating_sub(by_hand)),
            row("of that, HTTP: a document of the gateway", floor),
        ]
    }
}

/// A server that was started by hand, and has answered.
async fn started(server: &str) -> StdioServer {
    let mut direct = StdioServer::start(&[server], &[("PROBE_REVISION", "2026-07-28"), ("TOKEN", "by-hand")]);
    assert!(stdio::text(&direct.call("count", json!({})).await).contains("by-hand"));
    direct
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn row(what: &str, time: Duration) -> Row {
    (what.to_owned(), format!("{:.3} ms", time.as_secs_f64() * 1000.0))
}
