//! Who a user is: one typed profile, whichever provider vouches for it.

use coatroom_protocol::words::Subject;
use serde::{Deserialize, Serialize};

/// A user as their identity provider described them at the last sign-in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "each provider's file builds one")]
pub struct User {
    /// The identity: provider and the provider's own id. Everything else may change between sign-ins.
    pub subject: Subject,
    /// The e-mail address, if the provider tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the provider says that the address was verified.
    #[serde(default)]
    pub email_verified: bool,
    /// The name as people write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The login or handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What they want to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// An https URL of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Their roles at the provider, or the groups that stand for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Their groups, as the provider calls them. At GitHub those organisations and teams (`organisation/team`) of the allowlist
    /// that were found to be theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What the provider says they may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// The provider's own id, or domain, of the organisation that they signed in to: tenant, workspace, hosted domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// What else the provider said: the claims of its ID token or its user answer, as they came.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub claims: serde_json::Map<String, serde_json::Value>,
}

impl User {
    /// A user of whom nothing is known but who they are.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            email: None,
            email_verified: false,
            name: None,
            username: None,
            nickname: None,
            picture: None,
            roles: Vec::new(),
            groups: Vec::new(),
            permissions: Vec::new(),
            organisation: None,
            claims: serde_json::Map::new(),
        }
    }

    /// The provider's own id for the user: unique at that provider alone.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.subject.id
    }

    /// What to call the user on a page: name, else username, else e-mail, else the provider's id.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let known = [&self.name, &self.username, &self.email].into_iter().flatten();
        known.map(String::as_str).find(|text| !text.is_empty()).unwrap_or_else(|| self.id())
    }
}
