//! What is different about one provider, as data: where it is and how it departs from the RFCs.

use std::sync::Arc;

use coatroom_protocol::words::{Scope, Scopes};
use url::Url;

use super::answer::TokenQuirks;
use super::profile::ProfilePaths;

/// One provider. Its file makes it of the operator's configuration; the engine does the rest.
#[derive(Debug)]
pub(super) struct Preset {
    /// Its name as people write it.
    pub label: &'static str,
    pub place: Place,
    pub scopes: Scopes,
    pub scope_separator: &'static str,
    /// What else its authorization endpoint wants.
    pub authorize_params: &'static [(&'static str, &'static str)],
    /// What else its token endpoint wants.
    pub token_params: &'static [(&'static str, &'static str)],
    pub prompts: Prompts,
    /// What it calls the parameter that suggests an account.
    pub login_hint: &'static str,
    pub identity: Identity,
    pub profile: ProfilePaths,
    pub tokens: TokenQuirks,
    /// Whether a renewal that does not repeat the scopes narrows them.
    pub resend_scope: bool,
    pub revocation: Revocation,
}

impl Preset {
    /// A provider that does what the RFCs say.
    pub(super) fn standard(label: &'static str, place: Place, identity: Identity, scopes: Scopes) -> Self {
        Self {
            label,
            place,
            scopes,
            scope_separator: " ",
            authorize_params: &[],
            token_params: &[],
            prompts: Prompts::OPENID,
            login_hint: "login_hint",
            identity,
            profile: ProfilePaths::OPENID,
            tokens: TokenQuirks::default(),
            resend_scope: false,
            revocation: Revocation::Standard,
        }
    }

    /// The scopes as the provider wants them in a request.
    pub(super) fn scope_param(&self) -> String {
        self.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(self.scope_separator)
    }

    /// The scopes that a renewal must repeat.
    pub(super) fn renewal_scope(&self) -> Option<String> {
        self.resend_scope.then(|| self.scope_param())
    }
}

/// Where a provider's endpoints are.
#[derive(Debug)]
pub(super) enum Place {
    /// Where everybody knows them to be.
    Fixed(Arc<Endpoints>),
    /// Where the metadata of this issuer says (RFC 8414, OpenID Connect Discovery 1.0).
    Discovered { issuer: String, assume_pkce: bool },
}

/// A provider's endpoints, and what its metadata says about using them.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// The issuer, if the provider has one.
    pub issuer: Option<String>,
    /// Whether every callback names the issuer (RFC 9207 §3).
    pub callback_names_issuer: bool,
    pub authorize: Url,
    pub token: Url,
    pub user: Option<Url>,
    pub keys: Option<Url>,
    pub revoke: Option<Url>,
    pub client_auth: ClientAuth,
}

/// How our secret is sent (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    Basic,
    Body,
}

/// Who says who the user is.
#[derive(Debug)]
pub(super) enum Identity {
    /// An ID token from any of these spellings of the issuer.
    IdToken { issuers: Vec<String> },
    /// The answer of the user endpoint.
    UserEndpoint { addresses: Option<Addresses> },
}

/// An endpoint that lists a user's e-mail addresses and says which are verified.
#[derive(Debug)]
pub(super) struct Addresses {
    pub url: Url,
    /// The scopes, any of which opens it.
    pub scopes: &'static [&'static str],
}

/// What the `prompt` parameter can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prompts {
    /// Sent unless the caller asks for `none`.
    pub always: Option<&'static str>,
    /// The values that the provider knows; others are left out.
    pub known: &'static [&'static str],
}

impl Prompts {
    /// OpenID Connect Core 1.0 §3.1.2.1.
    pub(super) const OPENID: Self = Self { always: None, known: &["none", "login", "select_account"] };

    /// The value to send when the caller asked for `asked`.
    pub(super) fn value(&self, asked: Option<&str>) -> Option<String> {
        let asked = asked.filter(|asked| self.known.contains(asked));
        if asked == Some("none") {
            return asked.map(str::to_owned);
        }
        let values: Vec<&str> = self.always.into_iter().chain(asked).collect();
        (!values.is_empty()).then(|| values.join(" "))
    }
}

/// How a provider is told that a token is thrown away.
#[derive(Debug)]
pub(super) enum Revocation {
    /// Not at all.
    Never,
    /// RFC 7009, if the provider has such an endpoint.
    Standard,
    /// By deleting the token below our registration.
    Delete(Url),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_and_repeated_as_the_provider_wants_it() {
        let place = Place::Discovered { issuer: "https://idp.example".to_owned(), assume_pkce: false };
        let identity = Identity::UserEndpoint { addresses: None };
        let standard = Preset::standard("Idp", place, identity, "b a".parse().unwrap());
        assert_eq!((standard.scope_param().as_str(), standard.renewal_scope()), ("a b", None));
        let other = Preset { scope_separator: ",", resend_scope: true, ..standard };
        assert_eq!(other.renewal_scope().as_deref(), Some("a,b"));
    }

    #[test]
    fn prompts_are_combined_and_unknown_ones_left_out() {
        let google = Prompts { always: Some("consent"), ..Prompts::OPENID };
        assert_eq!(google.value(None).as_deref(), Some("consent"));
        assert_eq!(google.value(Some("select_account")).as_deref(), Some("consent select_account"));
        assert_eq!(google.value(Some("none")).as_deref(), Some("none"));
        let github = Prompts { always: None, known: &["select_account"] };
        assert_eq!(github.value(Some("login")), None);
        assert_eq!(github.value(Some("select_account")).as_deref(), Some("select_account"));
    }
}
