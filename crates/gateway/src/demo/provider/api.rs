//! `GET /user`, `GET /userinfo` and the repositories API: what a token of the provider is good for.
//!
//! Every answer is for the account whose token was shown, and for it alone (RFC 6750).

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use coatroom::protocol::words::{Params, Scopes};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::issues::NewIssue;
use super::seal::{AccessClaims, Sealed as _};
use super::{Provider, answer};
use crate::demo::accounts::{Account, Repo};
use crate::demo::{SCOPE_READ, SCOPE_WRITE};

/// Answers `GET /user`: who the token belongs to.
pub(super) async fn user(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    match provider.bearer(&headers) {
        Ok((account, _)) => answer::json(
            StatusCode::OK,
            &json!({
                "id": account.id,
                "login": account.login,
                "name": account.name,
                "email": account.email,
                "avatar": Value::Null,
            }),
        ),
        Err(refusal) => refusal.answer(),
    }
}

/// Answers `GET /userinfo`: the same, in the words of OpenID Connect Core §5.1, for whoever signs the account in.
pub(super) async fn userinfo(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    match provider.bearer(&headers) {
        Ok((account, _)) => answer::json(
            StatusCode::OK,
            &json!({
                "sub": account.id.to_string(),
                "preferred_username": account.login,
                "name": account.name,
                "email": account.email,
                "email_verified": true,
            }),
        ),
        Err(refusal) => refusal.answer(),
    }
}

/// Answers `GET /api/repos?visibility=`: the account's own repositories.
pub(super) async fn repos(
    State(provider): State<Arc<Provider>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match provider.repos(&headers, query.as_deref().unwrap_or_default()) {
        Ok(repos) => answer::json(StatusCode::OK, &repos),
        Err(refusal) => refusal.answer(),
    }
}

/// Answers `POST /api/repos/{owner}/{name}/issues`: opens an issue in a repository of the account's own.
pub(super) async fn create_issue(
    State(provider): State<Arc<Provider>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    answer::blocking(provider, move |provider| {
        match provider.create_issue(&headers, (&owner, &name), &body) {
            Ok(issue) => answer::json(StatusCode::CREATED, &issue),
            Err(refusal) => refusal.answer(),
        }
    })
    .await
}

