//! A provider to sign in at that answers at once: nobody is asked, nothing is kept.
//!
//! Whoever comes is known by a cookie `user`, and is in the code and the tokens, so that there is nothing to look up.

use std::convert::Infallible;

use anyhow::Result;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use url::form_urlencoded;

/// Serves in the set of local tasks that this is called in, and returns its port.
pub(super) async fn start() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let serve = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::task::spawn_local(serve);
        }
    });
    Ok(port)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = |name: header::HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    Ok(match request.uri().path() {
        "/authorize" => {
            let cookie = text(header::COOKIE);
            let user = cookie.strip_prefix("user=").unwrap_or("nobody");
            agreed(request.uri().query().unwrap_or_default(), user)
        }
        "/token" => {
            let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
            token(&body)
        }
        "/user" => {
            let authorization = text(header::AUTHORIZATION);
            let user = authorization.strip_prefix("Bearer ").and_then(|token| token.split('.').nth(1));
            said(&json!({ "id": user.unwrap_or("nobody") }))
        }
        _ => with_status(StatusCode::NOT_FOUND),
    })
}

/// Sends the browser back with a code.
fn agreed(query: &str, user: &str) -> Response<Full<Bytes>> {
    let value = |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name);
    let (Some((_, back)), Some((_, state))) = (value("redirect_uri"), value("state")) else {
        return with_status(StatusCode::BAD_REQUEST);
    };
    let answer = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &format!("code.{user}"))
        .append_pair("state", &state)
        .finish();
    let mut response = with_status(StatusCode::FOUND);
    if let Ok(location) = HeaderValue::try_from(format!("{back}?{answer}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Tokens for a code, or for a refresh token.
fn token(form: &[u8]) -> Response<Full<Bytes>> {
    let presented = form_urlencoded::parse(form).find(|(name, _)| name == "code" || name == "refresh_token");
    let user = presented.as_ref().and_then(|(_, value)| value.split('.').nth(1)).unwrap_or("nobody");
    said(&json!({
        "access_token": format!("access.{user}.0123456789abcdef0123456789abcdef"),
        "refresh_token": format!("refresh.{user}.0123456789abcdef0123456789abcdef"),
        "token_type": "bearer",
        "expires_in": 86_400,
    }))
}

fn said(value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn with_status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
