//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use coatroom::protocol::words::EmailAddress;
use coatroom::vault::Purpose;

use crate::config::{Flag, Flags, duration};

/// A gateway that gives every user of an MCP server their own OAuth.
#[derive(Debug, Parser)]
#[command(name = "coatroom", version, about, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve MCP servers to signed-in users
    #[command(after_help = SERVE_HELP)]
    Serve(Settings),
    /// Serve a command that speaks MCP on stdio: every signed-in user gets a process with their own credential
    #[command(after_help = WRAP_HELP)]
    Wrap(Wrap),
    /// Check the configuration, and name every mistake in it
    #[command(after_help = SERVE_HELP)]
    Check(Settings),
    /// Say which self-registered clients are not welcome, or list who is not
    #[command(subcommand_required = true, arg_required_else_help = true, mut_args(|arg| arg.global(true)))]
    Block(Block),
    /// List the keys, add a new one, or remove one; programs that run follow within seconds
    #[command(subcommand_required = true, arg_required_else_help = true, mut_args(|arg| arg.global(true)))]
    Keys(Keys),
    /// Lay out a new store, or bring one to the format of this program; `serve` does so too
    Migrate(Settings),
    /// Copy a SQLite store to a new file, while programs use it
    Backup(Copy),
    /// Put a copy of a SQLite store in its place
    Restore(Arrival),
    /// Write every record of the store to a new file, for another store
    #[command(after_help = EXPORT_HELP)]
    Export(Copy),
    /// Read the records of such a file into the store
    #[command(after_help = EXPORT_HELP)]
    Import(Arrival),
    /// List or end what a user allowed to apps
    #[command(subcommand_required = true, arg_required_else_help = true, mut_args(|arg| arg.global(true)))]
    Grants(Grants),
    /// Invite people to accounts of this server itself, list them, shut them out
    #[command(subcommand_required = true, arg_required_else_help = true, mut_args(|arg| arg.global(true)))]
    Users(Users),
    /// Try it here: a gateway, a sign-in provider with two users, and a small MCP server
    Demo(Demo),
}

/// Where the configuration comes from, and what overrides it.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// What is common to all servers.
    #[command(flatten)]
    pub(crate) common: CommonSettings,
    /// The endpoint of the one MCP server to serve; several need a file [env: COATROOM_UPSTREAM]
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// How that server speaks: http (streamable HTTP), unless it is the older sse [env: COATROOM_TRANSPORT]
    #[arg(long, value_name = "TRANSPORT")]
    transport: Option<String>,
    /// The path under which clients find that server; /mcp unless set [env: COATROOM_PATH]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

/// Where the configuration comes from, and what overrides it, except which servers there are.
#[derive(Debug, Args)]
pub(crate) struct CommonSettings {
    /// The configuration file [env: COATROOM_CONFIG]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; 127.0.0.1:8787 unless set [env: COATROOM_LISTEN]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The origin at which browsers and clients reach the gateway [env: COATROOM_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where records live: sqlite:FILE, memory:, postgres://… or redis://… [env: COATROOM_STORE, COATROOM_STORE_FILE]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Where the keys live; made on first start, keys.toml beside the store unless set [env: COATROOM_KEYS_FILE, or COATROOM_KEYS with
    /// the keys themselves]
    #[arg(long, value_name = "FILE")]
    keys_file: Option<String>,
    /// How log lines look: text or json [env: COATROOM_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Which command to serve, and how.
#[derive(Debug, Args)]
pub(crate) struct Wrap {
    /// Everything that is not about the command.
    #[command(flatten)]
    pub(crate) settings: CommonSettings,
    /// The provider at which users sign in; `demo` needs no registration. Not needed where one alone is configured
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// A variable for the command, such as TOKEN={github.access_token}; may be given several times
    #[arg(long, value_name = "NAME=TEMPLATE", value_parser = assignment)]
    pub(crate) env: Vec<(String, String)>,
    /// A variable of this environment that the command gets as it is
    #[arg(long, value_name = "NAME")]
    pub(crate) pass: Vec<String>,
    /// The path under which clients find the server; /mcp unless set [env: COATROOM_PATH]
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// What keeps users' processes apart: auto is all that the machine offers, none is nothing
    #[arg(long, value_name = "ISOLATION")]
    pub(crate) isolation: Option<String>,
    /// What the command may read and run beside the system's programs
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,
    /// What the command may write beside its own folder
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Vec<PathBuf>,
    /// The program and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, template) = text.split_once('=').ok_or("NAME=TEMPLATE is expected")?;
    Ok((name.to_owned(), template.to_owned()))
}

/// Which clients to block, and where that is kept.
#[derive(Debug, Args)]
pub(crate) struct Block {
    /// Where the store is.
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: BlockCommand,
}

/// What to do about blocks. Every replica follows within seconds; configured clients are never blocked.
#[derive(Debug, Subcommand)]
pub(crate) enum BlockCommand {
    /// List what is blocked
    List,
    /// Block one client
    Client {
        /// Its client_id
        client_id: String,
    },
    /// Block every client that may send its answers to a host
    RedirectHost {
        /// The host
        host: String,
    },
    /// Block every client that registered before a time
    RegisteredBefore {
        /// Seconds since 1970-01-01 UTC; `date +%s` prints the present
        seconds: u64,
    },
    /// Let a block go, as `list` prints it
    Remove {
        /// The block
        block: String,
    },
}

/// Which keys to change, and where they are kept.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// Where the key file and the store are.
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: KeysCommand,
}