/// Why the API refused a request.
#[derive(Debug, thiserror::Error)]
enum ApiRefusal {
    /// No token.
    #[error("this API needs a bearer token")]
    NoToken,
    /// A token that is not ours, or has ended.
    #[error("the access token is unknown or has ended")]
    BadToken,
    /// A token for less.
    #[error("the access token lacks the scope {0}")]
    MissingScope(&'static str),
    /// A query that makes no sense.
    #[error("visibility is all, public or private")]
    Visibility,
    /// There is no such repository.
    #[error("there is no repository {0}")]
    NoSuchRepo(String),
    /// It is someone else's.
    #[error("{0} is not a repository of {1}")]
    NotTheirs(String, &'static str),
    /// The body is not an issue.
    #[error("the body must be a JSON object with the text members title and body")]
    NotAnIssue,
    /// The title is empty, too long, or more than one line.
    #[error("the title must be one line of 1 to {MOST_TITLE_CHARS} characters")]
    Title,
    /// The text is too long.
    #[error("the body has at most {MOST_BODY_CHARS} characters")]
    Body,
    /// The data folder cannot be written.
    #[error("the issue could not be kept; try again later")]
    Disk,
}

/// The body of a new issue.
#[derive(Deserialize)]
struct IssueBody {
    title: String,
    #[serde(default)]
    body: String,
}

impl ApiRefusal {
    /// The status and the code that say the same to a program.
    const fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoToken | Self::BadToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::MissingScope(_) => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::NotTheirs(..) => (StatusCode::FORBIDDEN, "access_denied"),
            Self::NoSuchRepo(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Visibility | Self::NotAnIssue => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Title | Self::Body => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
            Self::Disk => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        }
    }

    fn answer(&self) -> Response {
        let (status, code) = self.parts();
        let mut response = answer::error(status, code, &self.to_string());
        let challenge = match self {
            Self::NoToken => "Bearer".to_owned(),
            Self::BadToken => "Bearer error=\"invalid_token\"".to_owned(),
            Self::MissingScope(scope) => format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""),
            _ => return response,
        };
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl Provider {
    /// Whose token was shown, and what it allows.
    fn bearer(&self, headers: &HeaderMap) -> Result<(&'static Account, Scopes), ApiRefusal> {
        let value = headers.get(AUTHORIZATION).ok_or(ApiRefusal::NoToken)?;
        let (scheme, token) =
            value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(ApiRefusal::NoToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ApiRefusal::NoToken);
        }
        let claims = AccessClaims::open(token.trim(), &self.key).ok_or(ApiRefusal::BadToken)?;
        if self.sources.clock.now().has_reached(claims.expires_at) {
            return Err(ApiRefusal::BadToken);
        }
        let sign_in = self.ledger.find(&claims.sign_in).ok_or(ApiRefusal::BadToken)?;
        let account = Account::find(&sign_in.login).ok_or(ApiRefusal::BadToken)?;
        Ok((account, claims.scopes))
    }

    fn repos(&self, headers: &HeaderMap, query: &str) -> Result<Vec<Value>, ApiRefusal> {
        let (account, scopes) = self.bearer(headers)?;
        if !holds(&scopes, SCOPE_READ) && !holds(&scopes, SCOPE_WRITE) {
            return Err(ApiRefusal::MissingScope(SCOPE_READ));
        }
        let params = Params::parse(query).map_err(|_| ApiRefusal::Visibility)?;
        let asked = params.one("visibility").map_err(|_| ApiRefusal::Visibility)?.unwrap_or("all");
        if !["all", "public", "private"].contains(&asked) {
            return Err(ApiRefusal::Visibility);
        }
        let shown = account.repos.iter().filter(|repo| asked == "all" || repo.visibility() == asked);
        Ok(shown.map(|repo| self.describe(account, repo)).collect())
    }

    fn describe(&self, owner: &Account, repo: &Repo) -> Value {
        let full_name = format!("{}/{}", owner.login, repo.name);
        json!({
            "open_issues": self.issues.count(&full_name),
            "full_name": full_name,
            "owner": owner.login,
            "name": repo.name,
            "description": repo.description,
            "visibility": repo.visibility(),
        })
    }

    fn create_issue(
        &self,
        headers: &HeaderMap,
        (owner, name): (&str, &str),
        body: &str,
    ) -> Result<super::issues::Issue, ApiRefusal> {
        let (account, scopes) = self.bearer(headers)?;
        if !holds(&scopes, SCOPE_WRITE) {
            return Err(ApiRefusal::MissingScope(SCOPE_WRITE));
        }
        let repo = format!("{owner}/{name}");
        let owner = Account::find(owner).filter(|owner| owner.repo(name).is_some());
        let owner = owner.ok_or_else(|| ApiRefusal::NoSuchRepo(repo.clone()))?;
        if owner != account {
            return Err(ApiRefusal::NotTheirs(repo, account.name));
        }
        let IssueBody { title, body } = serde_json::from_str(body).map_err(|_| ApiRefusal::NotAnIssue)?;
        let title = title.trim().to_owned();
        let length = title.chars().count();
        if length == 0 || length > MOST_TITLE_CHARS || title.chars().any(char::is_control) {
            return Err(ApiRefusal::Title);
        }
        if body.chars().count() > MOST_BODY_CHARS {
            return Err(ApiRefusal::Body);
        }
        let new = NewIssue { repo, title, body, author: account.login.to_owned() };
        self.issues.create(new, self.sources.clock.now()).map_err(|error| {
            tracing::error!(reason = %error, "the demo provider cannot write its issues");
            ApiRefusal::Disk
        })
    }
}

fn holds(scopes: &Scopes, name: &str) -> bool {
    scopes.iter().any(|scope| scope.as_str() == name)
}

const MOST_TITLE_CHARS: usize = 200;
const MOST_BODY_CHARS: usize = 4_000;
