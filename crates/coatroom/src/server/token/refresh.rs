//! `grant_type=refresh_token`: applies the verdict of [`decide_refresh`] with one `replace` (ARCHITECTURE.md, rule 4).

use std::time::Duration;

use coatroom_protocol::client::Client;
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::grant::{
    GrantState, PresentedRefresh, PreviousRefresh, RefreshParts, RefreshRefusal, RefreshState,
    RefreshVerdict, RevokedReason, SuccessorUse, access_token, decide_refresh, derived_access_secret,
    narrow_scopes, parse_refresh_token, refresh_token, successor_secret,
};
use coatroom_protocol::words::{AccessToken, MacKey, Params, RefreshToken, Scopes, Timestamp};

use super::super::authenticate::Authenticated;
use super::super::respond::Failure;
use super::code::refresh_ends;
use super::readmit::readmit;
use super::{Issued, NewAccess, OpenVault, access_record, check_resource, load_grant, required};
use crate::context::Context;
use crate::entropy::draw;
use crate::error::Error;
use crate::hooks::{Event, RefreshKind, TokensRefreshed};
use crate::records::{self, AccessTokenRecord, GrantRecord, Seen, Written};
use crate::store::Kind;
use crate::vault::Ticket;

/// Continues a grant.
pub(super) async fn refresh(
    context: &Context,
    client: &Authenticated,
    params: &Params,
) -> Result<Issued, Failure> {
    let token = RefreshToken::new(required(params, "refresh_token")?);
    let Ok(parts) = parse_refresh_token(&token, &context.keys().tickets) else {
        return Err(OAuthError::from(unknown(client.client())).into());
    };
    let asked = params.one("scope").ok().flatten().map(str::parse::<Scopes>).transpose();
    let asked = asked.map_err(|refusal| OAuthError::json(ErrorCode::InvalidScope, refusal.to_string()))?;
    let presented = PresentedRefresh { token: token.hash(), parts, client: client.client().id.hash() };
    for attempt in 0..ATTEMPTS {
        let Some(seen) = load_grant(context, &parts.grant).await? else {
            return Err(OAuthError::from(RefreshRefusal::Unknown).into());
        };
        let verdict = match decide(context, &seen.value, &presented).await? {
            Ok(verdict) => verdict,
            Err(refusal) => return Err(refused(context, &presented, refusal).await?.into()),
        };
        check_resource(context, params, &seen.value.grant.resource)?;
        let scopes = narrow_scopes(&seen.value.grant.scopes, asked.as_ref())
            .map_err(|refusal| OAuthError::json(ErrorCode::InvalidScope, refusal.to_string()))?;
        if attempt == 0 {
            client.use_up(context).await?;
        }
        let refresh = Refresh { context, token: &token, scopes };
        let subject = seen.value.grant.subject.clone();
        let (issued, kind) = match verdict {
            RefreshVerdict::Rotate => {
                let open = OpenVault::open(context, &seen.value, Ticket::Refresh(&token)).await?;
                (refresh.readmit_and_succeed(seen, &open).await?, RefreshKind::Rotated)
            }
            RefreshVerdict::Displace => (refresh.displace(seen).await?, RefreshKind::Displaced),
            RefreshVerdict::Repeat => (refresh.repeat(seen).await?, RefreshKind::Repeated),
        };
        if let Some(issued) = issued {
            context.hooks.tell(|| {
                Event::Refreshed(TokensRefreshed {
                    grant: parts.grant,
                    subject,
                    client: client.client().id.clone(),
                    scopes: issued.scopes.clone(),
                    kind,
                    at: context.clock.now(),
                })
            });
            return Ok(issued);
        }
    }
    Err(Error::contended("the grant").into())
}

/// What is said of a token that is not ours. Who registered for no refresh tokens may still hold one, by `offline_access`; who then
/// presents none of ours may use the grant type in no way (OAuth 2.1 §3.2.4).
const fn unknown(client: &Client) -> RefreshRefusal {
    if client.may_refresh { RefreshRefusal::Unknown } else { RefreshRefusal::NotRegistered }
}

/// Asks the rule, and the store only for what the rule needs.
async fn decide(
    context: &Context,
    record: &GrantRecord,
    presented: &PresentedRefresh,
) -> Result<Result<RefreshVerdict, RefreshRefusal>, Error> {
    let now = context.clock.at_least();
    let ask = |successor| decide_refresh(&record.grant, presented, successor, &context.settings.refresh, now);
    // The successor's use decides only between these two.
    match ask(SuccessorUse::Unused) {
        Ok(RefreshVerdict::Displace) => Ok(ask(successor_use(context, record).await?)),
        verdict => Ok(verdict),
    }
}

