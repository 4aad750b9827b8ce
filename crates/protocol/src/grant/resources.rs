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

impl ProtectedResource {
    /// Whether its users may sign in at a provider.
    #[must_use]
    pub fn offers(&self, provider: &ProviderName) -> bool {
        self.provider.as_ref().is_none_or(|only| only == provider)
    }
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
    /// The same resource named twice, also in spellings that mean the same, is one. Clients also name the bare origin of
    /// our resources, or add a slash to a path: where no resource is called so, the first names none in particular, and the
    /// second the resource without the slash. The grant is good at that resource alone (docs/decisions/0027).
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
            let entry = self.meant_by(&id).ok_or(TargetRefusal::Unknown)?;
            if found.is_some_and(|earlier| earlier.id != entry.id) {
                return Err(TargetRefusal::Several);
            }
            found = Some(entry);
        }
        found.or_else(|| self.meant_by_none()).ok_or(TargetRefusal::Missing)
    }

    /// The resource of a request that names none.
    fn meant_by_none(&self) -> Option<&ProtectedResource> {
        match (&self.default, self.entries.as_slice()) {
            (Some(default), _) => self.get(default),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// The resource that an identifier means which a client sent.
    fn meant_by(&self, id: &Resource) -> Option<&ProtectedResource> {
        self.get(id)
            .or_else(|| self.entries.iter().find(|entry| id.is_with_slash(&entry.id)))
            .or_else(|| self.meant_by_none().filter(|entry| id.is_origin_of(&entry.id)))
    }

    /// Whether `asked` means the resource with this identifier, as [`find`](Self::find) would read it.
    #[must_use]
    pub fn is_meant(&self, asked: &Resource, granted: &Resource) -> bool {
        asked == granted || self.meant_by(asked).is_some_and(|entry| entry.id == *granted)
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
    fn a_bare_origin_names_none_in_particular_and_a_slash_too_many_is_overlooked() {
        let one = resources(&["https://h/a"], None);
        for text in ["https://h", "https://h/", "https://h:443", "https://h/a", "https://h/a/"] {
            assert_eq!(find(&one, &[text]).unwrap(), "https://h/a", "{text}");
        }
        assert_eq!(find(&one, &["https://h/", "https://h/a"]).unwrap(), "https://h/a");
        for text in [
            "https://other",
            "https://h:8443",
            "http://h",
            "https://h/b",
            "https://h/a//",
            "https://h/a/b",
            "https://h?",
        ] {
            assert_eq!(find(&one, &[text]), Err(TargetRefusal::Unknown), "{text}");
        }
        let two = ["https://h/a", "https://h/b"];
        assert_eq!(find(&resources(&two, None), &["https://h/"]), Err(TargetRefusal::Unknown));
        assert_eq!(find(&resources(&two, Some("https://h/b")), &["https://h/"]).unwrap(), "https://h/b");
        assert_eq!(
            find(&resources(&two, Some("https://h/b")), &["https://h", "https://h/a"]),
            Err(TargetRefusal::Several)
        );
        let both = resources(&["https://h", "https://h/a", "https://h/a/"], Some("https://h/a"));
        for text in ["https://h", "https://h/a", "https://h/a/"] {
            assert_eq!(find(&both, &[text]).unwrap(), text, "one that is called so is meant");
        }
    }

    #[test]
    fn what_was_granted_is_recognised_in_every_spelling_that_could_have_asked_for_it() {
        let two = resources(&["https://h/a", "https://h/b"], Some("https://h/a"));
        let is_meant = |asked: &str, granted: &str| {
            two.is_meant(&Resource::parse(asked).unwrap(), &Resource::parse(granted).unwrap())
        };
        assert!(is_meant("https://h/", "https://h/a") && is_meant("https://h/a/", "https://h/a"));
        assert!(!is_meant("https://h/", "https://h/b") && !is_meant("https://h/b", "https://h/a"));
        assert!(
            is_meant("https://h/gone", "https://h/gone"),
            "a resource that is no longer configured is still itself"
        );
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
