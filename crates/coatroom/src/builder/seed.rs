//! Grants that nobody signed in for: what a store is filled with before it is measured. Feature `seed`.

use coatroom_protocol::grant::{
    ActiveGrant, AwaitingCode, CodeChallenge, Grant, GrantState, PreviousRefresh, RefreshParts, RefreshState,
    access_token, authorization_code, refresh_token,
};
use coatroom_protocol::words::{
    AccessToken, ClientId, CodeVerifier, GrantId, MacKey, ProviderName, RefreshToken, Subject, Timestamp,
    base64url,
};

use super::Coatroom;
use crate::connections::FreshConnection;
use crate::error::Error;
use crate::providers::{UpstreamToken, UpstreamTokens};
use crate::records::{self, AccessTokenRecord, GrantRecord, Written};
use crate::user::User;
use crate::vault::{GrantVault, Sealer, Ticket};

/// A grant known by its number. Its secrets are derived from that number and a key of ours, so that whoever seeded a store need not
/// remember them, and nobody else knows them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SeededGrant {
    /// Its id.
    pub id: GrantId,
    /// Its access token.
    pub access_token: AccessToken,
    /// Its refresh token, until that is used.
    pub refresh_token: RefreshToken,
}

impl Coatroom {
    /// The seeded grant of this number, whether it was written or not.
    #[must_use]
    pub fn seeded(&self, number: u64) -> SeededGrant {
        let keys = self.context.keys();
        let key = keys.tickets.active();
        let id = secret(key, "id", number).first_chunk().copied().unwrap_or_default();
        let id = GrantId::from_bytes(id);
        let parts = RefreshParts { grant: id, generation: 1 };
        SeededGrant {
            id,
            access_token: access_token(&secret(key, "access token", number)),
            refresh_token: refresh_token(key, parts, &secret(key, "refresh token", number)),
        }
    }

    /// Writes a grant as `client` has it after a sign-in and one refresh, its access token in use: three records, whose keys are made
    /// and whose credential is sealed as ever. Each user has two such grants.
    ///
    /// For measurements only: nobody agreed to this grant, and it is good all the same.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down or has the grant already; [`Error::Corrupt`] when this server has no provider
    /// or protects nothing.
    pub async fn seed(&self, number: u64, client: &ClientId) -> Result<(), Error> {
        let context = &self.context;
        let nothing =
            || Error::Corrupt { what: "server", reason: "it has no provider or resource".to_owned() };
        let provider = context.providers.first().ok_or_else(nothing)?.name();
        let resource = context.resources.iter().next().ok_or_else(nothing)?;
        let (keys, store, now) = (context.keys(), context.store.as_ref(), context.clock.now());
        let key = keys.tickets.active();
        let seeded = self.seeded(number);
        let SeededGrant { id, access_token, refresh_token } = &seeded;
        let (vault, vault_key) = GrantVault::generate(context.entropy.as_ref())?;
        let sealer = Sealer { master: &keys.wrapping, entropy: context.entropy.as_ref() };
        let wrap = |ticket| vault.wrap(sealer, id, ticket, &vault_key);
        let ends_at = now.plus(context.settings.refresh_idle);
        let user = user(provider, number / 2);
        let state = GrantState::Active(active(key, number, &seeded, (now, ends_at)));
        let grant = GrantRecord {
            grant: Grant {
                id: *id,
                subject: user.subject.clone(),
                client: client.hash(),
                resource: resource.id.clone(),
                scopes: resource.scopes.defaults(),
                created_at: now,
                state,
            },
            kept_until: ends_at,
            may_refresh: true,
            client_id: Some(client.clone()),
            client_name: Some("Example Desktop".to_owned()),
            client_fingerprint: None,
            user: Some(user),
            described: None,
            wrapped: Some(wrap(Ticket::Refresh(refresh_token))?),
            vault: Some(vault.clone()),
        };
        let access = AccessTokenRecord {
            token: access_token.hash(),
            grant: *id,
            scopes: grant.grant.scopes.clone(),
            resource: resource.id.clone(),
            issued_at: now,
            ends_at: now.plus(context.settings.access_token_life),
            kept_until: ends_at,
            accepted: true,
            wrapped: wrap(Ticket::Access(access_token))?,
        };
        is_new(records::insert(store, &grant).await?)?;
        let fresh = FreshConnection {
            provider,
            tokens: &credential(key, number, ends_at),
            kept_until: grant.connections_kept_until(context.settings.refresh_life),
        };
        context.connections.connect(id, &grant.grant.subject, &vault, fresh).await?;
        is_new(records::insert(store, &access).await?)
    }
}

fn secret(key: &MacKey, what: &str, number: u64) -> [u8; 32] {
    key.tag("seeded grant", &[what.as_bytes(), &number.to_be_bytes()])
}

/// The state of a grant after one refresh.
fn active(
    key: &MacKey,
    number: u64,
    seeded: &SeededGrant,
    (now, ends_at): (Timestamp, Timestamp),
) -> ActiveGrant {
    let code = authorization_code(&seeded.id, &secret(key, "code", number));
    let redeemed = AwaitingCode {
        code: code.hash(),
        redirect_uri: "http://127.0.0.1:33418/callback".to_owned(),
        challenge: CodeChallenge::of(&CodeVerifier::new(code.expose())),
        expires_at: now,
    };
    let previous = PreviousRefresh {
        token: RefreshToken::new(code.expose()).hash(),
        rotated_at: now,
        salt: secret(key, "salt", number),
        key: key.id(),
        repeats: 0,
    };
    let refresh = RefreshState {
        generation: 1,
        current: seeded.refresh_token.hash(),
        expires_at: ends_at,
        issued: vec![seeded.access_token.hash()],
        previous: Some(previous),
    };
    ActiveGrant { redeemed, refresh: Some(refresh) }
}

/// The user of this number, as a provider describes one.
fn user(provider: &ProviderName, number: u64) -> User {
    let subject = Subject { provider: provider.clone(), id: (583_000_000 + number).to_string() };
    User {
        email: Some(format!("person.{number}@example.com")),
        email_verified: true,
        name: Some(format!("Person {number}")),
        username: Some(format!("person-{number}")),
        picture: Some(format!("https://avatars.example.com/u/{}?v=4", subject.id)),
        ..User::new(subject)
    }
}

/// As long as those of GitHub's apps.
fn credential(key: &MacKey, number: u64, ends_at: Timestamp) -> UpstreamTokens {
    let text =
        |what, prefix| UpstreamToken::new(format!("{prefix}{}", base64url(&secret(key, what, number))));
    UpstreamTokens {
        access_token: text("upstream access token", "ghu_"),
        refresh_token: Some(text("upstream refresh token", "ghr_")),
        expires_at: Some(ends_at),
        scopes: String::new(),
    }
}

fn is_new(written: Written) -> Result<(), Error> {
    match written {
        Written::Done => Ok(()),
        Written::Beaten => Err(Error::contended("the seeded grant")),
    }
}
