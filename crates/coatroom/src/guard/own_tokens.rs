//! Verifies our own access tokens: the token's record and its grant, two reads, and nothing else.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::{AccessToken, GrantId, ProviderName, Resource, Subject, Timestamp};
use zeroize::Zeroizing;

use super::caller::{Caller, CallerClient, CallerParts, UpstreamCredentials, UpstreamError};
use super::grant_data::{DataError, GrantData, KeptData};
use super::verify::{VerifyError, VerifyToken};
use crate::connections::{ConnectionError, OpenGrant, OpenToken};
use crate::context::{AccessRefusal, Context, LiveAccess};
use crate::error::Error;
use crate::providers::UpstreamToken;
use crate::records::{
    self, AccessTokenRecord, GrantDataRecord, GrantRecord, Seen, SettingRecord, Stored as _, Written,
};
use crate::store::Version;
use crate::vault::{GrantVault, OpenRefusal, Sealer, Ticket, VaultKey};

/// Verifies access tokens that this server issued.
#[derive(Debug)]
pub(crate) struct OwnTokens(Arc<Context>);

impl OwnTokens {
    pub(crate) const fn new(context: Arc<Context>) -> Self {
        Self(context)
    }
}

#[async_trait]
impl VerifyToken for OwnTokens {
    async fn verify(&self, token: &AccessToken, resource: &Resource) -> Result<Caller, VerifyError> {
        let found = self.0.live_access(token, |meant| meant == resource).await?;
        let LiveAccess { access, grant } = found.map_err(VerifyError::from)?;
        caller(&self.0, token, access, grant)
    }
}

impl From<AccessRefusal> for VerifyError {
    fn from(refusal: AccessRefusal) -> Self {
        Self::Refused(refusal.as_str())
    }
}

fn caller(
    context: &Arc<Context>,
    token: &AccessToken,
    access: AccessTokenRecord,
    grant: GrantRecord,
) -> Result<Caller, VerifyError> {
    let incomplete = |what: &str| Error::Corrupt { what: "grant", reason: format!("{what} is missing") };
    let kept_until = grant.connections_kept_until(context.settings.refresh_life);
    let user = grant.user.ok_or_else(|| incomplete("the user"))?;
    let client = grant.client_id.ok_or_else(|| incomplete("the client id"))?;
    let vault = grant.vault.ok_or_else(|| incomplete("the vault"))?;
    let scopes = context.effective_scopes(&access);
    let vault_of_grant = Arc::new(VaultOfGrant {
        context: Arc::clone(context),
        grant: access.grant,
        subject: grant.grant.subject,
        vault,
        opened: Mutex::new(Opened {
            key: Key::Wrapped(Box::new(Wrapped { token: token.clone(), text: access.wrapped })),
            tokens: Vec::new(),
        }),
        kept_until,
    });
    Ok(Caller::new(CallerParts {
        user,
        client: CallerClient { id: client, name: grant.client_name },
        grant: access.grant,
        resource: access.resource,
        scopes,
        sender_constrained: false,
        expires_at: access.ends_at,
        credentials: Arc::<VaultOfGrant>::clone(&vault_of_grant),
        data: vault_of_grant,
    }))
}

/// Opens the vault of a grant with the access token of this very call.
struct VaultOfGrant {
    context: Arc<Context>,
    grant: GrantId,
    subject: Subject,
    vault: GrantVault,
    opened: Mutex<Opened>,
    /// How long what the grant holds is kept.
    kept_until: Timestamp,
}

/// What is open of a vault.
struct Opened {
    key: Key,
    /// What came out lately, remembered for as long as verified access tokens are, and gone with the caller too.
    tokens: Vec<KeptToken>,
}

/// The key of the vault: unwrapped on first use, and gone with the caller. What it was wrapped in is held no longer than that.
#[derive(Clone)]
enum Key {
    /// Apart, since most are open.
    Wrapped(Box<Wrapped>),
    Open(Arc<VaultKey>),
}

/// A wrapped key, and the token that opens it.
#[derive(Clone)]
struct Wrapped {
    token: AccessToken,
    text: String,
}

/// An upstream token that need not be read and opened again yet.
struct KeptToken {
    provider: ProviderName,
    opened: OpenToken,
    until: Duration,
}

