//! The endpoints for clients, as careless clients and hostile ones spell their requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use coatroom_e2e::oauth::http;
use coatroom_e2e::{FormBrowser, Gateway, tools};
use reqwest::Method;
use serde_json::{Value, json};

/// Sends bytes to the gateway, and reads what comes back until it closes the connection.
fn raw(gateway: &Gateway, request: &[u8]) -> String {
    let address = gateway.origin().replace("http://localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn host(gateway: &Gateway) -> String {
    gateway.origin().replace("http://", "")
}

// DCR-22: the sender need not send it, and no connection waits for it.
#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let gateway = Gateway::demo().await;
    for (path, kind) in [
        ("/register", "application/json"),
        ("/token", "application/x-www-form-urlencoded"),
        ("/revoke", "application/x-www-form-urlencoded"),
    ] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let begun = Instant::now();
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: 100000000\r\n{expect}Connection: close\r\n\r\n",
                host(&gateway)
            );
            let answer = raw(&gateway, request.as_bytes());
            assert_eq!(status(&answer), "413", "{path}: {answer}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{path} waited for {:?}", begun.elapsed());
        }
    }
}

// RFC 9112 §3.2.
#[tokio::test]
async fn a_request_that_names_no_host_or_two_is_400() {
    let gateway = Gateway::demo().await;
    let host = host(&gateway);
    let path = "/.well-known/oauth-authorization-server";
    for (hosts, expected) in [
        (String::new(), "400"),
        (format!("Host: {host}\r\nHost: {host}\r\n"), "400"),
        (format!("Host: {host}\r\nHost: evil.example\r\n"), "400"),
        (format!("Host: {host}\r\n"), "200"),
    ] {
        let answer =
            raw(&gateway, format!("GET {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").as_bytes());
        assert_eq!(status(&answer), expected, "{hosts:?}: {answer}");
    }
}

// ASM-20, PRM-16, RS-23: one address, one spelling; every other is a clean miss.
#[tokio::test]
async fn another_spelling_of_an_address_is_a_clean_miss() {
    let gateway = Gateway::demo().await;
    let metadata = "/.well-known/oauth-authorization-server";
    let mut spellings = Vec::new();
    for path in ["/token", "/register", "/revoke", "/authorize", "/jwks.json", metadata] {
        let rest = &path[1..];
        spellings.extend([
            format!("{path}/"),
            format!("/{path}"),
            format!("{path}%2f"),
            format!("{path};x=y"),
            format!("/./{rest}"),
            format!("/x/..{path}"),
            format!("{path}%00"),
            path.to_uppercase(),
            format!("/%{:02x}{}", rest.as_bytes()[0], &rest[1..]),
        ]);
    }
    for path in spellings {
        for method in ["GET", "POST", "DELETE"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                host(&gateway)
            );
            let answer = raw(&gateway, request.as_bytes());
            assert!(["404", "405"].contains(&status(&answer)), "{method} {path}: {answer}");
            assert!(answer.contains("content-type: application/json"), "{method} {path}: {answer}");
        }
    }
}

// PRM-15, ASM-21, OPS-02: the documents are what the configuration says, whatever a request says.
#[tokio::test]
async fn no_header_of_a_request_changes_a_document() {
    let gateway = Gateway::demo().await;
    let documents = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/mcp",
        "/jwks.json",
    ];
    for path in documents {
        let url = format!("{}{path}", gateway.origin());
        let expected = http().get(&url).send().await.unwrap().bytes().await.unwrap();
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "444"),
            ("x-forwarded-prefix", "/evil"),
            ("forwarded", "host=evil.example;proto=https"),
            ("x-original-url", "/token"),
            ("x-rewrite-url", "/token"),
            ("x-http-method-override", "POST"),
            ("origin", "https://evil.example"),
            ("accept", "text/html"),
            ("accept-language", "de"),
            ("range", "bytes=0-9"),
        ] {
            let answer = http().get(&url).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path} {name}");
            assert_eq!(answer.bytes().await.unwrap(), expected, "{path} {name}");
        }
    }
}

