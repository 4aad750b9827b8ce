//! `grant_type=authorization_code`: applies the verdict of [`check_code`] with one `replace`.

use coatroom_protocol::errors::OAuthError;
use coatroom_protocol::grant::{
    ActiveGrant, CodeRedemption, CodeRefusal, GrantState, RefreshParts, RefreshState, RevokedReason,
    access_token, check_code, parse_code, refresh_token,
};
use coatroom_protocol::words::{
    AccessToken, AuthorizationCode, CodeVerifier, GrantId, Params, RefreshToken, Timestamp,
};

use super::super::authenticate::Authenticated;
use super::super::respond::Failure;
use super::{Issued, NewAccess, OpenVault, access_record, check_resource, load_grant, required};
use crate::context::Context;
use crate::entropy::draw;
use crate::error::Error;
use crate::hooks::{Event, TokensIssued};
use crate::records::{self, ConnectionRecord, GrantRecord, Seen, Written};
use crate::vault::Ticket;

/// Redeems a code.
pub(super) async fn redeem(
    context: &Context,
    client: &Authenticated,
    params: &Params,
) -> Result<Issued, Failure> {
    let code = AuthorizationCode::new(required(params, "code")?);
    let verifier = CodeVerifier::new(required(params, "code_verifier")?);
    let refuse = |refusal: CodeRefusal| Failure::from(OAuthError::from(refusal));
    let parts = parse_code(&code).map_err(|_| refuse(CodeRefusal::Unknown))?;
    let seen = load_grant(context, &parts.grant).await?.ok_or_else(|| refuse(CodeRefusal::Unknown))?;
    let redemption = CodeRedemption {
        code: &code,
        client: client.client().id.hash(),
        redirect_uri: params.one("redirect_uri").ok().flatten(),
        verifier: &verifier,
    };
    if let Err(refusal) = check_code(&seen.value.grant, &redemption, context.clock.at_least()) {
        tracing::debug!(grant.id = %parts.grant, reason = %refusal, "a code was refused");
        if refusal.revokes() {
            tracing::warn!(target: "coatroom::audit", event = "code.replayed", grant.id = %parts.grant, "a code was replayed");
            context.revoke(&parts.grant, RevokedReason::CodeReplayed).await?;
        }
        return Err(refuse(refusal));
    }
    check_resource(context, params, &seen.value.grant.resource)?;
    client.use_up(context).await?;
    let (subject, resource) = (seen.value.grant.subject.clone(), seen.value.grant.resource.clone());
    let issued = activate(context, client, seen, &code).await?.ok_or_else(|| refuse(CodeRefusal::Unknown))?;
    context.keep_document(client.found()).await;
    context.hooks.tell(|| {
        Event::Issued(TokensIssued {
            grant: parts.grant,
            subject,
            client: client.client().id.clone(),
            resource,
            scopes: issued.scopes.clone(),
            may_refresh: issued.refresh_token.is_some(),
            at: context.clock.now(),
        })
    });
    Ok(issued)
}

/// Makes the grant active and issues its first tokens, which are random. `None` when another redemption was faster: that one
/// stands, and nothing is revoked.
async fn activate(
    context: &Context,
    client: &Authenticated,
    seen: Seen<GrantRecord>,
    code: &AuthorizationCode,
) -> Result<Option<Issued>, Failure> {
    let Seen { value: mut record, version } = seen;
    let GrantState::Awaiting(redeemed) = record.grant.state.clone() else { return Ok(None) };
    let now = context.clock.now();
    let id = record.grant.id;
    let open = OpenVault::open(context, &record, Ticket::Code(code)).await?;
    let access = access_token(&draw(context.entropy.as_ref())?);
    let refresh = if record.may_refresh { Some(first_refresh(context, &id)?) } else { None };
    let access_ends = now.plus(context.settings.access_token_life);
    let kept_until = match &refresh {
        Some(_) => refresh_ends(context, now, record.grant.created_at),
        None => access_ends,
    };
    let state = refresh.as_ref().map(|token| RefreshState {
        generation: 0,
        current: token.hash(),
        expires_at: kept_until,
        issued: vec![access.hash()],
        previous: None,
    });
    record.wrapped =
        refresh.as_ref().map(|token| open.wrap(context, &id, Ticket::Refresh(token))).transpose()?;
    record.grant.state = GrantState::Active(ActiveGrant { redeemed, refresh: state });
    record.client_id = Some(client.client().id.clone());
    // Not before its flow can yield no second grant.
    record.kept_until = kept_until.max(record.kept_until);
    let new = NewAccess {
        token: &access,
        grant: &id,
        scopes: &record.grant.scopes,
        resource: &record.grant.resource,
        issued_at: now,
    };
    let new = access_record(context, &open, &new)?;
    keep_connections(context, &record).await?;
    let written = records::insert_then_replace(context.store.as_ref(), &new, &record, version).await?;
    if written == Written::Beaten {
        return Ok(None);
    }
    Ok(Some(issued(context, access, refresh, &record)))
}

fn issued(
    context: &Context,
    access_token: AccessToken,
    refresh_token: Option<RefreshToken>,
    record: &GrantRecord,
) -> Issued {
    let expires_in = context.settings.access_token_life;
    Issued { access_token, refresh_token, scopes: record.grant.scopes.clone(), expires_in }
}

fn first_refresh(context: &Context, grant: &GrantId) -> Result<RefreshToken, Error> {
    let secret = draw(context.entropy.as_ref())?;
    let parts = RefreshParts { grant: *grant, generation: 0 };
    Ok(refresh_token(context.keys().tickets.active(), parts, &secret))
}

/// When a refresh token that is issued now ends: unused for too long, or the grant too old.
pub(super) fn refresh_ends(context: &Context, now: Timestamp, granted_at: Timestamp) -> Timestamp {
    now.plus(context.settings.refresh_idle).min(granted_at.plus(context.settings.refresh_life))
}

/// Keeps the grant's credentials as long as the grant can be refreshed; until now they would have gone with the code.
async fn keep_connections(context: &Context, record: &GrantRecord) -> Result<(), Error> {
    let longest = record.connections_kept_until(context.settings.refresh_life);
    let store = context.store.as_ref();
    for mut seen in records::list::<ConnectionRecord>(store, &record.grant.id.to_string()).await? {
        seen.value.kept_until = longest;
        // Someone faster is another redemption of the same code, which does the same.
        let _ = records::replace(store, &seen.value, seen.version).await?;
    }
    Ok(())
}