/// What to do with keys. Every purpose has a list of its own: signing, sealing, tickets, wrapping, registration.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Print new keys, one of each purpose, for COATROOM_KEYS; a key file needs none, `serve` makes it
    New,
    /// List the keys: what for, which, since when, what each does at the moment, and when it may be retired
    List,
    /// Add a new key; it is known, and published, for a while before it is used
    Rotate {
        /// What the key is for: signing, sealing, tickets, wrapping or registration
        #[arg(long, value_parser = purpose)]
        purpose: Purpose,
        /// How long before it is used; where each replica has a copy of the file, longer than copying takes
        #[arg(long, value_name = "SPAN", default_value = "10min", value_parser = duration)]
        lead: Duration,
    },
    /// Remove a key that nothing needs any more; what a wrapping key sealed is sealed again
    Retire {
        /// The key's id, as `list` prints it
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// Remove it whatever still needs it: for a key that leaked
        #[arg(long)]
        force: bool,
    },
}

fn purpose(text: &str) -> Result<Purpose, String> {
    let found = Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == text);
    found.ok_or_else(|| "a purpose is signing, sealing, tickets, wrapping or registration".to_owned())
}

/// Reads what is shown to people and compared: something, and not too much of it.
fn word(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=LONGEST_WORD).contains(&text.chars().count()) && !text.contains(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("between 1 and {LONGEST_WORD} characters on one line"))
    }
}

const LONGEST_WORD: usize = 100;

/// Whose grants, and where they are kept.
#[derive(Debug, Args)]
pub(crate) struct Grants {
    /// Where the store is.
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: GrantsCommand,
}

/// What to do about grants. A running server ends streams of a revoked grant within a second.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantsCommand {
    /// List the apps that may act for a user
    List {
        /// The user as the log names them: PROVIDER:ID
        user: String,
    },
    /// End the access of one app, or of every app of a user
    Revoke {
        /// The user as the log names them: PROVIDER:ID
        user: String,
        /// The grant as `list` prints it; every grant of the user unless given
        grant: Option<String>,
    },
}

/// Whose accounts, and where they are kept.
#[derive(Debug, Args)]
pub(crate) struct Users {
    /// Where the store is.
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: UsersCommand,
}

