//! `/login/oauth/access_token`: codes and refresh tokens into tokens.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{CLIENT_ID, CLIENT_SECRET, Code, GitHubApp, Inside, Kept, Renewal, json_answer, pairs};

/// Answers `POST`.
pub(crate) async fn post(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> Response {
    let form = pairs(&body);
    let renewal = if field(&form, "grant_type") == "refresh_token" {
        let mut kept = inside.kept();
        kept.asked += 1;
        kept.renewal
    } else {
        Renewal::Prompt
    };
    if renewal == Renewal::Ignored {
        std::future::pending::<()>().await;
    }
    let answer = exchange(&inside, &form).unwrap_or_else(|error| json!({ "error": error }));
    match renewal {
        Renewal::Slow(pause) => tokio::time::sleep(pause).await,
        Renewal::Swallowed => std::future::pending().await,
        Renewal::Prompt | Renewal::Ignored => {}
    }
    let accept = headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("json") { json_answer(StatusCode::OK, &answer) } else { form_answer(&answer) }
}

fn exchange(inside: &Inside, form: &HashMap<String, String>) -> Result<Value, &'static str> {
    if field(form, "client_id") != CLIENT_ID || field(form, "client_secret") != CLIENT_SECRET {
        return Err("incorrect_client_credentials");
    }
    let mut kept = inside.kept();
    let account = if field(form, "grant_type") == "refresh_token" {
        renew(&mut kept, field(form, "refresh_token"))?
    } else {
        redeem(&mut kept, form)?
    };
    let access = inside.new_secret("gho_").ok_or("server_error")?;
    kept.access.insert(access.clone(), account.clone());
    let GitHubApp::Expiring(seconds) = inside.app else {
        return Ok(json!({ "access_token": access, "token_type": "bearer", "scope": SCOPE }));
    };
    let refresh = inside.new_secret("ghr_").ok_or("server_error")?;
    kept.refresh.insert(refresh.clone(), account);
    Ok(json!({
        "access_token": access,
        "token_type": "bearer",
        "scope": SCOPE,
        "expires_in": seconds,
        "refresh_token": refresh,
        "refresh_token_expires_in": 15_897_600,
    }))
}

/// Whose refresh token this is. It works once, and the access tokens before it end.
fn renew(kept: &mut Kept, refresh_token: &str) -> Result<String, &'static str> {
    let account = kept.refresh.remove(refresh_token).ok_or("bad_refresh_token")?;
    kept.refreshes += 1;
    kept.access.retain(|_, owner| *owner != account);
    Ok(account)
}

/// Whose code this is. It works once, and only with the verifier of its challenge (RFC 7636 section 4.6).
fn redeem(kept: &mut Kept, form: &HashMap<String, String>) -> Result<String, &'static str> {
    let Code { account, redirect_uri, challenge } =
        kept.codes.remove(field(form, "code")).ok_or("bad_verification_code")?;
    if redirect_uri != field(form, "redirect_uri") {
        return Err("redirect_uri_mismatch");
    }
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, field(form, "code_verifier").as_bytes()));
    match challenge {
        Some(challenge) if challenge != hash => Err("bad_verification_code"),
        _ => Ok(account),
    }
}

/// What GitHub answers unless JSON is asked for.
fn form_answer(answer: &Value) -> Response {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer.as_object().into_iter().flatten() {
        form.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    ([("content-type", "application/x-www-form-urlencoded; charset=utf-8")], form.finish()).into_response()
}

fn field<'a>(form: &'a HashMap<String, String>, name: &str) -> &'a str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

const SCOPE: &str = "read:user,repo";
