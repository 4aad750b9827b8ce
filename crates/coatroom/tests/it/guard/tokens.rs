//! Who may call at all: SPEC section 13, and section 15 as far as the guard decides it.

use std::sync::Arc;

use coatroom::guard::{Authentication, GuardLayer};
use coatroom::protocol::access::{Manifest, Rule, Unlisted};
use coatroom::protocol::words::Resource;
use http::Method;

use super::fixture::{
    ALICE, ALICE_WRITES, BOB, BOUND, Endpoint, METADATA, MODERN, OTHER_RESOURCE, OUTAGE, RESOURCE, Tokens,
    call, modern, request,
};

// RS-01, RS-02, BC-04, BC-08, RS-18
#[tokio::test]
async fn a_stranger_gets_the_same_challenge_in_every_era() {
    let endpoint = Endpoint::new();
    let expected = format!(r#"Bearer resource_metadata="{METADATA}", scope="repos:read""#);
    let batch = format!("[{}]", call("x"));
    for (headers, body) in [
        (vec![("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")], modern("tools/list", None)),
        (vec![("mcp-protocol-version", "2025-06-18")], call("x")),
        (vec![("mcp-protocol-version", "nonsense")], call("x")),
        (vec![], batch),
        (vec![("content-type", "text/plain")], "garbage".to_owned()),
    ] {
        let answer = endpoint.post("", &headers, &body).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), expected);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.json()["jsonrpc"], "2.0");
        assert!(answer.json().get("id").is_none());
        assert!(answer.body.len() <= 1024);
    }
    assert!(endpoint.reached().is_empty());
}

// RS-10
#[tokio::test]
async fn every_method_needs_a_token() {
    let endpoint = Endpoint::new();
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::POST, Method::PUT, Method::OPTIONS] {
        let answer = endpoint.send(request(method.clone(), "", &[], "")).await;
        assert_eq!(answer.status, 401, "{method}");
        assert!(answer.header("www-authenticate").starts_with("Bearer resource_metadata="), "{method}");
    }
    assert!(endpoint.reached().is_empty());
    assert_eq!(endpoint.send(request(Method::PUT, ALICE, &[], "")).await.status, 405);
    assert_eq!(endpoint.send(request(Method::GET, ALICE, &[], "")).await.status, 200);
}

// RS-03, RS-11, RS-12, TP-02, RS-08
#[tokio::test]
async fn a_token_that_is_not_good_here_is_an_invalid_token() {
    let endpoint = Endpoint::new();
    for token in ["coat_at_unknown", "gho_upstream", OTHER_RESOURCE] {
        let first = endpoint.post(token, &[], &call("x")).await;
        assert_eq!(first.status, 401, "{token}");
        let challenge = first.header("www-authenticate");
        let expected = format!(r#"Bearer resource_metadata="{METADATA}", error="invalid_token""#);
        assert!(challenge.starts_with(&expected), "{challenge}");
        assert_eq!(endpoint.post(token, &[], &call("x")).await.header("www-authenticate"), challenge);
    }
    assert!(endpoint.reached().is_empty());
}

// RS-04, RS-17
#[tokio::test]
async fn malformed_credentials_are_a_bad_request() {
    let endpoint = Endpoint::new();
    for headers in [
        vec![("authorization", "Bearer a b")],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Bearer coat_at_alice"), ("authorization", "Bearer coat_at_alice")],
        vec![("authorization", "Basic YTpi"), ("authorization", "Bearer coat_at_alice")],
    ] {
        let answer = endpoint.post("", &headers, &call("x")).await;
        assert_eq!(answer.refusal(), (400, -32600), "{headers:?}");
        assert!(answer.header("www-authenticate").contains(r#"error="invalid_request""#), "{headers:?}");
    }
    let basic = endpoint.post("", &[("authorization", "Basic YTpi")], &call("x")).await;
    assert_eq!(basic.status, 401);
    assert!(!basic.header("www-authenticate").contains("error="));
    assert!(endpoint.reached().is_empty());
}

// RS-28: it may have been stolen from whoever has the key.
#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    let endpoint = Endpoint::new();
    let answer = endpoint.post(BOUND, &[], &call("x")).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").contains(r#"error="invalid_token""#));
    let with_proof = endpoint.post(BOUND, &[("dpop", "not.a.proof")], &call("x")).await;
    assert_eq!(with_proof.status, 401, "no proofs are taken here");
    // The scheme of such tokens is not spoken here, and says so as if there were no token.
    for token in [BOUND, ALICE] {
        let answer = endpoint.post("", &[("authorization", &format!("DPoP {token}"))], &call("x")).await;
        assert_eq!(answer.status, 401);
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer resource_metadata=") && !challenge.contains("error="),
            "{challenge}"
        );
    }
    assert!(endpoint.reached().is_empty());
}

// RS-09, RS-04, TP-01
#[tokio::test]
async fn a_token_in_the_query_is_no_credential_and_never_travels_on() {
    let endpoint = Endpoint::new();
    let with_query = |token: &str, query: &str| {
        let mut request = request(Method::POST, token, &[], &call("x"));
        *request.uri_mut() = format!("/github?{query}").parse().unwrap();
        request
    };
    let query = format!("access_token={ALICE}");
    assert_eq!(endpoint.send(with_query("", &query)).await.status, 401);
    assert_eq!(endpoint.send(with_query(ALICE, &query)).await.refusal(), (400, -32600));
    assert_eq!(endpoint.send(with_query(ALICE, "a=1&access%5Ftoken=x")).await.status, 400);
    assert!(endpoint.reached().is_empty());
    assert_eq!(endpoint.send(with_query(ALICE, "tenant=1")).await.status, 200);
}

// RS-27
#[tokio::test]
async fn an_outage_is_never_an_accusation() {
    let endpoint = Endpoint::new();
    let answer = endpoint.post(OUTAGE, &[], &call("x")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.header("www-authenticate"), "");
    assert!(endpoint.reached().is_empty());
}

// RS-05, RS-06, RS-08, GW-16
#[tokio::test]
async fn a_challenge_for_more_names_every_scope_of_the_operation() {
    let endpoint = Endpoint::new();
    let answer = endpoint.post(ALICE, &[], &call("create_hook")).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.header("www-authenticate"),
        format!(
            r#"Bearer resource_metadata="{METADATA}", error="insufficient_scope", scope="hooks repos:write", error_description="this operation needs more scopes""#
        )
    );
    assert_eq!(answer.json()["id"], 1);
    let again = endpoint.post(ALICE, &[], &call("create_hook")).await;
    assert_eq!(again.header("www-authenticate"), answer.header("www-authenticate"));
    assert!(endpoint.reached().is_empty());
}

