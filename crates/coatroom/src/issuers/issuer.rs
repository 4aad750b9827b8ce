//! The engine: verifies the tokens of one issuer, and remembers the documents that it publishes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coatroom_protocol::access::{RemoteClaims, RemoteRefusal};
use coatroom_protocol::jws::{Jws, JwsRefusal, KeySet};
use coatroom_protocol::words::{AccessToken, ProviderName, Resource, Scopes, Subject};
use http::{Request, Response};
use serde_json::{Map, Value, json};
use tracing::field::Empty;
use tracing::info_span;
use url::Url;

use super::claims::ClaimField;
use super::config::{IssuerConfig, IssuerConfigError, IssuerKind};
use super::preset::{Endpoints, Keys, Preset};
use crate::allowlist::{Allowlist, Facts, NotAllowed};
use crate::clock::Clock;
use crate::outbound::Outbound;
use crate::providers::{
    Document, ErrorCodes, ProviderError, append, get, is_loopback, observed, printable, read_json, secure_url,
};
use crate::user::User;

/// An authorization server whose own tokens open our resources. Cloning is cheap, and clones share what they remember.
#[derive(Clone)]
pub struct RemoteIssuer(Arc<Inner>);

struct Inner {
    name: ProviderName,
    kind: IssuerKind,
    preset: Preset,
    elsewhere: BTreeMap<ClaimField, String>,
    allow: Allowlist,
    deadline: Duration,
    metadata: Document<Value>,
    keys: Document<KeySet>,
    outbound: Arc<Outbound>,
    clock: Arc<dyn Clock>,
}

/// A token that was found to be good.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "it is plain data")]
pub struct VerifiedToken {
    /// Whom it names.
    pub user: User,
    /// What else it says.
    pub said: RemoteClaims,
}

/// Why a token was not found to be good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "401 or 503: there are these two")]
pub enum RemoteTokenError {
    /// It is not good here.
    #[error("the token was refused: {0}")]
    Refused(RemoteRefusal),
    /// The issuer's keys cannot be had, so nobody can tell.
    #[error("the issuer's keys are not available: {0}")]
    Unavailable(ProviderError),
}

