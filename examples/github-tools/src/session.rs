//! The session cookie of the web app, and how a call with it becomes a call with a token.
//!
//! The cookie holds the tokens themselves, sealed (AES-256-GCM): the server keeps nothing, and sessions survive its restart.
//! `__Host-` binds it to this host, to TLS (browsers take `http://localhost` for that) and to the whole origin, so no other host
//! can plant one. A cookie is sent by the browser whoever asks for it, so it counts only when a page of ours asks.

use std::fmt;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, ORIGIN, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use coatroom::clock::Clock as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::Duration;

use crate::App;
use crate::client::Refusal;

/// Who is signed in, in the browser's cookie.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// When the access token ends, in seconds since 1970.
    pub(crate) expires_at: u64,
}

/// A sign-in that a browser began.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) state: String,
    pub(crate) verifier: String,
    /// When it is too late to finish it, in seconds since 1970.
    pub(crate) expires_at: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Session {
    /// The session of a request, if there is a cookie that we sealed.
    pub(crate) fn of(cookies: &PrivateCookieJar) -> Option<Self> {
        opened(cookies, SESSION)
    }

    /// The cookies with this session in them.
    pub(crate) fn put_into(&self, cookies: PrivateCookieJar) -> PrivateCookieJar {
        sealed(cookies, SESSION, self, SESSION_LIFE)
    }
}

impl Pending {
    /// The sign-in that the browser of a request began.
    pub(crate) fn of(cookies: &PrivateCookieJar) -> Option<Self> {
        opened(cookies, PENDING)
    }

    /// The cookies with this sign-in in them.
    pub(crate) fn put_into(&self, cookies: PrivateCookieJar) -> PrivateCookieJar {
        sealed(cookies, PENDING, self, PENDING_LIFE)
    }
}

impl App {
    /// Whether a page of ours sent a request. Browsers say so in headers that no page can set.
    pub(crate) fn is_from_our_page(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) => origin == self.origin.as_str(),
            (None, _) => headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin"),
            (Some(_), Some(_)) => false,
        }
    }
}

/// Gives a call with the session cookie the token that is in there. A call with a token of its own goes on as it is.
pub(crate) async fn cookie_to_token(
    State(app): State<App>,
    cookies: PrivateCookieJar,
    mut request: Request,
    next: Next,
) -> Response {
    let has_cookie = CookieJar::from_headers(request.headers()).get(SESSION).is_some();
    request.headers_mut().remove(COOKIE);
    if !has_cookie || request.headers().contains_key(AUTHORIZATION) {
        return next.run(request).await;
    }
    if !app.is_from_our_page(request.headers()) {
        return (StatusCode::FORBIDDEN, "The session cookie is for the pages of this app.").into_response();
    }
    let Some(session) = Session::of(&cookies) else { return signed_out(request, next).await };
    let (session, cookies) = match app.current(session, cookies).await {
        Ok(current) => current,
        Err(Refusal::Ended) => return signed_out(request, next).await,
        Err(Refusal::Unavailable) => {
            return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response();
        }
    };
    let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", session.access)) else {
        return signed_out(request, next).await;
    };
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        return forget(response, SESSION);
    }
    (cookies, response).into_response()
}

impl App {
    /// The session with an access token that is still good for a moment.
    async fn current(
        &self,
        session: Session,
        cookies: PrivateCookieJar,
    ) -> Result<(Session, PrivateCookieJar), Refusal> {
        let left = session.expires_at.saturating_sub(self.clock.now().unix());
        if left > REFRESH_BEFORE {
            return Ok((session, cookies));
        }
        match self.refresh(&session).await {
            Ok(refreshed) => {
                let cookies = refreshed.put_into(cookies);
                Ok((refreshed, cookies))
            }
            Err(Refusal::Unavailable) if left > 0 => Ok((session, cookies)),
            Err(refusal) => Err(refusal),
        }
    }
}

/// The call as that of a stranger: the guard says where to sign in. The cookie is of no use any more.
async fn signed_out(request: Request, next: Next) -> Response {
    forget(next.run(request).await, SESSION)
}

/// Has the browser forget a cookie, also one that we cannot open.
pub(crate) fn forget(response: impl IntoResponse, name: &'static str) -> Response {
    let mut response = response.into_response();
    let cookie = cookie(name, String::new(), 0).to_string();
    response.headers_mut().extend(HeaderValue::try_from(cookie).ok().map(|cookie| (SET_COOKIE, cookie)));
    response
}

fn opened<T: DeserializeOwned>(cookies: &PrivateCookieJar, name: &str) -> Option<T> {
    serde_json::from_str(cookies.get(name)?.value()).ok()
}

fn sealed<T: Serialize>(
    cookies: PrivateCookieJar,
    name: &'static str,
    value: &T,
    life: i64,
) -> PrivateCookieJar {
    match serde_json::to_string(value) {
        Ok(text) => cookies.add(cookie(name, text, life)),
        Err(_) => cookies,
    }
}

fn cookie(name: &'static str, value: String, seconds: i64) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .secure(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds))
        .build()
}

pub(crate) const SESSION: &str = "__Host-session";
pub(crate) const PENDING: &str = "__Host-sign-in";
/// How long a browser keeps the session, in seconds: as long as a refresh token may lie unused.
const SESSION_LIFE: i64 = 30 * 24 * 3600;
/// How long signing in may take, in seconds.
pub(crate) const PENDING_LIFE: i64 = 600;
/// How long before its end an access token is refreshed, in seconds.
const REFRESH_BEFORE: u64 = 60;
