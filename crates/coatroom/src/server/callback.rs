//! `GET /callback/{provider}`: the person comes back from the provider.
//!
//! The flow is found by `state` among the browser's cookies, and opens only for this provider and this browser. Then the
//! provider's issuer is checked, the code exchanged, the grant inserted (which can happen once per flow), the credential
//! sealed, and our own code handed to the client.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use coatroom_protocol::errors::ErrorCode;
use coatroom_protocol::grant::{AwaitingCode, Grant, GrantState, authorization_code};
use coatroom_protocol::words::{AuthorizationCode, GrantId, Params, ProviderName};
use http::{HeaderMap, HeaderValue, Uri};

use super::App;
use super::account::Arrival;
use super::connect;
use super::cookies;
use super::flow::{self, Browser, Flow, Stage};
use super::hand_over::{self, Answer};
use super::session::Session;
use super::visit::{Stop, Visit};
use crate::connections::FreshConnection;
use crate::entropy::draw;
use crate::pages::Trouble;
use crate::providers::{CodeExchange, Provider, ProviderError, SignedIn};
use crate::records::{self, GrantRecord, Written};
use crate::vault::{GrantVault, Sealer, Ticket};

/// Answers `GET /callback/{provider}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(provider): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let (mut response, used) = match Arrived::find(&app, &visit, &provider, uri.query().unwrap_or_default()) {
        Err(stop) => (visit.stopped(stop), Vec::new()),
        Ok(arrived) => {
            let response = match arrived.belongs_to(&app) {
                Some(Purpose::Grant(returned)) => match finish(&app, &visit, &returned).await {
                    Ok(response) => response,
                    Err(stop) => hand_over::stopped(&app, &visit, &returned.flow, stop),
                },
                Some(Purpose::SignIn(arrival)) => {
                    arrival.finish(&app, &visit).await.unwrap_or_else(|stop| visit.stopped(stop))
                }
                Some(Purpose::Connect(returned)) => {
                    returned.finish(&app, &visit).await.unwrap_or_else(|stop| visit.stopped(stop))
                }
                None => visit.stopped(Stop::Trouble(Trouble::Expired)),
            };
            (response, arrived.used_cookies)
        }
    };
    cookies::add(response.headers_mut(), used);
    response
}

/// A callback for which the browser kept something.
struct Arrived<'a> {
    provider: &'a Provider,
    browser: Browser,
    sealed: String,
    params: Params,
    used_cookies: Vec<HeaderValue>,
}

