//! What passes between a client and the MCP server behind the gateway, in both directions.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use coatroom_e2e::{Answer, Era, Gateway, Mcp, OAuthClient, tools};
use futures_util::StreamExt;
use serde_json::{Value, json};

/// A gateway whose server has rules, before an upstream that lists more than anybody may use.
async fn ruled(echo: &EchoServer, github: &GitHub, settings: &str) -> Gateway {
    let port = tools::free_port();
    let text = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
         keys_file = \"{{data}}/keys.toml\"\n\n{}\n[servers.echo]\nupstream = \"{}\"\n{settings}\n\
         [servers.echo.scopes]\nread = {{ default = true }}\nwrite = {{ implies = [\"read\"] }}\n\
         [servers.echo.tools]\n\"create_*\" = {{ scopes = [\"write\"] }}\ndrop = {{ deny = true }}\n",
        github.configuration(),
        echo.url
    );
    Gateway::serve_at(port, &text).await
}

/// The names that a list shows, in JSON and in an event stream alike, and its cache scope.
async fn listed(gateway: &Gateway, token: Option<&str>, era: Era) -> (String, Value) {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let params = if era == Era::Modern { json!({"_meta": meta}) } else { json!({}) };
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params});
    let mut seen = Vec::new();
    for form in ["json", "stream"] {
        let mut request = http()
            .post(gateway.mcp_url())
            .header("accept", "application/json, text/event-stream")
            .header("x-answer", form)
            .json(&body);
        if era == Era::Modern {
            request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let result = &answer.body["result"];
        let names: Vec<&str> =
            result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        seen.push((names.join(" "), result["cacheScope"].clone()));
    }
    assert_eq!(seen[0], seen[1], "a stream shows what JSON shows");
    seen.swap_remove(0)
}

#[tokio::test]
async fn each_user_sees_what_they_may_use_and_no_cache_may_share_it() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let gateway = ruled(&echo, &github, "").await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let reads = client.sign_in_for("Alice", None).await;
    let writes = client.sign_in_for("Alice", Some("write")).await;
    for era in [Era::Legacy, Era::Modern] {
        let (names, scope) = listed(&gateway, Some(&reads.access), era).await;
        assert_eq!((names.as_str(), &scope), ("headers query slow", &json!("private")), "GW-17, GW-18");
        let (names, _) = listed(&gateway, Some(&writes.access), era).await;
        assert_eq!(names, "headers create_x query slow", "GW-17");
    }
    let denied =
        Mcp::without_handshake(&gateway.mcp_url(), Era::Legacy, &writes.access).call("drop", json!({})).await;
    assert_eq!(denied.status, 403, "what is hidden is refused as well");
}

#[tokio::test]
async fn without_a_token_lists_show_what_signing_in_would_open_and_the_call_asks_for_it() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let gateway = ruled(&echo, &github, "auth = \"optional\"\nlists = \"reachable\"").await;
    for era in [Era::Legacy, Era::Modern] {
        let (names, _) = listed(&gateway, None, era).await;
        assert_eq!(names, "headers create_x query slow");
    }
    let anonymous = |method: &str, tool: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": tool}});
        let request = http()
            .post(gateway.mcp_url())
            .header("accept", "application/json, text/event-stream")
            .json(&body);
        async { Answer::read(request.send().await.unwrap()).await }
    };
    assert_eq!(anonymous("initialize", "").await.status, 200);
    assert_eq!(anonymous("notifications/initialized", "").await.status, 202);
    assert_eq!(anonymous("tools/call", "headers").await.status, 200);
    let challenge = anonymous("tools/call", "create_x").await;
    assert_eq!(challenge.status, 401);
    assert_eq!(challenge_parameter(&challenge.headers, "scope").as_deref(), Some("write"), "RS-02");
    assert!(challenge_parameter(&challenge.headers, "resource_metadata").is_some());
    assert_eq!(anonymous("tools/call", "drop").await.status, 403);

    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in_for("Alice", Some("write")).await;
    let made = Mcp::without_handshake(&gateway.mcp_url(), Era::Legacy, &tokens.access)
        .call("create_x", json!({}))
        .await;
    assert_eq!(made.status, 200, "{}", made.body);
}

#[tokio::test]
async fn headers_that_mirror_arguments_agree_with_them() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let gateway = ruled(&echo, &github, "").await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in_for("Alice", None).await;
    listed(&gateway, Some(&tokens.access), Era::Modern).await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access);
    let call = json!({"jsonrpc": "2.0", "id": "a-1", "method": "tools/call", "params": {
        "name": "query", "arguments": {"region": "Hello"}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        },
    }});
    for (header, status) in [
        (Some("Hello"), 200),
        (Some("=?base64?SGVsbG8=?="), 200),
        (Some("=?base64?SGVsbG8?="), 400),
        (Some("other"), 400),
        (None, 400),
    ] {
        let mut request = mcp.post(&call).header("mcp-param-unknown", "passes");
        if let Some(header) = header {
            request = request.header("mcp-param-region", header);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{header:?} (GW-08): {}", answer.body);
        if status == 200 {
            assert!(answer.text().contains("passes"));
        } else {
            assert_eq!((&answer.body["error"]["code"], &answer.body["id"]), (&json!(-32020), &json!("a-1")));
        }
    }
}

#[tokio::test]
async fn a_slow_answer_breaks_off_when_its_grant_is_revoked() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let gateway = ruled(&echo, &github, "").await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in_for("Alice", None).await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Legacy, &tokens.access);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow"}});
    let mut pieces = mcp.post(&call).send().await.unwrap().bytes_stream();
    assert!(pieces.next().await.unwrap().is_ok());
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let revoked = Instant::now();
    let last = loop {
        match pieces.next().await {
            Some(Ok(_)) => assert!(revoked.elapsed() < Duration::from_secs(2), "it goes on (RS-25)"),
            last => break last,
        }
    };
    assert!(matches!(last, Some(Err(_))), "half of an answer must not look whole");
}

