//! The official conformance suite: against an MCP server of ours, and against the same server behind the gateway.
//!
//! The suite has no scenario about tokens. Behind the gateway a proxy adds a real one, and every verdict must be what it is
//! without the gateway.

use coatroom_e2e::conformance::{self, Verdicts};
use coatroom_e2e::token_proxy::BEHIND;
use coatroom_e2e::upstream::{EverythingServer, GitHub, GitHubApp, RoutingHeaders};
use coatroom_e2e::{Gateway, OAuthClient, TokenProxy, tools};

/// The suite's fixture server, and the way to it through the gateway.
struct Chain {
    direct: String,
    guarded: String,
    _gateway: Gateway,
}

impl Chain {
    async fn start(headers: RoutingHeaders) -> Self {
        let everything = EverythingServer::start(headers).await;
        let github = GitHub::start(GitHubApp::OAuth).await;
        let port = tools::free_port();
        let proxy = TokenProxy::start(port).await;
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"{BEHIND}:{port}\"\nstore = \"memory:\"\n\n{}\n\
             [servers.everything]\npath = \"/mcp\"\nupstream = \"{}\"\nprovider = \"github\"\n",
            github.configuration(),
            everything.url
        );
        let gateway = Gateway::serve_at(port, &configuration).await;
        let client = OAuthClient::connect(&gateway.mcp_url()).await;
        proxy.add(&client.sign_in("Alice").await.access);
        Self { direct: everything.url, guarded: gateway.mcp_url(), _gateway: gateway }
    }
}

/// Runs the suite without and with the gateway; both must pass, with the same verdicts.
async fn the_gateway_changes_no_verdict(options: &[&str], least: usize) {
    let chain = Chain::start(RoutingHeaders::Compared).await;
    let (direct, guarded) = tokio::join!(
        conformance::server(&chain.direct, options),
        conformance::server(&chain.guarded, options)
    );
    let checks: usize = direct.found.verdicts.values().map(Vec::len).sum();
    println!("{options:?}: {checks} checks");
    assert!(direct.passed, "the fixture server itself fails: {}\n{:#?}", direct.said, direct.found.failures);
    assert!(checks >= least, "{checks} checks ran");
    let differing: Vec<_> = direct
        .found
        .verdicts
        .keys()
        .chain(guarded.found.verdicts.keys())
        .filter(|check| direct.found.verdicts.get(*check) != guarded.found.verdicts.get(*check))
        .collect();
    assert!(differing.is_empty(), "{differing:#?} of {:#?}", guarded.found.failures);
    assert!(guarded.passed, "{}", guarded.said);
}

#[tokio::test]
async fn the_revision_2025_03_26_is_the_same_through_the_gateway() {
    the_gateway_changes_no_verdict(&["--spec-version", "2025-03-26"], 3).await;
}

#[tokio::test]
async fn the_revision_2025_06_18_is_the_same_through_the_gateway() {
    the_gateway_changes_no_verdict(&["--spec-version", "2025-06-18"], 56).await;
}

#[tokio::test]
async fn the_revision_2025_11_25_is_the_same_through_the_gateway() {
    the_gateway_changes_no_verdict(&["--requirements", "2025-11-25"], 84).await;
}

#[tokio::test]
async fn the_revision_2026_07_28_is_the_same_through_the_gateway() {
    the_gateway_changes_no_verdict(&["--requirements", "2026-07-28"], 150).await;
}

/// Runs a scenario about routing headers against a server that ignores them, behind the gateway.
async fn the_gateway_makes_up_for_a_server_that_ignores_headers(scenario: &str, checks: usize) {
    let chain = Chain::start(RoutingHeaders::Ignored).await;
    let options = ["--scenario", scenario, "--spec-version", "2026-07-28"];
    let (direct, guarded) = tokio::join!(
        conformance::server(&chain.direct, &options),
        conformance::server(&chain.guarded, &options)
    );
    assert!(!direct.passed, "the server ignores the headers: {}", direct.said);
    let passed =
        |verdicts: &Verdicts| verdicts.values().flatten().filter(|verdict| *verdict == "SUCCESS").count();
    let all: usize = guarded.found.verdicts.values().map(Vec::len).sum();
    assert_eq!((passed(&guarded.found.verdicts), all), (checks, checks), "{:#?}", guarded.found.failures);
}

#[tokio::test]
async fn headers_that_name_method_and_tool_are_compared_for_a_server_that_ignores_them() {
    the_gateway_makes_up_for_a_server_that_ignores_headers("http-header-validation", 14).await;
}

#[tokio::test]
async fn headers_that_repeat_arguments_are_compared_for_a_server_that_ignores_them() {
    the_gateway_makes_up_for_a_server_that_ignores_headers("http-custom-header-server-validation", 10).await;
}
