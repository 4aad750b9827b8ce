//! Slack, in its two ways: "Sign in with Slack" (OpenID) where the scopes contain `openid`, else user tokens for its API.
//!
//! A user's id is good within a workspace only, so the subject is both; it is the same in both ways. User tokens are asked for
//! by `user_scope`, come inside of `authed_user`, are of the type `user`, and are renewed where the app rotates tokens.
//! Errors come with status 200 and `ok: false`.

use std::sync::Arc;

use super::answer::{ErrorCodes, TokenPaths, TokenQuirks};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::id_token::Issuers;
use super::preset::{Endpoints, Identity, Place, Preset, Prompts, Revocation};
use super::profile::{UserPaths, paths};
use crate::allowlist::List;

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let at = |path: &str| config.at("https://slack.com", path);
    let scopes = config.scopes_or(&["openid", "email", "profile"]);
    let prompts = Prompts { always: None, known: &[] };
    if scopes.iter().any(|scope| scope.as_str() == "openid") {
        let issuer = config.base_url.as_deref().unwrap_or("https://slack.com").trim_end_matches('/');
        let (authorize, token) = (at("/openid/connect/authorize")?, at("/api/openid.connect.token")?);
        let place = Place::Fixed(Arc::new(Endpoints {
            user: Some(at("/api/openid.connect.userInfo")?),
            keys: Some(at("/openid/connect/keys")?),
            ..Endpoints::new(authorize, token, ClientAuth::Body)
        }));
        let identity = Identity::IdToken { issuers: Issuers::Listed(vec![issuer.to_owned()]) };
        return Ok(Preset {
            prompts,
            profile: UserPaths {
                id: paths(&["{https://slack.com/team_id}.{https://slack.com/user_id}"]),
                organisation: paths(&["https://slack.com/team_id"]),
                ..UserPaths::openid()
            },
            tokens: TokenQuirks { codes: CODES, ..TokenQuirks::default() },
            revocation: Revocation::Never,
            ..Preset::standard("Slack", place, identity, scopes)
        });
    }
    if !config.allow.entries(List::EmailDomains).is_empty() {
        let reason = "needs `openid` among the scopes: with a user token no address is known";
        return Err(ProviderConfigError::Value { setting: List::EmailDomains.setting(), reason });
    }
    let (authorize, token) = (at("/oauth/v2/authorize")?, at("/api/oauth.v2.access")?);
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(at("/api/auth.test")?),
        ..Endpoints::new(authorize, token, ClientAuth::Body)
    }));
    // Without rotation Slack gives one token per user and app, so that revoking it ends the user's other connections too.
    let is_told = config.revoke == Some(true);
    Ok(Preset {
        prompts,
        scope_param: "user_scope".to_owned(),
        scope_separator: ",".to_owned(),
        profile: UserPaths {
            id: paths(&["{team_id}.{user_id}"]),
            name: paths(&["user"]),
            username: paths(&["user"]),
            organisation: paths(&["team_id"]),
            ..UserPaths::default()
        },
        tokens: TokenQuirks {
            codes: CODES,
            paths: TokenPaths::within("authed_user"),
            kind: "user",
            ..TokenQuirks::default()
        },
        revocation: if is_told { Revocation::ByToken(at("/api/auth.revoke")?) } else { Revocation::Never },
        ..Preset::standard("Slack", place, Identity::USER, scopes)
    })
}

const CODES: ErrorCodes = ErrorCodes {
    dead: &[
        "invalid_code",
        "code_already_used",
        "code_expired",
        "invalid_refresh_token",
        "token_expired",
        "token_revoked",
        "invalid_auth",
        "account_inactive",
    ],
    misconfigured: &["invalid_client_id", "bad_client_secret", "bad_redirect_uri", "invalid_scope"],
    transient: &["ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"],
};
