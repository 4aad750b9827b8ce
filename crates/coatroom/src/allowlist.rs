//! Who may enter: the rule, apart from where its facts come from.
//!
//! An empty allowlist lets everybody in. Whoever is named in [`List::Users`] enters; anybody else must meet every other list
//! that is set, for which one entry of each is enough. Where only users are named, nobody else enters.
//!
//! [`Allowlist::with`] takes no entry that could mean something else than it looks like, and no list without entries: what is
//! set and empty would let everybody in. Which lists a provider can know is for `providers` and `issuers` to say.

use std::collections::BTreeMap;
use std::fmt;

use url::Host;

/// One of the lists of an [`Allowlist`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum List {
    /// People: the provider's own id, a verified e-mail address, or at GitHub and GitLab the login.
    Users,
    /// Domains of verified e-mail addresses, each exactly; a subdomain is another one.
    EmailDomains,
    /// Domains of Google Workspace, as Google's claim `hd` names them.
    WorkspaceDomains,
    /// Organisations: GitHub's by name, workspaces of Slack, Notion and Linear by id, else as the provider calls them.
    Organisations,
    /// Teams of GitHub, as `organisation/team`.
    Teams,
    /// Groups, as the provider calls them.
    Groups,
    /// Roles, as the provider calls them.
    Roles,
}

impl List {
    /// Every list.
    pub const ALL: &[Self] = &[
        Self::Users,
        Self::EmailDomains,
        Self::WorkspaceDomains,
        Self::Organisations,
        Self::Teams,
        Self::Groups,
        Self::Roles,
    ];

    /// The name in a configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::EmailDomains => "email_domains",
            Self::WorkspaceDomains => "workspace_domains",
            Self::Organisations => "organisations",
            Self::Teams => "teams",
            Self::Groups => "groups",
            Self::Roles => "roles",
        }
    }

    /// The setting of a provider or an issuer that sets it.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Users => "allow.users",
            Self::EmailDomains => "allow.email_domains",
            Self::WorkspaceDomains => "allow.workspace_domains",
            Self::Organisations => "allow.organisations",
            Self::Teams => "allow.teams",
            Self::Groups => "allow.groups",
            Self::Roles => "allow.roles",
        }
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`EntryRefusal`] when it could never match, or not what it looks like.
    pub fn entry(self, text: &str) -> Result<String, EntryRefusal> {
        if text.is_empty() || text.trim() != text || text.contains(char::is_control) {
            return Err(EntryRefusal::Blank);
        }
        if text == "*" || text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            return Err(EntryRefusal::Plain);
        }
        match self {
            Self::EmailDomains | Self::WorkspaceDomains => ascii_domain(text).ok_or(EntryRefusal::Domain),
            Self::Teams => {
                let is_team = text.split_once('/').is_some_and(|(organisation, team)| {
                    [organisation, team].iter().all(|part| is_segment(part))
                });
                if is_team { Ok(text.to_owned()) } else { Err(EntryRefusal::Team) }
            }
            Self::Users if text.contains('@') && (text.ends_with('.') || text.contains(';')) => {
                Err(EntryRefusal::Address)
            }
            Self::Users | Self::Organisations | Self::Groups | Self::Roles => Ok(text.to_owned()),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an entry of a list is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryRefusal {
    /// A list that is set and has no entry.
    #[error("must have an entry; leave it out to let everybody in")]
    Empty,
    /// An entry that is empty, or has spaces or line ends around it.
    #[error("has an entry that is empty, or has spaces or line ends around it")]
    Blank,
    /// An entry that looks like a pattern, or like a part of a list in another language.
    #[error("takes plain entries without quotes, and no `*`: a list that is left out lets everybody in")]
    Plain,
    /// An entry that is no domain.
    #[error("takes domains such as example.com, without @, wildcards or a dot at the end")]
    Domain,
    /// An entry that is no team.
    #[error("takes teams as `organisation/team`")]
    Team,
    /// An address that nobody has.
    #[error("takes single addresses, without a dot or anything else at the end")]
    Address,
}

/// Who may enter. [`Default`] lets everybody in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Allowlist {
    lists: BTreeMap<List, Vec<String>>,
}

impl Allowlist {
    /// The same with these entries in one of its lists.
    ///
    /// # Errors
    /// [`EntryRefusal`] when there is none, or one of them is not good.
    pub fn with<T: AsRef<str>>(
        mut self,
        list: List,
        entries: impl IntoIterator<Item = T>,
    ) -> Result<Self, EntryRefusal> {
        let entries: Result<Vec<_>, _> = entries.into_iter().map(|text| list.entry(text.as_ref())).collect();
        let entries = entries?;
        if entries.is_empty() {
            return Err(EntryRefusal::Empty);
        }
        self.lists.insert(list, entries);
        Ok(self)
    }

