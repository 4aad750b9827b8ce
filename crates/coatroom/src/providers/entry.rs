//! Who may sign in at a provider: what the allowlist needs to know of a user, and where that stands in what providers say.

use serde_json::{Map, Value};

use super::config::{ProviderConfig, ProviderConfigError};
use super::engine::Engine;
use super::kind::ProviderKind;
use super::path::{find, find_text};
use super::profile::paths;
use crate::allowlist::{Allowlist, Facts, List, NotAllowed};
use crate::user::User;

impl Engine {
    /// Who may sign in here.
    pub(super) fn allowlist(&self) -> &Allowlist {
        &self.0.allow
    }

    /// Whether a user of this provider may enter.
    ///
    /// # Errors
    /// [`NotAllowed`] names the list that keeps them out.
    pub(super) fn admits(&self, user: &User) -> Result<(), NotAllowed> {
        self.with_facts(user, Allowlist::admits)
    }

    /// Whether they are named, so that nothing else matters.
    pub(super) fn names(&self, user: &User) -> bool {
        self.with_facts(user, Allowlist::names)
    }

    fn with_facts<T>(&self, user: &User, decide: impl FnOnce(&Allowlist, &Facts<'_>) -> T) -> T {
        let is_github = self.0.kind == ProviderKind::Github;
        // What GitHub was asked about, and no field of a profile that its user fills in.
        let (memberships, groups) =
            if is_github { (user.groups.as_slice(), &[][..]) } else { (&[][..], user.groups.as_slice()) };
        let organisation = user.organisation.as_ref().filter(|_| !is_github);
        let (teams, organisations): (Vec<&str>, Vec<&str>) =
            memberships.iter().map(String::as_str).partition(|name| name.contains('/'));
        let organisations: Vec<&str> =
            organisations.into_iter().chain(organisation.map(String::as_str)).collect();
        let facts = Facts {
            id: user.id(),
            login: self.login(user),
            email: user.email.as_deref().filter(|_| user.email_verified),
            workspace: user.claims.get(HOSTED_DOMAIN).and_then(Value::as_str),
            organisations: &organisations,
            teams: &teams,
            groups,
            roles: &user.roles,
            names_ignore_case: is_github,
        };
        decide(&self.0.allow, &facts)
    }

    /// The login, where the provider gives each to one person at a time. A configuration cannot have it read from elsewhere.
    pub(super) fn login<'a>(&self, user: &'a User) -> Option<&'a str> {
        self.logins().iter().find_map(|name| user.claims.get(*name)?.as_str())
    }

    /// The members of what the provider says that hold the login.
    fn logins(&self) -> &'static [&'static str] {
        match self.0.kind {
            ProviderKind::Github => &["login"],
            ProviderKind::Gitlab => &["preferred_username", "nickname"],
            _ => &[],
        }
    }

    /// Whether a provider that said this has left out something that the allowlist must know.
    pub(super) fn leaves_out(&self, said: &Map<String, Value>) -> bool {
        let is_told = |path: &str| {
            find(said, path).is_some_and(|value| !value.is_null()) || find_text(said, path).is_some()
        };
        self.needs().iter().any(|paths| !paths.iter().any(|path| is_told(path)))
    }

    /// Where the parts stand that the allowlist must know, of each as many paths as may lead to it.
    pub(super) fn needs(&self) -> Vec<Vec<String>> {
        let profile = &self.0.preset.profile;
        let address = || vec![profile.email.clone(), profile.email_verified.clone()];
        let names_address = |list| self.0.allow.entries(list).iter().any(|user| user.contains('@'));
        let parts = self.0.allow.lists().flat_map(|list| match list {
            List::Users => {
                let named = if names_address(list) { address() } else { Vec::new() };
                named.into_iter().chain([paths(self.logins())]).collect()
            }
            List::Teams => Vec::new(),
            List::EmailDomains => address(),
            List::WorkspaceDomains => vec![vec![HOSTED_DOMAIN.to_owned()]],
            List::Organisations => vec![profile.organisation.clone()],
            List::Groups => vec![profile.groups.clone()],
            List::Roles => vec![profile.roles.clone()],
        });
        parts.filter(|paths| !paths.is_empty()).collect()
    }

    /// Tells the operator when Microsoft left the groups out because they are too many for a token: nobody can enter by them.
    pub(super) fn note_left_out_groups(&self, claims: &Map<String, Value>) {
        let sources = claims.get("_claim_names").and_then(|names| names.get("groups"));
        if sources.is_some() && !self.0.allow.entries(List::Groups).is_empty() {
            tracing::error!(
                provider.name = %self.0.name,
                "a user has too many groups for an ID token, so that none is known and none lets them in: let the token hold the groups \
                 that are assigned to the application, or use roles"
            );
        }
    }
}

impl ProviderConfig {
    /// Whether everybody can get an account there, so that without an allowlist anybody may sign in.
    #[must_use]
    pub fn is_open_to_the_world(&self) -> bool {
        match self.kind {
            ProviderKind::Okta | ProviderKind::Oidc | ProviderKind::Oauth2 | ProviderKind::Demo => false,
            ProviderKind::Github | ProviderKind::Gitlab => self.base_url.is_none(),
            ProviderKind::Microsoft => {
                let tenant = self.tenant.as_deref().unwrap_or("common");
                tenant == "consumers"
                    || (self.tenants.is_empty() && matches!(tenant, "common" | "organizations"))
            }
            _ => true,
        }
    }

    /// Checks that somebody could meet each list of the allowlist.
    pub(super) fn check_allowed(&self) -> Result<(), ProviderConfigError> {
        let refusal =
            |list: List, reason| Err(ProviderConfigError::Value { setting: list.setting(), reason });
        let names_address = self.allow.entries(List::Users).iter().any(|user| user.contains('@'));
        if names_address && !self.kind.reads(List::EmailDomains.setting()) {
            let reason =
                "cannot name an address: no address counts as verified at this kind of provider; name the id";
            return refusal(List::Users, reason);
        }
        if self.kind == ProviderKind::Github
            && self.allow.entries(List::Organisations).len() + self.allow.entries(List::Teams).len()
                > MOST_ASKED
        {
            let reason = "may have at most 20 entries together with allow.teams, each of which is asked for";
            return refusal(List::Organisations, reason);
        }
        let described = self.kind == ProviderKind::Oauth2;
        let paths = [
            (
                List::EmailDomains,
                described && (self.user.email.is_empty() || self.user.email_verified.is_empty()),
            ),
            (List::Organisations, self.kind.names_organisation() && self.user.organisation.is_empty()),
            (List::Groups, described && self.user.groups.is_empty()),
            (List::Roles, described && self.user.roles.is_empty()),
        ];
        let lacks = |(list, lacks): &(List, bool)| *lacks && !self.allow.entries(*list).is_empty();
        match paths.into_iter().find(lacks) {
            Some((list, _)) => refusal(list, "needs a path in `user` that says where it stands"),
            None => Ok(()),
        }
    }
}

/// How many organisations and teams GitHub is asked about at each sign-in.
const MOST_ASKED: usize = 20;

/// Google's claim with the domain of a Workspace.
const HOSTED_DOMAIN: &str = "hd";
