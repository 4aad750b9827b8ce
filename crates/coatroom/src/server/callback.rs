//! `GET /callback/{provider}`: the person comes back from the provider. Where its page posts, `POST` leads to `GET`.
//!
//! The flow is found by `state` among the browser's cookies, and opens only for this provider and this browser. Then the
//! provider's issuer is checked, the code exchanged, the grant inserted (which can happen once per flow), the credential
//! sealed, and our own code handed to the client.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use coatroom_protocol::errors::ErrorCode;
use coatroom_protocol::grant::{AwaitingCode, Grant, GrantState, RevokedReason, authorization_code};
use coatroom_protocol::words::{AuthorizationCode, GrantId, Params, ProviderName};
use http::{HeaderMap, HeaderValue, Uri};
use url::form_urlencoded::Serializer;

use super::App;
use super::account::{self, SignIn};
use super::body;
use super::connect::{self, Errand};
use super::cookies;
use super::flow::{self, Browser, Carried as _, Flow};
use super::hand_over::{self, Answer};
use super::session::Session;
use super::upstream_leg::{self, Arrival, Returned};
use super::visit::{Stop, Visit, see_other};
use crate::connections::FreshConnection;
use crate::context::{Context, SignInAt};
use crate::entropy::draw;
use crate::hooks::{ConnectionEvent, Event, GrantMade};
use crate::pages::Trouble;
use crate::records::{self, GrantRecord, Written};
use crate::vault::{GrantVault, Sealer, Ticket};

/// Answers `GET /callback/{provider}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(provider): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&app, &headers, None);
    let (mut response, used) = match Arrived::find(&app, &visit, &provider, uri.query().unwrap_or_default()) {
        Err(stop) => (visit.stopped(stop), Vec::new()),
        Ok(arrived) => {
            visit.go_on_in(arrived.language(&app));
            let response = match arrived.belongs_to(&app) {
                Some(Purpose::Grant(returned)) => match finish(&app, &visit, &returned).await {
                    Ok(response) => response,
                    Err(stop) => hand_over::stopped(&app, &visit, &returned.carried, stop),
                },
                Some(Purpose::SignIn(returned)) => account::signed_in(&app, &visit, &returned)
                    .await
                    .unwrap_or_else(|stop| visit.stopped(stop)),
                Some(Purpose::Connect(returned)) => {
                    connect::finish(&app, &visit, &returned).await.unwrap_or_else(|stop| visit.stopped(stop))
                }
                None => visit.stopped(Stop::Trouble(Trouble::Expired)),
            };
            (response, arrived.used_cookies)
        }
    };
    cookies::add(response.headers_mut(), used);
    response
}

/// Answers `POST /callback/{provider}` of a provider whose own page posts what it says: sends the browser to the same address
/// with `GET`. Its cookies are `SameSite=Lax`, which do not come along with what another site posts. Nothing is decided here.
pub(super) async fn post(app: &App, provider: &ProviderName, headers: HeaderMap, body: Body) -> Response {
    let visit = Visit::new(app, &headers, None);
    let form = body::form(&headers, body, app.context.settings.oauth_body_limit).await;
    let unclear = |form: &Params| POSTED.iter().any(|name| form.one(name).is_err());
    let Some(form) = form.ok().filter(|form| !unclear(form)) else {
        return visit.stopped(Stop::Trouble(Trouble::Expired));
    };
    let mut query = Serializer::new(String::new());
    for name in POSTED {
        // Who posts is not known, and addresses have a limit.
        if let Some(value) = form.one(name).ok().flatten().filter(|value| value.len() <= LONGEST_POSTED) {
            query.append_pair(name, value);
        }
    }
    let address = format!("{}?{}", app.callback_url(provider), query.finish());
    see_other(&address)
}

/// What a posted callback may say: what any callback may, and who the user is, which Apple tells at the first sign-in.
const POSTED: [&str; 5] = ["state", "code", "error", "iss", "user"];
const LONGEST_POSTED: usize = 2048;

/// A callback for which the browser kept something.
struct Arrived<'a> {
    place: SignInAt<'a>,
    browser: Browser,
    sealed: String,
    params: Params,
    used_cookies: Vec<HeaderValue>,
}