#[tokio::test]
async fn a_call_can_be_followed_from_the_client_through_the_log_to_the_server() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let gateway = ruled(&echo, &github, "auth = \"optional\"").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "headers", "_meta": {"traceparent": trace}}});
    let request =
        http().post(gateway.mcp_url()).header("traceparent", trace).header("tracestate", "a=b").json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let arrived = echo.arrived().pop().unwrap();
    assert_eq!(arrived["headers"]["traceparent"], trace, "GW-24");
    assert_eq!(arrived["headers"]["tracestate"], "a=b");
    assert_eq!(arrived["message"]["params"]["_meta"]["traceparent"], trace);
    let id = arrived["headers"]["x-request-id"].as_str().unwrap();
    assert!(id.len() >= 12, "{id}");

    // A call that went wrong is in the log under the id by which the server knows it.
    let away = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "away"}});
    let answer = http().post(gateway.mcp_url()).json(&away).send().await.unwrap();
    assert_eq!(answer.status(), 502, "a redirect of the server leads nowhere");
    let arrived = echo.arrived().pop().unwrap();
    let id = arrived["headers"]["x-request-id"].as_str().unwrap();
    let log = gateway.log();
    assert!(log.contains(id), "the log has the id of the call (GW-24):\n{log}");
}

/// Sends bytes as they are; the status of the first answer and everything that came back.
fn raw(gateway: &Gateway, head: &str, body: &[u8]) -> (String, String) {
    let address = gateway.origin().replace("http://localhost", "127.0.0.1");
    let host = gateway.origin().replace("http://", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAccept: application/json, text/event-stream\r\nConnection: close\r\n{head}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).unwrap_or_default().to_owned(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_framing_and_no_spelling_slips_a_call_past_the_gateway() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let gateway = ruled(&echo, &github, "auth = \"optional\"").await;
    let denied = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop"}}"#;
    let open = denied.replace("drop", "headers");
    let json = "Content-Type: application/json\r\n";
    let length = |body: &str| format!("{json}Content-Length: {}\r\n", body.len());

    // Two framings of one body: whichever counts, what is denied is not called.
    let chunked = format!("{:x}\r\n{open}\r\n0\r\n\r\n", open.len());
    for head in [
        format!("{}Transfer-Encoding: chunked\r\n", length(denied)),
        format!("Transfer-Encoding: chunked\r\n{}", length(&chunked)),
        format!("{json}Content-Length: 5\r\nContent-Length: 80\r\n"),
        format!("{json}Transfer-Encoding: gzip, chunked\r\n"),
        format!("{json}Transfer-Encoding: xchunked\r\n"),
        format!("{}X-Folded: a\r\n b\r\n", length(denied)),
        format!("{}Mcp-Name : headers\r\n", length(denied)),
    ] {
        let smuggled = format!("{chunked}POST /mcp HTTP/1.1\r\nHost: x\r\n{}\r\n{denied}", length(denied));
        let (status, answer) = raw(&gateway, &head, smuggled.as_bytes());
        assert!(
            ["400", "403", "415", "501", ""].contains(&status.as_str()) || status == "200",
            "{head}: {answer}"
        );
        let names: Vec<_> =
            echo.arrived().iter().map(|request| request["message"]["params"]["name"].clone()).collect();
        assert!(!names.contains(&json!("drop")), "{head}: {names:?}");
    }

    for (body, status) in [
        (denied.replace("drop", "dr\\u006fp"), "403"),
        (denied.replace("drop", "drop\\u0000"), "400"),
        (denied.replace("drop", "\\ud800drop"), "400"),
        (denied.replace("\"id\":1", "\"id\":1e400"), "400"),
        (denied.replace("\"id\":1", "\"id\":1,\"x\":1e400"), "400"),
        (format!("\u{feff}{denied}"), "400"),
        (format!("{denied}\0"), "400"),
        (format!("{denied}{open}"), "400"),
        (format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), "400"),
    ] {
        assert_eq!(
            raw(&gateway, &length(&body), body.as_bytes()).0,
            status,
            "{}",
            &body[..body.len().min(90)]
        );
    }
    for (bytes, status) in [
        (
            denied
                .replace("drop", "dr\u{f6}p")
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>(),
            "400",
        ),
        (denied.replace("drop", "dr?p").bytes().map(|b| if b == b'?' { 0xff } else { b }).collect(), "400"),
    ] {
        let head = format!("{json}Content-Length: {}\r\n", bytes.len());
        assert_eq!(raw(&gateway, &head, &bytes).0, status);
    }
    for head in
        ["Content-Encoding: gzip\r\n", "Content-Encoding: identity, br\r\n", "Content-Type: text/json\r\n"]
    {
        assert_eq!(raw(&gateway, &format!("{}{head}", length(denied)), denied.as_bytes()).0, "415", "{head}");
    }
    let charset = length(denied).replace("json\r", "json; charset=utf-16\r");
    assert_eq!(raw(&gateway, &charset, denied.as_bytes()).0, "415");

    // What an answer echoes of the request, it echoes as it was written.
    for id in ["123456789012345678901234567890", "-0", "1.0", "1E2", r#""\u0061\/""#] {
        let body = denied.replace("\"id\":1", &format!("\"id\":{id}"));
        let (status, answer) = raw(&gateway, &length(&body), body.as_bytes());
        assert_eq!(status, "403");
        assert!(answer.contains(&format!("\"id\":{id},")), "{answer}");
    }
    assert!(echo.arrived().iter().all(|request| request["message"]["params"]["name"] == "headers"));
}
