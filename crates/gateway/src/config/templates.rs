//! Templates of what one server gets: which names they may have there.

use coatroom::protocol::words::ProviderName;

use super::servers::Auth;
use super::trust::Trusted;
use crate::proxy::credential::Template;

/// What the templates of one server may name.
#[derive(Debug)]
pub(super) struct Templates<'a> {
    /// The server's own provider, if tokens of it are kept.
    pub(super) own: Option<&'a ProviderName>,
    /// The providers whose tokens are kept.
    pub(super) providers: &'a [ProviderName],
    trusted: &'a Trusted,
    auth: Auth,
}

impl<'a> Templates<'a> {
    pub(super) fn new(trusted: &'a Trusted, providers: &'a [ProviderName], auth: Auth) -> Self {
        // Of the users of a remote issuer no tokens are kept.
        let providers = if trusted.issuer.is_some() { &[] } else { providers };
        // Nobody has a token of a local account.
        let own = trusted.provider.as_ref().filter(|name| providers.contains(name));
        Self { own, providers, trusted, auth }
    }

    /// Reads one.
    ///
    /// # Errors
    /// In words, when it names what is not known there.
    pub(super) fn compile(&self, text: &str) -> Result<Template, String> {
        let template = Template::compile(text, self.own, self.providers);
        let template = template.map_err(|refusal| match &self.trusted.issuer {
            Some(issuer) if refusal.wants_token() => format!(
                "there is no upstream token to send: the server takes the tokens of the issuer `{issuer}`, and none of \
                 its users' tokens is kept here"
            ),
            _ => refusal.to_string(),
        })?;
        if self.auth == Auth::Off && !template.is_constant() {
            return Err("with `auth = \"off\"` nobody is known, so only fixed text can be sent".to_owned());
        }
        Ok(template)
    }

    /// The provider whose token a server gets where nothing is said.
    pub(super) fn unsaid(&self) -> Option<&ProviderName> {
        // Where users choose where they sign in, those who have no token of the only provider are asked to connect it.
        match self.providers {
            [only] if self.trusted.provider.is_none() && self.auth != Auth::Off => Some(only),
            _ => self.own,
        }
    }
}
