//! Microsoft Entra ID, for one tenant or for many.
//!
//! Who a user is say `tid` and `oid` together: `sub` differs from app to app, and addresses can be taken by others, so that no
//! address counts as verified. Each tenant is an issuer of its own. A renewal that does not repeat the scopes narrows them.
//! There is no revocation.

use std::sync::Arc;

use super::answer::{ErrorCodes, TokenQuirks};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::id_token::{Issuers, Tenants, is_guid};
use super::preset::{Endpoints, Identity, Place, Preset, Revocation};
use super::profile::{UserPaths, paths};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let tenant = config.tenant.as_deref().unwrap_or("common");
    let at = |path: &str| config.at(HOST, &format!("/{tenant}{path}"));
    let place = Place::Fixed(Arc::new(Endpoints {
        keys: Some(at("/discovery/v2.0/keys")?),
        ..Endpoints::new(at("/oauth2/v2.0/authorize")?, at("/oauth2/v2.0/token")?, ClientAuth::Body)
    }));
    let base = config.base_url.as_deref().unwrap_or(HOST).trim_end_matches('/');
    let issuers = Issuers::OfTenant {
        before: format!("{base}/"),
        after: "/v2.0",
        tenants: tenants(tenant, &config.tenants)?,
    };
    // Without `profile` the ID token has no `oid`.
    let scopes = config.scopes_with(&["openid", "profile"], &["email", "offline_access", "User.Read"])?;
    Ok(Preset {
        profile: UserPaths {
            id: paths(&["{tid}.{oid}"]),
            email_verified: Vec::new(),
            organisation: paths(&["tid"]),
            ..UserPaths::openid()
        },
        tokens: TokenQuirks { codes: CODES, ..TokenQuirks::default() },
        resend_scope: true,
        revocation: Revocation::Never,
        ..Preset::standard("Microsoft", place, Identity::IdToken { issuers }, scopes)
    })
}

/// Whose users are welcome. A tenant is named by its id: a domain name can move to another one.
fn tenants(tenant: &str, listed: &[String]) -> Result<Tenants, ProviderConfigError> {
    let refusal = |setting, reason| Err(ProviderConfigError::Value { setting, reason });
    if !listed.iter().all(|tenant| is_guid(tenant)) {
        return refusal("tenants", "must be ids of tenants, in lower case");
    }
    match tenant {
        "common" | "organizations" if !listed.is_empty() => Ok(Tenants::Only(listed.to_vec())),
        _ if !listed.is_empty() => refusal("tenants", "narrow `common` or `organizations` alone"),
        "common" => Ok(Tenants::All),
        "organizations" => Ok(Tenants::AllBut(CONSUMERS)),
        "consumers" => Ok(Tenants::Only(vec![CONSUMERS.to_owned()])),
        one if is_guid(one) => Ok(Tenants::Only(vec![one.to_owned()])),
        _ => refusal(
            "tenant",
            "must be a tenant's id, in lower case, or `common`, `organizations` or `consumers`",
        ),
    }
}

const HOST: &str = "https://login.microsoftonline.com";

/// The tenant of all personal accounts.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const CODES: ErrorCodes = ErrorCodes {
    // The user must prove more, or agree anew: only a new sign-in helps.
    dead: &["interaction_required", "login_required", "consent_required"],
    misconfigured: &["invalid_resource"],
    transient: &[],
};