/// What a callback is for.
enum Purpose<'a> {
    /// An app gets its answer.
    Grant(Box<Returned<'a>>),
    /// A person wants to see their connections.
    SignIn(Arrival<'a>),
    /// A person connects a further provider, or signs in to do so.
    Connect(connect::Returned<'a>),
}

/// A callback whose flow was found.
struct Returned<'a> {
    provider: &'a Provider,
    flow: Flow,
    params: &'a Params,
}

impl<'a> Arrived<'a> {
    fn find(app: &'a App, visit: &Visit<'_>, provider: &str, query: &str) -> Result<Self, Stop> {
        let context = &app.context;
        let provider = ProviderName::parse(provider).and_then(|name| context.provider(&name));
        let provider = provider.ok_or(Stop::Trouble(Trouble::NotFound))?;
        let expired = || Stop::Trouble(Trouble::Expired);
        let params = Params::parse(query).map_err(|_| expired())?;
        // RFC 6749 §3.1: what is said twice is said by nobody.
        let unclear = |name: &&str| params.one(name).is_err();
        if ["state", "code", "error", "iss"].iter().any(unclear) {
            return Err(expired());
        }
        let state = params.one("state").ok().flatten().ok_or_else(expired)?;
        let browser = Browser::of(&visit.jar).ok_or(Stop::Trouble(Trouble::NoCookie))?;
        let (sealed, used_cookies) = flow::kept(&visit.jar, state).ok_or_else(expired)?;
        Ok(Self { provider, browser, sealed, params, used_cookies })
    }

    /// What was kept opens for this provider and this browser only, and as what it is.
    fn belongs_to(&self, app: &'a App) -> Option<Purpose<'_>> {
        let Self { provider, browser, sealed, params, .. } = self;
        let state = params.one("state").ok().flatten()?;
        let flow = Flow::open(&app.context, Stage::Approved(provider.name()), browser, sealed);
        if let Some(flow) = flow.filter(|flow| flow.id.to_string() == state) {
            return Some(Purpose::Grant(Box::new(Returned { provider, flow, params })));
        }
        let arrival = Arrival::find(app, provider, browser, (sealed, params)).map(Purpose::SignIn);
        let connects = || connect::Returned::find(app, provider, browser, (sealed, params));
        arrival.or_else(|| connects().map(Purpose::Connect))
    }
}

async fn finish(app: &App, visit: &Visit<'_>, returned: &Returned<'_>) -> Result<Response, Stop> {
    let Returned { provider, flow, params } = returned;
    let one = |name| params.one(name).ok().flatten();
    let iss = one("iss");
    provider.check_issuer(iss).await.map_err(|error| provider_stop(provider, &error))?;
    if let Some(error) = one("error") {
        tracing::info!(provider.name = %provider.name(), "the provider answered with an error");
        let code = match error {
            "access_denied" => ErrorCode::AccessDenied,
            "temporarily_unavailable" => ErrorCode::TemporarilyUnavailable,
            _ => ErrorCode::ServerError,
        };
        return hand_over::to_client(app, visit, flow, Answer::Error(code));
    }
    let upstream = flow.upstream.as_ref().ok_or(Stop::Trouble(Trouble::Expired))?;
    let code = one("code").ok_or(Stop::Trouble(Trouble::Expired))?;
    let callback = app.callback_url(provider.name());
    let exchange = CodeExchange {
        code,
        code_verifier: &upstream.verifier(),
        redirect_uri: &callback,
        nonce: Some(&upstream.nonce),
        iss,
    };
    let signed_in = match provider.sign_in(exchange).await {
        Ok(signed_in) => signed_in,
        Err(error) => {
            tracing::warn!(provider.name = %provider.name(), %error, "a sign-in failed");
            return Err(provider_stop(provider, &error));
        }
    };
    let code = begin_grant(app, flow, &signed_in).await?;
    let mut response = hand_over::to_client(app, visit, flow, Answer::Code(&code))?;
    cookies::add(response.headers_mut(), Session::cookie(&app.context, &visit.jar, &signed_in.user)?);
    Ok(response)
}

/// What a person reads when the provider lets them down.
pub(super) fn provider_stop(provider: &Provider, error: &ProviderError) -> Stop {
    let label = provider.label().to_owned();
    match error {
        ProviderError::Transient { .. } => {
            Stop::AtProvider(|provider| Trouble::ProviderUnavailable { provider }, label)
        }
        ProviderError::Dead { .. } | ProviderError::Refused { .. } => {
            Stop::AtProvider(|provider| Trouble::SignInRefused { provider }, label)
        }
        _ => Stop::AtProvider(|provider| Trouble::SignInFailed { provider }, label),
    }
}

/// Writes the grant of a flow, seals the credential to it, and makes the code.
async fn begin_grant(app: &App, flow: &Flow, signed_in: &SignedIn) -> Result<AuthorizationCode, Stop> {
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
    let subject = &signed_in.user.subject;
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
        user: Some(signed_in.user.clone()),
        vault: Some(vault.clone()),
        wrapped: Some(wrapped),
    };
    if records::insert(context.store.as_ref(), &record).await? == Written::Beaten {
        return Err(Stop::Trouble(Trouble::Expired));
    }
    let fresh =
        FreshConnection { provider: &subject.provider, tokens: &signed_in.tokens, kept_until: expires_at };
    context.connections.connect(&id, subject, &vault, fresh).await?;
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
    Ok(code)
}
