//! The person comes back from a provider: to connect it, or having said who they are.

use axum::response::Response;
use coatroom_protocol::words::Params;
use http::HeaderValue;

use super::{Errand, Leg, Ready, Standing, ended, standing};
use crate::connections::FreshConnection;
use crate::context::link_address;
use crate::pages::{ConnectEnd, HandOverPage, Outcome, Trouble};
use crate::providers::{CodeExchange, Provider, SignedIn, UpstreamTokens};
use crate::records::{self, GrantRecord, Written};
use crate::server::flow::{Browser, Stage};
use crate::server::session::Session;
use crate::server::visit::{Stop, Visit, address};
use crate::server::{App, callback, cookies};
use crate::vault::Binding;

/// A callback that belongs to an errand.
pub(in crate::server) struct Returned<'a> {
    provider: &'a Provider,
    errand: Errand,
    params: &'a Params,
}

impl<'a> Returned<'a> {
    /// `None` when what the browser kept is no errand, or one that is too old.
    pub(in crate::server) fn find(
        app: &'a App,
        provider: &'a Provider,
        browser: &Browser,
        (sealed, params): (&str, &'a Params),
    ) -> Option<Self> {
        let errand = Errand::open(&app.context, Stage::Connecting(provider.name()), browser, sealed)?;
        let is_asked_for = params.one("state").ok().flatten() == Some(errand.id.to_string().as_str());
        is_asked_for.then_some(Self { provider, errand, params })
    }

    /// Connects the provider, or signs the person in and leads them back to the link.
    pub(in crate::server) async fn finish(self, app: &App, visit: &Visit<'_>) -> Result<Response, Stop> {
        finish(app, visit, &self).await
    }
}

async fn finish(app: &App, visit: &Visit<'_>, returned: &Returned<'_>) -> Result<Response, Stop> {
    let Returned { provider, errand, params } = returned;
    let one = |name| params.one(name).ok().flatten();
    let checked = provider.check_issuer(one("iss")).await;
    checked.map_err(|error| callback::provider_stop(provider, &error))?;
    if let Some(error) = one("error") {
        tracing::info!(provider.name = %provider.name(), "the provider answered with an error");
        let label = provider.label().to_owned();
        return Err(match error {
            "access_denied" => Stop::AtProvider(|provider| Trouble::SignInCancelled { provider }, label),
            "temporarily_unavailable" => {
                Stop::AtProvider(|provider| Trouble::ProviderUnavailable { provider }, label)
            }
            _ => Stop::AtProvider(|provider| Trouble::SignInFailed { provider }, label),
        });
    }
    let (code, iss) = (one("code").ok_or(Stop::Trouble(Trouble::Expired))?, one("iss"));
    match errand.leg {
        Some(Leg::SignIn) => sign_in(app, visit, returned, (code, iss)).await,
        Some(Leg::Connect) => connect(app, visit, returned, (code, iss)).await,
        None => Err(Stop::Trouble(Trouble::Expired)),
    }
}

/// The person is known in this browser from now on, and goes back to the link. Their tokens are of no use to anybody: the
/// grant has its own.
async fn sign_in(
    app: &App,
    visit: &Visit<'_>,
    returned: &Returned<'_>,
    answer: (&str, Option<&str>),
) -> Result<Response, Stop> {
    let signed_in = exchange(app, returned, answer).await?;
    let back = address(&link_address(&app.context, &returned.errand.link))?;
    let page = HandOverPage { client: None, to: &back, outcome: Outcome::SignedIn };
    let mut response = app.pages.hand_over(visit.language, &page);
    let cookie: Option<HeaderValue> = Session::cookie(&app.context, &visit.jar, &signed_in.user)?;
    cookies::add(response.headers_mut(), cookie);
    Ok(response)
}

/// Seals the credential to the grant, where nothing came in between: another user, a revocation, another connection. Who the
/// person is at that provider does not matter, and does not sign them in here.
async fn connect(
    app: &App,
    visit: &Visit<'_>,
    returned: &Returned<'_>,
    answer: (&str, Option<&str>),
) -> Result<Response, Stop> {
    let Returned { provider, errand, .. } = returned;
    let context = &app.context;
    let standing = standing(app, visit, &errand.grant, &errand.provider).await?;
    let Ready { record, free, .. } = match standing {
        Standing::Ready(ready) => *ready,
        Standing::Connected(record) => {
            return Ok(ended(app, visit, errand, &record, ConnectEnd::Connected));
        }
        Standing::Stranger { .. } => return Err(Stop::Trouble(Trouble::OtherUser)),
    };
    let vault = record.vault.as_ref().ok_or(Stop::Trouble(Trouble::GrantEnded))?;
    let SignedIn { tokens, .. } = exchange(app, returned, answer).await?;
    let binding = Binding { grant: &errand.grant, subject: &record.grant.subject, provider: provider.name() };
    let kept_until = if record.may_refresh {
        record.grant.created_at.plus(context.settings.refresh_life)
    } else {
        record.kept_until
    };
    let fresh = FreshConnection { provider: provider.name(), tokens: &tokens, kept_until };
    let written = context.connections.fill(free, binding, vault, fresh).await?;
    if !still_active(app, errand).await? {
        give_back(app, returned, &tokens).await;
        return Err(Stop::Trouble(Trouble::GrantEnded));
    }
    if written == Written::Done {
        tracing::info!(
            target: "coatroom::audit",
            event = "connection.added",
            grant.id = %errand.grant,
            subject = %record.grant.subject,
            provider.name = %provider.name(),
            "a user connected a further provider"
        );
    }
    Ok(ended(app, visit, errand, &record, ConnectEnd::Connected))
}

/// A grant that was revoked meanwhile has swept its connections, perhaps before this one was there.
async fn still_active(app: &App, errand: &Errand) -> Result<bool, Stop> {
    let key = GrantRecord::key_of(&errand.grant);
    let seen = records::load::<GrantRecord>(app.context.store.as_ref(), &key).await?;
    Ok(seen.is_some_and(|seen| seen.value.grant.is_active()))
}

/// Undoes a connection that nobody can use.
async fn give_back(app: &App, returned: &Returned<'_>, tokens: &UpstreamTokens) {
    let Returned { provider, errand, .. } = returned;
    if let Err(error) = app.context.connections.forget(&errand.grant, provider.name()).await {
        tracing::warn!(%error, "the connection of a revoked grant was not deleted; it opens nothing, and expires");
    }
    if let Err(error) = provider.revoke(&tokens.access_token, tokens.refresh_token.as_ref()).await {
        tracing::warn!(provider.name = %provider.name(), %error, "a provider was not told that a token is thrown away");
    }
}

async fn exchange(
    app: &App,
    returned: &Returned<'_>,
    (code, iss): (&str, Option<&str>),
) -> Result<SignedIn, Stop> {
    let Returned { provider, errand, .. } = returned;
    let upstream = errand.upstream.as_ref().ok_or(Stop::Trouble(Trouble::Expired))?;
    let exchange = CodeExchange {
        code,
        code_verifier: &upstream.verifier(),
        redirect_uri: &app.callback_url(provider.name()),
        nonce: Some(&upstream.nonce),
        iss,
    };
    provider.sign_in(exchange).await.map_err(|error| {
        tracing::warn!(provider.name = %provider.name(), %error, "a sign-in failed");
        callback::provider_stop(provider, &error)
    })
}
