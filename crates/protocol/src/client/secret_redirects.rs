//! Clients that register without client authentication and then expect a secret.
//!
//! Perplexity asks for `token_endpoint_auth_method: none` and gives up when the answer has no `client_secret`. The norm lets
//! a server register another value than was asked for and say so in its answer (RFC 7591 §3.2.1), so a registration that
//! names such a client's own callback gets the secret. Somebody else who names that callback gets a secret too, for a
//! client whose codes go to that callback alone.

use super::app_uris::AppUris;
use super::metadata::{AuthenticationMethod, ClientMetadata};
use super::redirect_uri::{RedirectUri, RedirectUriKind, RedirectUriRefusal};

/// The redirect URIs whose clients get a secret though they asked for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRedirects(Vec<String>);

/// Why an entry cannot be on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretRedirectRefusal {
    /// It could not be registered.
    #[error(transparent)]
    RedirectUri(#[from] RedirectUriRefusal),
    /// Not a site's: an app on a person's machine keeps no secret.
    #[error("only an https redirect URI of another machine can belong to a client that keeps a secret")]
    NotWeb,
}

impl SecretRedirects {
    /// The list with [`SHIPPED_SECRET_REDIRECTS`].
    #[must_use]
    pub fn shipped() -> Self {
        Self(SHIPPED_SECRET_REDIRECTS.iter().map(|&uri| uri.to_owned()).collect())
    }

    /// Reads an operator's list of whole redirect URIs.
    ///
    /// # Errors
    /// [`SecretRedirectRefusal`] of the first entry that cannot be used.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretRedirectRefusal> {
        let entry = |text: &str| {
            let uri = RedirectUri::parse(text, &AppUris::none())?;
            let of_a_site = uri.kind() == RedirectUriKind::Web && !uri.has_loopback_host();
            if of_a_site { Ok(text.to_owned()) } else { Err(SecretRedirectRefusal::NotWeb) }
        };
        entries.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// What is registered of a client that asked for `metadata`: with a secret in the body if it asked for none and one of
    /// its redirect URIs is on the list.
    #[must_use]
    pub fn apply(&self, metadata: ClientMetadata) -> ClientMetadata {
        let listed =
            metadata.redirect_uris.iter().any(|uri| self.0.iter().any(|entry| entry == uri.as_str()));
        match metadata.method {
            AuthenticationMethod::None if listed => {
                ClientMetadata { method: AuthenticationMethod::Post, ..metadata }
            }
            _ => metadata,
        }
    }
}

impl Default for SecretRedirects {
    fn default() -> Self {
        Self::shipped()
    }
}

/// The list unless the operator says otherwise.
pub const SHIPPED_SECRET_REDIRECTS: &[&str] = &[
    "https://www.perplexity.ai/rest/connections/oauth_callback",
    "https://enterprise.perplexity.ai/rest/connections/oauth_callback",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::metadata::RegistrationRequest;
    use super::*;

    const PERPLEXITY: &str = "https://www.perplexity.ai/rest/connections/oauth_callback";

    fn registered(uris: &[&str], method: &Value) -> AuthenticationMethod {
        let body = json!({ "redirect_uris": uris, "token_endpoint_auth_method": method }).to_string();
        let metadata = RegistrationRequest::parse(body.as_bytes()).unwrap().check(&AppUris::none()).unwrap();
        SecretRedirects::shipped().apply(metadata).method
    }

    #[test]
    fn a_client_that_asks_for_no_secret_and_needs_one_gets_it() {
        assert_eq!(registered(&[PERPLEXITY], &json!("none")), AuthenticationMethod::Post);
    }

    #[test]
    fn nobody_elses_registration_changes() {
        for uri in [
            "https://www.perplexity.ai/",
            "https://perplexity.ai/rest/connections/oauth_callback",
            "http://localhost/cb",
        ] {
            assert_eq!(registered(&[uri], &json!("none")), AuthenticationMethod::None, "{uri}");
        }
        assert_eq!(registered(&[PERPLEXITY], &json!("client_secret_basic")), AuthenticationMethod::Basic);
    }

    #[test]
    fn only_sites_can_be_listed() {
        assert_eq!(
            SecretRedirects::parse(SHIPPED_SECRET_REDIRECTS.iter().copied()),
            Ok(SecretRedirects::shipped())
        );
        assert_eq!(SecretRedirects::parse(["http://localhost/cb"]), Err(SecretRedirectRefusal::NotWeb));
        assert_eq!(SecretRedirects::parse(["https://localhost/cb"]), Err(SecretRedirectRefusal::NotWeb));
        assert!(SecretRedirects::parse(["https://h.example/*"]).is_err());
    }
}