    /// Whether everybody may enter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// The entries of a list; none when it is not set.
    #[must_use]
    pub fn entries(&self, list: List) -> &[String] {
        self.lists.get(&list).map(Vec::as_slice).unwrap_or_default()
    }

    /// The lists that are set.
    pub fn lists(&self) -> impl Iterator<Item = List> + '_ {
        self.lists.keys().copied()
    }

    /// Decides about one person.
    ///
    /// # Errors
    /// [`NotAllowed`] names the list that they do not meet.
    pub(crate) fn admits(&self, facts: &Facts<'_>) -> Result<(), NotAllowed> {
        if self.is_empty() || self.names(facts) {
            return Ok(());
        }
        let mut others = self.lists().filter(|list| *list != List::Users).peekable();
        if others.peek().is_none() {
            return Err(NotAllowed { list: List::Users });
        }
        others.find(|list| !self.meets(*list, facts)).map_or(Ok(()), |list| Err(NotAllowed { list }))
    }

    /// Whether one of the users is this person.
    pub(crate) fn names(&self, facts: &Facts<'_>) -> bool {
        let address = facts.email.and_then(normal_address);
        self.entries(List::Users).iter().any(|entry| {
            // Logins may be made of digits: one that looks like the id of somebody else is not that person.
            let is_login = |login: &str| !is_number(entry) && login.eq_ignore_ascii_case(entry);
            entry == facts.id
                || facts.login.is_some_and(is_login)
                || address.as_ref().is_some_and(|address| normal_address(entry).as_ref() == Some(address))
        })
    }

    fn meets(&self, list: List, facts: &Facts<'_>) -> bool {
        let of_address = |address: String| address.rsplit('@').next().map(str::to_owned);
        let has: Vec<String> = match list {
            List::Users => return self.names(facts),
            List::EmailDomains => {
                facts.email.and_then(normal_address).and_then(of_address).into_iter().collect()
            }
            List::WorkspaceDomains => facts.workspace.and_then(ascii_domain).into_iter().collect(),
            List::Organisations => facts.organisations.iter().map(|&name| name.to_owned()).collect(),
            List::Teams => facts.teams.iter().map(|&name| name.to_owned()).collect(),
            List::Groups => facts.groups.to_vec(),
            List::Roles => facts.roles.to_vec(),
        };
        let folds = facts.names_ignore_case && matches!(list, List::Organisations | List::Teams);
        let is_same =
            |mine: &str, theirs: &str| mine == theirs || (folds && mine.eq_ignore_ascii_case(theirs));
        self.entries(list).iter().any(|entry| has.iter().any(|has| is_same(entry, has)))
    }
}

/// Says who may enter, without the names of people: for the log.
impl fmt::Display for Allowlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.entries(List::Users).len();
        let others = self.lists().filter(|list| *list != List::Users);
        let others: Vec<String> =
            others.map(|list| format!("one of the {list} {}", self.entries(list).join(", "))).collect();
        match (users, others.is_empty()) {
            (0, true) => f.write_str("everybody"),
            (_, true) => write!(f, "users ({users})"),
            (0, false) => f.write_str(&others.join(" and ")),
            (_, false) => write!(f, "users ({users}), and whoever has {}", others.join(" and ")),
        }
    }
}

impl fmt::Debug for Allowlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Allowlist({self})")
    }
}

/// What is known of a person, each as far as somebody who knows it says so.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts<'a> {
    /// The provider's own id.
    pub(crate) id: &'a str,
    /// The login, where it is the provider that gives each to one person alone.
    pub(crate) login: Option<&'a str>,
    /// The e-mail address, if the provider says that it was verified.
    pub(crate) email: Option<&'a str>,
    /// The domain of their Google Workspace, if Google says so.
    pub(crate) workspace: Option<&'a str>,
    pub(crate) organisations: &'a [&'a str],
    /// As `organisation/team`.
    pub(crate) teams: &'a [&'a str],
    pub(crate) groups: &'a [String],
    pub(crate) roles: &'a [String],
    /// Whether `A` and `a` are the same in the names of organisations and teams.
    pub(crate) names_ignore_case: bool,
}

/// The list that keeps somebody out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not among the allowed {list}")]
pub struct NotAllowed {
    list: List,
}

impl NotAllowed {
    /// The list.
    #[must_use]
    pub const fn list(&self) -> List {
        self.list
    }
}

/// An address to compare with: lower case, its domain in ASCII form. Mail servers and providers read an address with a second
/// `@` in different ways, so that it is none.
fn normal_address(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let is_plain = !local.is_empty() && !local.contains(|c: char| c.is_whitespace() || c.is_control());
    let domain = ascii_domain(domain).filter(|_| is_plain)?;
    Some(format!("{}@{domain}", local.to_ascii_lowercase()))
}

