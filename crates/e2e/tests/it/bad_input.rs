//! Whatever is sent, the answer is the sender's fault or a success, never an accident of ours.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use coatroom_e2e::{Gateway, OAuthClient};
use serde_json::{Value, json};

/// Values that parsers stumble over.
fn nasty() -> Vec<String> {
    let mut values: Vec<String> =
        ["", " ", "\0", "%", "%zz", "\u{2028}", "💥", "../../etc/passwd", "{\"a\":1}", "[]", "null"]
            .map(str::to_owned)
            .into();
    values.extend([
        "A".repeat(9_000),
        "{".repeat(2_000),
        "[".repeat(2_000),
        "&".repeat(300),
        "=".repeat(300),
    ]);
    values
}

#[tokio::test]
async fn no_form_or_query_makes_the_server_fail() {
    let gateway = Gateway::demo().await;
    let http = coatroom_e2e::oauth::http();
    let names = [
        "grant_type",
        "code",
        "code_verifier",
        "client_id",
        "redirect_uri",
        "refresh_token",
        "resource",
        "scope",
        "token",
    ];
    let mut answered = 0;
    for path in ["/token", "/revoke", "/register", "/consent", "/introspect", "/authorize"] {
        for value in nasty() {
            let url = format!("{}{path}", gateway.origin());
            let form: Vec<(&str, &str)> = names.iter().map(|name| (*name, value.as_str())).collect();
            let raw = http
                .post(&url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(value.clone());
            let json = http.post(&url).header("content-type", "application/json").body(value.clone());
            for request in [http.post(&url).form(&form), raw, json] {
                // Who is refused before having said everything may find the door closed instead of the answer.
                let Ok(answer) = request.send().await else { continue };
                let status = answer.status();
                answered += 1;
                assert!(status.is_client_error() || status.is_success(), "POST {path} {value:?}: {status}");
            }
        }
    }
    assert!(answered > 6 * 3 * nasty().len() * 9 / 10, "only {answered} requests were answered");
    for path in ["/authorize", "/callback/demo", "/mcp", "/.well-known/oauth-protected-resource", "/nowhere"]
    {
        for value in nasty().into_iter().filter(|value| value.len() < 8_000) {
            for name in ["client_id", "redirect_uri", "state", "code", "scope", "resource", "request_uri"] {
                let mut url = url::Url::parse(&format!("{}{path}", gateway.origin())).unwrap();
                url.query_pairs_mut().append_pair(name, &value);
                let status = http.get(url).send().await.unwrap().status();
                assert!(!status.is_server_error(), "GET {path}?{name}={value:?}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn every_refusal_of_the_token_endpoint_is_json_with_an_error() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let url = format!("{}/token", gateway.origin());
    let http = coatroom_e2e::oauth::http();
    let json_body = http.post(&url).json(&json!({"grant_type": "refresh_token"}));
    let no_body = http.post(&url);
    let both = http
        .post(&url)
        .basic_auth("a", Some("b"))
        .form(&[("client_secret", "c"), ("grant_type", "refresh_token")]);
    let unknown = http.post(&url).form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", "nobody"),
    ]);
    for (request, errors) in [
        (json_body, vec!["invalid_request"]),
        (no_body, vec!["invalid_request"]),
        (both, vec!["invalid_request", "invalid_client"]),
        (unknown, vec!["invalid_client"]),
    ] {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON (TOK-04)");
        assert!(status == 400 || status == 401, "{status} {body}");
        assert!(errors.contains(&body["error"].as_str().unwrap_or_default()), "{body}");
    }
    let unknown = client
        .token(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "nobody")])
        .await;
    assert_eq!(unknown.status, 401, "clients register anew on 401 invalid_client alone (TOK-05)");
    let get = http.get(&url).send().await.unwrap();
    assert_eq!(get.status(), 405, "TOK-01");
}

#[tokio::test]
async fn no_registration_makes_the_server_fail() {
    let gateway = Gateway::demo().await;
    let http = coatroom_e2e::oauth::http();
    let url = format!("{}/register", gateway.origin());
    let good = "http://127.0.0.1/callback";
    let bodies = [
        json!({}),
        json!([]),
        json!({"redirect_uris": []}),
        json!({"redirect_uris": good}),
        json!({"redirect_uris": [1]}),
        json!({"redirect_uris": ["javascript:alert(1)"]}),
        json!({"redirect_uris": ["http://example.com/callback"]}),
        json!({"redirect_uris": ["https://example.com/callback#fragment"]}),
        json!({"redirect_uris": [good], "grant_types": ["password"]}),
        json!({"redirect_uris": [good], "token_endpoint_auth_method": "magic"}),
        json!({"redirect_uris": vec![good; 1_000]}),
        json!({"redirect_uris": (0..60).map(|n| format!("https://example.com/callback/{n}")).collect::<Vec<_>>()}),
    ];
    for body in bodies {
        let answer = http.post(&url).json(&body).send().await.unwrap();
        let status = answer.status();
        let refusal: Value = answer.json().await.expect("JSON");
        assert!(
            status == 400 || (status == 201 && body.to_string().len() > 1_000),
            "{status} for {body}: {refusal}"
        );
        if status == 400 {
            assert!(
                ["invalid_client_metadata", "invalid_redirect_uri"]
                    .contains(&refusal["error"].as_str().unwrap()),
                "{refusal}"
            );
        }
    }
    let generous = json!({"redirect_uris": [good], "client_name": "x".repeat(500), "unknown_member": {"a": [1, 2]}, "logo_uri": null});
    let answer = http.post(&url).json(&generous).send().await.unwrap();
    assert_eq!(answer.status(), 201, "display members are dropped before a registration is refused");
}

#[tokio::test]
async fn broken_http_is_refused_and_the_next_request_served() {
    let gateway = Gateway::demo().await;
    let address = gateway.origin().replace("http://localhost", "127.0.0.1");
    let long_header = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let long_body = format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n{}",
        "x".repeat(200_000)
    );
    for broken in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /mcp HTTP/1.1\r\n\r\n",
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        &long_header,
        &long_body,
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(broken.as_bytes());
        let mut answer = [0; 1024];
        let read = stream.read(&mut answer).unwrap_or_default();
        let first = String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned();
        assert!(
            read == 0 || first.contains(" 4"),
            "{:?} is answered {first}",
            &broken[..40.min(broken.len())]
        );
    }
    let served = coatroom_e2e::oauth::http()
        .get(format!("{}/.well-known/oauth-authorization-server", gateway.origin()));
    assert_eq!(served.send().await.unwrap().status(), 200);
}
