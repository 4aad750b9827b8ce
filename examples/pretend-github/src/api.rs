//! `/api/v3/…`: what apps read and write with the token of a person.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::people::{Person, Repo};
use crate::{CLIENT_ID, CLIENT_SECRET, Inside, Issue, json_answer};

/// `GET /user`: whose token it is.
pub(crate) async fn user(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    let Some(person) = caller(&inside, &headers) else { return bad_credentials(&headers) };
    let Person { id, login, .. } = person;
    let profile = json!({ "id": id, "login": login, "name": null, "email": null, "avatar_url": null });
    json_answer(StatusCode::OK, &profile)
}

/// `GET /user/emails`.
pub(crate) async fn emails(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    let Some(person) = caller(&inside, &headers) else { return bad_credentials(&headers) };
    let email = format!("{}@example.com", person.login);
    let address = json!({ "email": email, "primary": true, "verified": true, "visibility": null });
    json_answer(StatusCode::OK, &json!([address]))
}

/// `GET /user/repos`: all that the caller owns, on one page.
pub(crate) async fn repos(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    let Some(person) = caller(&inside, &headers) else { return bad_credentials(&headers) };
    let repos: Vec<Value> = person.repos.iter().map(|repo| shown(&inside, person, repo)).collect();
    json_answer(StatusCode::OK, &json!(repos))
}

fn shown(inside: &Inside, owner: &Person, repo: &Repo) -> Value {
    let Repo { id, name, description, private } = repo;
    let full_name = format!("{}/{name}", owner.login);
    let open_issues = inside.kept().issues.iter().filter(|issue| issue.repo == full_name).count();
    json!({
        "id": id,
        "name": name,
        "full_name": full_name,
        "owner": { "id": owner.id, "login": owner.login },
        "private": private,
        "visibility": if *private { "private" } else { "public" },
        "description": description,
        "html_url": format!("{}/{full_name}", inside.origin),
        "open_issues_count": open_issues,
    })
}

/// `POST /repos/{owner}/{repo}/issues`: anybody may where they can see the repository.
pub(crate) async fn open_issue(
    State(inside): State<Arc<Inside>>,
    Path((owner, repo)): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let Some(author) = caller(&inside, &headers) else { return bad_credentials(&headers) };
    let found = Person::find(&owner).and_then(|owner| Some((owner, owner.repo(&repo)?)));
    let Some((owner, repo)) = found.filter(|(owner, repo)| *owner == author || !repo.private) else {
        return not_found();
    };
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text("title").trim().is_empty() {
        let error = json!({ "resource": "Issue", "field": "title", "code": "missing_field" });
        let answer = json!({ "message": "Validation Failed", "errors": [error] });
        return json_answer(StatusCode::UNPROCESSABLE_ENTITY, &answer);
    }
    let full_name = format!("{}/{}", owner.login, repo.name);
    let mut kept = inside.kept();
    let number = kept.issues.iter().filter(|issue| issue.repo == full_name).count() + 1;
    let (title, body) = (text("title"), text("body"));
    let answer = json!({
        "number": number,
        "title": title,
        "body": body,
        "state": "open",
        "html_url": format!("{}/{full_name}/issues/{number}", inside.origin),
        "user": { "id": author.id, "login": author.login },
    });
    kept.issues.push(Issue { repo: full_name, number, title, body, author: author.login.to_owned() });
    json_answer(StatusCode::CREATED, &answer)
}

/// `GET /user/memberships/orgs/{organisation}`.
pub(crate) async fn membership(
    State(inside): State<Arc<Inside>>,
    Path(organisation): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(person) = caller(&inside, &headers) else { return bad_credentials(&headers) };
    let member = (person.login.to_owned(), organisation);
    if !inside.kept().members.contains(&member) {
        return not_found();
    }
    let said = json!({ "state": "active", "role": "member", "organization": { "login": member.1 } });
    json_answer(StatusCode::OK, &said)
}

/// `DELETE /applications/{client_id}/token`: the app gives one token back.
pub(crate) async fn forget(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> Response {
    let credentials = STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if sent != format!("Basic {credentials}") {
        return not_found();
    }
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let token = body.get("access_token").and_then(Value::as_str).unwrap_or_default();
    match inside.kept().access.remove(token) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => json_answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "message": "Validation Failed" })),
    }
}

/// Whose token was sent, as GitHub's API decides it.
fn caller(inside: &Inside, headers: &HeaderMap) -> Option<&'static Person> {
    let bearer = headers.get("authorization")?.to_str().ok()?;
    let token = bearer.strip_prefix("Bearer ").or_else(|| bearer.strip_prefix("token "))?;
    let named = headers.contains_key("user-agent");
    let login = inside.kept().access.get(token).filter(|_| named).cloned()?;
    Person::find(&login)
}

fn bad_credentials(headers: &HeaderMap) -> Response {
    if headers.contains_key("user-agent") {
        return json_answer(StatusCode::UNAUTHORIZED, &json!({ "message": "Bad credentials" }));
    }
    (StatusCode::FORBIDDEN, "Request forbidden by administrative rules.").into_response()
}

/// What GitHub says of what is not there, and of what the caller may not see.
fn not_found() -> Response {
    json_answer(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" }))
}
