//! The door of the MCP server: who is let in, and what the others are told.

use std::io::{Read, Write};
use std::net::TcpStream;

use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::{Answer, Era, Gateway, Mcp, OAuthClient};
use reqwest::Method;
use serde_json::{Value, json};

fn call(tool: &str) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": tool, "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }},
    })
}

#[tokio::test]
async fn every_verb_without_a_token_is_challenged_alike() {
    let gateway = Gateway::demo().await;
    for verb in [Method::POST, Method::GET, Method::DELETE, Method::HEAD] {
        let answer = http()
            .request(verb.clone(), gateway.mcp_url())
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{verb} (RS-10)");
        let metadata =
            challenge_parameter(answer.headers(), "resource_metadata").expect("where to go (RS-01)");
        assert_eq!(http().get(metadata).send().await.unwrap().status(), 200);
        assert_eq!(challenge_parameter(answer.headers(), "error"), None);
        assert_eq!(answer.headers().get_all("www-authenticate").iter().count(), 1, "one header line (RS-07)");
    }
}

#[tokio::test]
async fn tokens_that_are_not_good_here_are_refused() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let mut forged = tokens.access.clone();
    forged.replace_range(12..13, if &forged[12..13] == "A" { "B" } else { "A" });
    for token in [tokens.refresh.as_str(), "nonsense", "coat_at_", client.id(), &forged] {
        let answer =
            Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, token).call("whoami", json!({})).await;
        assert_eq!(answer.status, 401, "RS-03, RS-14");
        assert_eq!(challenge_parameter(&answer.headers, "error").as_deref(), Some("invalid_token"));
    }
    let in_query = format!("{}?access_token={}", gateway.mcp_url(), tokens.access);
    assert_eq!(http().post(in_query).json(&call("whoami")).send().await.unwrap().status(), 401, "RS-09");
    for authorization in ["Bearer a b", "Bearer", "Bearer  ", "Basic YTpi"] {
        let answer = http()
            .post(gateway.mcp_url())
            .header("authorization", authorization)
            .json(&call("whoami"))
            .send()
            .await
            .unwrap();
        assert!(
            [400, 401].contains(&answer.status().as_u16()),
            "{authorization}: {} (RS-04)",
            answer.status()
        );
    }
    let two = http()
        .post(gateway.mcp_url())
        .bearer_auth(&tokens.access)
        .bearer_auth(&tokens.access)
        .json(&call("whoami"));
    assert_eq!(two.send().await.unwrap().status(), 400, "two credentials (RS-04)");
}

