//! Several processes over one SQLite file: whichever of them a client reaches, they are one server.

use std::time::Duration;

use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use coatroom_e2e::{Answer, Era, FormBrowser, Gateway, Mcp, OAuthClient, TokenAnswer, oauth, tools};
use futures_util::future::join_all;
use serde_json::json;

use crate::upstreams::configuration;

/// Three processes, the last two beside the first.
async fn three(github: &GitHub, echo: &EchoServer) -> Vec<Gateway> {
    let port = tools::free_port();
    let first = Gateway::serve_at(port, &configuration(port, echo, "github", &github.configuration())).await;
    let second = first.beside(tools::free_port()).await;
    let third = first.beside(tools::free_port()).await;
    vec![first, second, third]
}

/// Sends the same form to the token endpoint of each process `times` times, at once.
async fn everywhere(processes: &[Gateway], times: usize, form: &[(&str, &str)]) -> Vec<TokenAnswer> {
    let http = oauth::http();
    let post = async |process: &Gateway| {
        let (place, host) = process.place();
        let request = http.post(format!("{place}/token")).header("host", host).form(form);
        TokenAnswer::read(request.send().await.unwrap()).await
    };
    join_all(processes.iter().cycle().take(times * processes.len()).map(post)).await
}

/// The status of a call at one of the processes.
async fn status(process: &Gateway, token: &str) -> u16 {
    let (place, host) = process.place();
    let mcp = Mcp::without_handshake(&format!("{place}/mcp"), Era::Legacy, token);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let request = mcp.post(&call).header("host", host).header("mcp-protocol-version", "2025-06-18");
    Answer::read(request.send().await.unwrap()).await.status.as_u16()
}

async fn code(client: &OAuthClient) -> (String, String) {
    let pending = client.start(None);
    FormBrowser::new().approve(&pending.url, "Alice").await;
    let callback = client.callback(&pending).await;
    (callback.get("code").unwrap().to_owned(), pending.verifier)
}

#[tokio::test]
async fn processes_that_share_a_file_redeem_a_code_once_and_agree_on_every_refresh() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let processes = three(&github, &echo).await;
    let client = OAuthClient::connect(&processes[0].mcp_url()).await;
    for round in 0..5 {
        let (code, verifier) = code(&client).await;
        let redeem = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("code_verifier", verifier.as_str()),
            ("client_id", client.id()),
        ];
        let answers = everywhere(&processes, 4, &redeem).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "round {round}");
        assert!(answers.iter().all(|answer| answer.status == 200 || answer.error() == "invalid_grant"));
    }

    let (code, verifier) = code(&client).await;
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", verifier.as_str()),
        ("client_id", client.id()),
    ];
    let mut tokens = everywhere(&processes[..1], 1, &redeem).await[0].tokens();
    for round in 0..5 {
        let presented = tokens.refresh.clone();
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", presented.as_str()),
            ("client_id", client.id()),
        ];
        let answers: Vec<_> =
            everywhere(&processes, 4, &refresh).await.iter().map(TokenAnswer::tokens).collect();
        tokens = answers[0].clone();
        for answer in &answers {
            assert_eq!((&answer.refresh, &answer.access), (&tokens.refresh, &tokens.access), "round {round}");
        }
        for process in &processes {
            assert_eq!(status(process, &tokens.access).await, 200);
        }
    }

    assert_eq!(client.revoke(&tokens.access).await.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for process in &processes {
        assert_eq!(status(process, &tokens.access).await, 401, "felt everywhere within a second");
    }
}
