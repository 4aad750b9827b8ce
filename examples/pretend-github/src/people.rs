//! Who lives there: Alice and Bob, and repositories that are unmistakably theirs.

/// Somebody with an account.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// The number of the account; never reused.
    pub id: u32,
    /// The name in URLs: the owner of the repositories.
    pub login: &'static str,
    /// The name as people write it.
    pub name: &'static str,
    /// What the person owns.
    pub repos: &'static [Repo],
}

/// A repository.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repo {
    /// Its number; never reused.
    pub id: u32,
    /// Its name, without the owner.
    pub name: &'static str,
    /// What it is about.
    pub description: &'static str,
    /// Whether only its owner may see it.
    pub private: bool,
}

impl Person {
    /// The person with this login.
    #[must_use]
    pub fn find(login: &str) -> Option<&'static Self> {
        EVERYBODY.iter().find(|person| person.login == login)
    }

    /// Their own repository of this name.
    #[must_use]
    pub fn repo(&self, name: &str) -> Option<&'static Repo> {
        self.repos.iter().find(|repo| repo.name == name)
    }
}

const fn repo(id: u32, name: &'static str, description: &'static str, private: bool) -> Repo {
    Repo { id, name, description, private }
}

/// Everybody there is.
pub static EVERYBODY: [Person; 2] = [
    Person {
        id: 583_231,
        login: "alice",
        name: "Alice",
        repos: &[
            repo(101, "garden-planner", "Plans beds and sowing dates for a small garden", false),
            repo(102, "seed-catalog", "Which seeds grew well, and where", false),
            repo(103, "greenhouse-sensors", "Firmware for the greenhouse", true),
            repo(104, "diary", "Notes that are nobody else's business", true),
        ],
    },
    Person {
        id: 583_232,
        login: "bob",
        name: "Bob",
        repos: &[
            repo(201, "bike-workshop", "Opening hours and tools of the workshop", false),
            repo(202, "wheel-truing", "Spoke tension from the sound of a spoke", false),
            repo(203, "invoices", "Who still owes for which repair", true),
            repo(204, "race-team", "Training plans, not for the other teams", true),
        ],
    },
];