impl VaultOfGrant {
    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, provider: &ProviderName) -> Option<UpstreamToken> {
        let (elapsed, now) = (self.context.clock.elapsed(), self.context.clock.at_least());
        let tokens = &mut self.opened().tokens;
        tokens.retain(|kept| {
            elapsed < kept.until && kept.opened.good_until.is_none_or(|until| !now.has_reached(until))
        });
        tokens.iter().find(|kept| kept.provider == *provider).map(|kept| kept.opened.token.clone())
    }

    fn remember(&self, provider: &ProviderName, opened: OpenToken) {
        let until = self.context.clock.elapsed().saturating_add(self.context.settings.remembered);
        let tokens = &mut self.opened().tokens;
        tokens.retain(|kept| kept.provider != *provider);
        // Most grants have one, and a vector would have room for four at once.
        tokens.reserve_exact(1);
        tokens.push(KeptToken { provider: provider.clone(), opened, until });
    }

    /// The server refused what was opened, so it is read again.
    fn forget(&self, provider: &ProviderName) {
        self.opened().tokens.retain(|kept| kept.provider != *provider);
    }

    async fn fetched(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        self.known(provider)?;
        match self.context.connections.token(&self.open().await?, provider).await {
            Ok(opened) => {
                let token = opened.token.clone();
                self.remember(provider, opened);
                Ok(token)
            }
            Err(error) => Err(self.failed(provider, error).await),
        }
    }

    async fn open(&self) -> Result<OpenGrant, UpstreamError> {
        let found = self.opened().key.clone();
        let key = match found {
            Key::Open(key) => key,
            Key::Wrapped(wrapped) => {
                let key = Arc::new(self.unwrap(&wrapped).await?);
                self.opened().key = Key::Open(Arc::clone(&key));
                key
            }
        };
        Ok(OpenGrant { id: self.grant, subject: self.subject.clone(), vault: self.vault.clone(), key })
    }

    /// A provider that is not set can never be connected, so nobody is sent there.
    fn known(&self, provider: &ProviderName) -> Result<(), UpstreamError> {
        let is_known = self.context.provider(provider).is_some() || *provider == self.subject.provider;
        if is_known { Ok(()) } else { Err(UpstreamError::Unknown { provider: provider.to_string() }) }
    }

    async fn unwrap(&self, wrapped: &Wrapped) -> Result<VaultKey, UpstreamError> {
        let refusal = match self.unwrapped(&wrapped.token, &wrapped.text) {
            Ok(key) => return Ok(key),
            Err(refusal) => refusal,
        };
        self.unwrap_again(wrapped, refusal).await.map_err(|error| match error {
            Some(error) => UpstreamError::Unavailable(error),
            None => UpstreamError::SignInEnded { provider: self.subject.provider.clone() },
        })
    }

    fn unwrapped(&self, token: &AccessToken, wrapped: &str) -> Result<VaultKey, OpenRefusal> {
        let Self { context, grant, vault, .. } = self;
        vault.unwrap(&context.keys().wrapping, grant, Ticket::Access(token), wrapped)
    }

    /// The caller may be remembered from before its wrap was sealed under another key. `Err(None)`: it never opens again.
    async fn unwrap_again(
        &self,
        Wrapped { token, text }: &Wrapped,
        refusal: OpenRefusal,
    ) -> Result<VaultKey, Option<Error>> {
        let shut = |refusal: OpenRefusal| Error::Corrupt {
            what: "access token",
            reason: format!("its vault key does not open: {refusal}"),
        };
        if !matches!(refusal, OpenRefusal::UnknownKey(_)) {
            return Err(Some(shut(refusal)));
        }
        let key = AccessTokenRecord::key_of(&token.hash());
        let now = records::load::<AccessTokenRecord>(self.context.store.as_ref(), &key).await?;
        if let Some(now) = now.filter(|now| now.value.wrapped != *text)
            && let Ok(key) = self.unwrapped(token, &now.value.wrapped)
        {
            return Ok(key);
        }
        if self.context.end_if_retired(&self.grant, refusal).await? {
            Err(None)
        } else {
            Err(Some(shut(refusal)))
        }
    }

    /// What a handler learns, and what it means for the grant: when the identity provider ended the sign-in, the grant ends with it.
    async fn failed(&self, provider: &ProviderName, error: ConnectionError) -> UpstreamError {
        let is_identity = *provider == self.subject.provider;
        match error {
            ConnectionError::Unavailable(error) => UpstreamError::Unavailable(Error::Unavailable {
                what: "the upstream credential",
                source: Box::new(error),
            }),
            ConnectionError::Missing | ConnectionError::Dead if is_identity => {
                match self.context.revoke(&self.grant, RevokedReason::SignInEnded).await {
                    Ok(()) => UpstreamError::SignInEnded { provider: provider.clone() },
                    Err(error) => UpstreamError::Unavailable(error),
                }
            }
            ConnectionError::Missing | ConnectionError::Dead => {
                UpstreamError::NotConnected { provider: provider.clone() }
            }
        }
    }
}

