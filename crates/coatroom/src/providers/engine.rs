//! The engine: signs users in at a provider, renews and revokes their tokens.
//!
//! What differs between providers is data (`preset`); what they may answer is read in `answer`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coatroom_protocol::jws::KeySet;
use coatroom_protocol::words::{ClientSecret, ProviderName, Scopes};
use http::{Method, Request, Response, StatusCode};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};
use url::Url;

use super::answer::{Sent, TokenAnswer, read_json, read_revocation, read_tokens};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::discovery::{metadata_urls, read_metadata};
use super::document::Document;
use super::error::ProviderError;
use super::kind::ProviderKind;
use super::preset::{Endpoints, Identity, Place, Preset, Revocation};
use super::profile::UserMap;
use super::requests::{Registration, Style, ask, get};
use super::sign_in::{CodeExchange, RevokeOutcome, SignedIn, UpstreamAuthorization, UpstreamPrompt};
use super::tokens::UpstreamToken;
use super::{
    apple, atlassian, demo, discord, github, gitlab, google, linear, microsoft, notion, oauth2, oidc, okta,
    slack, x,
};
use crate::allowlist::Allowlist;
use crate::clock::Clock;
use crate::outbound::Outbound;

/// An identity provider. Cloning is cheap, and clones share what they remember of the provider's documents.
#[derive(Clone)]
pub(super) struct Engine(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub name: ProviderName,
    pub kind: ProviderKind,
    pub allow: Allowlist,
    label: String,
    pub registration: Registration,
    pub preset: Preset,
    pub user_map: Option<UserMap>,
    deadline: Duration,
    metadata: Document<Endpoints>,
    pub keys: Document<KeySet>,
    outbound: Arc<Outbound>,
    pub clock: Arc<dyn Clock>,
}

impl Engine {
    /// A provider as configured. Nothing is fetched before it is needed.
    ///
    /// # Errors
    /// [`ProviderConfigError`] names the setting that is wrong.
    pub(super) fn new(
        config: ProviderConfig,
        outbound: Arc<Outbound>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderConfigError> {
        let mut preset = preset(&config)?;
        preset.adjust(&config);
        Ok(Self(Arc::new(Inner {
            name: config.name,
            kind: config.kind,
            allow: config.allow,
            label: config.label.unwrap_or_else(|| preset.label.to_owned()),
            registration: Registration { id: config.client_id, secret: config.client_secret },
            preset,
            user_map: config.user_map,
            deadline: config.deadline,
            metadata: Document::new(Arc::clone(&clock)),
            keys: Document::new(Arc::clone(&clock)),
            outbound,
            clock,
        })))
    }

    /// The configured name.
    pub(super) fn name(&self) -> &ProviderName {
        &self.0.name
    }

    /// What people call it.
    pub(super) fn label(&self) -> &str {
        &self.0.label
    }

    /// Whether its callbacks are forms that its page posts to us (OAuth 2.0 Form Post Response Mode).
    pub(super) fn posts_callbacks(&self) -> bool {
        self.0.preset.form_post
    }

    /// The scopes that every sign-in asks for.
    pub(super) fn scopes(&self) -> &Scopes {
        &self.0.preset.scopes
    }

    /// The hard deadline of [`Engine::renewal`]: after it no request for new tokens is under way.
    pub(super) fn deadline(&self) -> Duration {
        self.0.deadline
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// When the provider's metadata is needed and cannot be had, or rules the provider out.
    pub(super) async fn authorization_url(
        &self,
        ask: &UpstreamAuthorization<'_>,
    ) -> Result<Url, ProviderError> {
        let preset = &self.0.preset;
        let mut url = self.endpoints().await?.authorize.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("response_type", "code");
            query.append_pair("client_id", &self.0.registration.id);
            query.append_pair("redirect_uri", ask.redirect_uri);
            query.append_pair("state", ask.state);
            if preset.pkce {
                query.append_pair("code_challenge", ask.code_challenge);
                query.append_pair("code_challenge_method", "S256");
            }
            let set = |name: &str| preset.authorize_params.iter().any(|(other, _)| other == name);
            if !preset.scopes.is_empty() && !set(&preset.scope_param) {
                query.append_pair(&preset.scope_param, &preset.scope_value());
            }
            if let (Some(nonce), Identity::IdToken { .. }) = (ask.nonce, &preset.identity) {
                query.append_pair("nonce", nonce);
            }
            if let Some(prompt) = preset.prompts.value(ask.prompt.map(UpstreamPrompt::as_str))
                && !set("prompt")
            {
                query.append_pair("prompt", &prompt);
            }
            if let Some(hint) = ask.login_hint {
                query.append_pair(preset.login_hint, hint);
            }
            query.extend_pairs(&preset.authorize_params);
        }
        Ok(url)
    }

    /// Checks the `iss` of a callback, of an error too, against the issuer that the user was sent to (RFC 9207 §2.4).
    ///
    /// # Errors
    /// [`ProviderError::Issuer`] when it is another one, or is missing where the provider promises it. A provider
    /// without a known issuer is told apart by its callback path alone.
    pub(super) async fn check_issuer(&self, iss: Option<&str>) -> Result<(), ProviderError> {
        let endpoints = self.endpoints().await?;
        match (iss, &endpoints.issuer) {
            (Some(iss), Some(issuer)) if iss != issuer => Err(ProviderError::Issuer),
            (None, _) if endpoints.callback_names_issuer => Err(ProviderError::Issuer),
            _ => Ok(()),
        }
    }

    /// Exchanges the code of a callback, and finds out who the user is.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when the code is not good, [`ProviderError::Transient`] when the provider cannot say; a
    /// code may have been spent all the same, so only a new sign-in helps then.
    pub(super) async fn sign_in(&self, callback: CodeExchange<'_>) -> Result<SignedIn, ProviderError> {
        self.check_issuer(callback.iss).await?;
        let endpoints = self.endpoints().await?;
        let verifier = callback.code_verifier.expose();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", callback.code),
            ("redirect_uri", callback.redirect_uri),
        ];
        if self.0.preset.pkce {
            form.push(("code_verifier", verifier));
        }
        let span = info_span!("provider.exchange", provider.name = %self.0.name, outcome = Empty);
        let answer = observed(span, self.tokens(&endpoints, &form, &[callback.code, verifier])).await?;
        let mut user = match &self.0.preset.identity {
            Identity::IdToken { .. } => self.openid_user(&endpoints, &answer, callback.nonce).await?,
            Identity::UserEndpoint { addresses, query } => {
                self.endpoint_user(&endpoints, (addresses.as_ref(), *query), &answer.tokens).await?.0
            }
        };
        if self.0.preset.form_post && user.name.is_none() {
            user.name = callback.user.and_then(posted_name);
        }
        if let Some(map) = &self.0.user_map {
            map.apply(&mut user);
        }
        Ok(SignedIn { user, tokens: answer.tokens })
    }

