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
use crate::pages::{HandOverPage, Outcome, ReturnAddress, Trouble};
use crate::providers::Provider;

/// What a client is told.
#[derive(Clone, Copy)]
pub(super) enum Answer<'a> {
    /// The person agreed.
    Code(&'a AuthorizationCode),
    /// It came to nothing.
    Error(ErrorCode),
}

impl Answer<'_> {
    const fn outcome(self) -> Outcome {
        match self {
            Self::Code(_) => Outcome::Allowed,
            Self::Error(ErrorCode::AccessDenied) => Outcome::Cancelled,
            Self::Error(_) => Outcome::Failed,
        }
    }
}

/// Sends the browser to the client's redirect URI with the answer.
pub(super) fn to_client(
    app: &App,
    visit: &Visit<'_>,
    flow: &Flow,
    answer: Answer<'_>,
) -> Result<Response, Stop> {
    let address = answer_address(app, flow, answer)?;
    let page = HandOverPage { client: flow.client_name.as_deref(), to: &address, outcome: answer.outcome() };
    Ok(app.pages.hand_over(visit.language, &page))
}

/// The page for a stop on the way of a good request: a person reads what failed, and may take the error to the client.
pub(super) fn stopped(app: &App, visit: &Visit<'_>, flow: &Flow, stop: Stop) -> Response {
    let address = stop.code().and_then(|code| answer_address(app, flow, Answer::Error(code)).ok());
    visit.stopped_on_the_way(stop, address.as_ref())
}

/// The client's redirect URI with the answer, `state` and `iss` (OAuth 2.1 §4.1.2, RFC 9207).
fn answer_address(app: &App, flow: &Flow, answer: Answer<'_>) -> Result<ReturnAddress, Stop> {
    let mut params = vec![match answer {
        Answer::Code(code) => ("code", code.expose()),
        Answer::Error(code) => ("error", code.as_str()),
    }];
    params.extend(flow.state.as_deref().map(|state| ("state", state)));
    params.push(("iss", app.context.issuer.as_str()));
    // The flow's redirect URI was found registered, and its scheme on the list, before it was sealed.
    let registered = RedirectUri::try_from(flow.redirect_uri.clone());
    let registered = registered.map_err(|_| Stop::Trouble(Trouble::UnregisteredRedirect))?;
    super::visit::address(&registered.with_params(&params))
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