async fn successor_use(context: &Context, record: &GrantRecord) -> Result<SuccessorUse, Error> {
    for token in record.grant.refresh().map(|refresh| refresh.issued.as_slice()).unwrap_or_default() {
        let key = AccessTokenRecord::key_of(token);
        let seen = records::load::<AccessTokenRecord>(context.store.as_ref(), &key).await?;
        if seen.is_some_and(|seen| seen.value.accepted) {
            return Ok(SuccessorUse::Accepted);
        }
    }
    Ok(SuccessorUse::Unused)
}

/// Revokes on replay, writes the audit log, and says what the client may learn.
async fn refused(
    context: &Context,
    presented: &PresentedRefresh,
    refusal: RefreshRefusal,
) -> Result<OAuthError, Error> {
    let grant = &presented.parts.grant;
    match &refusal {
        RefreshRefusal::Replayed => {
            let revoked = context.settings.replay_revokes;
            tracing::warn!(
                target: "coatroom::audit", event = "refresh.replayed", grant.id = %grant, revoked,
                generation = presented.parts.generation, "a refresh token was replayed"
            );
            if revoked {
                context.revoke(grant, RevokedReason::RefreshReplayed).await?;
            }
        }
        RefreshRefusal::RolledBack => tracing::error!(
            target: "coatroom::audit", event = "refresh.rolled_back", grant.id = %grant,
            generation = presented.parts.generation, "a refresh token is newer than the store: was it restored from a backup?"
        ),
        other => tracing::debug!(grant.id = %grant, reason = %other, "a refresh token was refused"),
    }
    Ok(refusal.into())
}

/// One presented refresh token, and what is asked with it.
struct Refresh<'a> {
    context: &'a Context,
    token: &'a RefreshToken,
    scopes: Scopes,
}

