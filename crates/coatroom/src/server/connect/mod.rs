//! `GET /connect/{link}` and `POST /connect`: a signed-in user connects a further provider within a grant.
//!
//! The link comes from a call that lacked the provider (`guard/connect.rs`). It proves nothing about who opens it: at every
//! step the user who is signed in in this browser must be the user of the grant, or there is no way to the provider. Whoever
//! is not signed in does so first, at the grant's identity provider; that sign-in names them and writes nothing.

mod begin;
mod finish;

pub(super) use begin::post;
pub(super) use finish::finish;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use coatroom_protocol::client::ClientUrl;
use coatroom_protocol::words::{ClientId, FlowId, GrantId, ProviderName, Scope, Timestamp};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::App;
use super::cookies;
use super::flow::{self, Browser, Carried, Stage, UpstreamSecrets};
use super::session::Session;
use super::visit::{Stop, Visit};
use crate::connections::Slot;
use crate::context::{ConnectLink, SignInAt};
use crate::entropy::draw;
use crate::pages::{
    AskingClient, ClientProof, ConnectEnd, ConnectEndPage, ConnectPage, ConnectSignInPage, Trouble,
};
use crate::providers::Provider;
use crate::records::{self, GrantRecord};
use crate::store::Version;

/// Answers `GET /connect/{link}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Response {
    let visit = Visit::new(&app, &headers, None);
    show(&app, &visit, link).await.unwrap_or_else(|stop| visit.stopped(stop))
}

/// A connection under way, carried by the browser as a flow is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Errand {
    id: FlowId,
    started_at: Timestamp,
    /// The last part of the link's address, to come back to.
    link: String,
    grant: GrantId,
    /// The provider to connect.
    provider: ProviderName,
    /// What the person is sent to a provider for, once they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leg: Option<Leg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream: Option<UpstreamSecrets>,
}

/// What a person is sent to a provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Leg {
    /// To say who they are, at the grant's identity provider.
    SignIn,
    /// To connect the further provider.
    Connect,
}

impl Carried for Errand {
    fn id(&self) -> &FlowId {
        &self.id
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }

    fn upstream(&self) -> Option<&UpstreamSecrets> {
        self.upstream.as_ref()
    }

    fn away(provider: &ProviderName) -> Stage<'_> {
        Stage::Connecting(provider)
    }
}

/// How things stand between a browser and a grant.
enum Standing<'a> {
    /// The grant's user is signed in, and the provider is not connected.
    Ready(Box<Ready<'a>>),
    /// The grant's user is signed in, and there is nothing left to do.
    Connected(Box<GrantRecord>),
    /// Nobody is signed in, or somebody else. Such a person learns nothing about the grant but where its user signs in.
    Stranger { identity: SignInAt<'a>, signed_in: Option<Session> },
}

/// What it takes to connect.
struct Ready<'a> {
    record: GrantRecord,
    provider: &'a Arc<Provider>,
    person: Session,
    free: Option<Version>,
}

async fn standing<'a>(
    app: &'a App,
    visit: &Visit<'_>,
    grant: &GrantId,
    provider: &ProviderName,
) -> Result<Standing<'a>, Stop> {
    let context = &app.context;
    let ended = || Stop::Trouble(Trouble::GrantEnded);
    let seen = records::load::<GrantRecord>(context.store.as_ref(), &GrantRecord::key_of(grant)).await?;
    let record = seen.ok_or_else(ended)?.value;
    let subject = &record.grant.subject;
    let signed_in = Session::of(context, &visit.jar).await?;
    let Some(person) = signed_in.clone().filter(|session| &session.subject == subject) else {
        let identity = context.sign_in_at(&subject.provider).ok_or_else(ended)?;
        return Ok(Standing::Stranger { identity, signed_in });
    };
    if !record.grant.is_active() {
        return Err(ended());
    }
    if record.client_id.as_ref().is_some_and(|client| context.is_blocked(client, &record.grant)) {
        return Err(Stop::Trouble(Trouble::BlockedClient));
    }
    // What vouches for the user is renewed by signing in to the app again, never here.
    let provider = context.provider(provider).filter(|provider| *provider.name() != subject.provider);
    let provider = provider.ok_or(Stop::Trouble(Trouble::LinkExpired))?;
    Ok(match context.connections.slot(grant, provider.name()).await? {
        Slot::Taken => Standing::Connected(Box::new(record)),
        Slot::Free(free) => Standing::Ready(Box::new(Ready { record, provider, person, free })),
    })
}

