//! What is different about one provider, as data: where it is and how it departs from the RFCs.

use std::sync::Arc;

use coatroom_protocol::words::{Scope, Scopes};
use http::{HeaderName, HeaderValue};
use url::Url;

use super::answer::TokenQuirks;
use super::client_secret::SecretSigner;
use super::config::{ClientAuth, ProviderConfig, TokenBody};
use super::id_token::Issuers;
use super::profile::UserPaths;

/// One provider. Its file makes it of the operator's configuration; the engine does the rest.
#[derive(Debug)]
pub(super) struct Preset {
    /// Its name as people write it.
    pub label: &'static str,
    pub place: Place,
    pub scopes: Scopes,
    /// What it calls the parameter with the scopes.
    pub scope_param: String,
    pub scope_separator: String,
    /// What else its authorization endpoint wants.
    pub authorize_params: Vec<(String, String)>,
    /// What else its token endpoint wants.
    pub token_params: Vec<(String, String)>,
    pub token_body: TokenBody,
    /// Headers without which its API does not answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether it gets a PKCE challenge. Only one that refuses what it does not know goes without.
    pub pkce: bool,
    pub prompts: Prompts,
    /// What it calls the parameter that suggests an account.
    pub login_hint: &'static str,
    pub identity: Identity,
    /// Where its API is, if it must be asked about each organisation and team that the allowlist names.
    pub memberships: Option<Url>,
    pub profile: UserPaths,
    pub tokens: TokenQuirks,
    /// Whether a renewal that does not repeat the scopes narrows them.
    pub resend_scope: bool,
    pub revocation: Revocation,
    /// What makes our client secrets, where they are made for each request.
    pub signer: Option<SecretSigner>,
    /// Whether callbacks are forms that the provider's page posts (OAuth 2.0 Form Post Response Mode).
    pub form_post: bool,
}

impl Preset {
    /// A provider that does what the RFCs say.
    pub(super) fn standard(label: &'static str, place: Place, identity: Identity, scopes: Scopes) -> Self {
        Self {
            label,
            place,
            scopes,
            scope_param: "scope".to_owned(),
            scope_separator: " ".to_owned(),
            authorize_params: Vec::new(),
            token_params: Vec::new(),
            token_body: TokenBody::Form,
            headers: Vec::new(),
            pkce: true,
            prompts: Prompts::OPENID,
            login_hint: "login_hint",
            identity,
            memberships: None,
            profile: UserPaths::openid(),
            tokens: TokenQuirks::default(),
            resend_scope: false,
            revocation: Revocation::Standard,
            signer: None,
            form_post: false,
        }
    }

    /// The scopes as the provider wants them in a request.
    pub(super) fn scope_value(&self) -> String {
        self.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(&self.scope_separator)
    }

    /// The scopes that a renewal must repeat.
    pub(super) fn renewal_scope(&self) -> Option<String> {
        self.resend_scope.then(|| self.scope_value())
    }

    /// What the operator configured for every kind of provider goes before what its file says.
    pub(super) fn adjust(&mut self, config: &ProviderConfig) {
        merge(&mut self.authorize_params, &config.authorize_params);
        merge(&mut self.token_params, &config.token_params);
        self.profile = config.user.clone().or(std::mem::take(&mut self.profile));
        if config.revoke == Some(false) {
            self.revocation = Revocation::Never;
        }
    }
}

/// Adds `mine` to `params`, in the place of what has the same name.
fn merge(params: &mut Vec<(String, String)>, mine: &[(String, String)]) {
    params.retain(|(name, _)| !mine.iter().any(|(other, _)| other == name));
    params.extend_from_slice(mine);
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Where a provider's endpoints are.
#[derive(Debug)]
pub(super) enum Place {
    /// Where everybody knows them to be.
    Fixed(Arc<Endpoints>),
    /// Where the metadata of this issuer says (RFC 8414, OpenID Connect Discovery 1.0).
    Discovered { issuer: String, assume_pkce: bool, client_auth: Option<ClientAuth> },
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

impl Endpoints {
    /// The two endpoints that every provider has.
    pub(super) fn new(authorize: Url, token: Url, client_auth: ClientAuth) -> Self {
        Self {
            issuer: None,
            callback_names_issuer: false,
            authorize,
            token,
            user: None,
            keys: None,
            revoke: None,
            client_auth,
        }
    }
}

/// Who says who the user is.
#[derive(Debug)]
pub(super) enum Identity {
    /// An ID token from one of these issuers.
    IdToken { issuers: Issuers },
    /// The answer of the user endpoint, to a GraphQL query if there is one.
    UserEndpoint { addresses: Option<Addresses>, query: Option<&'static str> },
}

impl Identity {
    /// The answer of the user endpoint alone.
    pub(super) const USER: Self = Self::UserEndpoint { addresses: None, query: None };
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
    /// By asking this URL with the access token itself.
    ByToken(Url),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_and_repeated_as_the_provider_wants_it() {
        let place = Place::Discovered {
            issuer: "https://idp.example".to_owned(),
            assume_pkce: false,
            client_auth: None,
        };
        let standard = Preset::standard("Idp", place, Identity::USER, "b a".parse().unwrap());
        assert_eq!((standard.scope_value().as_str(), standard.renewal_scope()), ("a b", None));
        let other = Preset { scope_separator: ",".to_owned(), resend_scope: true, ..standard };
        assert_eq!(other.renewal_scope().as_deref(), Some("a,b"));
    }

    #[test]
    fn configured_parameters_take_the_place_of_those_of_the_same_name() {
        let mut params = pairs(&[("access_type", "offline"), ("audience", "a")]);
        merge(&mut params, &pairs(&[("audience", "b"), ("hd", "example.com")]));
        assert_eq!(params, pairs(&[("access_type", "offline"), ("audience", "b"), ("hd", "example.com")]));
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