    /// Renews tokens; an ID token may come with them.
    pub(super) async fn renewal(&self, refresh_token: &UpstreamToken) -> Result<TokenAnswer, ProviderError> {
        let span = info_span!("provider.renew", provider.name = %self.0.name, outcome = Empty);
        let renewal = async {
            let endpoints = self.endpoints().await?;
            let scope = self.0.preset.renewal_scope();
            let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
            form.extend(scope.iter().map(|scope| ("scope", scope.as_str())));
            self.tokens(&endpoints, &form, &[refresh_token.expose()]).await
        };
        observed(span, within(self.0.deadline, renewal)).await
    }

    /// Tells the provider that a credential is thrown away, where it can be told without ending the user's other connections:
    /// the refresh token, whose end is the end of both (RFC 7009 §2.1), or the access token where there is no other.
    ///
    /// # Errors
    /// When the provider did not take note. The token may then still be good there.
    pub(super) async fn revoke(
        &self,
        access: &UpstreamToken,
        refresh: Option<&UpstreamToken>,
    ) -> Result<RevokeOutcome, ProviderError> {
        let span = info_span!("provider.revoke", provider.name = %self.0.name, outcome = Empty);
        let told = async {
            let endpoints = self.endpoints().await?;
            let token = refresh
                .filter(|_| matches!(self.0.preset.revocation, Revocation::Standard))
                .unwrap_or(access);
            let preset = &self.0.preset;
            let request = match (&preset.revocation, &endpoints.revoke) {
                (Revocation::Never, _) | (Revocation::Standard, None) => {
                    return Ok(RevokeOutcome::NotOffered);
                }
                (Revocation::Standard, Some(url)) => {
                    let secret = self.secret()?;
                    let form = [("token", token.expose())];
                    self.0.registration.post(url, self.style(&endpoints), secret.as_ref(), &form)?
                }
                (Revocation::ByToken(url), _) => ask(url, token, &preset.headers, None)?,
                (Revocation::Delete(url), _) => self.0.registration.delete(url, token)?,
            };
            let deletes = request.method() == Method::DELETE;
            let answer = self.send(request).await?;
            if deletes && matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY)
            {
                // What is to be deleted is not there any more.
                return Ok(RevokeOutcome::Told);
            }
            read_revocation(&answer, &self.0.preset.tokens.codes, &[token.expose()])?;
            Ok(RevokeOutcome::Told)
        };
        observed(span, told).await
    }

    /// Sends a form to the token endpoint; `secrets` are those in the form.
    async fn tokens(
        &self,
        endpoints: &Endpoints,
        form: &[(&str, &str)],
        secrets: &[&str],
    ) -> Result<TokenAnswer, ProviderError> {
        let more = self.0.preset.token_params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let form: Vec<_> = form.iter().copied().chain(more).collect();
        let secret = self.secret()?;
        let request =
            self.0.registration.post(&endpoints.token, self.style(endpoints), secret.as_ref(), &form)?;
        let secrets: Vec<&str> =
            secrets.iter().copied().chain(secret.as_ref().map(ClientSecret::expose)).collect();
        let sent = Sent { at: self.0.clock.now(), secrets: &secrets };
        let answer = self.send(request).await?;
        read_tokens(&answer, &self.0.preset.tokens, sent)
    }

    /// Our secret for one request, if we have one.
    fn secret(&self) -> Result<Option<ClientSecret>, ProviderError> {
        match &self.0.preset.signer {
            Some(signer) => signer.secret(self.0.clock.now()).map(Some),
            None => Ok(self.0.registration.secret.clone()),
        }
    }

    fn style(&self, endpoints: &Endpoints) -> Style<'_> {
        let preset = &self.0.preset;
        Style { auth: endpoints.client_auth, body: preset.token_body, headers: &preset.headers }
    }

    pub(super) async fn endpoints(&self) -> Result<Arc<Endpoints>, ProviderError> {
        match &self.0.preset.place {
            Place::Fixed(endpoints) => Ok(Arc::clone(endpoints)),
            Place::Discovered { issuer, assume_pkce, client_auth } => {
                self.0.metadata.current(|| self.discover(issuer, *assume_pkce, *client_auth)).await
            }
        }
    }

    async fn discover(
        &self,
        issuer: &str,
        assume_pkce: bool,
        client_auth: Option<ClientAuth>,
    ) -> Result<Endpoints, ProviderError> {
        let span = info_span!("provider.discover", provider.name = %self.0.name, outcome = Empty);
        let discovered = async {
            let urls =
                metadata_urls(issuer).map_err(|refusal| ProviderError::misconfigured(refusal.to_string()));
            let [openid, oauth] = urls?;
            let mut answer = self.send(get(&openid)?).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                answer = self.send(get(&oauth)?).await?;
            }
            let document = read_json(&answer, &self.0.preset.tokens.codes, &[])?;
            read_metadata(&document, issuer, assume_pkce, client_auth)
        };
        observed(span, discovered).await
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ProviderError> {
        // Boxed: what an HTTP call keeps is large, and every future above would keep it too.
        Ok(Box::pin(self.0.outbound.send(request, self.0.deadline)).await?)
    }
}

