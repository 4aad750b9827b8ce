//! Where environment variables come from. The only file that reads the process's own.

use std::collections::BTreeMap;

use coatroom::issuers::IssuerVariables;

/// Tells the environment variables that configure Coatroom: those whose names start with `COATROOM_`, or with `MCP_USE_OAUTH_`,
/// as deployments have them that used another gateway before.
pub(crate) trait Environment {
    /// The variables by name. Values that are not UTF-8 have their bad bytes replaced, and fail where they are read.
    fn variables(&self) -> BTreeMap<String, String>;

    /// Any other variable, for commands that get it as it is; `None` when it is not set, or is not UTF-8.
    fn own(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Debug)]
pub(crate) struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variables(&self) -> BTreeMap<String, String> {
        let all = std::env::vars_os();
        all.map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX) || name.starts_with(IssuerVariables::OLDER_PREFIX))
            .collect()
    }

    fn own(&self, name: &str) -> Option<String> {
        std::env::vars_os().find(|(known, _)| known == name)?.1.into_string().ok()
    }
}

/// What the names of all variables start with.
pub(super) const PREFIX: &str = "COATROOM_";

/// The variable that belongs to a key, or to a provider's name, below `prefix`: `COATROOM` and `public_url` give
/// `COATROOM_PUBLIC_URL`.
pub(crate) fn variable(prefix: &str, key: &str) -> String {
    format!("{prefix}_{}", key.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
pub(crate) mod fake {
    use super::{BTreeMap, Environment};

    /// An environment for tests, so that none depends on the process's own.
    #[derive(Debug, Default)]
    pub(crate) struct FakeEnvironment(BTreeMap<String, String>);

    impl FakeEnvironment {
        pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
            self.0.insert(name.to_owned(), value.to_owned());
            self
        }
    }

    impl Environment for FakeEnvironment {
        fn variables(&self) -> BTreeMap<String, String> {
            self.0.clone()
        }

        fn own(&self, name: &str) -> Option<String> {
            self.0.get(name).cloned()
        }
    }
}
