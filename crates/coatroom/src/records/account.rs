use std::fmt;

use coatroom_protocol::words::{EmailAddress, ProviderName, Subject, Timestamp, TokenHash, sha256};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;
use crate::user::User;

/// Somebody who signs in here, without a provider. Found by the address; known to grants by the id, which nobody else ever
/// gets, so that an address which is given to another person brings them nothing of the first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    /// The address: shown to be theirs by a code, or vouched for by the operator.
    pub(crate) email: EmailAddress,
    /// The id of the subject.
    pub(crate) id: String,
    /// The name as people write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Their roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
    /// The hash of the password (argon2id, in the PHC string format). Without one nobody signs in by password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    /// The link with which a password can be set, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<PasswordLink>,
    /// When the account was made.
    pub(crate) created_at: Timestamp,
    /// When the person first came; `None` while an invitation is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) joined_at: Option<Timestamp>,
    /// What sign-ins and codes rest on, and nobody is told: who knows our keys and not this makes neither. Another one has every
    /// browser sign in again.
    pub(crate) stamp: String,
    /// How many codes its person has used.
    #[serde(default)]
    pub(crate) codes: u32,
    /// Since when nobody can sign in to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) disabled_at: Option<Timestamp>,
}

/// What a link that was handed out proves itself by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordLink {
    /// The hash of its secret.
    pub(crate) secret: TokenHash,
    /// From when on it opens nothing.
    pub(crate) ends_at: Timestamp,
}

impl AccountRecord {
    /// The owner of all accounts.
    pub(crate) const ALL: &'static str = "accounts";

    /// Takes the hash of a new password. Whoever was awaited has come, and every browser has to sign in again.
    pub(crate) fn set_password(&mut self, hash: String, stamp: String, now: Timestamp) {
        self.password = Some(hash);
        self.stamp = stamp;
        self.link = None;
        self.joined_at.get_or_insert(now);
    }

    /// What codes are good for that are out now. Another one once a code was used, every browser is to sign in again, or the
    /// address has gone to somebody else.
    pub(crate) fn codes_until_now(&self) -> TokenHash {
        TokenHash::from_bytes(sha256(format!("{} {}", self.stamp, self.codes).as_bytes()))
    }

    /// Takes note that a code was used, which none that is out survives. Whoever was awaited has come.
    pub(crate) fn use_code(&mut self, now: Timestamp) {
        self.codes = self.codes.wrapping_add(1);
        self.joined_at.get_or_insert(now);
    }

    /// Who the person is.
    pub(crate) fn user(&self, provider: &ProviderName) -> User {
        User {
            email: Some(self.email.to_string()),
            email_verified: true,
            name: self.name.clone(),
            roles: self.roles.clone(),
            ..User::new(Subject { provider: provider.clone(), id: self.id.clone() })
        }
    }
}

impl fmt::Debug for AccountRecord {
    /// Leaves out what a thief would try passwords against, and what sign-ins rest on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Stored for AccountRecord {
    const KIND: Kind = Kind::Account;

    fn key(&self) -> String {
        self.email.to_string()
    }

    fn owner(&self) -> Option<String> {
        Some(Self::ALL.to_owned())
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}
