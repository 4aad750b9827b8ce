//! `/login/oauth/authorize`: a person chooses who they are, and the browser goes back to the app with a code.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse, Redirect, Response};
use url::{Host, Url};

use crate::people::{EVERYBODY, Person};
use crate::{CLIENT_ID, Code, Inside, pairs};

/// The page; with a problem there is nobody to choose.
#[derive(Template)]
#[template(path = "authorize.html")]
struct Page<'a> {
    query: &'a str,
    scopes: Vec<&'a str>,
    people: &'a [Person],
    problem: Option<&'a str>,
}

/// Answers `GET`: the page with everybody on it.
pub(crate) async fn ask(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked = pairs(&query);
    if let Err(problem) = callback(&asked) {
        return page(StatusCode::NOT_FOUND, &problem_page(problem));
    }
    let scopes = asked.get("scope").map(String::as_str).unwrap_or_default();
    let scopes = scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).collect();
    page(StatusCode::OK, &Page { query: &query, scopes, people: &EVERYBODY, problem: None })
}

/// Answers `POST`: whoever pressed a button is signed in and agrees.
pub(crate) async fn agree(
    State(inside): State<Arc<Inside>>,
    RawQuery(query): RawQuery,
    body: String,
) -> Response {
    let mut asked = pairs(&query.unwrap_or_default());
    let mut back = match callback(&asked) {
        Ok(back) => back,
        Err(problem) => return page(StatusCode::NOT_FOUND, &problem_page(problem)),
    };
    let form = pairs(&body);
    let person = form.get("account").and_then(|login| Person::find(login));
    let state = asked.remove("state");
    let mut answer = back.query_pairs_mut();
    if let Some(person) = person {
        let Some(code) = inside.new_secret("") else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        answer.append_pair("code", &code);
        let redirect_uri = asked.remove("redirect_uri").unwrap_or_default();
        let challenge = asked.remove("code_challenge");
        let entry = Code { account: person.login.to_owned(), redirect_uri, challenge };
        inside.kept().codes.insert(code, entry);
    } else {
        answer.append_pair("error", "access_denied");
    }
    answer.extend_pairs(state.map(|state| ("state", state)));
    drop(answer);
    Redirect::to(back.as_str()).into_response()
}

/// Where the browser goes back to: any address of this machine, because nobody registers anything here.
fn callback(asked: &HashMap<String, String>) -> Result<Url, &'static str> {
    if asked.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
        return Err("The app named a client_id that is not registered here.");
    }
    let problem = "The app named no redirect_uri on this machine (localhost, 127.0.0.1 or [::1]).";
    let back = asked.get("redirect_uri").and_then(|uri| Url::parse(uri).ok()).ok_or(problem)?;
    let is_here = match back.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_web = matches!(back.scheme(), "http" | "https");
    if asked.contains_key("code_challenge")
        && asked.get("code_challenge_method").map(String::as_str) != Some("S256")
    {
        return Err("The app sent a code_challenge whose code_challenge_method is not S256.");
    }
    if is_here && is_web { Ok(back) } else { Err(problem) }
}

const fn problem_page(problem: &str) -> Page<'_> {
    Page { query: "", scopes: Vec::new(), people: &[], problem: Some(problem) }
}

fn page(status: StatusCode, page: &Page<'_>) -> Response {
    let Ok(html) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (CACHE_CONTROL, "no-store"),
        // No form-action: browsers hold it against the way back to the app, too.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(html)).into_response()
}
