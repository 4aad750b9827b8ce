//! The demo's MCP server: a plain rmcp server that knows nothing of OAuth.
//!
//! It finds the user's own upstream token in the `Authorization` header, where the gateway put it, and calls the
//! repositories API with it. It serves clients of every protocol version without sessions: there is nothing here that
//! a restart could make anyone forget.

mod api;
mod tools;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use coatroom::providers::UpstreamToken;
use http::Uri;
use http::header::AUTHORIZATION;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use self::api::Api;
use self::tools::DemoServer;
use super::MCP_PATH;

/// Serves the MCP server at [`MCP_PATH`] of `listener`, a loopback socket of the gateway's own, until it is dropped.
///
/// `provider` is where the provider answers on the loopback interface, such as `http://127.0.0.1:8787/demo-provider`.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(listener: TcpListener, provider: &Uri) -> io::Result<()> {
    axum::serve(listener, router(provider)).await
}

/// rmcp accepts loopback names as `Host` unless told otherwise, and this server is reached by no other.
fn router(provider: &Uri) -> Router {
    let server = Arc::new(DemoServer::new(Api::new(provider)));
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let service = StreamableHttpService::new(
        move || Ok(Arc::clone(&server)),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    Router::new().route_service(MCP_PATH, service).layer(middleware::from_fn(take_token))
}

/// Moves the token out of the headers before rmcp sees, and perhaps logs, them.
async fn take_token(mut request: Request, next: Next) -> Response {
    let value = request.headers_mut().remove(AUTHORIZATION);
    let text = value.as_ref().and_then(|value| value.to_str().ok());
    let token = text.and_then(|text| text.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if let Some((_, token)) = token {
        request.extensions_mut().insert(UpstreamToken::new(token.trim()));
    }
    next.run(request).await
}

#[cfg(test)]
mod tests;
