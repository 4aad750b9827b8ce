//! The protected resources under one issuer, and which of them a request means (RFC 8707 §2).

use crate::words::{ProviderName, Resource, ResourceRefusal, ScopeCatalogue};

/// A protected MCP endpoint.
#[derive(Debug, Clone)]
pub struct ProtectedResource {
    /// Its identifier.
    pub id: Resource,
    /// What a person reads on the consent page.
    pub name: String,
    /// Where its users sign in; `None` leaves the choice among all providers.
    pub provider: Option<ProviderName>,
    /// Its scopes.
    pub scopes: ScopeCatalogue,
}

/// All protected resources under one issuer.
#[derive(Debug, Clone)]
pub struct Resources {
    entries: Vec<ProtectedResource>,
    default: Option<Resource>,
}

/// Why a `resource` parameter names none of ours (wire: `invalid_target`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetRefusal {
    /// It cannot identify a resource.
    #[error("resource is not usable: {0}")]
    Form(#[from] ResourceRefusal),
    /// It identifies none of ours.
    #[error("resource is not protected by this authorization server")]
    Unknown,
    /// More than one: a grant is good at one resource.
    #[error("a grant is good at one resource; ask for each in its own request")]
    Several,
    /// None was named, there are several, and none of them is the default.
    #[error("resource is missing, and this authorization server protects more than one")]
    Missing,
}

impl Resources {
    /// The resources, and which one is meant when a request names none; a single resource needs no default.
    #[must_use]
    pub const fn new(entries: Vec<ProtectedResource>, default: Option<Resource>) -> Self {
        Self { entries, default }
    }

    /// The resource that a request means.
    ///
    /// The same resource named twice, also in spellings that mean the same, is one.
    ///
    /// # Errors
    /// See [`TargetRefusal`].
    pub fn find<'a>(
        &self,
        asked: impl Iterator<Item = &'a str>,
    ) -> Result<&ProtectedResource, TargetRefusal> {
        let mut found: Option<&ProtectedResource> = None;
        for text in asked {
            let id = Resource::parse(text)?;
            let entry = self.get(&id).ok_or(TargetRefusal::Unknown)?;
            if found.is_some_and(|earlier| earlier.id != entry.id) {
                return Err(TargetRefusal::Several);
            }
            found = Some(entry);
        }
        match (found, &self.default, self.entries.as_slice()) {
            (Some(entry), _, _) | (None, None, [entry]) => Ok(entry),
            (None, Some(default), _) => self.get(default).ok_or(TargetRefusal::Missing),
            (None, None, _) => Err(TargetRefusal::Missing),
        }
    }

    /// The resource with this identifier.
    #[must_use]
    pub fn get(&self, id: &Resource) -> Option<&ProtectedResource> {
        self.entries.iter().find(|entry| &entry.id == id)
    }

    /// Every resource.
    pub fn iter(&self) -> impl Iterator<Item = &ProtectedResource> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(ids: &[&str], default: Option<&str>) -> Resources {
        let entry = |id: &&str| ProtectedResource {
            id: Resource::parse(id).unwrap(),
            name: String::new(),
            provider: None,
            scopes: ScopeCatalogue::default(),
        };
        let default = default.map(|id| Resource::parse(id).unwrap());
        Resources::new(ids.iter().map(entry).collect(), default)
    }

    fn find(resources: &Resources, asked: &[&str]) -> Result<String, TargetRefusal> {
        resources.find(asked.iter().copied()).map(|entry| entry.id.to_string())
    }

    #[test]
    fn none_asked_means_the_only_one_or_the_default() {
        assert_eq!(find(&resources(&["https://h/a"], None), &[]).unwrap(), "https://h/a");
        let two = ["https://h/a", "https://h/b"];
        assert_eq!(find(&resources(&two, None), &[]), Err(TargetRefusal::Missing));
        assert_eq!(find(&resources(&two, Some("https://h/b")), &[]).unwrap(), "https://h/b");
    }

    #[test]
    fn a_grant_is_good_at_one_resource() {
        let two = resources(&["https://h/a", "https://h/b"], None);
        assert_eq!(find(&two, &["https://h/a", "https://h/b"]), Err(TargetRefusal::Several));
        assert_eq!(find(&two, &["https://h/a", "HTTPS://H/a"]).unwrap(), "https://h/a");
        assert_eq!(find(&two, &["https://h/c"]), Err(TargetRefusal::Unknown));
        assert_eq!(find(&two, &["https://h/a2"]), Err(TargetRefusal::Unknown));
    }
}
