//! The discovery documents, and what may be read from other origins.

use axum::body::Body;
use coatroom::Protection;
use coatroom::protocol::access::Authentication;
use http::{Method, Request};
use serde_json::json;

use super::client::{Answer, get, send};
use super::world::World;

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&world.app, request.body(Body::empty()).unwrap()).await
}

// ASM-01 to ASM-09, ASM-12 to ASM-16, ASM-20, ASM-22, ASM-25 to ASM-27: every byte of the document.
#[tokio::test]
async fn the_authorization_servers_document_is_this() {
    let world = World::new().await;
    let document = get(&world.app, "/.well-known/oauth-authorization-server").await;
    assert_eq!((document.status.as_u16(), document.header("content-type")), (200, Some("application/json")));
    let expected = r#"{"issuer":"https://gate.example","authorization_endpoint":"https://gate.example/authorize","token_endpoint":"https://gate.example/token","registration_endpoint":"https://gate.example/register","revocation_endpoint":"https://gate.example/revoke","jwks_uri":"https://gate.example/jwks.json","scopes_supported":["admin","read","write","offline_access"],"response_types_supported":["code"],"response_modes_supported":["query"],"grant_types_supported":["authorization_code","refresh_token"],"token_endpoint_auth_methods_supported":["none","client_secret_basic","client_secret_post"],"revocation_endpoint_auth_methods_supported":["none","client_secret_basic","client_secret_post"],"code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true,"protected_resources":["https://gate.example/mcp","https://gate.example/bound"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}"#;
    assert_eq!(document.body, expected);
    let alias = get(&world.app, "/.well-known/openid-configuration").await;
    assert_eq!(alias.body, expected);
}

// PRM-01 to PRM-12, RS-02's baseline: with several servers none lives at the root.
#[tokio::test]
async fn each_resource_has_its_own_document() {
    let world = World::new().await;
    let document = get(&world.app, "/.well-known/oauth-protected-resource/mcp").await;
    let expected = r#"{"resource":"https://gate.example/mcp","authorization_servers":["https://gate.example"],"scopes_supported":["read"],"bearer_methods_supported":["header"],"resource_name":"Demo server"}"#;
    assert_eq!(document.body, expected);
    assert_eq!(get(&world.app, "/.well-known/oauth-protected-resource").await.status, 404);
}

// ASM-20, PRM-16, PRM-17: clients go on to the next form on a clean 404, and on nothing else.
#[tokio::test]
async fn forms_that_are_not_served_are_a_plain_404() {
    let world = World::new().await;
    for path in [
        "/.well-known/oauth-protected-resource/nope",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
    ] {
        let answer = get(&world.app, path).await;
        assert_eq!(answer.error(), (404, "not_found".to_owned()), "{path}");
    }
}

// ASM-20, TOK-04: HTML is for those who ask for it.
#[tokio::test]
async fn what_is_not_here_is_json_for_programs_and_a_page_for_browsers() {
    let world = World::new().await;
    let browser = [("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")];
    for (method, path, status, title) in [
        (Method::GET, "/nope", 404, "There is no such page"),
        (Method::GET, "/consent", 405, "This page cannot be opened like this"),
    ] {
        let page = ask(&world, method.clone(), path, &browser).await;
        assert_eq!(page.status, status);
        assert!(page.body.contains(title), "{}", page.body);
        for accept in [None, Some(("accept", "*/*")), Some(("accept", "application/json"))] {
            let headers: Vec<_> = accept.into_iter().collect();
            let answer = ask(&world, method.clone(), path, &headers).await;
            assert_eq!((answer.error().0, answer.header("content-type")), (status, Some("application/json")));
        }
    }
}

// PRM-20, AZ-01, TOK-01: other methods are refused by name.
#[tokio::test]
async fn other_methods_are_405_and_head_is_get_without_a_body() {
    let world = World::new().await;
    for (method, path, allow) in [
        (Method::POST, "/.well-known/oauth-authorization-server", "GET,HEAD"),
        (Method::DELETE, "/jwks.json", "GET,HEAD"),
        (Method::GET, "/token", "POST"),
        (Method::GET, "/register", "POST"),
        (Method::PUT, "/revoke", "POST"),
        (Method::GET, "/consent", "POST"),
        (Method::POST, "/authorize", "GET,HEAD"),
        (Method::POST, "/callback/demo", "GET,HEAD"),
    ] {
        let answer = ask(&world, method.clone(), path, &[]).await;
        assert_eq!(answer.error(), (405, "invalid_request".to_owned()), "{method} {path}");
        let headers = ["allow", "cache-control"].map(|name| answer.header(name));
        assert_eq!(headers, [Some(allow), Some("no-store")], "{method} {path}");
    }
    for path in
        ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp", "/jwks.json"]
    {
        let (head, full) = (ask(&world, Method::HEAD, path, &[]).await, get(&world.app, path).await);
        assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("etag"), full.header("etag"));
        assert_eq!(head.header("content-length").unwrap(), full.body.len().to_string());
    }
}

// PRM-14, ASM-19.
#[tokio::test]
async fn documents_may_be_kept_for_minutes_and_are_known_by_their_tag() {
    let world = World::new().await;
    let path = "/.well-known/oauth-authorization-server";
    let first = get(&world.app, path).await;
    assert_eq!(first.header("cache-control"), Some("public, max-age=300"));
    let tag = first.header("etag").unwrap();
    // RFC 9110 §13.1.2: lists, any, and the weak form that a compressing proxy makes of a tag.
    for known in [tag, &format!("W/{tag}"), &format!("\"x\", {tag}"), &format!("W/\"x\",W/{tag} ,\"y\""), "*"]
    {
        for method in [Method::GET, Method::HEAD] {
            let again = ask(&world, method, path, &[("if-none-match", known)]).await;
            assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""), "{known}");
            assert_eq!(
                (again.header("etag"), again.header("cache-control")),
                (Some(tag), Some("public, max-age=300"))
            );
        }
    }
    let two = [("if-none-match", "\"x\""), ("if-none-match", tag)];
    assert_eq!(ask(&world, Method::GET, path, &two).await.status, 304);
    for unknown in ["\"x\"", "W/\"x\"", "", tag.trim_matches('"'), "garbage,,"] {
        let again = ask(&world, Method::GET, path, &[("if-none-match", unknown)]).await;
        assert_eq!((again.status.as_u16(), &again.body), (200, &first.body), "{unknown}");
    }
}

