//! `/account`: a person sees which apps may act for them, and ends that.
//!
//! Whoever is not signed in signs in here first, at a provider, in a flow of its own that gives no app anything and keeps
//! nothing of the provider's tokens. Every change is a `POST` from a page of ours by the person of the session, and a grant
//! is ended only for its own user.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use coatroom_protocol::client::ClientUrl;
use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::{ClientId, FlowId, GrantId, Params, ProviderName, Scope, Timestamp};
use http::HeaderMap;
use http::header::HeaderValue;
use serde::{Deserialize, Serialize};

use super::App;
use super::authorize::offer;
use super::cookies::{self, CookieJar};
use super::flow::{Browser, Carried, Stage, UpstreamSecrets};
use super::session::Session;
use super::upstream_leg::{Returned, depart, throw_away};
use super::visit::{Stop, Visit, see_other};
use crate::context::{GrantSummary, SignInAt};
use crate::entropy::draw;
use crate::error::Error;
use crate::pages::{
    ACCOUNT_PATH, AccountNote, AccountPage, ConnectedApp, EVERY_GRANT, GRANT_FIELD, McpServer,
    OfferedProvider, PROVIDER_FIELD, ReturnAddress, SignInPage, SignedIn, Trouble,
};
use crate::providers::{Provider, UpstreamPrompt};

/// Answers `GET /account`.
pub(super) async fn get(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let note = Note::of(&visit.jar);
    let shown = async {
        match Session::of(&app.context, &visit.jar).await? {
            Some(session) => connections(&app, &visit, &session, note).await,
            None => sign_in_page(&app, &visit, note),
        }
    };
    let mut response = shown.await.unwrap_or_else(|stop| visit.stopped(stop));
    cookies::add(response.headers_mut(), note.and_then(|_| Note::forget(&visit.jar)));
    response
}

/// Answers `POST /account/end`.
pub(super) async fn end(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let ended = async {
        let form = visit.form(body).await?;
        let session = Session::of(&app.context, &visit.jar).await?;
        let session = session.ok_or(Stop::Trouble(Trouble::Expired))?;
        end_access(&app, &session, one(&form, GRANT_FIELD)?).await
    };
    match ended.await {
        Ok(()) => back(Note::set(&visit.jar, AccountNote::Ended)),
        Err(stop) => visit.stopped(stop),
    }
}

/// Answers `POST /account/sign-in`.
pub(super) async fn sign_in(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let begun = async {
        let form = visit.form(body).await?;
        let browser = Browser::of(&visit.jar).ok_or(Stop::Trouble(Trouble::NoCookie))?;
        begin(&app, &visit, &browser, one(&form, PROVIDER_FIELD)?).await
    };
    begun.await.unwrap_or_else(|stop| visit.stopped(stop))
}

/// Answers `POST /account/sign-out`.
pub(super) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let visit = Visit::new(&app, &headers, None);
    if !visit.is_same_origin() {
        return visit.stopped(Stop::Trouble(Trouble::NoCookie));
    }
    if let Err(error) = end_sessions(&app, &visit).await {
        return visit.stopped(Stop::Inside(error));
    }
    back(Session::forget(&visit.jar).into_iter().chain(Note::set(&visit.jar, AccountNote::SignedOut)))
}

/// Where the session stands in the place of a provider's, its end is the end of every copy of the cookie.
async fn end_sessions(app: &App, visit: &Visit<'_>) -> Result<(), Error> {
    let Some(accounts) = &app.context.accounts else { return Ok(()) };
    match Session::account(&app.context, &visit.jar).await? {
        Some(account) => accounts.sign_out(&account).await,
        None => Ok(()),
    }
}

fn one<'a>(form: &'a Params, name: &str) -> Result<&'a str, Stop> {
    form.one(name).ok().flatten().ok_or(Stop::Trouble(Trouble::Expired))
}

/// Sends the browser back to the page.
fn back(cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut response = see_other(ACCOUNT_PATH);
    cookies::add(response.headers_mut(), cookies);
    response
}

async fn end_access(app: &App, session: &Session, grant: &str) -> Result<(), Stop> {
    let context = &app.context;
    let ids = if grant == EVERY_GRANT {
        context.grants_of(&session.subject).await?.into_iter().map(|grant| grant.id).collect()
    } else {
        vec![GrantId::parse(grant).ok_or(Stop::Trouble(Trouble::Expired))?]
    };
    for id in ids {
        // One that is not theirs, or gone, is none that they could see: it is as ended as it can be for them.
        let _ = context.revoke_of(&session.subject, &id, RevokedReason::User).await?;
    }
    Ok(())
}

async fn connections(
    app: &App,
    visit: &Visit<'_>,
    session: &Session,
    done: Option<AccountNote>,
) -> Result<Response, Stop> {
    let context = &app.context;
    let place = context.sign_in_at(&session.subject.provider).ok_or(Stop::Trouble(Trouble::Expired))?;
    let grants = context.grants_of(&session.subject).await?;
    let shown: Vec<Shown<'_>> = grants.iter().map(|grant| Shown::new(app, grant)).collect();
    let apps: Vec<ConnectedApp<'_>> = shown.iter().map(Shown::app).collect();
    let page = AccountPage {
        signed_in: SignedIn { person: &session.name, provider: offer(visit, place) },
        apps: &apps,
        done,
    };
    Ok(app.pages.account(visit.language, &page))
}