// PRM-20, ASM-14, TOK-01, DCR-02: every method that is not used is 405, and says which are.
#[tokio::test]
async fn every_other_method_is_405_and_says_which_are_used() {
    let gateway = Gateway::demo().await;
    for (path, allowed) in [
        ("/.well-known/oauth-authorization-server", "GET,HEAD"),
        ("/.well-known/oauth-protected-resource/mcp", "GET,HEAD"),
        ("/jwks.json", "GET,HEAD"),
        ("/token", "POST"),
        ("/register", "POST"),
        ("/revoke", "POST"),
        ("/authorize", "GET,HEAD"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"] {
            if allowed.split(',').any(|known| known == method) {
                continue;
            }
            let request = http().request(
                Method::from_bytes(method.as_bytes()).unwrap(),
                format!("{}{path}", gateway.origin()),
            );
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
        }
    }
}

// DCR-02, DCR-21: a body that two readers could read differently, or nobody, registers nobody.
#[tokio::test]
async fn only_one_plain_json_object_registers() {
    let gateway = Gateway::demo().await;
    let good = r#"{"redirect_uris":["https://client.example/cb"],"token_endpoint_auth_method":"none"}"#;
    let with = |member: &str| format!("{},{member}}}", good.trim_end_matches('}')).into_bytes();
    let send = async |body: Vec<u8>| {
        let request = http().post(format!("{}/register", gateway.origin()));
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.expect("JSON"))
    };
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bad = [
        Vec::new(),
        format!("\u{feff}{good}").into_bytes(),
        utf16,
        format!("{good}{good}").into_bytes(),
        format!("{good}x").into_bytes(),
        format!("[{good}]").into_bytes(),
        good.replace('"', "'").into_bytes(),
        format!("/* */{good}").into_bytes(),
        with(r#""redirect_uris":["https://evil.example/cb"]"#),
        with(r#""redirect\u005furis":["https://evil.example/cb"]"#),
        with(r#""x":{"a":1,"a":2}"#),
        with(r#""x":NaN"#),
        with(r#""x":1e999"#),
        with(r#""client_name":"\ud800""#),
        with(r#""client_name":1"#),
        with(r#""scope":["read"]"#),
        with(r#""grant_types":"authorization_code""#),
        with(r#""token_endpoint_auth_method":true"#),
        with(&format!(r#""x":{}{}"#, "[".repeat(20_000), "]".repeat(20_000))),
        [good.trim_end_matches('}').as_bytes(), b",\"client_name\":\"\xff\"}"].concat(),
    ];
    for body in bad {
        let text = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        let (status, answer) = send(body).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_client_metadata".into()), "{text}");
    }
    for body in [good.as_bytes().to_vec(), with(&format!(r#""x":{}{}"#, "[".repeat(50), "]".repeat(50)))] {
        assert_eq!(send(body).await.0, 201);
    }
}

// DCR-01, ASM-12: switched off, there is no endpoint, and nothing says that there is one.
#[tokio::test]
async fn registration_that_is_switched_off_is_gone_and_not_promised() {
    let port = tools::free_port();
    let configuration = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"memory:\"\nregistration = \"off\"\n\
         [providers.github]\nclient_id = \"x\"\nclient_secret = \"y\"\n[servers.echo]\nupstream = \"http://127.0.0.1:1/mcp\"\n\
         [clients.portal]\nname = \"Portal\"\nredirect_uris = [\"https://portal.example/cb\"]\n"
    );
    let gateway = Gateway::serve_at(port, &configuration).await;
    let at = |path: &str| format!("{}{path}", gateway.origin());
    let metadata = http().get(at("/.well-known/oauth-authorization-server")).send().await.unwrap();
    let metadata: Value = metadata.json().await.unwrap();
    assert_eq!(metadata.get("registration_endpoint"), None);
    let body = json!({"redirect_uris": ["https://client.example/cb"]});
    let answer = http()
        .post(at("/register"))
        .header("origin", "https://app.example")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (404, &"*".parse().unwrap())
    );
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let link = at(&format!(
        "/authorize?response_type=code&client_id=portal&code_challenge={challenge}&code_challenge_method=S256"
    ));
    assert_eq!(FormBrowser::new().open_only(&link).await.status, 200, "the configured client is served");
    assert!(!gateway.log().contains("auth is off"));
}

// BP-20: whoever lets everybody in is told so.
#[tokio::test]
async fn a_server_without_authentication_is_warned_about() {
    let port = tools::free_port();
    let configuration = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"memory:\"\n\
         [servers.open]\nupstream = \"http://127.0.0.1:1/mcp\"\nauth = \"off\"\nheaders = {{}}\n"
    );
    let gateway = Gateway::serve_at(port, &configuration).await;
    assert!(
        gateway.log().contains("auth is off: whoever reaches this server may use it"),
        "{}",
        gateway.log()
    );
}