async fn show(app: &App, visit: &Visit<'_>, link: String) -> Result<Response, Stop> {
    let context = &app.context;
    let opened = ConnectLink::open(context, &link).ok_or(Stop::Trouble(Trouble::LinkExpired))?;
    let (browser, browser_cookie) = Browser::of_or_new(context, &visit.jar)?;
    let errand = Errand {
        id: FlowId::from_bytes(draw(context.entropy.as_ref())?),
        started_at: context.clock.now(),
        link,
        grant: opened.grant,
        provider: opened.provider,
        leg: None,
        upstream: None,
    };
    let sealed = flow::seal(&errand, context, Stage::ConnectAsked, &browser)?;
    let standing = standing(app, visit, &errand.grant, &errand.provider).await?;
    let mut response = page(app, visit, &errand, (&sealed, &standing));
    cookies::add(response.headers_mut(), browser_cookie);
    Ok(response)
}

/// The page for how things stand.
fn page(
    app: &App,
    visit: &Visit<'_>,
    errand: &Errand,
    (sealed, standing): (&str, &Standing<'_>),
) -> Response {
    match standing {
        Standing::Stranger { identity, signed_in } => app.pages.connect_sign_in(
            visit.language,
            &ConnectSignInPage {
                flow: sealed,
                provider: visit.label(*identity),
                somebody_else: signed_in.as_ref().map(|session| session.name.as_str()),
            },
        ),
        Standing::Connected(record) => ended(app, visit, errand, record, ConnectEnd::Connected),
        Standing::Ready(ready) => {
            let Ready { record, provider, person, .. } = ready.as_ref();
            let client_url = record.client_id.as_ref().and_then(|id| ClientUrl::parse(id.as_str()).ok());
            let permissions: Vec<&str> = provider.scopes().iter().map(Scope::as_str).collect();
            let page = ConnectPage {
                flow: sealed,
                client: asking(app, record, client_url.as_ref()),
                server: app.mcp_server(&record.grant.resource),
                provider: provider.label(),
                permissions: &permissions,
                person: &person.name,
            };
            app.pages.connect(visit.language, &page)
        }
    }
}

/// The last page of an errand.
fn ended(app: &App, visit: &Visit<'_>, errand: &Errand, record: &GrantRecord, end: ConnectEnd) -> Response {
    let provider = app.context.provider(&errand.provider);
    let provider = provider.map_or(errand.provider.as_str(), |provider| provider.label());
    let page = ConnectEndPage { provider, client: record.client_name.as_deref(), end };
    app.pages.connect_end(visit.language, &page)
}

fn asking<'r>(app: &App, record: &'r GrantRecord, url: Option<&'r ClientUrl>) -> AskingClient<'r> {
    let is_configured = |id: &ClientId| app.context.configured_clients.contains_key(id);
    let proof = match (record.client_id.as_ref(), url) {
        (Some(id), _) if is_configured(id) => ClientProof::Configured,
        (_, Some(url)) => {
            // Its document says more, and is not asked for again: the person agreed to the app itself before.
            ClientProof::Document { host: url.authority(), url: url.as_str(), only_loopback: false }
        }
        _ => ClientProof::Registered,
    };
    AskingClient { name: record.client_name.as_deref(), proof, logo: None }
}
