//! Signing in to the web app, and out: the authorization code flow, with the browser's part of it in a sealed cookie.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::PrivateCookieJar;
use coatroom::clock::Clock as _;
use coatroom::entropy::{NoEntropy, SystemEntropy, draw};
use coatroom::protocol::words::{Params, base64url, same_bytes};

use crate::App;
use crate::client::Refusal;
use crate::pages::problem;
use crate::session::{PENDING, PENDING_LIFE, Pending, SESSION, Session, forget};

/// `POST /sign-in`: sends the browser to the authorization server.
pub(crate) async fn begin(State(app): State<App>, cookies: PrivateCookieJar, headers: HeaderMap) -> Response {
    if !app.is_from_our_page(&headers) {
        return elsewhere();
    }
    let random = || Ok::<_, NoEntropy>(base64url(&draw::<32>(&SystemEntropy::new())?));
    let (Ok(state), Ok(verifier)) = (random(), random()) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "This machine gives no random numbers.");
    };
    let expires_at = app.clock.now().unix().saturating_add(PENDING_LIFE.unsigned_abs());
    let pending = Pending { state, verifier, expires_at };
    (pending.put_into(cookies), Redirect::to(&app.authorize_url(&pending))).into_response()
}

/// `GET /signed-in`: the browser is back with a code, or without.
pub(crate) async fn finish(
    State(app): State<App>,
    cookies: PrivateCookieJar,
    RawQuery(query): RawQuery,
) -> Response {
    let finished = finished(&app, &cookies, &query.unwrap_or_default()).await;
    let session = match finished {
        Ok(session) => session,
        Err((status, words)) => return forget(problem(status, words), PENDING),
    };
    // Whoever was signed in here before is not any more, whatever is still under way.
    if let Some(before) = Session::of(&cookies) {
        app.revoke(&before).await;
    }
    let response = (session.put_into(cookies), Redirect::to("/"));
    forget(response, PENDING)
}

async fn finished(
    app: &App,
    cookies: &PrivateCookieJar,
    query: &str,
) -> Result<Session, (StatusCode, &'static str)> {
    let bad = |words| (StatusCode::BAD_REQUEST, words);
    let unclear = bad("This address does not finish a sign-in.");
    let params = Params::parse(query).map_err(|_| unclear)?;
    let param = |name| params.one(name).map_err(|_| unclear).map(Option::unwrap_or_default);
    // Only the browser that began a sign-in may finish it: nobody can be signed in as somebody else by a link.
    let ours = Pending::of(cookies).filter(|pending| pending.expires_at > app.clock.now().unix());
    let pending = ours.ok_or(bad("This sign-in was begun too long ago, or in another browser."))?;
    if !same_bytes(param("state")?.as_bytes(), pending.state.as_bytes()) {
        return Err(bad("This sign-in was begun anew in another tab, or by somebody else."));
    }
    // RFC 9207: the answer is from the server that was asked.
    if param("iss")? != app.origin.as_str() {
        return Err(unclear);
    }
    match param("error")? {
        "" => {}
        "access_denied" => return Err(bad("You did not agree, so nothing happened.")),
        _ => return Err(bad("The sign-in failed. Please try again.")),
    }
    app.redeem(param("code")?, &pending).await.map_err(|refusal| match refusal {
        Refusal::Ended => bad("This sign-in was finished already, or took too long."),
        Refusal::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Signing in is not possible at the moment. Please try again soon.",
        ),
    })
}

/// `POST /sign-out`: ends the sign-in itself, not only in this browser.
pub(crate) async fn end(State(app): State<App>, cookies: PrivateCookieJar, headers: HeaderMap) -> Response {
    if !app.is_from_our_page(&headers) {
        return elsewhere();
    }
    if let Some(session) = Session::of(&cookies) {
        app.revoke(&session).await;
    }
    forget(Redirect::to("/"), SESSION)
}

fn elsewhere() -> Response {
    problem(StatusCode::FORBIDDEN, "This works only from the pages of this app.")
}