/// A domain in lower case and ASCII form (IDNA). A label that is written in other characters must stay another than every
/// label in ASCII: `ｅxample.com` is not `example.com` here, whatever else takes it for the same.
fn ascii_domain(text: &str) -> Option<String> {
    let is_plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if text.len() > LONGEST_DOMAIN || !text.chars().all(is_plain) {
        return None;
    }
    let Ok(Host::Domain(ascii)) = Host::parse(text) else { return None };
    let labels = |domain: &str| domain.split('.').count();
    let stays = |(written, ascii): (&str, &str)| {
        let is_same = written.eq_ignore_ascii_case(ascii);
        !ascii.is_empty() && if written.is_ascii() { is_same } else { ascii.starts_with("xn--") }
    };
    (labels(text) == labels(&ascii) && text.split('.').zip(ascii.split('.')).all(stays)).then_some(ascii)
}

/// Whether a text is one segment of a path, whoever reads it.
fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

const LONGEST_DOMAIN: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lists: &[(List, &[&str])]) -> Allowlist {
        lists.iter().fold(Allowlist::default(), |all, (list, entries)| all.with(*list, *entries).unwrap())
    }

    fn enters(allowlist: &Allowlist, facts: Facts<'_>) -> bool {
        allowlist.admits(&Facts { id: if facts.id.is_empty() { "1" } else { facts.id }, ..facts }).is_ok()
    }

    #[test]
    fn an_empty_allowlist_lets_everybody_in() {
        assert!(enters(&Allowlist::default(), Facts::default()));
    }

    #[test]
    fn a_named_user_enters_and_where_only_users_are_named_nobody_else() {
        let named = list(&[(List::Users, &["583231", "Alice@Example.com", "octocat"])]);
        for facts in [
            Facts { id: "583231", ..Facts::default() },
            Facts { email: Some("alice@example.COM"), ..Facts::default() },
            Facts { login: Some("OctoCat"), ..Facts::default() },
        ] {
            assert!(enters(&named, facts), "{facts:?}");
        }
        for facts in [
            Facts::default(),
            Facts { id: "58323", ..Facts::default() },
            // Somebody registered a login that is the id of somebody else.
            Facts { id: "7", login: Some("583231"), ..Facts::default() },
            Facts { id: "octocat2", email: Some("bob@example.com"), ..Facts::default() },
            Facts { email: Some("alice@example.com.evil.example"), ..Facts::default() },
        ] {
            assert_eq!(named.admits(&facts), Err(NotAllowed { list: List::Users }), "{facts:?}");
        }
        // A provider whose handles are not unique tells no login.
        assert!(
            !enters(&named, Facts { id: "OCTOCAT", ..Facts::default() }),
            "ids are compared byte for byte"
        );
    }

    #[test]
    fn anybody_else_meets_every_list_that_is_set() {
        let both = list(&[
            (List::Users, &["9"]),
            (List::EmailDomains, &["example.com", "example.org"]),
            (List::Groups, &["staff", "guests"]),
        ]);
        let groups = ["guests".to_owned()];
        let email = Some("a@example.org");
        assert!(enters(&both, Facts { email, groups: &groups, ..Facts::default() }));
        assert!(enters(&both, Facts { id: "9", ..Facts::default() }));
        let without = |facts| both.admits(&facts).unwrap_err().list();
        assert_eq!(without(Facts { groups: &groups, ..Facts::default() }), List::EmailDomains);
        assert_eq!(without(Facts { email, ..Facts::default() }), List::Groups);
        assert_eq!(
            without(Facts { email, groups: &["Guests".to_owned()], ..Facts::default() }),
            List::Groups
        );
    }

    #[test]
    fn a_domain_is_matched_exactly_and_only_where_there_is_one() {
        let domain = list(&[(List::EmailDomains, &["Example.com", "bücher.example"])]);
        for address in
            ["a@example.com", "A@EXAMPLE.COM", "x@bücher.example", "x@xn--bcher-kva.example", "ä@example.com"]
        {
            assert!(enters(&domain, Facts { email: Some(address), ..Facts::default() }), "{address}");
        }
        for address in [
            "a@sub.example.com",
            "a@notexample.com",
            "a@example.com.evil.example",
            "a@example.com.",
            "a@.example.com",
            "a@example..com",
            "a@example.org",
            "example.com",
            "@example.com",
            "a@",
            "",
            // A second @, wherever it is: which domain is meant?
            "a@evil.example@example.com",
            "a@example.com@evil.example",
            "\"a@evil.example\"@example.com",
            // Look-alikes: Cyrillic, full width, a soft hyphen, another full stop, an escaped letter.
            "a@еxample.com",
            "a@ｅxample.com",
            "a@exam\u{ad}ple.com",
            "a@example\u{3002}com",
            "a@example\u{ff0e}com",
            "a@ex%61mple.com",
            "a@example.com\u{200b}",
            "a@example.com\n",
            "a@example.com ",
            " a@example.com",
            "a\n@example.com",
            "a@[127.0.0.1]",
            "a@example.com, b@evil.example",
            "a@example.com<a@evil.example>",
        ] {
            assert!(!enters(&domain, Facts { email: Some(address), ..Facts::default() }), "{address:?}");
        }
        assert!(!enters(&domain, Facts::default()), "an address that nobody verified is no fact");
        assert!(!enters(&domain, Facts { workspace: Some("example.com"), ..Facts::default() }));
    }

    #[test]
    fn a_workspace_is_what_google_says_and_no_address() {
        let workspace = list(&[(List::WorkspaceDomains, &["example.com"])]);
        assert!(enters(&workspace, Facts { workspace: Some("Example.COM"), ..Facts::default() }));
        for facts in [
            Facts { email: Some("a@example.com"), ..Facts::default() },
            Facts { workspace: Some("sub.example.com"), ..Facts::default() },
            Facts { workspace: Some("example.com."), ..Facts::default() },
            Facts { workspace: Some(""), ..Facts::default() },
        ] {
            assert!(!enters(&workspace, facts), "{facts:?}");
        }
    }

    #[test]
    fn names_of_organisations_and_teams_ignore_case_only_where_the_provider_does() {
        let acme = list(&[(List::Organisations, &["Acme"]), (List::Teams, &["Acme/Platform"])]);
        let facts = Facts { organisations: &["acme"], teams: &["acme/platform"], ..Facts::default() };
        assert!(!enters(&acme, facts));
        assert!(enters(&acme, Facts { names_ignore_case: true, ..facts }));
        assert!(!enters(&acme, Facts { names_ignore_case: true, teams: &["other/platform"], ..facts }));
    }

    #[test]
    fn entries_that_could_mean_something_else_are_refused() {
        let table = [
            (List::Users, "", EntryRefusal::Blank),
            (List::Users, " alice", EntryRefusal::Blank),
            (List::Roles, "\n", EntryRefusal::Blank),
            (List::Users, "a@example.com.", EntryRefusal::Address),
            (List::Users, "a@example.com;b@example.com", EntryRefusal::Address),
            (List::Users, "*", EntryRefusal::Plain),
            (List::Groups, "\"staff\"", EntryRefusal::Plain),
            (List::Roles, "'admin", EntryRefusal::Plain),
            (List::EmailDomains, "@example.com", EntryRefusal::Domain),
            (List::EmailDomains, "a@example.com", EntryRefusal::Domain),
            (List::EmailDomains, "*.example.com", EntryRefusal::Domain),
            (List::EmailDomains, "example.com.", EntryRefusal::Domain),
            (List::EmailDomains, ".example.com", EntryRefusal::Domain),
            (List::EmailDomains, "https://example.com", EntryRefusal::Domain),
            (List::EmailDomains, "ex ample.com", EntryRefusal::Domain),
            (List::WorkspaceDomains, "127.0.0.1", EntryRefusal::Domain),
            (List::WorkspaceDomains, "ｅxample.com", EntryRefusal::Domain),
            (List::Teams, "platform", EntryRefusal::Team),
            (List::Teams, "acme/", EntryRefusal::Team),
            (List::Teams, "acme/a/b", EntryRefusal::Team),
            (List::Teams, "acme/..", EntryRefusal::Team),
        ];
        for (list, entry, expected) in table {
            assert_eq!(Allowlist::default().with(list, [entry]), Err(expected), "{list} {entry:?}");
        }
        let none: [&str; 0] = [];
        assert_eq!(Allowlist::default().with(List::Groups, none), Err(EntryRefusal::Empty));
    }

    #[test]
    fn nobody_is_named_in_what_the_log_says() {
        let all = list(&[
            (List::Users, &["alice@example.com"]),
            (List::EmailDomains, &["example.com", "example.org"]),
            (List::Roles, &["admin"]),
        ]);
        assert_eq!(
            format!("{all:?}"),
            "Allowlist(users (1), and whoever has one of the email_domains example.com, example.org and one of the roles admin)"
        );
        assert_eq!(list(&[(List::Users, &["1"])]).to_string(), "users (1)");
        assert_eq!(Allowlist::default().to_string(), "everybody");
    }

    proptest::proptest! {
        #[test]
        fn no_address_enters_that_ends_otherwise(address in "[a-z@.ａ-ｚа-я%]{0,24}") {
            let domain = list(&[(List::EmailDomains, &["example.com"])]);
            let entered = enters(&domain, Facts { email: Some(&address), ..Facts::default() });
            proptest::prop_assert!(!entered || address.to_ascii_lowercase().ends_with("@example.com"));
        }
    }
}
