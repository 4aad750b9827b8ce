//! What is protected: the resources of our own issuer, and those that take the tokens of another one.

use coatroom_protocol::grant::{ProtectedResource, Resources};
use coatroom_protocol::words::{Issuer, ProviderName, Resource};

use super::{Builder, Protection};
use crate::context::RemoteResource;
use crate::issuers::RemoteIssuer;
use crate::providers::Provider;
use crate::settings::LOCAL;

impl Builder {
    /// The resources; every problem is noted.
    pub(super) fn resources(
        &self,
        issuer: &Issuer,
        (providers, issuers): (&[Provider], &[RemoteIssuer]),
        problems: &mut Vec<String>,
    ) -> (Resources, Vec<RemoteResource>) {
        if self.protections.is_empty() {
            problems.push("nothing is protected: add at least one endpoint".to_owned());
        }
        let mut entries: Vec<ProtectedResource> = Vec::new();
        let mut remote: Vec<RemoteResource> = Vec::new();
        for protection in &self.protections {
            let Protection { path, name, provider, scopes, connects, .. } = protection;
            if !path.starts_with('/') || path.contains(['?', '#', '*', '{']) {
                problems.push(format!("{path} is not a path such as /mcp"));
                continue;
            }
            let is_missing = |name: &&ProviderName| !providers.iter().any(|known| known.name() == *name);
            let is_here = |name: &&ProviderName| self.has_accounts() && name.as_str() == LOCAL;
            let elsewhere = provider.iter().filter(|name| !is_here(name));
            for missing in elsewhere.chain(connects).filter(is_missing) {
                problems.push(format!("{path} uses the provider {missing}, which is not set"));
            }
            let id = match Resource::parse(&issuer.url(path)) {
                Ok(id) => id,
                Err(refusal) => {
                    problems.push(format!("{path}: {refusal}"));
                    continue;
                }
            };
            if entries.iter().any(|entry| entry.id == id) || remote.iter().any(|entry| entry.id == id) {
                problems.push(format!("{path} is protected twice"));
            } else if protection.issuer.is_some() {
                remote.extend(self.remote_resource(protection, id, issuers, problems));
            } else {
                let (name, provider, scopes) =
                    (name_of(name.as_ref(), &id), provider.clone(), scopes.clone());
                entries.push(ProtectedResource { id, name, provider, scopes });
            }
        }
        let default = self.default_path.as_ref().map(|path| Resource::parse(&issuer.url(path)));
        let default = match default.transpose() {
            Ok(default) if default.as_ref().is_none_or(|id| entries.iter().any(|entry| &entry.id == id)) => {
                default
            }
            _ => {
                problems.push("the default path is not one of the protected ones".to_owned());
                None
            }
        };
        (Resources::new(entries, default), remote)
    }

    fn remote_resource(
        &self,
        protection: &Protection,
        id: Resource,
        issuers: &[RemoteIssuer],
        problems: &mut Vec<String>,
    ) -> Option<RemoteResource> {
        let Protection { path, name, provider, issuer, scopes, connects, .. } = protection;
        let named = issuer.as_ref()?;
        if provider.is_some() || !connects.is_empty() {
            problems.push(format!(
                "{path} takes the tokens of {named}: its users sign in there, and connect no provider here"
            ));
        }
        let Some(issuer) = issuers.iter().find(|known| known.name() == named) else {
            problems.push(format!("{path} takes the tokens of the issuer {named}, which is not set"));
            return None;
        };
        if self.has_accounts() && named.as_str() == LOCAL {
            problems.push(format!(
                "those who sign in here and an issuer are both called {named}: nobody could tell their users apart"
            ));
        }
        let baseline = scopes.defaults().union(issuer.scopes());
        let name = name_of(name.as_ref(), &id);
        Some(RemoteResource { id, name, baseline, issuer: issuer.clone() })
    }
}

/// What people read: the host, where nothing else was said.
fn name_of(name: Option<&String>, id: &Resource) -> String {
    let host = || id.as_str().split('/').nth(2).unwrap_or_default().to_owned();
    name.cloned().unwrap_or_else(host)
}

/// Whether anybody needs a token of ours: always, unless every endpoint that takes tokens takes those of others.
pub(super) fn issue_tokens(protections: &[Protection]) -> bool {
    protections.iter().any(Protection::needs_our_tokens)
        || protections.iter().all(|protection| protection.issuer.is_none())
}