/// What a callback is for.
enum Purpose<'a> {
    /// An app gets its answer.
    Grant(Box<Returned<'a, Flow>>),
    /// A person wants to see their connections.
    SignIn(Returned<'a, SignIn>),
    /// A person connects a further provider, or signs in to do so.
    Connect(Returned<'a, Errand>),
}

impl<'a> Arrived<'a> {
    fn find(app: &'a App, visit: &Visit<'_>, provider: &str, query: &str) -> Result<Self, Stop> {
        let context = &app.context;
        let place = ProviderName::parse(provider).and_then(|name| context.sign_in_at(&name));
        let place = place.ok_or(Stop::Trouble(Trouble::NotFound))?;
        let expired = || Stop::Trouble(Trouble::Expired);
        let params = Params::parse(query).map_err(|_| expired())?;
        // RFC 6749 §3.1: what is said twice is said by nobody.
        let unclear = |name: &&str| params.one(name).is_err();
        if POSTED.iter().any(unclear) {
            return Err(expired());
        }
        let state = params.one("state").ok().flatten().ok_or_else(expired)?;
        let browser = Browser::of(&visit.jar).ok_or(Stop::Trouble(Trouble::NoCookie))?;
        let (sealed, used_cookies) = flow::kept(&visit.jar, state).ok_or_else(expired)?;
        Ok(Self { place, browser, sealed, params, used_cookies })
    }

    /// The language in which the person agreed.
    fn language(&self, app: &App) -> Option<String> {
        flow::language_of(&app.context, Flow::away(self.place.name()), &self.browser, &self.sealed)
    }

    /// What was kept opens for this provider and this browser only, and as what it is.
    fn belongs_to(&self, app: &'a App) -> Option<Purpose<'_>> {
        let Self { place, browser, sealed, params, .. } = self;
        let kept = (sealed.as_str(), params);
        let grant = Returned::find(app, *place, browser, kept).map(Box::new).map(Purpose::Grant);
        grant
            .or_else(|| Returned::find(app, *place, browser, kept).map(Purpose::SignIn))
            .or_else(|| Returned::find(app, *place, browser, kept).map(Purpose::Connect))
    }
}

async fn finish(app: &App, visit: &Visit<'_>, returned: &Returned<'_, Flow>) -> Result<Response, Stop> {
    let flow = &returned.carried;
    let code = match returned.answer().await? {
        upstream_leg::Answer::Code(code) => code,
        upstream_leg::Answer::Error(error) => {
            let code = match error {
                "access_denied" => ErrorCode::AccessDenied,
                "temporarily_unavailable" => ErrorCode::TemporarilyUnavailable,
                _ => ErrorCode::ServerError,
            };
            return hand_over::to_client(app, visit, flow, Answer::Error(code));
        }
    };
    let arrival = returned.enter(app, visit, code).await?;
    let code = begin_grant(app, flow, &arrival).await?;
    let mut response = hand_over::to_client(app, visit, flow, Answer::Code(&code))?;
    cookies::add(response.headers_mut(), Session::cookie(&app.context, &visit.jar, &arrival)?);
    Ok(response)
}

/// Whether a local account is as it was at the sign-in. Whoever disabled it meanwhile has ended its grants, perhaps before this one
/// was there.
async fn still_stands(context: &Context, arrival: &Arrival) -> Result<bool, Stop> {
    let (Some(accounts), Some(account)) = (&context.accounts, &arrival.account) else { return Ok(true) };
    Ok(accounts.standing(&account.email, &account.id, &account.stamp).await?.is_some())
}

/// Tells hooks of a new grant, and of the connection that came with it.
fn tell(context: &Context, record: &GrantRecord, is_connected: bool) {
    let (grant, at) = (&record.grant, record.grant.created_at);
    context.hooks.tell(|| {
        Event::GrantMade(GrantMade {
            grant: grant.id,
            subject: grant.subject.clone(),
            client_name: record.client_name.clone(),
            resource: grant.resource.clone(),
            scopes: grant.scopes.clone(),
            at,
        })
    });
    if is_connected {
        let (subject, provider) = (grant.subject.clone(), grant.subject.provider.clone());
        context.hooks.tell(|| Event::Made(ConnectionEvent { grant: grant.id, subject, provider, at }));
    }
}

/// Writes the grant of a flow, seals the credential to it, and makes the code.
async fn begin_grant(app: &App, flow: &Flow, arrival: &Arrival) -> Result<AuthorizationCode, Stop> {
    let context = &app.context;
    let entropy = context.entropy.as_ref();
    let now = context.clock.now();
    let id = GrantId::of_flow(&flow.id);
    let code = authorization_code(&id, &draw(entropy)?);
    let (vault, key) = GrantVault::generate(entropy)?;
    let keys = context.keys();
    let sealer = Sealer { master: &keys.wrapping, entropy };
    let wrapped = vault.wrap(sealer, &id, Ticket::Code(&code), &key)?;
    let expires_at = now.plus(context.settings.code_life);
    let subject = &arrival.user.subject;
    let record = GrantRecord {
        grant: Grant {
            id,
            subject: subject.clone(),
            client: flow.client,
            resource: flow.resource.clone(),
            scopes: flow.scopes.clone(),
            created_at: now,
            state: GrantState::Awaiting(AwaitingCode {
                code: code.hash(),
                redirect_uri: flow.redirect_uri.clone(),
                challenge: flow.challenge.clone(),
                expires_at,
            }),
        },
        // Longer than its code is good: the flow could be used once more if the record of its grant were gone.
        kept_until: expires_at.max(flow.ends_at(context)),
        may_refresh: flow.refresh,
        client_id: None,
        client_name: flow.client_name.clone(),
        client_fingerprint: flow.client_fingerprint.clone(),
        user: Some(arrival.user.clone()),
        described: arrival.described.clone(),
        vault: Some(vault.clone()),
        wrapped: Some(wrapped),
    };
    if records::insert(context.store.as_ref(), &record).await? == Written::Beaten {
        return Err(Stop::Trouble(Trouble::Expired));
    }
    if let Some(tokens) = &arrival.tokens {
        let fresh = FreshConnection { provider: &subject.provider, tokens, kept_until: expires_at };
        context.connections.connect(&id, subject, &vault, fresh).await?;
    }
    if !still_stands(context, arrival).await? {
        context.revoke(&id, RevokedReason::SignInEnded).await?;
        return Err(Stop::Trouble(Trouble::Expired));
    }
    tracing::info!(
        target: "coatroom::audit",
        event = "grant.approved",
        grant.id = %id,
        subject = %subject,
        client = %flow.client,
        redirect_uri = %flow.redirect_uri,
        resource = %flow.resource,
        scopes = %flow.scopes,
        "a user approved a client"
    );
    tell(context, &record, arrival.tokens.is_some());
    Ok(code)
}
