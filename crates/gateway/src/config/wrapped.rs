//! The one server that `coatroom wrap` serves: what the command line says of it, as a file would.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::environment::variable;
use super::problem::Place;
use super::reader::Section;

/// A command to serve, as it is given on the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wrapped {
    /// The program and its arguments: templates.
    pub(crate) command: Vec<String>,
    /// Variables, and templates of their values.
    pub(crate) environment: Vec<(String, String)>,
    /// The gateway's own variables that go through.
    pub(crate) passed: Vec<String>,
    /// The provider at which its users sign in.
    pub(crate) provider: Option<String>,
    /// What that provider is where nothing is configured: the demo's.
    pub(crate) provider_table: Option<String>,
    /// Below which path it is found. Default `/mcp`.
    pub(crate) path: Option<String>,
    /// `auto` or `none`.
    pub(crate) isolation: Option<String>,
    /// What else it may read.
    pub(crate) readable: Vec<String>,
    /// What else it may write.
    pub(crate) writable: Vec<String>,
}

impl Wrapped {
    /// The name of its table.
    pub(crate) const NAME: &str = "wrapped";

    /// What people know the server by: the package that a runner of packages runs, or else the program.
    pub(crate) fn title(&self) -> &str {
        let program = self.command.first().map_or("server", String::as_str);
        let name = last_part(program);
        let package = self.command.iter().skip(1).find(|argument| !argument.starts_with('-'));
        match package.filter(|_| RUNNERS.contains(&name)) {
            Some(package) => {
                let name = last_part(package);
                name.split_once('@').map_or(name, |(name, _)| name)
            }
            None => name,
        }
    }

    /// What stands for it below the text of the file. `path` is where it is found, unless it is said.
    pub(super) fn to_toml(
        &self,
        file: &str,
        path: Option<&str>,
        variables: &BTreeMap<String, String>,
    ) -> String {
        let text = |text: &str| Value::String(text.to_owned());
        let list = |texts: &[String]| Value::Array(texts.iter().map(|one| text(one)).collect());
        let environment = self.environment.iter().map(|(name, template)| (name.clone(), text(template)));
        let mut server = Table::new();
        server.insert("title".to_owned(), text(self.title()));
        server.insert("command".to_owned(), list(&self.command));
        server.insert("env".to_owned(), Value::Table(environment.collect()));
        for (key, value) in [
            ("provider", self.provider.as_deref()),
            ("path", self.path.as_deref().or(path)),
            ("isolation", self.isolation.as_deref()),
        ] {
            server.extend(value.map(|value| (key.to_owned(), text(value))));
        }
        for (key, values) in [("pass", &self.passed), ("read", &self.readable), ("write", &self.writable)] {
            server.insert(key.to_owned(), list(values));
        }
        let provider = self.provider.as_deref().unwrap_or_default();
        let is_configured = file.contains(&format!("[providers.{provider}]"))
            || variables.contains_key(&variable(&variable("COATROOM", provider), "client_id"));
        let table = self.provider_table.as_deref().filter(|_| !is_configured).unwrap_or_default();
        let below = |key: &str, value| Table::from_iter([(key.to_owned(), Value::Table(value))]);
        format!("\n{table}\n{}", below("servers", below(Self::NAME, server)))
    }

    /// Notes that the provider is not configured; whether it is.
    pub(super) fn check_provider(&self, root: &Section<'_>, known: &[&str], callback: &str) -> bool {
        let Some(provider) = self.provider.as_deref().filter(|name| !known.contains(name)) else {
            return true;
        };
        let prefix = variable("COATROOM", provider);
        let help = format!(
            "register an OAuth client at {provider} with the callback {callback}/callback/{provider}, then set \
             {prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET in the environment"
        );
        let message = format!("the provider `{provider}` is not configured");
        root.refuse(&Place::Flag("--provider"), message, Some(help));
        false
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Programs whose first argument is the package to run.
const RUNNERS: [&str; 5] = ["npx", "uvx", "bunx", "pnpx", "pipx"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_by_its_package() {
        for (line, title) in [
            ("npx -y @modelcontextprotocol/server-github", "server-github"),
            ("npx -y @scope/name@1.2.3", "name"),
            ("/usr/bin/uvx mcp-server-time", "mcp-server-time"),
            ("/opt/tool/bin/github-mcp-server stdio", "github-mcp-server"),
        ] {
            let command = line.split(' ').map(str::to_owned).collect();
            assert_eq!(Wrapped { command, ..Wrapped::default() }.title(), title);
        }
    }
}