impl From<RemoteRefusal> for RemoteTokenError {
    fn from(refusal: RemoteRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<JwsRefusal> for RemoteTokenError {
    fn from(refusal: JwsRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl RemoteIssuer {
    /// An issuer as configured. Nothing is fetched before it is needed.
    ///
    /// # Errors
    /// [`IssuerConfigError`] names the setting that is wrong.
    pub fn new(
        config: IssuerConfig,
        outbound: Arc<Outbound>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IssuerConfigError> {
        let preset = config.preset()?;
        Ok(Self(Arc::new(Inner {
            name: config.name,
            kind: config.kind,
            preset,
            elsewhere: config.claims,
            allow: config.allow,
            deadline: config.deadline,
            metadata: Document::new(Arc::clone(&clock)),
            keys: Document::new(Arc::clone(&clock)),
            outbound,
            clock,
        })))
    }

    /// The configured name.
    #[must_use]
    pub fn name(&self) -> &ProviderName {
        &self.0.name
    }

    /// The issuer, exactly as its metadata spells it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.preset.issuer
    }

    /// The scopes that clients should ask it for.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.preset.scopes
    }

    /// What an operator may have to do where its tokens are refused, for the log.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.0.preset.advice
    }

    /// Whose tokens open anything.
    #[must_use]
    pub fn allowlist(&self) -> &Allowlist {
        &self.0.allow
    }

    /// Whether a user whom a token names may enter.
    ///
    /// # Errors
    /// [`NotAllowed`] names the list that keeps them out.
    pub fn admits(&self, user: &User) -> Result<(), NotAllowed> {
        let organisations: Vec<&str> = user.organisation.iter().map(String::as_str).collect();
        self.0.allow.admits(&Facts {
            id: user.id(),
            email: user.email.as_deref().filter(|_| user.email_verified),
            organisations: &organisations,
            groups: &user.groups,
            roles: &user.roles,
            ..Facts::default()
        })
    }

    /// Verifies an access token for `resource`.
    ///
    /// # Errors
    /// [`RemoteTokenError`] says whether it is not good, or nobody can tell.
    pub async fn verify(
        &self,
        token: &AccessToken,
        resource: &Resource,
    ) -> Result<VerifiedToken, RemoteTokenError> {
        let Preset { rule, keys, algorithms, claims: paths, .. } = &self.0.preset;
        let (token, now) = (token.expose(), self.0.clock.now());
        if token.split('.').count() != PARTS {
            return Err(RemoteRefusal::Opaque.into());
        }
        let (said, claims) = if let Keys::Secret(secret) = keys {
            let (kind, claims) = secret.verify(token)?;
            (rule.check(kind.as_deref(), &claims, resource, now)?, claims)
        } else {
            let jws = Jws::parse(token)?;
            if !algorithms.is_empty() && !algorithms.contains(&jws.algorithm()) {
                return Err(RemoteRefusal::Algorithm.into());
            }
            // First what costs nothing: tokens that could not be good anyway make us fetch no keys.
            let claims = jws.unverified_claims().ok_or(RemoteRefusal::Malformed)?;
            let said = rule.check(jws.kind(), &claims, resource, now)?;
            (said, self.genuine_claims(&jws).await?)
        };
        let claims = self.completed(claims, &said);
        let subject = Subject { provider: self.0.name.clone(), id: said.subject.clone() };
        Ok(VerifiedToken { user: paths.read(subject, claims, &self.0.elsewhere), said })
    }

    /// What the issuer's metadata says, for clients that look for it at our own origin.
    ///
    /// # Errors
    /// When it cannot be had, or is another issuer's.
    pub async fn metadata(&self) -> Result<Arc<Value>, ProviderError> {
        self.0.metadata.current(|| self.fetch_metadata()).await
    }

    async fn genuine_claims(&self, token: &Jws<'_>) -> Result<Map<String, Value>, RemoteTokenError> {
        if let Keys::These(keys) = &self.0.preset.keys {
            return Ok(keys.verify(token)?);
        }
        let verified = self.0.keys.verify(token, || self.fetch_keys()).await;
        Ok(verified.map_err(RemoteTokenError::Unavailable)??)
    }

    /// Scalekit does not say in its tokens whether a machine calls for itself.
    fn completed(&self, mut claims: Map<String, Value>, said: &RemoteClaims) -> Map<String, Value> {
        if self.0.kind == IssuerKind::Scalekit {
            let is_machine = said.client.as_ref() == Some(&said.subject);
            claims.insert("subject_type".to_owned(), json!(if is_machine { "machine" } else { "user" }));
        }
        claims
    }

    async fn fetch_keys(&self) -> Result<KeySet, ProviderError> {
        let url = match &self.0.preset.keys {
            Keys::At(url) => url.clone(),
            _ => self.named_keys(&*self.metadata().await?)?,
        };
        let span = info_span!("issuer.keys", provider.name = %self.0.name, outcome = Empty);
        let fetched = async {
            let document = read_json(&self.send(get(&url)?).await?, &ErrorCodes::default(), &[])?;
            KeySet::parse(&document)
                .ok_or_else(|| ProviderError::bad_answer("no JWK Set with a key that can be used"))
        };
        observed(span, fetched).await
    }

    /// Where the metadata says that the keys are.
    fn named_keys(&self, metadata: &Value) -> Result<Url, ProviderError> {
        let named = metadata.get("jwks_uri").and_then(Value::as_str);
        let named = named.ok_or_else(|| ProviderError::misconfigured("the metadata names no jwks_uri"))?;
        let url = secure_url(named)
            .map_err(|refusal| ProviderError::misconfigured(format!("jwks_uri in the metadata {refusal}")))?;
        // Metadata from afar must not make us call what listens on this machine.
        let is_local = Url::parse(self.issuer()).is_ok_and(|issuer| is_loopback(&issuer));
        if is_loopback(&url) && !is_local {
            return Err(ProviderError::misconfigured("jwks_uri in the metadata is on loopback"));
        }
        Ok(url)
    }

    /// Looks where RFC 8414 puts the document, and then where OpenID Connect Discovery does, in both of its forms. Where
    /// there is none, it is made of what is known of the issuer.
    async fn fetch_metadata(&self) -> Result<Value, ProviderError> {
        let span = info_span!("issuer.metadata", provider.name = %self.0.name, outcome = Empty);
        let fetched = async {
            let mut missed = None;
            for url in metadata_urls(self.issuer())? {
                let answer = self.send(get(&url)?).await?;
                match read_json(&answer, &ErrorCodes::default(), &[]).and_then(|document| self.own(document))
                {
                    Ok(document) => return Ok(document),
                    Err(error @ ProviderError::Transient { .. }) => return Err(error),
                    Err(error) => missed = Some(error),
                }
            }
            let known = self.0.preset.endpoints.as_ref().map(|endpoints| self.document_of(endpoints));
            let missed = missed.unwrap_or_else(|| ProviderError::misconfigured("there is no metadata"));
            known.ok_or(missed)
        };
        observed(span, fetched).await
    }

    /// The document, if it is this issuer's byte for byte (RFC 8414 §3.3).
    fn own(&self, document: Value) -> Result<Value, ProviderError> {
        let issuer = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if issuer == self.issuer() {
            return Ok(document);
        }
        let found = printable(issuer);
        Err(ProviderError::misconfigured(format!("the metadata found is of the issuer {found}")))
    }

    fn document_of(&self, endpoints: &Endpoints) -> Value {
        let keys = if let Keys::At(url) = &self.0.preset.keys { Some(url.as_str()) } else { None };
        let document = json!({
            "issuer": self.issuer(),
            "authorization_endpoint": endpoints.authorize,
            "token_endpoint": endpoints.token,
            "registration_endpoint": endpoints.register,
            "jwks_uri": keys,
            "response_types_supported": ["code"],
            "grant_types_supported": endpoints.grants,
            "code_challenge_methods_supported": ["S256"],
        });
        let members = document.as_object().cloned().unwrap_or_default();
        Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ProviderError> {
        // Boxed: what an HTTP call keeps is large, and every future above would keep it too.
        Ok(Box::pin(self.0.outbound.send(request, self.0.deadline)).await?)
    }
}

impl fmt::Debug for RemoteIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteIssuer").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// The well-known part stands before the path (RFC 8414 §3.1), or after it (OpenID Connect Discovery 1.0 §4).
fn metadata_urls(issuer: &str) -> Result<Vec<Url>, ProviderError> {
    let refused = |refusal: crate::providers::UrlRefusal| ProviderError::misconfigured(refusal.to_string());
    let url = secure_url(issuer).map_err(refused)?;
    let (origin, path) = (url.origin().ascii_serialization(), url.path().trim_end_matches('/'));
    let mut urls = vec![
        secure_url(&format!("{origin}/.well-known/oauth-authorization-server{path}")).map_err(refused)?,
        append(issuer, "/.well-known/openid-configuration").map_err(refused)?,
    ];
    if !path.is_empty() {
        urls.push(secure_url(&format!("{origin}/.well-known/openid-configuration{path}")).map_err(refused)?);
    }
    Ok(urls)
}

/// Of a compact JWS: header, payload, signature. Tokens with five are encrypted, for somebody else.
const PARTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_sought_in_every_form() {
        let urls = |issuer| -> Vec<String> {
            metadata_urls(issuer).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            urls("https://kc.example/realms/x"),
            [
                "https://kc.example/.well-known/oauth-authorization-server/realms/x",
                "https://kc.example/realms/x/.well-known/openid-configuration",
                "https://kc.example/.well-known/openid-configuration/realms/x",
            ]
        );
        assert_eq!(
            urls("https://t.auth0.example/"),
            [
                "https://t.auth0.example/.well-known/oauth-authorization-server",
                "https://t.auth0.example/.well-known/openid-configuration",
            ]
        );
    }
}
