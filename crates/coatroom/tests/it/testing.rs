//! The callers that the feature `testing` gives to the tests of a server's own handlers.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use coatroom::guard::{Caller, CallerError, CallerErrorKind, MaybeCaller, UpstreamError};
use coatroom::testing;
use http::{Request, StatusCode};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;
use tower::ServiceExt as _;

struct Tools;

#[tool_router]
impl Tools {
    #[tool(description = "adds a line")]
    async fn note(&self, caller: Caller) -> Result<String, ErrorData> {
        caller.require_scope("notes:write")?;
        caller.update_data(|lines: Option<u32>| lines.unwrap_or_default() + 1).await?;
        let lines: Option<u32> = caller.data().await?;
        Ok(format!("{} has {} lines", caller.user().id(), lines.unwrap_or_default()))
    }

    #[tool(description = "who calls, if anybody has signed in")]
    async fn maybe(&self, MaybeCaller(caller): MaybeCaller) -> String {
        caller.map_or_else(|| "nobody".to_owned(), |caller| caller.user().id().to_owned())
    }
}

#[tool_handler]
impl ServerHandler for Tools {}

fn mcp() -> Router {
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(|| Ok(Tools), sessions, StreamableHttpServerConfig::default());
    Router::new().route_service("/mcp", service)
}

#[tokio::test]
async fn a_tool_of_rmcp_is_called_by_a_caller_of_the_test() {
    let app = mcp().layer(testing::caller("alice").scopes("notes:write").data(&4).layer());
    for lines in [5, 6] {
        let answer = testing::call_tool(app.clone(), "/mcp", "note", json!({})).await;
        assert_eq!(answer["result"]["content"][0]["text"], format!("alice has {lines} lines"), "{answer}");
    }
    let answer = testing::call_tool(app, "/mcp", "maybe", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "alice");
}

#[tokio::test]
async fn what_a_tool_asks_for_in_vain_is_its_answer() {
    let app = mcp().layer(testing::caller("bob").layer());
    let answer = testing::call_tool(app, "/mcp", "note", json!({})).await;
    assert_eq!(answer["error"]["message"], "this operation needs the scope notes:write");

    let app = mcp().layer(testing::anonymous());
    let answer = testing::call_tool(app.clone(), "/mcp", "maybe", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "nobody");
    let answer = testing::call_tool(app, "/mcp", "note", json!({})).await;
    assert_eq!(answer["error"]["message"], "this operation needs a user who has signed in");
}

#[tokio::test]
#[should_panic(expected = "no message, but 404")]
async fn a_tool_at_a_wrong_path_is_no_answer() {
    testing::call_tool(mcp(), "/mpc", "note", json!({})).await;
}

#[tokio::test]
async fn a_handler_of_axum_finds_the_caller_and_what_is_refused_has_its_status() {
    async fn handler(caller: Caller) -> Result<String, CallerError> {
        caller.require_role("editor")?;
        caller.require_permission("deploy")?;
        let token = caller.upstream("github").await?;
        Ok(format!("{} {} {}", caller.user().display_name(), caller.claims()["team"], token.expose()))
    }
    let answer = async |layer: testing::CallerLayer| {
        let app = Router::new().route("/", get(handler)).layer(layer);
        let answer = app.oneshot(Request::new(axum::body::Body::empty())).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let alice = || {
        let alice = testing::caller("alice").roles(["editor"]).permissions(["deploy"]).claim("team", 7);
        alice.user(|user| user.name = Some("Alice".to_owned()))
    };
    let token = alice().upstream("github", "gho_1");
    assert_eq!(answer(token.layer()).await, (StatusCode::OK, "Alice 7 gho_1".to_owned()));
    for (layer, status) in [
        (testing::anonymous(), StatusCode::UNAUTHORIZED),
        (testing::caller("bob").layer(), StatusCode::FORBIDDEN),
        (alice().not_connected("github").layer(), StatusCode::FORBIDDEN),
        (alice().sign_in_ended("github").layer(), StatusCode::UNAUTHORIZED),
        (alice().unavailable("github").layer(), StatusCode::SERVICE_UNAVAILABLE),
        (alice().layer(), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        assert_eq!(answer(layer).await.0, status);
    }
}

#[tokio::test]
async fn callers_of_two_ids_share_nothing_and_say_no_secret() {
    let maker = testing::caller("alice").upstream("github", "canary").data("canary");
    assert!(!format!("{maker:?}").contains("canary"), "{maker:?}");
    let (alice, bob) = (maker.build(), testing::caller("bob").build());
    assert_ne!(alice.grant(), bob.grant());
    assert_eq!(alice.grant(), testing::caller("alice").build().grant());
    assert_eq!(alice.data::<String>().await.unwrap().as_deref(), Some("canary"));
    assert_eq!(bob.data::<String>().await.unwrap(), None);
    alice.clone().set_data(&"new").await.unwrap();
    assert_eq!(alice.data::<String>().await.unwrap().as_deref(), Some("new"));
    let error = bob.upstream("github").await.unwrap_err();
    assert!(matches!(error.kind(), CallerErrorKind::Upstream(UpstreamError::Unknown { .. })), "{error}");
    assert!(!format!("{alice:?}").contains("canary"));
}

#[test]
#[should_panic(expected = "cannot name a provider")]
fn a_wrong_name_fails_the_test_that_has_it() {
    drop(testing::caller("alice").upstream("Git Hub", "x"));
}