/// What the page needs of one grant.
struct Shown<'a> {
    grant: &'a GrantSummary,
    known: bool,
    document: Option<ClientUrl>,
    redirect: Option<ReturnAddress>,
    server: McpServer<'a>,
    scopes: Vec<&'a str>,
    connected: Vec<&'a str>,
}

impl<'a> Shown<'a> {
    fn new(app: &'a App, grant: &'a GrantSummary) -> Self {
        let resource = app.context.resources.get(&grant.resource);
        let title =
            |scope: &'a Scope| resource.map_or(scope.as_str(), |resource| resource.scopes.title(scope));
        let label = |name: &'a ProviderName| {
            app.context.provider(name).map_or(name.as_str(), |provider| provider.label())
        };
        let is_configured = |id: &ClientId| app.context.configured_clients.contains_key(id);
        Self {
            grant,
            known: grant.client_id.as_ref().is_some_and(is_configured),
            document: grant.client_id.as_ref().and_then(|id| ClientUrl::parse(id.as_str()).ok()),
            redirect: ReturnAddress::parse(&grant.redirect_uri),
            server: app.mcp_server(&grant.resource),
            scopes: grant.scopes.iter().map(title).collect(),
            connected: grant.connected.iter().map(label).collect(),
        }
    }

    fn app(&self) -> ConnectedApp<'_> {
        ConnectedApp {
            grant: &self.grant.id,
            name: self.grant.client_name.as_deref(),
            known: self.known,
            document: self.document.as_ref().map(ClientUrl::host),
            redirect: self.redirect.as_ref(),
            server: self.server,
            scopes: &self.scopes,
            connected: &self.connected,
            since: self.grant.created_at.date(),
            last_used: self.grant.last_token_at.date(),
        }
    }
}

fn sign_in_page(app: &App, visit: &Visit<'_>, done: Option<AccountNote>) -> Result<Response, Stop> {
    let (_, browser_cookie) = Browser::of_or_new(&app.context, &visit.jar)?;
    let providers: Vec<OfferedProvider<'_>> =
        app.context.sign_ins().map(|place| offer(visit, place)).collect();
    let mut response = app.pages.sign_in(visit.language, &SignInPage { providers: &providers, done });
    cookies::add(response.headers_mut(), browser_cookie);
    Ok(response)
}

/// A sign-in under way that no client asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignIn {
    id: FlowId,
    started_at: Timestamp,
    upstream: UpstreamSecrets,
}

async fn begin(app: &App, visit: &Visit<'_>, browser: &Browser, provider: &str) -> Result<Response, Stop> {
    let context = &app.context;
    let place = ProviderName::parse(provider).and_then(|name| context.sign_in_at(&name));
    let place = place.ok_or(Stop::Trouble(Trouble::Expired))?;
    let flow = SignIn {
        id: FlowId::from_bytes(draw(context.entropy.as_ref())?),
        started_at: context.clock.now(),
        upstream: UpstreamSecrets::draw(context)?,
    };
    // Somebody who came to see what an account allows must be able to say which account.
    depart(app, visit, browser, &flow, (place, Some(UpstreamPrompt::SelectAccount))).await
}

impl Carried for SignIn {
    fn id(&self) -> &FlowId {
        &self.id
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }

    fn upstream(&self) -> Option<&UpstreamSecrets> {
        Some(&self.upstream)
    }

    fn away(provider: &ProviderName) -> Stage<'_> {
        Stage::SignIn(provider)
    }
}

/// Signs the person in who came back from a provider, and leads them to the page.
pub(super) async fn signed_in(
    app: &App,
    visit: &Visit<'_>,
    returned: &Returned<'_, SignIn>,
) -> Result<Response, Stop> {
    let mut arrival = returned.enter(app, visit, returned.code(visit).await?).await?;
    if let (SignInAt::Provider(provider), Some(tokens)) = (returned.place, arrival.tokens.take()) {
        throw_away(Provider::clone(provider), tokens);
    }
    Ok(back(Session::cookie(&app.context, &visit.jar, &arrival)?))
}

/// What a person has just done, kept in a cookie until the page that tells them so.
struct Note;

impl Note {
    fn of(jar: &CookieJar<'_>) -> Option<AccountNote> {
        match jar.get(NOTE)? {
            "ended" => Some(AccountNote::Ended),
            "signed-out" => Some(AccountNote::SignedOut),
            _ => None,
        }
    }

    fn set(jar: &CookieJar<'_>, note: AccountNote) -> Option<HeaderValue> {
        let value = match note {
            AccountNote::Ended => "ended",
            AccountNote::SignedOut => "signed-out",
        };
        jar.set(NOTE, value, Some(NOTE_LIFE))
    }

    fn forget(jar: &CookieJar<'_>) -> Option<HeaderValue> {
        jar.set(NOTE, "", Some(Duration::ZERO))
    }
}

const NOTE: &str = "note";
const NOTE_LIFE: Duration = Duration::from_mins(1);
