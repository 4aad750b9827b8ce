//! The person comes back from a provider: to connect it, or having said who they are.

use axum::response::Response;
use http::HeaderValue;

use super::{Errand, Leg, Ready, Standing, ended, standing};
use crate::connections::FreshConnection;
use crate::context::{SignInAt, link_address};
use crate::hooks::{ConnectionEvent, Event};
use crate::pages::{ConnectEnd, HandOverPage, Outcome, Trouble};
use crate::providers::{Provider, SignedIn, UpstreamTokens};
use crate::records::{self, GrantRecord, Written};
use crate::server::session::Session;
use crate::server::upstream_leg::{Code, Returned};
use crate::server::visit::{Stop, Visit, address};
use crate::server::{App, cookies};
use crate::vault::{Binding, Contents};

/// Connects the provider, or signs the person in and leads them back to the link.
pub(in crate::server) async fn finish(
    app: &App,
    visit: &Visit<'_>,
    returned: &Returned<'_, Errand>,
) -> Result<Response, Stop> {
    let code = returned.code(visit).await?;
    match returned.carried.leg {
        Some(Leg::SignIn) => sign_in(app, visit, returned, code).await,
        Some(Leg::Connect) => connect(app, visit, returned, code).await,
        None => Err(Stop::Trouble(Trouble::Expired)),
    }
}

/// The person is known in this browser from now on, and goes back to the link. Their tokens are of no use to anybody: the
/// grant has its own.
async fn sign_in(
    app: &App,
    visit: &Visit<'_>,
    returned: &Returned<'_, Errand>,
    code: Code<'_>,
) -> Result<Response, Stop> {
    let arrival = returned.enter(app, visit, code).await?;
    let back = address(&link_address(&app.context, &returned.carried.link))?;
    let page = HandOverPage { client: None, to: &back, outcome: Outcome::SignedIn };
    let mut response = app.pages.hand_over(visit.language, &page);
    let cookie: Option<HeaderValue> = Session::cookie(&app.context, &visit.jar, &arrival)?;
    cookies::add(response.headers_mut(), cookie);
    Ok(response)
}

/// Seals the credential to the grant, where nothing came in between: another user, a revocation, another connection. Who the
/// person is at that provider does not matter, and does not sign them in here.
async fn connect(
    app: &App,
    visit: &Visit<'_>,
    returned: &Returned<'_, Errand>,
    code: Code<'_>,
) -> Result<Response, Stop> {
    let Returned { place, carried: errand, .. } = returned;
    let expired = || Stop::Trouble(Trouble::Expired);
    // Nobody connects a local account: it has no credential.
    let SignInAt::Provider(provider) = place else { return Err(expired()) };
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
    let SignedIn { tokens, .. } = returned.exchange(app, provider, code).await?;
    let binding = Binding {
        contents: Contents::Credential,
        grant: &errand.grant,
        subject: &record.grant.subject,
        provider: provider.name(),
    };
    let kept_until = record.connections_kept_until(context.settings.refresh_life);
    let fresh = FreshConnection { provider: provider.name(), tokens: &tokens, kept_until };
    let written = context.connections.fill(free, binding, vault, fresh).await?;
    if !still_active(app, errand).await? {
        give_back(app, errand, (provider, &tokens)).await;
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
        context.hooks.tell(|| {
            Event::Made(ConnectionEvent {
                grant: errand.grant,
                subject: record.grant.subject.clone(),
                provider: provider.name().clone(),
                at: context.clock.now(),
            })
        });
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
async fn give_back(app: &App, errand: &Errand, (provider, tokens): (&Provider, &UpstreamTokens)) {
    if let Err(error) = app.context.connections.forget(&errand.grant, provider.name()).await {
        tracing::warn!(%error, "the connection of a revoked grant was not deleted; it opens nothing, and expires");
    }
    if let Err(error) = provider.revoke(&tokens.access_token, tokens.refresh_token.as_ref()).await {
        tracing::warn!(provider.name = %provider.name(), %error, "a provider was not told that a token is thrown away");
    }
}