impl Refresh<'_> {
    /// Makes a successor, if the grant may go on.
    async fn readmit_and_succeed(
        &self,
        mut seen: Seen<GrantRecord>,
        open: &OpenVault,
    ) -> Result<Option<Issued>, Failure> {
        if let Some(refusal) = readmit(self.context, &mut seen.value, open).await? {
            return Err(refusal.into());
        }
        Ok(self.succeed(seen, open).await?)
    }

    /// Makes a successor with a fresh salt. `None` when someone was faster.
    async fn succeed(&self, seen: Seen<GrantRecord>, open: &OpenVault) -> Result<Option<Issued>, Error> {
        let Seen { value: mut record, version } = seen;
        let context = self.context;
        let now = context.clock.now();
        let keys = context.keys();
        let key = keys.tickets.active();
        let salt = draw(context.entropy.as_ref())?;
        let Some(old) = record.grant.refresh().cloned() else { return Ok(None) };
        let expires_at = refresh_ends(context, now, record.grant.created_at);
        let generation = old.generation.saturating_add(1);
        let pair = Pair::derive(key, self, &record, generation, &salt);
        let access = self.access_record(open, &record, &pair.access, now)?;
        record.wrapped = Some(open.wrap(context, &record.grant.id, Ticket::Refresh(&pair.refresh))?);
        record.kept_until = expires_at;
        let next = RefreshState {
            generation,
            current: pair.refresh.hash(),
            expires_at,
            issued: vec![pair.access.hash()],
            previous: Some(PreviousRefresh {
                token: self.token.hash(),
                rotated_at: now,
                salt,
                key: key.id(),
                repeats: 0,
            }),
        };
        set_refresh(&mut record, next);
        let written = records::insert_then_replace(context.store.as_ref(), &access, &record, version).await?;
        if written == Written::Beaten {
            return Ok(None);
        }
        Ok(Some(pair.issued(self, context.settings.access_token_life)))
    }

    /// Replaces a successor that nobody ever used: its tokens die with it.
    async fn displace(&self, seen: Seen<GrantRecord>) -> Result<Option<Issued>, Failure> {
        let Some((unused, _)) = self.known_successor(&seen.value)? else { return Ok(None) };
        let displaced = seen.value.grant.refresh().map(|refresh| refresh.issued.clone()).unwrap_or_default();
        let grant = seen.value.grant.id;
        let open = OpenVault::open(self.context, &seen.value, Ticket::Refresh(&unused.refresh)).await?;
        let issued = self.readmit_and_succeed(seen, &open).await?;
        if issued.is_some() {
            tracing::warn!(
                target: "coatroom::audit", event = "refresh.displaced", grant.id = %grant,
                "a refresh was repeated after its window; the unused successor was displaced"
            );
            for token in displaced {
                let key = AccessTokenRecord::key_of(&token);
                self.context.store.delete(Kind::AccessToken, &key).await.map_err(Error::from)?;
            }
        }
        Ok(issued)
    }

    /// Answers with the same successor again, and counts that. The window does not move.
    async fn repeat(&self, seen: Seen<GrantRecord>) -> Result<Option<Issued>, Failure> {
        let context = self.context;
        let Some((pair, rotated_at)) = self.known_successor(&seen.value)? else { return Ok(None) };
        let Seen { value: mut record, version } = seen;
        let Some(mut state) = record.grant.refresh().cloned() else { return Ok(None) };
        if !state.issued.contains(&pair.access.hash()) {
            // The repetition asks for other scopes than the rotation did: another access token, derived as well.
            let open = OpenVault::open(context, &record, Ticket::Refresh(&pair.refresh)).await?;
            let access = self.access_record(&open, &record, &pair.access, rotated_at)?;
            // One that exists was written by a repetition that is just as entitled.
            let _ = records::insert(context.store.as_ref(), &access).await?;
            state.issued.push(pair.access.hash());
        }
        if let Some(previous) = &mut state.previous {
            previous.repeats = previous.repeats.saturating_add(1);
            tracing::info!(
                target: "coatroom::audit", event = "refresh.repeated", grant.id = %record.grant.id,
                repeats = previous.repeats, "a refresh was repeated within its window"
            );
        }
        set_refresh(&mut record, state);
        if records::replace(context.store.as_ref(), &record, version).await? == Written::Beaten {
            return Ok(None);
        }
        let age = context.clock.at_least().since(rotated_at);
        Ok(Some(pair.issued(self, context.settings.access_token_life.saturating_sub(age))))
    }

    /// Derives the pair that the last rotation issued, as its salt and key gave it. A successor whose key was retired is refused
    /// wherever it is presented, so whoever asks for it again is refused too.
    fn known_successor(&self, record: &GrantRecord) -> Result<Option<(Pair, Timestamp)>, OAuthError> {
        let Some(state) = record.grant.refresh() else { return Ok(None) };
        let Some(previous) = &state.previous else { return Ok(None) };
        let keys = self.context.keys();
        let Some(key) = keys.tickets.find(previous.key) else {
            tracing::debug!(grant.id = %record.grant.id, key.id = %previous.key, "the key of a successor was retired");
            return Err(RefreshRefusal::Unknown.into());
        };
        let pair = Pair::derive(key, self, record, state.generation, &previous.salt);
        Ok(Some((pair, previous.rotated_at)))
    }

    fn access_record(
        &self,
        open: &OpenVault,
        record: &GrantRecord,
        token: &AccessToken,
        issued_at: Timestamp,
    ) -> Result<AccessTokenRecord, Error> {
        let (grant, resource) = (&record.grant.id, &record.grant.resource);
        let new = NewAccess { token, grant, scopes: &self.scopes, resource, issued_at };
        access_record(self.context, open, &new)
    }
}

/// A refresh token and the access token that is issued with it.
struct Pair {
    refresh: RefreshToken,
    access: AccessToken,
}

impl Pair {
    fn derive(
        key: &MacKey,
        of: &Refresh<'_>,
        record: &GrantRecord,
        generation: u32,
        salt: &[u8; 32],
    ) -> Self {
        let parts = RefreshParts { grant: record.grant.id, generation };
        let access = derived_access_secret(key, of.token, salt, &of.scopes, &record.grant.resource);
        Self {
            refresh: refresh_token(key, parts, &successor_secret(key, of.token, salt)),
            access: access_token(&access),
        }
    }

    fn issued(self, of: &Refresh<'_>, expires_in: Duration) -> Issued {
        Issued {
            access_token: self.access,
            refresh_token: Some(self.refresh),
            scopes: of.scopes.clone(),
            expires_in,
        }
    }
}

fn set_refresh(record: &mut GrantRecord, next: RefreshState) {
    if let GrantState::Active(active) = &mut record.grant.state {
        active.refresh = Some(next);
    }
}

/// How often a lost race is run again; parallel refreshes of one token all write the same record.
const ATTEMPTS: u32 = 64;
