//! Finds out who has signed in: by an ID token, or by asking the user endpoint.

use coatroom_protocol::jws::{Jws, KeySet};
use coatroom_protocol::words::Scopes;
use http::StatusCode;
use serde_json::{Map, Value};
use tracing::field::Empty;
use tracing::info_span;
use url::Url;

use super::answer::{Members, TokenAnswer, read_json};
use super::engine::{Engine, observed};
use super::error::ProviderError;
use super::id_token::{Expected, IdTokenRefusal, check_claims};
use super::preset::{Addresses, Endpoints, Identity};
use super::requests::{ask, get};
use super::tokens::{UpstreamToken, UpstreamTokens};
use crate::user::User;

impl Engine {
    /// The user of an ID token, completed by the user endpoint where the ID token leaves out what was asked for.
    pub(super) async fn openid_user(
        &self,
        endpoints: &Endpoints,
        answer: &TokenAnswer,
        nonce: Option<&str>,
    ) -> Result<User, ProviderError> {
        let token = answer.id_token.as_ref().ok_or(IdTokenRefusal::Missing)?;
        let access_token = &answer.tokens.access_token;
        let nonce = nonce.ok_or(IdTokenRefusal::Nonce)?;
        let claims = self.verified_claims(endpoints, token, (access_token, Some(nonce))).await?;
        let claims = match &endpoints.user {
            Some(url) if lacks_something(&claims, &self.0.preset.scopes) || self.leaves_out(&claims) => {
                self.complete(claims, url, access_token).await?
            }
            _ => claims,
        };
        self.0.preset.profile.read(&self.0.name, claims)
    }

    /// The claims of an ID token that is good; without a nonce for one that came with a renewal.
    pub(super) async fn verified_claims(
        &self,
        endpoints: &Endpoints,
        token: &UpstreamToken,
        (access_token, nonce): (&UpstreamToken, Option<&str>),
    ) -> Result<Members, ProviderError> {
        let Identity::IdToken { issuers } = &self.0.preset.identity else {
            return Err(ProviderError::bad_answer("an ID token of a provider that has none"));
        };
        let jws = Jws::parse(token.expose()).map_err(IdTokenRefusal::from)?;
        let claims = self.genuine_claims(endpoints, &jws).await?;
        let expected = Expected {
            issuers,
            client_id: &self.0.registration.id,
            nonce,
            access_token,
            now: self.0.clock.now(),
        };
        check_claims(&claims, jws.algorithm(), &expected)?;
        self.note_left_out_groups(&claims);
        Ok(claims)
    }

    /// The user whom the user endpoint describes, and why their addresses could not be read, if so.
    pub(super) async fn endpoint_user(
        &self,
        endpoints: &Endpoints,
        (addresses, query): (Option<&Addresses>, Option<&str>),
        tokens: &UpstreamTokens,
    ) -> Result<(User, Option<ProviderError>), ProviderError> {
        let url = endpoints.user.as_ref();
        let url = url.ok_or_else(|| ProviderError::misconfigured("the provider has no user endpoint"))?;
        let said = object(self.ask(url, &tokens.access_token, query).await?)?;
        let mut user = self.0.preset.profile.read(&self.0.name, said)?;
        let mut unread = None;
        if let Some(addresses) = addresses.filter(|addresses| self.opens(addresses, tokens)) {
            match self.ask(&addresses.url, &tokens.access_token, None).await {
                Ok(list) => {
                    if let Some(address) = primary_address(&list) {
                        user.email = Some(address);
                        user.email_verified = true;
                    }
                }
                Err(error @ ProviderError::Transient { .. }) => return Err(error),
                // The provider does not let us see the addresses; who the user is does not depend on them.
                Err(error) => {
                    tracing::debug!(reason = %error, "the user's addresses could not be read");
                    unread = Some(error);
                }
            }
        }
        self.add_memberships(&mut user, &tokens.access_token).await?;
        Ok((user, unread))
    }

    /// Whether the provider still takes an access token for its user. It is asked only where the same endpoint said who
    /// signed in, with the same token: elsewhere a refusal may mean that the token was never good there.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when it does not; others when it cannot say.
    pub(super) async fn check_token(&self, access_token: &UpstreamToken) -> Result<(), ProviderError> {
        let Identity::UserEndpoint { query, .. } = &self.0.preset.identity else { return Ok(()) };
        let span = info_span!("provider.check", provider.name = %self.0.name, outcome = Empty);
        let checked = async {
            let endpoints = self.endpoints().await?;
            let Some(url) = &endpoints.user else { return Ok(()) };
            self.read(url, access_token, *query).await.map(drop)
        };
        observed(span, checked).await
    }