/// What to do with local accounts. Every replica follows at once, and whoever is shut out is out within a second.
#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Invite somebody: makes an account, and a link with which they set their password
    Add {
        /// Their e-mail address
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        /// What they are called
        #[arg(long, value_parser = word)]
        name: Option<String>,
        /// A role of theirs; may be given several times
        #[arg(long = "role", value_name = "ROLE", value_parser = word)]
        roles: Vec<String>,
    },
    /// List every account
    List,
    /// Let nobody in to an account any more, and end the access of every app
    Disable {
        /// The account's e-mail address
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Let its person in again
    Enable {
        /// The account's e-mail address
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Take the password away, end the access of every app, and make a link with which another password is set
    Reset {
        /// The account's e-mail address
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Delete an account, and end the access of every app
    Remove {
        /// The account's e-mail address
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
}

/// Where a copy goes, and where the store is.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// Where the store is.
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// The new file; only its owner may read it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Where a copy is, and where its records go.
#[derive(Debug, Args)]
pub(crate) struct Arrival {
    /// Where the store is.
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// The file with the copy
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Also into a store that has records; what it has under the same keys is lost, with `restore` all of it
    #[arg(long)]
    pub(crate) over: bool,
}

/// How to run the demo.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,
    /// Keep grants, keys and issues in this folder; ~/.local/share/coatroom/demo-PORT unless set
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
}

impl Settings {
    /// The configuration file, if one is named.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.common.config.as_deref()
    }

    /// The flags that were given, by the key that each overrides.
    pub(crate) fn flags(&self) -> Flags {
        let mut flags = self.common.flags();
        flags.extend(given([
            ("upstream", "--upstream", &self.upstream),
            ("transport", "--transport", &self.transport),
            ("path", "--path", &self.path),
        ]));
        flags
    }
}

impl CommonSettings {
    /// The flags that were given, by the key that each overrides.
    pub(crate) fn flags(&self) -> Flags {
        let all = [
            ("listen", "--listen", &self.listen),
            ("public_url", "--public-url", &self.public_url),
            ("store", "--store", &self.store),
            ("keys_file", "--keys-file", &self.keys_file),
            ("log_format", "--log-format", &self.log_format),
        ];
        given(all).collect()
    }
}

fn given<'a>(
    flags: impl IntoIterator<Item = (&'static str, &'static str, &'a Option<String>)>,
) -> impl Iterator<Item = (&'static str, Flag)> {
    flags.into_iter().filter_map(|(key, name, value)| Some((key, Flag { name, value: value.clone()? })))
}

const EXAMPLES: &str = "\
Examples:
  coatroom demo
  coatroom check --config coatroom.toml
  coatroom serve --config coatroom.toml
  coatroom serve --public-url https://mcp.example.com --upstream http://127.0.0.1:3000/mcp
  coatroom wrap --provider demo --env TOKEN={demo.access_token} -- COMMAND";

const WRAP_HELP: &str = "\
Examples:
  coatroom wrap --provider demo --env TOKEN={demo.access_token} -- COMMAND
  coatroom wrap --provider github --env GITHUB_PERSONAL_ACCESS_TOKEN={github.access_token} \\
      -- npx -y @modelcontextprotocol/server-github

The second needs COATROOM_GITHUB_CLIENT_ID and COATROOM_GITHUB_CLIENT_SECRET in the environment.
What npx downloads is downloaded for each user's process: install the package where that takes too long.
Without a public URL it is http://localhost and the port. A brace in an argument is written twice.";

const EXPORT_HELP: &str = "\
The file has a line of JSON for each record. What is sealed stays sealed, and opens with the
same key file only: take that along. Stop every program that uses either store meanwhile.";

const SERVE_HELP: &str = "\
Flags win over environment variables, those over the file, and that over defaults.

Every key of the file has a variable: COATROOM_LIFETIMES_CODE=60s is `code` in [lifetimes].
Providers need no file either: COATROOM_GITHUB_CLIENT_ID and COATROOM_GITHUB_CLIENT_SECRET
(or COATROOM_GITHUB_CLIENT_SECRET_FILE) let users sign in with GitHub, and each user's own
GitHub token goes to the MCP server in `Authorization`.
COATROOM_ACCOUNTS_ENABLED=true lets people sign in here without any provider; `coatroom users
add EMAIL` invites them.

COATROOM_KEYS holds the keys themselves, where no file can be made: `coatroom keys new` prints them.

COATROOM_LOG filters log lines: `debug`, or `coatroom=debug,hyper=info`.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_store_may_be_named_before_or_after_what_to_block() {
        for line in [["--store", "memory:", "list"], ["list", "--store", "memory:"]] {
            let cli = Cli::try_parse_from(["coatroom", "block"].into_iter().chain(line)).unwrap();
            let Command::Block(block) = cli.command else { panic!("not block") };
            assert_eq!(block.settings.flags()["store"].value, "memory:");
        }
    }

    #[test]
    fn keys_are_named_by_ids_that_may_look_like_flags() {
        let line = ["coatroom", "keys", "retire", "-bC_d1", "--store", "memory:"];
        let Command::Keys(keys) = Cli::try_parse_from(line).unwrap().command else { panic!("not keys") };
        assert!(matches!(&keys.what, KeysCommand::Retire { id, force: false } if id == "-bC_d1"));
        let line = ["coatroom", "keys", "rotate", "--purpose", "signing", "--lead", "1h"];
        let Command::Keys(keys) = Cli::try_parse_from(line).unwrap().command else { panic!("not keys") };
        let KeysCommand::Rotate { purpose, lead } = keys.what else { panic!("not rotate") };
        assert_eq!((purpose, lead), (Purpose::Signing, Duration::from_hours(1)));
    }

    #[test]
    fn flags_are_known_by_the_key_that_they_override() {
        let cli = Cli::try_parse_from(["coatroom", "serve", "--public-url", "https://h.example"]).unwrap();
        let Command::Serve(settings) = cli.command else { panic!("not serve") };
        let flags = settings.flags();
        assert_eq!(flags.len(), 1);
        assert_eq!(flags["public_url"].value, "https://h.example");
    }
}
