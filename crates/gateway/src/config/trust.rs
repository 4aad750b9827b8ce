//! Whose tokens a server takes: our own, for which users sign in at a provider, or those of a remote issuer.

use coatroom::protocol::words::ProviderName;

use super::environment::variable;
use super::issuers::Issuers;
use super::problem::Place;
use super::providers::Providers;
use super::reader::{Found, Section, meant};
use super::servers::Auth;

/// What servers may name.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// Where users sign in, and what their tokens can be taken from.
    pub(super) providers: &'a [ProviderName],
    /// What users of local accounts are known by, if there are such accounts.
    local: Option<ProviderName>,
    /// Who issues tokens elsewhere, and where each is set.
    issuers: &'a [Found<ProviderName>],
}

/// Whose tokens one server takes.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    /// With our own tokens: the one provider at which its users sign in.
    pub(super) provider: Option<ProviderName>,
    /// The remote issuer, if there is one.
    pub(super) issuer: Option<ProviderName>,
}

impl<'a> Known<'a> {
    pub(super) fn new(providers: &'a Providers, issuers: &'a Issuers, local: Option<ProviderName>) -> Self {
        Self { providers: &providers.names, issuers: &issuers.names, local }
    }

    /// What the server names, or what alone there is.
    pub(super) fn trusted_by(&self, name: &Found<String>, section: &Section<'_>, auth: Auth) -> Trusted {
        let (provider, issuer) = (section.text("provider"), section.text("issuer"));
        match (provider, issuer) {
            (Some(_), Some(issuer)) => {
                let help = "keep one: with an issuer, users sign in there, and there are no tokens of ours";
                section.refuse(&issuer.place, "`provider` and `issuer` are both set", Some(help.to_owned()));
                Trusted::default()
            }
            (Some(provider), None) => {
                let names: Vec<ProviderName> = self.providers.iter().chain(&self.local).cloned().collect();
                let provider = find(section, "provider", &provider, &names);
                Trusted { provider, issuer: None }
            }
            (None, Some(issuer)) => {
                let names: Vec<ProviderName> = self.issuers.iter().map(|known| known.value.clone()).collect();
                Trusted { provider: None, issuer: find(section, "issuer", &issuer, &names) }
            }
            (None, None) if auth == Auth::Off => Trusted::default(),
            (None, None) => self.only(name, section),
        }
    }

    fn only(&self, name: &Found<String>, section: &Section<'_>) -> Trusted {
        match (self.providers, self.issuers) {
            // Whoever signs in with a local account may have a token of the provider too: they are asked to connect it.
            (_, []) if self.local.is_some() => Trusted::default(),
            ([only], []) => Trusted { provider: Some(only.clone()), issuer: None },
            (_, []) => Trusted::default(),
            ([], [only]) if self.local.is_none() => {
                Trusted { provider: None, issuer: Some(only.value.clone()) }
            }
            ([], [first, second, ..]) if self.local.is_none() => {
                // Two sets of variables were refused where they were read.
                if !matches!((&first.place, &second.place), (Place::Environment(_), Place::Environment(_))) {
                    let message =
                        format!("server `{}` does not say which issuer's tokens it takes", name.value);
                    section.refuse(&name.place, message, Some("set its `issuer`".to_owned()));
                }
                Trusted::default()
            }
            (_, [issuer, ..]) => {
                let ours = match self.providers {
                    [provider, ..] => place_of_provider(section, provider),
                    [] => "[accounts]".to_owned(),
                };
                let message = format!(
                    "server `{}` could take the tokens of {} or those of users who sign in by {}",
                    name.value,
                    place_of(&issuer.place, "issuers", &issuer.value),
                    ours,
                );
                let help =
                    "set its `issuer` or its `provider` in the file, or configure one of the two alone";
                section.refuse(&name.place, message, Some(help.to_owned()));
                Trusted::default()
            }
        }
    }
}

fn find(
    section: &Section<'_>,
    what: &str,
    found: &Found<String>,
    known: &[ProviderName],
) -> Option<ProviderName> {
    let meant_one = known.iter().find(|name| name.as_str() == found.value);
    if meant_one.is_none() {
        let names: Vec<&str> = known.iter().map(ProviderName::as_str).collect();
        let message = format!("there is no {what} `{}`", found.value);
        section.refuse(&found.place, message, Some(meant(&found.value, &names)));
    }
    meant_one.cloned()
}

fn place_of(place: &Place, table: &str, name: &ProviderName) -> String {
    if let Place::Environment(variable) = place { variable.clone() } else { format!("[{table}.{name}]") }
}

fn place_of_provider(section: &Section<'_>, name: &ProviderName) -> String {
    let by_variable = section.any_variable(&[variable(&variable("COATROOM", name.as_str()), "client_id")]);
    place_of(&by_variable.map_or(Place::Nowhere, |found| found.place), "providers", name)
}