    /// The claims of a token that the provider signed.
    async fn genuine_claims(&self, endpoints: &Endpoints, jws: &Jws<'_>) -> Result<Members, ProviderError> {
        let url = endpoints.keys.as_ref();
        let url = url.ok_or_else(|| ProviderError::misconfigured("the metadata names no jwks_uri"))?;
        let verified = self.0.keys.verify(jws, || self.fetch_keys(url)).await?;
        Ok(verified.map_err(IdTokenRefusal::from)?)
    }

    async fn fetch_keys(&self, url: &Url) -> Result<KeySet, ProviderError> {
        let span = info_span!("provider.keys", provider.name = %self.0.name, outcome = Empty);
        let fetched = async {
            let answer = self.send(get(url)?).await?;
            let document = read_json(&answer, &self.0.preset.tokens.codes, &[])?;
            KeySet::parse(&document)
                .ok_or_else(|| ProviderError::bad_answer("no JWK Set with a key that can be used"))
        };
        observed(span, fetched).await
    }

    /// Adds what the user endpoint says to what the ID token says; the ID token's word counts.
    async fn complete(
        &self,
        claims: Members,
        url: &Url,
        access_token: &UpstreamToken,
    ) -> Result<Members, ProviderError> {
        let said = match self.ask(url, access_token, None).await.and_then(object) {
            Ok(said) => said,
            Err(error @ ProviderError::Transient { .. }) => return Err(error),
            Err(error) => {
                tracing::debug!(reason = %error, "the user endpoint could not be read; the ID token stands alone");
                return Ok(claims);
            }
        };
        // OpenID Connect Core 1.0 §5.3.2: an answer about somebody else must not be used.
        if said.get("sub") != claims.get("sub") {
            return Err(IdTokenRefusal::Subject.into());
        }
        Ok(united(said, claims))
    }

    pub(super) async fn ask(
        &self,
        url: &Url,
        access_token: &UpstreamToken,
        query: Option<&str>,
    ) -> Result<Value, ProviderError> {
        let span = info_span!("provider.user", provider.name = %self.0.name, outcome = Empty);
        observed(span, self.read(url, access_token, query)).await
    }

    /// What an endpoint tells to whoever has this token.
    pub(super) async fn read(
        &self,
        url: &Url,
        access_token: &UpstreamToken,
        query: Option<&str>,
    ) -> Result<Value, ProviderError> {
        let answer = self.send(ask(url, access_token, &self.0.preset.headers, query)?).await?;
        // RFC 6750 §3.1: expired, revoked, or malformed.
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err(ProviderError::Dead { code: "status 401".to_owned() });
        }
        read_json(&answer, &self.0.preset.tokens.codes, &[access_token.expose()])
    }

    /// Whether the scopes that were granted open the list of addresses. Silence means that those asked for were granted
    /// (RFC 6749 §5.1).
    fn opens(&self, addresses: &Addresses, tokens: &UpstreamTokens) -> bool {
        let asked = self.0.preset.scopes.to_string();
        let granted = if tokens.scopes.is_empty() { &asked } else { &tokens.scopes };
        granted.split(' ').any(|scope| addresses.scopes.contains(&scope))
    }
}

/// What the user endpoint and an ID token say together; the ID token's word counts. An address and the word that it was
/// verified come from the same place, or the word means nothing.
pub(super) fn united(mut told: Members, mut claims: Members) -> Members {
    let without_address = if claims.contains_key("email") { &mut told } else { &mut claims };
    without_address.remove("email_verified");
    told.extend(claims);
    told
}

pub(super) fn object(value: Value) -> Result<Map<String, Value>, ProviderError> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(ProviderError::bad_answer("not a JSON object")),
    }
}

fn lacks_something(claims: &Members, scopes: &Scopes) -> bool {
    let lacks = |scope: &str, claim: &str| {
        scopes.iter().any(|asked| asked.as_str() == scope) && !claims.contains_key(claim)
    };
    lacks("email", "email") || lacks("profile", "name")
}

/// The address that the provider lists as both primary and verified.
fn primary_address(list: &Value) -> Option<String> {
    let is = |entry: &Value, what: &str| entry.get(what) == Some(&Value::Bool(true));
    let entry = list.as_array()?.iter().find(|entry| is(entry, "primary") && is(entry, "verified"))?;
    entry.get("email")?.as_str().map(str::to_owned)
}
