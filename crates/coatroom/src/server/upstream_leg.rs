//! The way to a provider and back, whatever a person is sent there for: an authorization, a sign-in for a page of ours, a
//! further account. What is under way goes along in the browser's cookies.

use axum::response::Response;
use coatroom_protocol::grant::CodeChallenge;
use coatroom_protocol::words::Params;

use super::flow::{self, Browser, Carried, UpstreamSecrets};
use super::visit::{Stop, Visit};
use super::{App, cookies, hand_over};
use crate::pages::Trouble;
use crate::providers::{
    CodeExchange, Provider, ProviderError, SignedIn, UpstreamAuthorization, UpstreamPrompt,
};

/// Sends the browser to the provider. What is carried has its upstream secrets.
pub(super) async fn depart<T: Carried>(
    app: &App,
    visit: &Visit<'_>,
    browser: &Browser,
    carried: &T,
    (provider, prompt): (&Provider, Option<UpstreamPrompt>),
) -> Result<Response, Stop> {
    let context = &app.context;
    let secrets = carried.upstream().ok_or(Stop::Trouble(Trouble::Expired))?;
    let address = provider
        .authorization_url(&UpstreamAuthorization {
            state: &carried.id().to_string(),
            nonce: Some(&secrets.nonce),
            code_challenge: CodeChallenge::of(&secrets.verifier()).as_str(),
            redirect_uri: &app.callback_url(provider.name()),
            prompt,
            login_hint: None,
        })
        .await
        .map_err(|error| provider_stop(provider, &error))?;
    let sealed = flow::seal(carried, context, T::away(provider.name()), browser)?;
    let kept = flow::keep(carried, &visit.jar, &sealed, context.settings.flow_life);
    let mut response = hand_over::to_provider(app, visit, provider, address.as_str())?;
    cookies::add(response.headers_mut(), kept);
    Ok(response)
}

/// A person who came back from the provider, and what the provider says.
pub(super) struct Returned<'a, T> {
    pub(super) provider: &'a Provider,
    pub(super) carried: T,
    params: &'a Params,
}

/// What a provider says when a person comes back.
pub(super) enum Answer<'a> {
    /// They signed in; the code is still to be exchanged.
    Code(Code<'a>),
    /// Something came in between: an error of RFC 6749 §4.1.2.1.
    Error(&'a str),
}

/// A code of the provider, and who it says it is.
pub(super) struct Code<'a> {
    code: &'a str,
    iss: Option<&'a str>,
}

impl<'a, T: Carried> Returned<'a, T> {
    /// `None` when what the browser kept is no such thing, is too old, or is not what the provider's `state` names.
    pub(super) fn find(
        app: &App,
        provider: &'a Provider,
        browser: &Browser,
        (sealed, params): (&str, &'a Params),
    ) -> Option<Self> {
        let carried: T = flow::open(&app.context, T::away(provider.name()), browser, sealed)?;
        let is_asked_for = params.one("state").ok().flatten() == Some(carried.id().to_string().as_str());
        is_asked_for.then_some(Self { provider, carried, params })
    }

    /// What the provider says, once it is known to be the provider who says it (RFC 9207 §2.4).
    pub(super) async fn answer(&self) -> Result<Answer<'a>, Stop> {
        let Self { provider, params, .. } = self;
        let one = |name| params.one(name).ok().flatten();
        let iss = one("iss");
        provider.check_issuer(iss).await.map_err(|error| provider_stop(provider, &error))?;
        if let Some(error) = one("error") {
            tracing::info!(provider.name = %provider.name(), "the provider answered with an error");
            // Apple has a word of its own for a person who turns back.
            return Ok(Answer::Error(if error == "user_cancelled_authorize" {
                "access_denied"
            } else {
                error
            }));
        }
        Ok(Answer::Code(Code { code: one("code").ok_or(Stop::Trouble(Trouble::Expired))?, iss }))
    }

    /// The same, where nobody but the person is to be told of an error.
    pub(super) async fn code(&self) -> Result<Code<'a>, Stop> {
        let label = || self.provider.label().to_owned();
        match self.answer().await? {
            Answer::Code(code) => Ok(code),
            Answer::Error("access_denied") => {
                Err(Stop::AtProvider(|provider| Trouble::SignInCancelled { provider }, label()))
            }
            Answer::Error("temporarily_unavailable") => {
                Err(Stop::AtProvider(|provider| Trouble::ProviderUnavailable { provider }, label()))
            }
            Answer::Error(_) => Err(Stop::AtProvider(|provider| Trouble::SignInFailed { provider }, label())),
        }
    }

    /// Exchanges the code.
    pub(super) async fn sign_in(&self, app: &App, code: Code<'_>) -> Result<SignedIn, Stop> {
        let Self { provider, carried, .. } = self;
        let upstream: &UpstreamSecrets = carried.upstream().ok_or(Stop::Trouble(Trouble::Expired))?;
        let exchange = CodeExchange {
            code: code.code,
            code_verifier: &upstream.verifier(),
            redirect_uri: &app.callback_url(provider.name()),
            nonce: Some(&upstream.nonce),
            iss: code.iss,
            user: self.params.one("user").ok().flatten(),
        };
        provider.sign_in(exchange).await.map_err(|error| {
            tracing::warn!(provider.name = %provider.name(), %error, "a sign-in failed");
            provider_stop(provider, &error)
        })
    }
}

/// What a person reads when the provider lets them down.
fn provider_stop(provider: &Provider, error: &ProviderError) -> Stop {
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
