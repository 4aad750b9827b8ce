//! Whether a grant may go on at a refresh: the identity provider stands behind the sign-in still, its user may enter still, and a hook
//! has nothing against it.

use std::sync::Arc;

use coatroom_protocol::errors::OAuthError;
use coatroom_protocol::grant::{Grant, RefreshRefusal, RevokedReason};

use super::super::entering::outage;
use super::OpenVault;
use crate::allowlist::NotAllowed;
use crate::connections::{ConnectionError, OpenGrant};
use crate::context::Context;
use crate::error::Error;
use crate::hooks::{SignIn, SignInPurpose, SignInRefusal};
use crate::providers::{Provider, Standing};
use crate::records::GrantRecord;
use crate::user::User;

/// Ends the grant when it may not go on: then the client must really authorize again, or it would loop. What the provider says
/// of the user now is noted in the record, which the refresh writes.
///
/// A provider that does not answer ends nothing. The user goes on as they were known, if that is enough for the allowlist.
///
/// # Errors
/// [`Error::Unavailable`] also when nobody can tell whether the user may enter.
pub(super) async fn readmit(
    context: &Context,
    record: &mut GrantRecord,
    open: &OpenVault,
) -> Result<Option<OAuthError>, Error> {
    let id = record.grant.id;
    // A hook decides about what is known of the user, never about what it made of that before.
    if let Some(described) = record.described.take() {
        record.user = Some(described);
    }
    let ended = if context.is_here(&record.grant.subject) {
        account_ended(context, record).await?
    } else {
        sign_in_ended(context, record, open).await?
    };
    let ended = match ended {
        Some(reason) => Some(reason),
        None => hook_ended(context, record).await?,
    };
    let Some(reason) = ended else { return Ok(None) };
    context.revoke(&id, reason).await?;
    Ok(Some(RefreshRefusal::Revoked { at: context.clock.now() }.into()))
}

/// Why a grant ends whose user a hook does not let go on.
async fn hook_ended(context: &Context, record: &mut GrantRecord) -> Result<Option<RevokedReason>, Error> {
    if context.hooks.is_empty() {
        return Ok(None);
    }
    let Grant { id, subject, resource, scopes, .. } = &record.grant;
    let described = record.user.clone().unwrap_or_else(|| User::new(subject.clone()));
    let purpose = SignInPurpose::Refresh { grant: *id, resource: resource.clone(), scopes: scopes.clone() };
    match context.hooks.ask(SignIn { user: described.clone(), purpose, language: None }).await {
        Ok(SignIn { user, .. }) => {
            record.described = (user != described).then_some(described);
            record.user = Some(user);
            Ok(None)
        }
        Err(SignInRefusal::Refused(_)) => {
            tracing::info!(
                target: "coatroom::audit",
                event = "refresh.refused",
                grant.id = %id,
                subject = %subject,
                reason = "a hook refused",
                "a user may not enter any more"
            );
            Ok(Some(RevokedReason::NotAllowed))
        }
        Err(error) => Err(outage(error)),
    }
}

/// Why a grant ends that rests on a local account, if the account is gone or was disabled.
async fn account_ended(context: &Context, record: &mut GrantRecord) -> Result<Option<RevokedReason>, Error> {
    let email = record.user.as_ref().and_then(|user| user.email.as_deref());
    let user = match (&context.accounts, email) {
        (Some(accounts), Some(email)) => accounts.user_of(&record.grant.subject, email).await?,
        // The operator has given local accounts up.
        _ => None,
    };
    let ended = user.is_none().then_some(RevokedReason::SignInEnded);
    record.user = user;
    Ok(ended)
}

/// Why a grant ends that rests on a sign-in at a provider, if it may not go on.
async fn sign_in_ended(
    context: &Context,
    record: &mut GrantRecord,
    open: &OpenVault,
) -> Result<Option<RevokedReason>, Error> {
    let grant = OpenGrant {
        id: record.grant.id,
        subject: record.grant.subject.clone(),
        vault: open.vault.clone(),
        key: Arc::clone(&open.key),
    };
    let name = &record.grant.subject.provider;
    match context.provider(name).filter(|provider| !provider.allowlist().is_empty()) {
        Some(provider) => may_enter(context, record, (provider, &grant)).await,
        None => Ok(match context.connections.stands(&grant, name).await {
            Err(ConnectionError::Dead) => Some(RevokedReason::SignInEnded),
            Ok(()) | Err(ConnectionError::Missing | ConnectionError::Unavailable(_)) => None,
        }),
    }
}

/// Why the grant ends, if the user may not enter any more.
async fn may_enter(
    context: &Context,
    record: &mut GrantRecord,
    (provider, grant): (&Provider, &OpenGrant),
) -> Result<Option<RevokedReason>, Error> {
    let known = record.user.clone().unwrap_or_else(|| User::new(grant.subject.clone()));
    let generation = record.grant.refresh().map_or(0, |refresh| refresh.generation);
    let out = |kept_out: NotAllowed| {
        tracing::info!(
            target: "coatroom::audit",
            event = "refresh.refused",
            grant.id = %grant.id,
            subject = %grant.subject,
            reason = %kept_out,
            "a user may not enter any more"
        );
        Some(RevokedReason::NotAllowed)
    };
    let unclear = |source| Error::Unavailable { what: "who may enter", source };
    match context.connections.user_now(grant, &known, generation).await {
        Ok(Standing::Known(user) | Standing::Partly(user)) => {
            let verdict = provider.admits(&user);
            record.user = Some(*user);
            Ok(verdict.map_or_else(out, |()| None))
        }
        Ok(Standing::SomebodyElse) | Err(ConnectionError::Dead) => Ok(Some(RevokedReason::SignInEnded)),
        // There is nobody to be asked.
        Err(ConnectionError::Missing) => Ok(provider.admits(&known).map_or_else(out, |()| None)),
        Ok(Standing::Withheld) => Err(unclear("the provider does not say who the user is now".into())),
        Err(ConnectionError::Unavailable(error)) => match provider.admits(&known) {
            Ok(()) => Ok(None),
            Err(_) => Err(unclear(Box::new(error))),
        },
    }
}