// RS-15
#[tokio::test]
async fn a_broad_scope_opens_what_it_implies() {
    let endpoint = Endpoint::new();
    assert_eq!(endpoint.post(ALICE_WRITES, &[], &call("create_hook")).await.status, 200);
}

// RS-16
#[tokio::test]
async fn what_no_scope_can_open_is_no_scope_challenge() {
    let endpoint = Endpoint::new();
    for (token, tool) in [(ALICE_WRITES, "drop"), (ALICE_WRITES, "audit")] {
        let answer = endpoint.post(token, &[], &call(tool)).await;
        assert_eq!(answer.status, 403, "{tool}");
        assert_eq!(answer.header("www-authenticate"), "", "{tool}");
    }
    assert!(endpoint.reached().is_empty());
    assert_eq!(endpoint.post(BOB, &[], &call("audit")).await.status, 200);
}

// TP-01, RS-24
#[tokio::test]
async fn credentials_and_identity_headers_of_the_client_never_travel_on() {
    let endpoint = Endpoint::new();
    let forged = [
        ("cookie", "__Host-coatroom=secret"),
        ("proxy-authorization", "Basic secret"),
        ("dpop", "secret"),
        ("x-coatroom-user", "mallory"),
        ("x_coatroom_user", "mallory"),
        ("X-Coatroom-Assertion", "mallory"),
        ("traceparent", "00-1-2-01"),
    ];
    endpoint.post(ALICE, &forged, &call("x")).await;
    endpoint.send(request(Method::GET, ALICE, &forged, "")).await;
    endpoint.send(request(Method::DELETE, ALICE, &forged, "")).await;
    let reached = endpoint.reached();
    assert_eq!(reached.len(), 3);
    for request in reached {
        let everything = format!("{:?} {:?}", request.headers, request.body);
        for secret in ["secret", "mallory", ALICE] {
            assert!(!everything.contains(secret), "{everything}");
        }
        assert_eq!(request.headers["traceparent"], "00-1-2-01");
        assert_eq!(request.user.as_deref(), Some("alice"));
    }
}

// What ChatGPT reads; all others read the status.
#[tokio::test]
async fn a_client_that_looks_for_challenges_in_results_finds_them_there() {
    let chatgpt = [("user-agent", "openai-mcp/1.0.0 (ChatGPT)")];
    let optional = Endpoint::with(|builder| builder.with_authentication(Authentication::Optional));
    let required = Endpoint::new();
    for (endpoint, token, words) in
        [(&optional, "", "sign in first"), (&required, ALICE, "needs more scopes")]
    {
        let answer = endpoint.post(token, &chatgpt, &call("create_hook")).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (200, ""), "{words}");
        let result = &answer.json()["result"];
        assert_eq!(result["isError"], true);
        assert!(result["content"][0]["text"].as_str().unwrap().contains(words), "{result}");
        let challenge = result["_meta"]["mcp/www_authenticate"][0].as_str().unwrap();
        let start = format!(
            r#"Bearer resource_metadata="{METADATA}", error="insufficient_scope", scope="hooks repos:write""#
        );
        assert!(challenge.starts_with(&start), "{challenge}");
    }
    // Nobody has signed in at all, or the token is not good: the whole connection is challenged.
    assert_eq!(required.post("", &chatgpt, &call("create_hook")).await.status, 401);
    assert_eq!(optional.post("coat_at_unknown", &chatgpt, &call("x")).await.status, 401);
    assert_eq!(required.post(ALICE, &chatgpt, &call("drop")).await.status, 403, "no scope would help");
    assert_eq!(required.post(ALICE, &[("user-agent", "curl/8")], &call("create_hook")).await.status, 403);
    assert!(optional.reached().is_empty() && required.reached().is_empty());
}