#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access);
    let send = async |name: &str, value: &str| {
        let request = mcp.post(&call("create-issue")).build().unwrap();
        let mut request = request;
        request.headers_mut().insert(
            reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
        Answer::read(http().execute(request).await.unwrap()).await
    };
    for (name, value) in [
        ("mcp-name", "whoami"),
        ("mcp-name", "CREATE-ISSUE"),
        ("mcp-method", "tools/list"),
        ("mcp-method", "TOOLS/CALL"),
        ("mcp-protocol-version", "2025-06-18"),
    ] {
        let answer = send(name, value).await;
        assert_eq!(answer.status, 400, "{name}: {value} (GW-02): {}", answer.body);
        assert_eq!(answer.body["error"]["code"], -32020, "{}", answer.body);
        assert_eq!(answer.body["id"], 7, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_body_that_two_parsers_could_read_differently_is_refused() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"create-issue","arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list","params":{"name":"create-issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","NAME":"create-issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","n\u0061me":"create-issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list""#,
        "",
    ] {
        let answer = http()
            .post(gateway.mcp_url())
            .bearer_auth(&tokens.access)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{body}");
    }
}

#[tokio::test]
async fn a_browser_may_ask_first_and_may_read_the_challenge() {
    let gateway = Gateway::demo().await;
    let preflight = async |url: String, headers: &str| {
        let asked = http()
            .request(Method::OPTIONS, url)
            .header("origin", gateway.origin())
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", headers.to_owned());
        asked.send().await.unwrap()
    };
    let answer =
        preflight(gateway.mcp_url(), "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name")
            .await;
    assert!(answer.status().is_success(), "a preflight needs no token (RS-22): {}", answer.status());
    let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("mcp-protocol-version"), "{allowed}");
    let refused = http().post(gateway.mcp_url()).header("origin", gateway.origin()).send().await.unwrap();
    let exposed = refused.headers()["access-control-expose-headers"].to_str().unwrap().to_lowercase();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
    for path in ["/token", "/register", "/revoke", "/.well-known/oauth-authorization-server"] {
        let answer =
            preflight(format!("{}{path}", gateway.origin()), "content-type,mcp-protocol-version").await;
        assert!(answer.status().is_success(), "{path} (ASM-17): {}", answer.status());
        assert!(answer.headers().contains_key("access-control-allow-origin"), "{path}");
    }
    let pages = http()
        .get(format!("{}/authorize", gateway.origin()))
        .header("origin", "https://example.com")
        .send()
        .await
        .unwrap();
    assert!(!pages.headers().contains_key("access-control-allow-origin"), "ASM-18");
}

#[tokio::test]
async fn a_stranger_origin_or_host_is_refused() {
    let gateway = Gateway::demo().await;
    let origin = http()
        .post(gateway.mcp_url())
        .header("origin", "https://evil.example.com")
        .json(&call("whoami"))
        .send()
        .await
        .unwrap();
    assert_eq!(origin.status(), 403, "RS-19");
    let host = http()
        .post(gateway.mcp_url())
        .header("host", "evil.example.com")
        .json(&call("whoami"))
        .send()
        .await
        .unwrap();
    assert!(host.status().is_client_error() && host.status() != 401, "RS-20: {}", host.status());
    let metadata = format!("{}/.well-known/oauth-authorization-server", gateway.origin());
    let forged = http()
        .get(metadata)
        .header("x-forwarded-host", "evil.example.com")
        .header("x-forwarded-proto", "https");
    let body = forged.send().await.unwrap().text().await.unwrap();
    assert!(!body.contains("evil.example.com"), "PRM-15, ASM-21: {body}");
}

#[tokio::test]
async fn no_spelling_of_the_path_leads_past_the_guard() {
    let gateway = Gateway::demo().await;
    let address = gateway.origin().replace("http://localhost", "127.0.0.1");
    let host = gateway.origin().replace("http://", "");
    let body = call("whoami").to_string();
    for path in [
        "//mcp",
        "/mcp/",
        "/mcp%2f",
        "/x/../mcp",
        "/./mcp",
        "/MCP",
        "/mcp;x",
        "/mcp%00",
        "/%6dcp",
        "/mcp/../mcp",
        "*",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "401", "404", "405"].contains(&status), "{path} (RS-23): {answer}");
    }
}

#[tokio::test]
async fn addresses_that_clients_try_exist_or_are_clean_misses() {
    let gateway = Gateway::demo().await;
    let get = async |path: &str| http().get(format!("{}{path}", gateway.origin())).send().await.unwrap();
    let same = ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"];
    let bodies = [get(same[0]).await, get(same[1]).await];
    let [path_form, root_form] = bodies;
    assert_eq!(path_form.status(), 200, "PRM-02");
    assert_eq!(root_form.status(), 200, "one server: the root form too (PRM-03)");
    assert_eq!(path_form.text().await.unwrap(), root_form.text().await.unwrap());
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let metadata: Value = get(path).await.json().await.unwrap();
        assert_eq!(metadata["issuer"], gateway.origin(), "{path}");
    }
    for path in [
        "/.well-known/oauth-protected-resource/nope",
        "/.well-known/nope",
        "/nope",
        "/mcp/.well-known/openid-configuration",
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status(), 404, "{path} (PRM-16)");
    }
    let metadata: Value = get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
    let empty =
        metadata.as_object().unwrap().iter().find(|(_, value)| value.as_array().is_some_and(Vec::is_empty));
    assert_eq!(empty, None, "ASM-27");
}
