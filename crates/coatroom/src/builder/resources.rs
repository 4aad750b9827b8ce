//! What is protected, as resources of one issuer.

use coatroom_protocol::grant::{ProtectedResource, Resources};
use coatroom_protocol::words::{Issuer, ProviderName, Resource};

use super::{Builder, Protection};

impl Builder {
    /// The resources; every problem is noted.
    pub(super) fn resources(&self, issuer: &Issuer, problems: &mut Vec<String>) -> Resources {
        if self.protections.is_empty() {
            problems.push("nothing is protected: add at least one endpoint".to_owned());
        }
        let mut entries: Vec<ProtectedResource> = Vec::new();
        for protection in &self.protections {
            let Protection { path, name, provider, scopes, connects, .. } = protection;
            if !path.starts_with('/') || path.contains(['?', '#', '*', '{']) {
                problems.push(format!("{path} is not a path such as /mcp"));
                continue;
            }
            let is_missing = |name: &&ProviderName| !self.providers.iter().any(|known| known.name() == *name);
            for missing in provider.iter().chain(connects).filter(is_missing) {
                problems.push(format!("{path} uses the provider {missing}, which is not set"));
            }
            match Resource::parse(&issuer.url(path)) {
                Ok(id) if entries.iter().any(|entry| entry.id == id) => {
                    problems.push(format!("{path} is protected twice"));
                }
                Ok(id) => entries.push(ProtectedResource {
                    id,
                    name: name.clone(),
                    provider: provider.clone(),
                    scopes: scopes.clone(),
                }),
                Err(refusal) => problems.push(format!("{path}: {refusal}")),
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
        Resources::new(entries, default)
    }
}
