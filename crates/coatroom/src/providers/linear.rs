//! Linear.
//!
//! Scopes have commas between them, and who the user is answers a GraphQL query. A user is a member of one workspace; who has
//! several chooses on the page of consent, which else does not appear twice.

use std::sync::Arc;

use super::answer::{ErrorCodes, TokenQuirks};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::preset::{Endpoints, Identity, Place, Preset, Prompts};
use super::profile::{UserPaths, paths};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let api = |path: &str| config.at("https://api.linear.app", path);
    let authorize = config.at("https://linear.app", "/oauth/authorize")?;
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(api("/graphql")?),
        revoke: Some(api("/oauth/revoke")?),
        ..Endpoints::new(authorize, api("/oauth/token")?, ClientAuth::Body)
    }));
    let identity = Identity::UserEndpoint { addresses: None, query: Some(QUERY) };
    Ok(Preset {
        scope_separator: ",".to_owned(),
        prompts: Prompts { always: None, known: &[] },
        profile: UserPaths {
            id: paths(&["data.viewer.id"]),
            // Linear does not say whether it was verified.
            email: paths(&["data.viewer.email"]),
            name: paths(&["data.viewer.name"]),
            username: paths(&["data.viewer.displayName"]),
            picture: paths(&["data.viewer.avatarUrl"]),
            organisation: paths(&["data.viewer.organization.id"]),
            ..UserPaths::default()
        },
        tokens: TokenQuirks { codes: CODES, ..TokenQuirks::default() },
        ..Preset::standard("Linear", place, identity, config.scopes_or(&["read"]))
    })
}

const QUERY: &str =
    "query { viewer { id name displayName email avatarUrl organization { id name urlKey } } }";

const CODES: ErrorCodes = ErrorCodes { dead: &[], misconfigured: &[], transient: &["RATELIMITED"] };