// PRM-14, ASM-19: each document, in every way of asking; another configuration has another tag.
#[tokio::test]
async fn a_kept_document_is_asked_about_by_its_tag() {
    let world = World::new().await;
    let other = World::with(|_| (), |builder| builder.registration(false)).await;
    for path in
        ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp", "/jwks.json"]
    {
        let tag = get(&world.app, path).await.header("etag").unwrap().to_owned();
        for current in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            for method in [Method::GET, Method::HEAD] {
                let answer = ask(&world, method, path, &[("if-none-match", &current)]).await;
                assert_eq!((answer.status.as_u16(), answer.body.as_str()), (304, ""), "{path} {current}");
                let headers = ["etag", "cache-control", "content-type"].map(|name| answer.header(name));
                assert_eq!(headers, [Some(tag.as_str()), Some("public, max-age=300"), None]);
            }
        }
        for stale in ["\"x\"", "", tag.trim_matches('"')] {
            let answer = ask(&world, Method::GET, path, &[("if-none-match", stale)]).await;
            assert_eq!(answer.status, 200, "{path} {stale}");
        }
        let changed = get(&other.app, path).await.header("etag").unwrap() != tag;
        assert_eq!(changed, !path.contains("protected-resource"), "{path}");
    }
}

// PRM-15, ASM-21.
#[tokio::test]
async fn a_forged_host_changes_nothing() {
    let world = World::new().await;
    let path = "/.well-known/oauth-authorization-server";
    let forged = [("host", "evil.test"), ("x-forwarded-host", "evil.test"), ("forwarded", "host=evil.test")];
    assert_eq!(ask(&world, Method::GET, path, &forged).await.body, get(&world.app, path).await.body);
}

// PRM-13, ASM-17, DCR-31, TOK-19: what clients in browsers need.
#[tokio::test]
async fn documents_and_client_endpoints_are_open_to_other_origins() {
    let world = World::new().await;
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization, mcp-protocol-version"),
    ];
    let documents = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
        "/jwks.json",
    ];
    for path in documents.iter().chain(&["/token", "/register", "/revoke"]) {
        let answer = ask(&world, Method::OPTIONS, path, &preflight).await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let allowed = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        assert!(allowed.contains("mcp-protocol-version") && allowed.contains("authorization"), "{allowed}");
    }
    for path in documents {
        let answer = ask(&world, Method::GET, path, &preflight[..1]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    let refused = ask(&world, Method::POST, "/token", &preflight[..1]).await;
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "an error can be read too");
}

// ASM-18.
#[tokio::test]
async fn pages_are_closed_to_other_origins() {
    let world = World::new().await;
    for (method, path) in [
        (Method::GET, "/authorize"),
        (Method::OPTIONS, "/authorize"),
        (Method::POST, "/consent"),
        (Method::OPTIONS, "/consent"),
        (Method::GET, "/callback/demo"),
        (Method::GET, "/"),
    ] {
        let answer = ask(&world, method.clone(), path, &[("origin", "https://app.example")]).await;
        let open = answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
        assert!(!open, "{method} {path}: {answer:?}");
    }
}

// KEY-01.
#[tokio::test]
async fn the_published_keys_have_public_members_only() {
    let world = World::new().await;
    let keys = get(&world.app, "/jwks.json").await.json();
    for key in keys["keys"].as_array().unwrap() {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
}

// ASM-12, DCR-01.
#[tokio::test]
async fn registration_can_be_switched_off() {
    let world = World::with(|_| (), |builder| builder.registration(false)).await;
    let document = get(&world.app, "/.well-known/oauth-authorization-server").await.json();
    assert!(document.get("registration_endpoint").is_none());
    assert_eq!(ask(&world, Method::POST, "/register", &[]).await.status, 404);
}

#[tokio::test]
async fn a_program_can_tell_how_each_of_its_endpoints_is_protected() {
    let world = World::new().await;
    let told = serde_json::to_value(world.coatroom.description("/bound").unwrap()).unwrap();
    let scope = |name: &str, default: bool| json!({ "scope": name, "title": format!("May {name}"), "default": default, "implies": [] });
    assert_eq!(
        told,
        json!({
            "resource": "https://gate.example/bound", "name": "Bound server", "requirement": "required",
            "metadata": "https://gate.example/.well-known/oauth-protected-resource/bound",
            "issuer": "https://gate.example",
            "providers": [{ "name": "demo", "label": "Demo", "signs_in": true, "connects": false }],
            "flows": ["authorization_code", "refresh_token"],
            "scopes": [scope("admin", false), scope("read", true), scope("write", false)],
        })
    );
    assert_eq!(world.coatroom.description("/mcp").unwrap().providers.len(), 2);
    assert_eq!(world.coatroom.description("/elsewhere"), None);
    let open = world.replica_where(|builder| {
        builder.resource(Protection::new("/open").with_authentication(Authentication::Off))
    });
    let told = open.description("/open").unwrap();
    assert_eq!((told.requirement, told.flows.len(), told.providers.len()), ("off", 0, 0));
}
