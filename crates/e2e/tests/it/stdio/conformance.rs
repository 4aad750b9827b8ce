//! The official conformance suite against the reference server over its own HTTP transport, and against the same server on stdio
//! behind the gateway: the same verdicts, or better.

use coatroom_e2e::conformance::{self, Verdicts};
use coatroom_e2e::token_proxy::BEHIND;
use coatroom_e2e::upstream::{EverythingServer, GitHub, GitHubApp, RoutingHeaders};
use coatroom_e2e::{Gateway, OAuthClient, TokenProxy, tools};

use super::EVERYTHING;

/// Checks that are not made behind the gateway, and why. None of them is failed.
const NOT_MADE: &[(&str, &str)] = &[
    (
        "server-sse-multiple-streams/server-sse-streams-functional",
        "an answer before which nothing was said is JSON, not a stream",
    ),
    (
        "server-sse-polling/",
        "the tool ends the stream on which its answer is awaited, and a server on stdio has none",
    ),
];

struct Chain {
    direct: String,
    bridged: String,
    _gateway: Gateway,
}

impl Chain {
    /// `mode` says which revisions the server on stdio speaks.
    async fn start(mode: &str) -> Self {
        let everything = EverythingServer::start(RoutingHeaders::Compared).await;
        let github = GitHub::start(GitHubApp::OAuth).await;
        let port = tools::free_port();
        let proxy = TokenProxy::start(port).await;
        // The suite opens many sessions, and ends few of them.
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"{BEHIND}:{port}\"\nstore = \"memory:\"\n\n{}\n\
             [processes]\nper_user = 200\n\n\
             [servers.everything]\npath = \"/mcp\"\ncommand = [\"{EVERYTHING}\", \"{mode}\"]\nread = [\"{EVERYTHING}\"]\nprovider = \"github\"\n",
            github.configuration(),
        );
        let gateway = Gateway::serve_at(port, &configuration).await;
        let client = OAuthClient::connect(&gateway.mcp_url()).await;
        proxy.add(&client.sign_in("Alice").await.access);
        Self { direct: everything.url, bridged: gateway.mcp_url(), _gateway: gateway }
    }
}

/// Runs the suite both ways, and compares check by check.
async fn the_bridge_changes_no_verdict(mode: &str, options: &[&str]) {
    let chain = Chain::start(mode).await;
    let direct = conformance::server(&chain.direct, options).await;
    let bridged = conformance::server(&chain.bridged, options).await;
    let worse = worse(&direct.found.verdicts, &bridged.found.verdicts);
    let count: usize = bridged.found.verdicts.values().map(Vec::len).sum();
    println!("{mode} {options:?}: {count} checks; as they are not passed: {:#?}", bridged.found.failures);
    assert!(worse.is_empty(), "{worse:#?} of {:#?}", bridged.found.failures);
}

/// What the server itself passes, and not behind the gateway.
fn worse(direct: &Verdicts, bridged: &Verdicts) -> Vec<String> {
    let passes = |verdicts: &[String]| verdicts.iter().all(|verdict| verdict == "SUCCESS");
    let is_worse = |(check, verdicts): &(&(String, String, String), &Vec<String>)| {
        let (scenario, id, _) = check;
        let name = format!("{scenario}/{id}");
        match bridged.get(*check) {
            Some(found) => passes(verdicts) && !passes(found),
            None => passes(verdicts) && !NOT_MADE.iter().any(|(known, _)| name.starts_with(known)),
        }
    };
    let worse = direct.iter().filter(is_worse);
    worse.map(|((scenario, id, check), _)| format!("{scenario}/{id}: {check}")).collect()
}

#[tokio::test]
async fn the_revision_2025_06_18_is_the_same_before_a_server_on_stdio() {
    the_bridge_changes_no_verdict("all", &["--spec-version", "2025-06-18"]).await;
}

#[tokio::test]
async fn the_revision_2025_11_25_is_the_same_before_a_server_on_stdio() {
    the_bridge_changes_no_verdict("all", &["--requirements", "2025-11-25"]).await;
}

#[tokio::test]
async fn the_revision_2026_07_28_is_the_same_before_a_server_on_stdio() {
    the_bridge_changes_no_verdict("all", &["--requirements", "2026-07-28"]).await;
}

#[tokio::test]
async fn the_revision_2025_11_25_is_the_same_before_a_server_that_is_older() {
    the_bridge_changes_no_verdict("legacy", &["--requirements", "2025-11-25"]).await;
}

#[tokio::test]
async fn the_revision_2026_07_28_is_the_same_before_a_server_that_speaks_nothing_else() {
    the_bridge_changes_no_verdict("modern", &["--requirements", "2026-07-28"]).await;
}
