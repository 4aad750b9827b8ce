//! The way to a provider, or to our own sign-in page, and back, whatever a person is sent there for: an authorization, a sign-in for a page of ours, a
//! further account. What is under way goes along in the browser's cookies.

use axum::response::Response;
use coatroom_protocol::grant::CodeChallenge;
use coatroom_protocol::words::Params;

use super::flow::{self, Browser, Carried, UpstreamSecrets};
use super::visit::{Stop, Visit};
use super::{App, cookies, entering, hand_over, here};
use crate::context::SignInAt;
use crate::pages::Trouble;
use crate::providers::{
    CodeExchange, Provider, ProviderError, SignedIn, UpstreamAuthorization, UpstreamPrompt, UpstreamTokens,
};
use crate::records::AccountRecord;
use crate::user::User;

/// Sends the browser to where the person signs in. What is carried has its upstream secrets.
pub(super) async fn depart<T: Carried>(
    app: &App,
    visit: &Visit<'_>,
    browser: &Browser,
    carried: &T,
    (place, prompt): (SignInAt<'_>, Option<UpstreamPrompt>),
) -> Result<Response, Stop> {
    let provider = match place {
        SignInAt::Provider(provider) => provider,
        SignInAt::Here(accounts) => {
            return here::depart(app, visit, browser, carried, (accounts, prompt)).await;
        }
    };
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

/// Somebody who has signed in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) user: User,
    /// How their provider or account describes them, where a hook made something else of it.
    pub(super) described: Option<User>,
    /// Their tokens for the provider's API; nobody who signed in here has any.
    pub(super) tokens: Option<UpstreamTokens>,
    /// Their account here, if they signed in with one.
    pub(super) account: Option<AccountRecord>,
}

/// A person who came back from where they signed in, and what is said there.
pub(super) struct Returned<'a, T> {
    pub(super) place: SignInAt<'a>,
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
        place: SignInAt<'a>,
        browser: &Browser,
        (sealed, params): (&str, &'a Params),
    ) -> Option<Self> {
        let carried: T = flow::open(&app.context, T::away(place.name()), browser, sealed)?;
        let is_asked_for = params.one("state").ok().flatten() == Some(carried.id().to_string().as_str());
        is_asked_for.then_some(Self { place, carried, params })
    }

    /// What the provider says, once it is known to be the provider who says it (RFC 9207 §2.4).
    pub(super) async fn answer(&self) -> Result<Answer<'a>, Stop> {
        let Self { place, params, .. } = self;
        let one = |name| params.one(name).ok().flatten();
        let iss = one("iss");
        if let SignInAt::Provider(provider) = place {
            provider.check_issuer(iss).await.map_err(|error| provider_stop(provider, &error))?;
        }
        if let Some(error) = one("error") {
            tracing::info!(provider.name = %place.name(), "the provider answered with an error");
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
    pub(super) async fn code(&self, visit: &Visit<'_>) -> Result<Code<'a>, Stop> {
        let label = || visit.label(self.place).to_owned();
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

    /// Finds out who signs in: whoever may not enter stops here, and their tokens are thrown away.
    pub(super) async fn enter(&self, app: &App, visit: &Visit<'_>, code: Code<'_>) -> Result<Arrival, Stop> {
        let mut arrival = match self.place {
            SignInAt::Provider(provider) => self.admitted(app, provider, code).await?,
            SignInAt::Here(accounts) => {
                here::arrive(app, accounts, (&self.carried.id().to_string(), code.code)).await?
            }
        };
        let asked = entering::ask(&app.context, visit, (self.place, &self.carried), &mut arrival).await;
        if let Err(stop) = asked {
            if let (SignInAt::Provider(provider), Some(tokens)) = (self.place, arrival.tokens) {
                throw_away(Provider::clone(provider), tokens);
            }
            return Err(stop);
        }
        Ok(arrival)
    }

    async fn admitted(&self, app: &App, provider: &Provider, code: Code<'_>) -> Result<Arrival, Stop> {
        let SignedIn { user, tokens } = self.exchange(app, provider, code).await?;
        let Err(kept_out) = provider.admits(&user) else {
            return Ok(Arrival { user, described: None, tokens: Some(tokens), account: None });
        };
        tracing::info!(
            target: "coatroom::audit",
            event = "sign_in.refused",
            provider.name = %provider.name(),
            subject = %user.subject,
            reason = %kept_out,
            "a user may not enter"
        );
        throw_away(Provider::clone(provider), tokens);
        let (provider, person) = (provider.label().to_owned(), user.display_name().to_owned());
        Err(Stop::NotAllowed { provider, person, said: String::new() })
    }

    /// Exchanges the code, whoever it is.
    pub(super) async fn exchange(
        &self,
        app: &App,
        provider: &Provider,
        code: Code<'_>,
    ) -> Result<SignedIn, Stop> {
        let Self { carried, .. } = self;
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

/// Tells the provider that the token of a mere sign-in is not kept. The person need not wait for that. The refresh token is
/// left to expire: some providers end every session of an app with it.
pub(super) fn throw_away(provider: Provider, tokens: UpstreamTokens) {
    tokio::spawn(async move {
        if let Err(error) = provider.revoke(&tokens.access_token, None).await {
            tracing::debug!(provider.name = %provider.name(), %error, "a provider was not told that a token is not kept");
        }
    });
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
