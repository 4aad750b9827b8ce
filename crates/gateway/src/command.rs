//! Which command a server is, and what it is started with for one user.
//!
//! Commands come from the configuration alone; of the user comes nothing but the values that its templates name. The environment
//! starts empty.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coatroom::guard::Caller;
use coatroom::protocol::words::ProviderName;
use coatroom::providers::UpstreamToken;

use crate::child::{Limits, OF_THE_PLACE, Plan};
use crate::proxy::credential::{Template, Unprintable};

/// A server that is a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandConfig {
    /// The program, which is the same for everybody, and its arguments.
    pub(crate) command: Vec<Template>,
    /// The variables that it gets beside those that every command gets.
    pub(crate) environment: Vec<(String, Template)>,
    /// Variables of the gateway's own that it gets as they are.
    pub(crate) passed: Vec<String>,
    /// Whether its processes are kept apart.
    pub(crate) isolation: IsolationChoice,
    /// What it may read and run beside the system's programs.
    pub(crate) readable: Vec<PathBuf>,
    /// What it may read, run and write beside its own folder.
    pub(crate) writable: Vec<PathBuf>,
    /// How much each of its processes may use.
    pub(crate) limits: Limits,
    /// How long a process may rest before it is ended. Default 10 minutes.
    pub(crate) idle: Duration,
    /// How long a process may take to answer its first message. Default 60 seconds.
    pub(crate) start: Duration,
}

/// Whether processes of different users are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IsolationChoice {
    /// By whatever the machine offers, and not at all without.
    Auto,
    /// Not beyond their folders, environments and limits: the operator trusts every command with what all users have.
    None,
}

/// What is common to all processes of users.
#[derive(Debug, Clone)]
pub(crate) struct ProcessesConfig {
    /// Below which each process has a folder of its own.
    pub(crate) folder: PathBuf,
    /// The users of the system that processes may run as, each as another; for a gateway that is root. Default: some that no system
    /// gives to anybody.
    pub(crate) uids: Option<RangeInclusive<u32>>,
    /// Processes of one user at once. Default 8.
    pub(crate) per_user: usize,
    /// Processes at once. Default 256.
    pub(crate) in_all: usize,
    /// Files and folders that no process may see: the store, the keys, the configuration, and files with secrets.
    pub(crate) hidden: Vec<PathBuf>,
    /// The gateway's own variables that go through to some command, by name.
    pub(crate) own_variables: BTreeMap<String, String>,
}

impl ProcessesConfig {
    /// Where programs are.
    #[cfg(target_os = "linux")]
    pub(crate) fn path(&self) -> &str {
        self.own_variables.get("PATH").map_or(PATH, String::as_str)
    }
}

/// Why a command cannot be started for a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanRefusal {
    /// An argument cannot be left out: the next one would take its place.
    #[error("argument {number} of the command names something that is not known of this user")]
    Unknown {
        /// Which one; the program itself is 0.
        number: usize,
    },
    /// A value would be read as another than it is.
    #[error("what is known of this user cannot be written into {place}: {cause}")]
    Unprintable {
        /// The variable or the argument.
        place: String,
        /// What is wrong with it.
        #[source]
        cause: Unprintable,
    },
}

impl CommandConfig {
    /// Everything in it that depends on the caller.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.command.iter().chain(self.environment.iter().map(|(_, template)| template))
    }

    /// The program, as the configuration names it.
    pub(crate) fn program(&self) -> String {
        self.command.first().and_then(|program| program.text(None, &[]).ok().flatten()).unwrap_or_default()
    }

    /// The providers whose tokens it needs; one may come several times.
    pub(crate) fn providers(&self) -> impl Iterator<Item = &ProviderName> {
        self.templates().flat_map(Template::providers)
    }

    /// What to run for a caller: the command, and the whole environment.
    ///
    /// `own` are the gateway's own variables; of them it takes those that every command gets, and those that the configuration
    /// names. `home` is the process's own folder. A variable that names something unknown is left out, as headers are.
    ///
    /// # Errors
    /// [`PlanRefusal`] when there is no command to run for this caller.
    pub(crate) fn plan(
        &self,
        caller: Option<&Caller>,
        tokens: &[(ProviderName, UpstreamToken)],
        own: &BTreeMap<String, String>,
        home: &Path,
    ) -> Result<Plan, PlanRefusal> {
        let text = |template: &Template, place: &dyn Fn() -> String| {
            let text = template.text(caller, tokens);
            text.map_err(|cause| PlanRefusal::Unprintable { place: place(), cause })
        };
        let mut command = Vec::new();
        for (number, template) in self.command.iter().enumerate() {
            let argument = text(template, &|| format!("argument {number}"))?;
            command.push(argument.ok_or(PlanRefusal::Unknown { number })?);
        }
        let mut environment = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        let passed = PASSED.iter().copied().chain(self.passed.iter().map(String::as_str));
        environment.extend(passed.filter_map(|name| Some((name.to_owned(), own.get(name)?.clone()))));
        let [home_name, temporary_name] = OF_THE_PLACE.map(str::to_owned);
        environment.insert(home_name, home.to_string_lossy().into_owned());
        environment.insert(temporary_name, home.join(TEMPORARY).to_string_lossy().into_owned());
        for (name, template) in &self.environment {
            let value = text(template, &|| format!("the variable {name}"))?;
            environment.extend(value.map(|value| (name.clone(), value)));
        }
        let used = tokens.iter().filter(|(provider, _)| self.providers().any(|used| used == provider));
        let tokens = used.map(|(_, token)| token.expose().to_owned()).collect();
        Ok(Plan { command, environment, tokens })
    }
}

