//! What stands behind the gateway in the tests: identity providers, and MCP servers that tell what reached them.

pub mod apple;
pub mod behind;
pub mod crowd;
pub mod echo;
pub mod everything;
pub mod flood;
pub mod github;
pub mod github_api;
pub mod issuer;
mod mail;
pub mod oidc;
pub mod sse;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

pub use apple::Apple;
pub use behind::Behind;
pub use crowd::Crowd;
pub use echo::EchoServer;
pub use everything::{EverythingServer, RoutingHeaders};
pub use flood::FloodServer;
pub use github::{GitHub, GitHubApp, Renewal};
pub use github_api::GitHubApi;
pub use issuer::KeyServer;
pub use mail::{MailServer, code_of, link_of};
pub use oidc::{Canaille, OidcProvider};
pub use sse::SseServer;

/// Serves routes on a free loopback port for as long as the test runs; returns the origin.
async fn serve(routes: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://127.0.0.1:{port}")
}

/// An answer with a JSON body.
fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}
