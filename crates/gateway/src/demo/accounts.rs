//! Who lives at the demo's provider: Alice and Bob, and repositories that are unmistakably theirs.

/// An account at the demo's provider.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The number by which the API identifies the account; never reused.
    pub(crate) id: u32,
    /// The name in URLs: the owner of the account's repositories.
    pub(crate) login: &'static str,
    /// The name as people write it.
    pub(crate) name: &'static str,
    /// The address of the account.
    pub(crate) email: &'static str,
    /// One sentence for the sign-in page.
    pub(crate) bio: &'static str,
    /// What the account owns.
    pub(crate) repos: &'static [Repo],
}

/// A repository at the demo's provider.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repo {
    /// Its name, without the owner.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) description: &'static str,
    /// Whether only its owner may see it.
    pub(crate) private: bool,
}

impl Account {
    /// The account with this login.
    pub(crate) fn find(login: &str) -> Option<&'static Self> {
        ACCOUNTS.iter().find(|account| account.login == login)
    }

    /// The account's own repository of this name.
    pub(crate) fn repo(&self, name: &str) -> Option<&'static Repo> {
        self.repos.iter().find(|repo| repo.name == name)
    }

    /// The letter that stands for the account where others show a picture.
    pub(crate) fn initial(&self) -> &'static str {
        self.name.get(..1).unwrap_or_default()
    }
}

impl Repo {
    /// `public` or `private`.
    pub(crate) const fn visibility(&self) -> &'static str {
        if self.private { "private" } else { "public" }
    }
}

/// Every account there is.
pub(crate) static ACCOUNTS: [Account; 2] = [
    Account {
        id: 1001,
        login: "alice",
        name: "Alice",
        email: "alice@example.com",
        bio: "Grows vegetables and keeps the seeds of every good year.",
        repos: &[
            Repo {
                name: "garden-planner",
                description: "Plans beds and sowing dates for a small garden",
                private: false,
            },
            Repo { name: "seed-catalog", description: "Which seeds grew well, and where", private: false },
            Repo { name: "greenhouse-sensors", description: "Firmware for the greenhouse", private: true },
            Repo { name: "diary", description: "Notes that are nobody else's business", private: true },
        ],
    },
    Account {
        id: 1002,
        login: "bob",
        name: "Bob",
        email: "bob@example.com",
        bio: "Restores old bicycles and writes down how.",
        repos: &[
            Repo {
                name: "bike-workshop",
                description: "Opening hours and tools of the workshop",
                private: false,
            },
            Repo {
                name: "wheel-truing",
                description: "Spoke tension from the sound of a spoke",
                private: false,
            },
            Repo { name: "invoices", description: "Who still owes for which repair", private: true },
            Repo { name: "race-team", description: "Training plans, not for the other teams", private: true },
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_owns_public_and_private_repositories_and_none_is_shared() {
        let [alice, bob] = &ACCOUNTS;
        for account in [alice, bob] {
            assert_eq!(account.repos.iter().filter(|repo| repo.private).count(), 2);
            assert_eq!(account.repos.iter().filter(|repo| !repo.private).count(), 2);
        }
        assert!(alice.repos.iter().all(|repo| bob.repo(repo.name).is_none()));
    }
}