#[async_trait]
impl UpstreamCredentials for VaultOfGrant {
    async fn token(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        if let Some(token) = self.remembered(provider) {
            return Ok(token);
        }
        // Apart, since a future is as large as the most that it may have to do.
        Box::pin(self.fetched(provider)).await
    }

    async fn renew(
        &self,
        provider: &ProviderName,
        rejected: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError> {
        self.known(provider)?;
        self.forget(provider);
        match self.context.connections.renew(&self.open().await?, provider, rejected).await {
            Ok(token) => Ok(token),
            Err(error) => Err(self.failed(provider, error).await),
        }
    }
}

#[async_trait]
impl GrantData for VaultOfGrant {
    async fn load(&self) -> Result<Option<KeptData>, DataError> {
        let key = GrantDataRecord::key_of(&self.grant);
        let store = self.context.store.as_ref();
        let found = records::load::<GrantDataRecord>(store, &key).await?;
        let Some(Seen { value, version }) = found else { return Ok(None) };
        let corrupt = |reason: String| Error::Corrupt { what: "data of a grant", reason };
        let grant = self.open().await.map_err(not_open)?;
        let master = &self.context.keys().wrapping;
        let opened = match grant.key.open(master, value.binding(), &value.sealed) {
            Ok(opened) => opened,
            // Nobody can open it any more, so the handler begins anew.
            Err(OpenRefusal::UnknownKey(key)) if SettingRecord::is_retired(store, key).await? => {
                return Ok(None);
            }
            Err(refusal) => return Err(corrupt(refusal.to_string()).into()),
        };
        let json = std::str::from_utf8(&opened).map_err(|_| corrupt("it is no text".to_owned()))?;
        Ok(Some(KeptData { json: Zeroizing::new(json.to_owned()), version }))
    }

    async fn keep(&self, json: Zeroizing<String>, seen: Option<Version>) -> Result<bool, DataError> {
        let context = &self.context;
        let keys = context.keys();
        let sealer = Sealer { master: &keys.wrapping, entropy: context.entropy.as_ref() };
        let binding = GrantDataRecord::binding_of(&self.grant, &self.subject);
        let text = self.vault.seal(sealer, binding, json.as_bytes()).map_err(Error::from)?;
        let (grant, subject, kept_until) = (self.grant, self.subject.clone(), self.kept_until);
        let record = GrantDataRecord { grant, subject, sealed: text, kept_until };
        let store = context.store.as_ref();
        let written = match seen {
            None => records::insert(store, &record).await?,
            Some(seen) => records::replace(store, &record, seen).await?,
        };
        if written == Written::Beaten {
            return Ok(false);
        }
        // Who revoked the grant meanwhile has swept already.
        let grant = records::load::<GrantRecord>(store, &GrantRecord::key_of(&self.grant)).await?;
        if grant.is_none_or(|grant| !grant.value.grant.is_active()) {
            store.delete(GrantDataRecord::KIND, &record.key()).await.map_err(Error::from)?;
        }
        Ok(true)
    }
}

impl fmt::Debug for VaultOfGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultOfGrant").field("grant", &self.grant).finish_non_exhaustive()
    }
}

/// Why what is kept with a grant cannot be read, where the grant itself does not open.
fn not_open(error: UpstreamError) -> DataError {
    match error {
        UpstreamError::Unavailable(error) => error.into(),
        _ => DataError::NoGrant,
    }
}