/// What is different about the provider of a configuration, if the configuration is good.
pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    config.check()?;
    match config.kind {
        ProviderKind::Github => github::preset(config),
        ProviderKind::Google => google::preset(config),
        ProviderKind::Microsoft => microsoft::preset(config),
        ProviderKind::Okta => okta::preset(config),
        ProviderKind::Slack => slack::preset(config),
        ProviderKind::Discord => discord::preset(config),
        ProviderKind::Gitlab => gitlab::preset(config),
        ProviderKind::Notion => notion::preset(config),
        ProviderKind::X => x::preset(config),
        ProviderKind::Atlassian => atlassian::preset(config),
        ProviderKind::Linear => linear::preset(config),
        ProviderKind::Apple => apple::preset(config),
        ProviderKind::Oidc => oidc::preset(config),
        ProviderKind::Oauth2 => oauth2::preset(config),
        ProviderKind::Demo => demo::preset(config),
    }
}

/// Does one outside call inside its span, which says how the call ended.
pub(crate) async fn observed<T>(
    span: Span,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let result = call.instrument(span.clone()).await;
    span.record("outcome", result.as_ref().map_or_else(ProviderError::outcome, |_| "ok"));
    result
}

/// Waits for one outside call no longer than this: silence is an outage.
pub(super) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let too_late = |_| ProviderError::transient("no answer in time");
    tokio::time::timeout(deadline, call).await.map_err(too_late)?
}

/// The name that a posted callback brought beside the ID token. Nobody signed it, so it is for people to read alone.
fn posted_name(user: &str) -> Option<String> {
    let user: serde_json::Value = serde_json::from_str(user).ok()?;
    let part =
        |name: &str| user.get("name")?.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty());
    let whole = [part("firstName"), part("lastName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let is_name = (1..=LONGEST_NAME).contains(&whole.len()) && !whole.contains(char::is_control);
    is_name.then_some(whole)
}

const LONGEST_NAME: usize = 200;

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("name", &self.0.name).finish_non_exhaustive()
    }
}