#[tokio::test]
async fn in_optional_mode_only_the_absence_of_credentials_is_anonymous() {
    let endpoint = Endpoint::with(|builder| builder.with_authentication(Authentication::Optional));
    assert_eq!(endpoint.post("", &[], &call("x")).await.status, 200);
    assert_eq!(endpoint.reached().first().unwrap().user, None);
    assert_eq!(endpoint.post("coat_at_unknown", &[], &call("x")).await.status, 401);
    assert_eq!(endpoint.post("", &[("authorization", "Basic YTpi")], &call("x")).await.status, 401);
    assert_eq!(endpoint.post(OUTAGE, &[], &call("x")).await.status, 503);
    let answer = endpoint.post("", &[], &call("create_hook")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        format!(r#"Bearer resource_metadata="{METADATA}", scope="hooks repos:write""#)
    );
    assert_eq!(endpoint.post("", &[], &call("audit")).await.status, 401);
    assert_eq!(endpoint.post("", &[], &call("drop")).await.status, 403);
    assert!(endpoint.reached().is_empty());
}

#[tokio::test]
async fn with_authentication_off_tokens_are_dropped_and_scopes_cannot_be_had() {
    let endpoint = Endpoint::with(|builder| builder.with_authentication(Authentication::Off));
    assert_eq!(endpoint.post(ALICE, &[], &call("x")).await.status, 200);
    let reached = endpoint.reached();
    assert_eq!(reached[0].user, None);
    assert!(!reached[0].headers.contains_key("authorization"));
    let answer = endpoint.post(ALICE_WRITES, &[], &call("create_repo")).await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (403, ""));
}

#[test]
fn every_problem_of_the_settings_is_told_at_once() {
    let error = GuardLayer::builder(Resource::parse(RESOURCE).unwrap(), Arc::new(Tokens::new()))
        .with_host("not a host")
        .with_origin("app.example.com")
        .with_metadata_url("\n")
        .build()
        .unwrap_err();
    assert_eq!(error.problems.len(), 3);
}

/// An endpoint with a tool for everybody, one for users, and one that a user may also use without saying who they are.
fn by_tool(server: Authentication) -> Endpoint {
    let rules = [
        Rule::tool("open").with_authentication(Authentication::Off),
        Rule::tool("maybe").with_authentication(Authentication::Optional),
        Rule::tool("mine").with_authentication(Authentication::Required),
    ];
    let manifest = Manifest::new(rules, Unlisted::Permitted);
    Endpoint::with(|builder| builder.with_authentication(server).with_manifest(manifest))
}

#[tokio::test]
async fn a_rule_says_who_must_have_signed_in_whatever_the_server_says() {
    use Authentication::{Off, Optional, Required};
    for server in [Required, Optional, Off] {
        let endpoint = by_tool(server);
        let status = async |token: &str, body: String| endpoint.post(token, &[], &body).await.status.as_u16();
        assert_eq!(status("", call("open")).await, 200, "{server:?}");
        assert_eq!(status("coat_at_bad", call("open")).await, 200, "{server:?}: tokens are not looked at");
        assert_eq!(status("", call("maybe")).await, 200, "{server:?}");
        assert_eq!(status("coat_at_bad", call("maybe")).await, 401, "{server:?}");
        assert_eq!(status("", call("mine")).await, 401, "{server:?}");
        assert_eq!(status("coat_at_bad", call("mine")).await, 401, "{server:?}");
        assert_eq!(status(ALICE, call("mine")).await, 200, "{server:?}");
        // What no rule is about is as the server has it.
        let other = if server == Required { 401 } else { 200 };
        assert_eq!(status("", call("other")).await, other, "{server:?}");
        assert_eq!(status("", modern_ping()).await, other, "{server:?}");
        let users: Vec<_> = endpoint.reached().into_iter().filter_map(|reached| reached.user).collect();
        assert_eq!(users, ["alice"], "{server:?}");
    }
}

fn modern_ping() -> String {
    r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned()
}

#[tokio::test]
async fn a_batch_needs_what_the_strictest_of_its_calls_needs() {
    let endpoint = by_tool(Authentication::Required);
    for (tools, status) in [(["open", "mine"], 401), (["open", "other"], 401), (["open", "maybe"], 200)] {
        let batch = format!("[{},{}]", call(tools[0]), call(tools[1]).replacen(":1,", ":2,", 1));
        let headers = [("mcp-protocol-version", "2025-03-26")];
        assert_eq!(endpoint.post("", &headers, &batch).await.status.as_u16(), status, "{tools:?}");
    }
}