/// The gateway's own variables that every command gets, where they are set.
pub(crate) const PASSED: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];

/// The folder for temporary files, in a process's own.
pub(crate) const TEMPORARY: &str = "tmp";

/// Where programs are when the gateway has no PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::testing::{alice, github};

    fn template(text: &str) -> Template {
        Template::compile(text, None, &[github()]).unwrap()
    }

    fn config(command: &[&str], environment: &[(&str, &str)]) -> CommandConfig {
        CommandConfig {
            command: command.iter().map(|text| template(text)).collect(),
            environment: environment
                .iter()
                .map(|(name, text)| ((*name).to_owned(), template(text)))
                .collect(),
            passed: vec!["DEBUG".to_owned(), "UNSET".to_owned()],
            isolation: IsolationChoice::Auto,
            readable: Vec::new(),
            writable: Vec::new(),
            limits: Limits::default(),
            idle: Duration::from_mins(10),
            start: Duration::from_mins(1),
        }
    }

    fn plan(config: &CommandConfig, token: &str, home: &str) -> Result<Plan, PlanRefusal> {
        let own = [("DEBUG", "1"), ("TZ", "UTC"), ("SECRET", "canary")];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let tokens = [(github(), UpstreamToken::new(token))];
        config.plan(Some(&alice()), &tokens, &own, Path::new(home))
    }

    #[test]
    fn the_environment_has_what_is_said_and_nothing_else() {
        let config = config(
            &["npx", "--user={user.id}"],
            &[("TOKEN", "{github.access_token}"), ("NICK", "{user.nickname}"), ("EMPTY", "")],
        );
        let plan = plan(&config, "gho_alice", "/places/1").unwrap();
        assert_eq!(plan.command, ["npx", "--user=1"]);
        let environment = plan.environment.iter().map(|(name, value)| format!("{name}={value}"));
        assert_eq!(
            environment.collect::<Vec<_>>(),
            [
                "DEBUG=1",
                "EMPTY=",
                "HOME=/places/1",
                &format!("PATH={PATH}"),
                "TMPDIR=/places/1/tmp",
                "TOKEN=gho_alice",
                "TZ=UTC"
            ]
        );
        assert_eq!(plan.secrets().collect::<Vec<_>>(), ["gho_alice"]);
        assert!(!format!("{plan:?}").contains("gho_alice"), "{plan:?}");
        let read = Plan::read(plan.to_bytes().unwrap().as_slice()).unwrap();
        assert_eq!((read.command, read.environment), (plan.command, plan.environment));
    }

    #[test]
    fn an_argument_is_never_left_out() {
        let unknown = config(&["npx", "--name", "{user.nickname}"], &[]);
        assert_eq!(plan(&unknown, "t", "/h").unwrap_err(), PlanRefusal::Unknown { number: 2 });
        let evil = config(&["npx"], &[("EVIL", "{claims.evil}")]);
        let error = plan(&evil, "t", "/h").unwrap_err().to_string();
        assert!(error.contains("the variable EVIL"), "{error}");
        let evil = config(&["npx", "{claims.evil}"], &[]);
        assert!(plan(&evil, "t", "/h").unwrap_err().to_string().contains("argument 1"));
    }

    #[test]
    fn another_token_is_another_plan_and_another_folder_is_not() {
        let with_token = config(&["npx"], &[("TOKEN", "{github.access_token}")]);
        let fingerprint = |config, token, home| plan(config, token, home).unwrap().fingerprint();
        let first = fingerprint(&with_token, "a", "/places/1");
        assert_eq!(first, fingerprint(&with_token, "a", "/places/2"));
        assert_ne!(first, fingerprint(&with_token, "b", "/places/1"));
        let without = config(&["npx"], &[]);
        assert_eq!(fingerprint(&without, "a", "/h"), fingerprint(&without, "b", "/h"));
        assert!(plan(&without, "a", "/h").unwrap().secrets().next().is_none());
        let (one, other) = (config(&["npx", "a", "b"], &[]), config(&["npx", "ab"], &[]));
        assert_ne!(fingerprint(&one, "a", "/h"), fingerprint(&other, "a", "/h"));
    }
}
