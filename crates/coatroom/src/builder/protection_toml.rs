//! What stands at an endpoint, written down in TOML: with the words that a server has in the program's configuration.

use std::collections::BTreeMap;
use std::fmt::Display;

use coatroom_protocol::access::{Authentication, Manifest, Rule, RuleKind, Unlisted};
use coatroom_protocol::words::{CatalogueRefusal, ProviderName, ScopeCatalogue, ScopeEntry, Scopes};
use serde::Deserialize;

use super::Protection;
use crate::guard::Lists;

/// What is wrong with an endpoint's TOML: everything at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
#[non_exhaustive]
pub struct ProtectionError {
    /// One sentence each. What breaks the form of TOML comes with its line.
    pub problems: Vec<String>,
}

impl Protection {
    /// Protects the endpoint at `path` as a TOML document says.
    ///
    /// ```
    /// use coatroom::Protection;
    ///
    /// let protection = Protection::from_toml("/mcp", r#"
    ///     title = "Example Notes"
    ///     auth = "required"                  # optional, off
    ///     unlisted = "denied"                # permitted
    ///
    ///     [scopes]
    ///     "notes:read" = { title = "Read your notes", default = true }
    ///     "notes:write" = { title = "Change your notes", implies = ["notes:read"] }
    ///
    ///     [tools]
    ///     "read_*" = { scopes = ["notes:read"] }
    ///     "delete_note" = { scopes = ["notes:write"], roles = ["editor"] }
    ///     "about" = { auth = "off" }
    ///     "debug_*" = { deny = true }
    ///
    ///     [resources]
    ///     "notes://*" = { scopes = ["notes:read"], permissions = ["notes"] }
    /// "#)?;
    /// # let _ = protection;
    /// # Ok::<(), coatroom::ProtectionError>(())
    /// ```
    ///
    /// Further keys are `provider`, `issuer`, `connects`, `roles_claim`, `lists` (`usable`, `reachable`, `all`) and the table `prompts`.
    /// Each does what the method of this type does.
    ///
    /// # Errors
    /// [`ProtectionError`] names what is no TOML, unknown or contradictory.
    pub fn from_toml(path: impl Into<String>, text: &str) -> Result<Self, ProtectionError> {
        let document: Document =
            toml::from_str(text).map_err(|error| ProtectionError { problems: vec![error.to_string()] })?;
        let mut problems = Vec::new();
        let protection = document.protection(path.into(), &mut problems);
        if problems.is_empty() { Ok(protection) } else { Err(ProtectionError { problems }) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    title: Option<String>,
    provider: Option<String>,
    issuer: Option<String>,
    auth: Option<Auth>,
    roles_claim: Option<String>,
    unlisted: Option<Unnamed>,
    lists: Option<Shown>,
    #[serde(default)]
    connects: Vec<String>,
    #[serde(default)]
    scopes: BTreeMap<String, ScopeTable>,
    #[serde(default)]
    tools: BTreeMap<String, RuleTable>,
    #[serde(default)]
    prompts: BTreeMap<String, RuleTable>,
    #[serde(default)]
    resources: BTreeMap<String, RuleTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeTable {
    title: Option<String>,
    description: Option<String>,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    implies: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
    auth: Option<Auth>,
    #[serde(default)]
    deny: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Auth {
    Required,
    Optional,
    Off,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unnamed {
    Permitted,
    Denied,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shown {
    Usable,
    Reachable,
    All,
}

impl Document {
    fn protection(self, path: String, problems: &mut Vec<String>) -> Protection {
        let mut provider = |name: String| {
            let parsed = ProviderName::parse(&name);
            if parsed.is_none() {
                problems.push(format!(
                    "{name:?} cannot name a provider: lower-case letters, digits, `-` and `_`"
                ));
            }
            parsed
        };
        let mut protection = Protection::new(path);
        protection.provider = self.provider.and_then(&mut provider);
        protection.issuer = self.issuer.and_then(&mut provider);
        protection.connects = self.connects.into_iter().filter_map(&mut provider).collect();
        protection.name = self.title;
        if let Some(claim) = self.roles_claim {
            protection.roles_claim = claim;
        }
        protection.authentication = self.auth.map_or(Authentication::Required, Auth::meant);
        protection.lists = self.lists.map_or(Lists::Usable, Shown::meant);
        let scopes = catalogue(self.scopes, problems);
        let kinds = [
            (RuleKind::Tool, self.tools),
            (RuleKind::Prompt, self.prompts),
            (RuleKind::Resource, self.resources),
        ];
        let mut rules = Vec::new();
        for (kind, tables) in kinds {
            for (name, table) in tables {
                rules.push(table.rule(Rule::new(kind, &name), (&name, &scopes), problems));
            }
        }
        let unlisted = match self.unlisted {
            Some(Unnamed::Denied) => Unlisted::Denied,
            Some(Unnamed::Permitted) | None => Unlisted::Permitted,
        };
        protection.with_manifest(Manifest::new(rules, unlisted)).with_scopes(scopes)
    }
}

impl RuleTable {
    fn rule(
        self,
        mut rule: Rule,
        (name, known): (&str, &ScopeCatalogue),
        problems: &mut Vec<String>,
    ) -> Rule {
        rule.scopes = scopes(&self.scopes, name, problems);
        for unknown in rule.scopes.difference(&known.all()).iter() {
            problems.push(format!("{name:?} needs the scope {unknown}, which is not among the scopes"));
        }
        rule.roles = self.roles;
        rule.permissions = self.permissions;
        rule.authentication = self.auth.map(Auth::meant);
        rule.deny = self.deny;
        rule
    }
}

fn catalogue(tables: BTreeMap<String, ScopeTable>, problems: &mut Vec<String>) -> ScopeCatalogue {
    let entries: Vec<(String, ScopeEntry)> = tables
        .into_iter()
        .map(|(name, table)| {
            let implies = scopes(&table.implies, &name, problems);
            let title = table.title.unwrap_or_else(|| name.clone());
            (name, ScopeEntry { title, description: table.description, default: table.default, implies })
        })
        .collect();
    let named = entries.iter().map(|(name, entry)| (name.as_str(), entry.clone()));
    ScopeCatalogue::of(named).unwrap_or_else(|refusal: CatalogueRefusal| {
        problems.push(refusal.to_string());
        ScopeCatalogue::default()
    })
}

fn scopes(texts: &[String], whose: &str, problems: &mut Vec<String>) -> Scopes {
    let mut note =
        |text: &str, refusal: &dyn Display| problems.push(format!("{whose:?}: {text:?}: {refusal}"));
    let read = |text: &String| text.parse().map_err(|refusal| note(text, &refusal)).ok();
    texts.iter().filter_map(read).collect()
}

impl Auth {
    const fn meant(self) -> Authentication {
        match self {
            Self::Required => Authentication::Required,
            Self::Optional => Authentication::Optional,
            Self::Off => Authentication::Off,
        }
    }
}

impl Shown {
    const fn meant(self) -> Lists {
        match self {
            Self::Usable => Lists::Usable,
            Self::Reachable => Lists::Reachable,
            Self::All => Lists::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<String> {
        Protection::from_toml("/mcp", text).unwrap_err().problems
    }

    #[test]
    fn everything_that_can_be_said_in_code_can_be_said_in_toml() {
        let text = r#"
            title = "Notes"
            provider = "github"
            connects = ["slack"]
            auth = "optional"
            roles_claim = "realm_access.roles"
            unlisted = "denied"
            lists = "reachable"
            [scopes]
            "a" = { title = "See", description = "More", default = true }
            "b" = { implies = ["a"] }
            [tools]
            "x_*" = { scopes = ["b"], roles = ["admin"], permissions = ["p"], auth = "required" }
            [prompts]
            "*" = {}
            [resources]
            "notes://*" = { deny = true }
        "#;
        let read = Protection::from_toml("/mcp", text).unwrap();
        let scope = |text: &str| text.parse::<Scopes>().unwrap();
        let rules = [
            Rule::tool("x_*")
                .with_scopes(scope("b"))
                .with_roles(["admin"])
                .with_permissions(["p"])
                .with_authentication(Authentication::Required),
            Rule::prompt("*"),
            Rule::resource("notes://*").denied(),
        ];
        let catalogue = ScopeCatalogue::of([
            ("a", ScopeEntry::new("See").with_description("More").by_default()),
            ("b", ScopeEntry::new("b").implying(scope("a"))),
        ]);
        let written = Protection::new("/mcp")
            .with_name("Notes")
            .with_provider(ProviderName::parse("github").unwrap())
            .with_connections(ProviderName::parse("slack"))
            .with_authentication(Authentication::Optional)
            .with_roles_claim("realm_access.roles")
            .with_lists(Lists::Reachable)
            .with_scopes(catalogue.unwrap())
            .with_manifest(Manifest::new(rules, Unlisted::Denied));
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
        let (empty, new) = (Protection::from_toml("/mcp", "").unwrap(), Protection::new("/mcp"));
        assert_eq!(format!("{empty:?}"), format!("{new:?}"));
    }

    #[test]
    fn every_mistake_is_named_at_once_and_what_is_no_toml_with_its_line() {
        let problems = refused(
            r#"
            provider = "Git Hub"
            [scopes]
            "a b" = {}
            "c" = { implies = ["d"] }
            [tools]
            "x" = { scopes = ["e", "f\\g"] }
            "#,
        );
        for expected in [
            "\"Git Hub\" cannot name a provider",
            "\"a b\" is no scope",
            "\"x\" needs the scope e",
            "\"x\": \"f\\\\g\"",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
        }
        for (text, line, name) in [
            ("title = 1", "line 1", "title"),
            ("\n[tools]\n\"x\" = { scope = [\"a\"] }", "line 3", "scope"),
            ("\nauth = \"maybe\"", "line 2", "maybe"),
            ("[tools\n", "line 1", "tools"),
        ] {
            let problem = refused(text).join(" ");
            assert!(problem.contains(line) && problem.contains(name), "{problem}");
        }
    }
}
