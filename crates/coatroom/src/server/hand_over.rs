//! Handing the browser over: to the client with an answer, or to the provider.
//!
//! Where a form started the chain the answer is a page that refreshes to the next address, not a redirect: `form-action
//! 'self'` would forbid that, and a provider's own policy may too.

use axum::response::Response;
use coatroom_protocol::client::RedirectUri;
use coatroom_protocol::errors::ErrorCode;
use coatroom_protocol::words::AuthorizationCode;

use super::App;
use super::flow::Flow;
use super::visit::{Stop, Visit};
use crate::pages::{HandOverPage, Outcome, Trouble};
use crate::providers::Provider;

/// What a client is told.
#[derive(Clone, Copy)]
pub(super) enum Answer<'a> {
    /// The person agreed.
    Code(&'a AuthorizationCode),
    /// It came to nothing.
    Error(ErrorCode),
}

/// Sends the browser to the client's redirect URI with the answer, `state` and `iss` (OAuth 2.1 §4.1.2, RFC 9207).
pub(super) fn to_client(
    app: &App,
    visit: &Visit<'_>,
    flow: &Flow,
    answer: Answer<'_>,
) -> Result<Response, Stop> {
    let mut params = Vec::new();
    let outcome = match answer {
        Answer::Code(code) => {
            params.push(("code", code.expose()));
            Outcome::Allowed
        }
        Answer::Error(code) => {
            params.push(("error", code.as_str()));
            if code == ErrorCode::AccessDenied { Outcome::Cancelled } else { Outcome::Failed }
        }
    };
    params.extend(flow.state.as_deref().map(|state| ("state", state)));
    params.push(("iss", app.context.issuer.as_str()));
    // The flow's redirect URI was checked before it was sealed; a scheme that was taken off the list since is not used.
    let registered = RedirectUri::parse(&flow.redirect_uri, &app.context.app_uris);
    let registered = registered.map_err(|_| Stop::Trouble(Trouble::UnregisteredRedirect))?;
    let address = super::visit::address(&registered.with_params(&params))?;
    let page = HandOverPage { client: flow.client_name.as_deref(), to: &address, outcome };
    Ok(app.pages.hand_over(visit.language, &page))
}

/// Sends the browser to the provider's authorization endpoint.
pub(super) fn to_provider(
    app: &App,
    visit: &Visit<'_>,
    provider: &Provider,
    address: &str,
) -> Result<Response, Stop> {
    let address = super::visit::address(address)?;
    let page = HandOverPage { client: Some(provider.label()), to: &address, outcome: Outcome::SigningIn };
    Ok(app.pages.hand_over(visit.language, &page))
}
