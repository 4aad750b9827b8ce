//! `coatroom users`: the accounts of this server itself, for the operator.

use anyhow::{Context as _, bail};
use coatroom::Users;
use coatroom::accounts::{Account, AccountState, Invitation, ManageError};

use crate::cli::{self, UsersCommand};
use crate::{assemble, load, terminal};
use coatroom::store::StoreLocation;

/// Does what the command line asks.
///
/// # Errors
/// When the configuration has mistakes, the store or the keys cannot be used, or there is no such account.
pub(crate) async fn run(options: &cli::Users) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    match &config.store {
        StoreLocation::Memory => {
            bail!("with `store = \"memory:\"` accounts end with the program that keeps them")
        }
        // Only who is invited makes a store, and keys.
        StoreLocation::Sqlite(path, _)
            if !path.exists() && !matches!(options.what, UsersCommand::Add { .. }) =>
        {
            bail!("there is no store at {}; nobody was invited yet, or it is elsewhere", path.display())
        }
        StoreLocation::Sqlite(..) | StoreLocation::Postgres(_) | StoreLocation::Redis(_) => {}
    }
    if config.accounts.is_none() {
        bail!("there are no local accounts here; set COATROOM_ACCOUNTS_ENABLED=true, or add [accounts]");
    }
    let coatroom = assemble::coatroom(&config).await?;
    let users = coatroom.users().context("there are no local accounts here")?;
    match &options.what {
        UsersCommand::Add { email, name, roles } => {
            let invited = users.add(email, name.clone(), roles.clone()).await;
            hand_out(&invited.map_err(|error| explain(error, email.as_str()))?);
        }
        UsersCommand::List => list(&users).await?,
        UsersCommand::Reset { email } => {
            let reset = users.reset(email).await.map_err(|error| explain(error, email.as_str()))?;
            terminal::say(format_args!(
                "The old password of {email} is not good any more, and every app has to ask again."
            ));
            hand_out(&reset);
        }
        UsersCommand::Disable { email } => {
            users.disable(email).await.map_err(|error| explain(error, email.as_str()))?;
            terminal::say(format_args!("{email} can sign in no more, and the access of every app has ended"));
        }
        UsersCommand::Enable { email } => {
            users.enable(email).await.map_err(|error| explain(error, email.as_str()))?;
            terminal::say(format_args!("{email} can sign in again"));
        }
        UsersCommand::Remove { email } => {
            users.remove(email).await.map_err(|error| explain(error, email.as_str()))?;
            terminal::say(format_args!(
                "the account {email} is deleted, and the access of every app has ended"
            ));
        }
    }
    Ok(())
}

fn explain(error: ManageError, email: &str) -> anyhow::Error {
    let next = match &error {
        ManageError::Exists => "`coatroom users reset` makes a new link for it",
        ManageError::Unknown => "`coatroom users list` prints them",
        ManageError::Closed => "set `sign_up = \"invitation\"` in [accounts] to invite people",
        _ => return anyhow::Error::new(error).context(email.to_owned()),
    };
    anyhow::anyhow!("{email}: {error}; {next}")
}

/// Prints the link, which is for the person alone, and says whether they have it already.
fn hand_out(invitation: &Invitation) {
    let Invitation { account, link, ends_at, mailed, .. } = invitation;
    let email = &account.email;
    match mailed {
        Some(Ok(())) => terminal::say(format_args!("A mail with this link is on its way to {email}:")),
        Some(Err(error)) => {
            terminal::complain(format_args!("the mail to {email} was not sent: {error}"));
            terminal::say(format_args!("Give this link to {email} yourself:"));
        }
        None => terminal::say(format_args!("Give this link to {email}, and to nobody else:")),
    }
    terminal::say(format_args!("\n  {link}\n"));
    terminal::say(format_args!("It sets a password, once, until {}.", ends_at.date()));
    if matches!(account.state, AccountState::Disabled { .. }) {
        terminal::say(format_args!(
            "The account is disabled: it works after `coatroom users enable {email}`."
        ));
    }
}

async fn list(users: &Users<'_>) -> anyhow::Result<()> {
    let accounts = users.list().await?;
    if accounts.is_empty() {
        terminal::complain("there are no accounts; `coatroom users add EMAIL` makes one");
    }
    for account in &accounts {
        terminal::say(line(account));
    }
    Ok(())
}

fn line(account: &Account) -> String {
    let Account { email, subject, name, roles, state, created_at, .. } = account;
    let state = match state {
        AccountState::Invited { until } => format!("invited, link until {}", until.date()),
        AccountState::Active => "active".to_owned(),
        AccountState::Reset { until } => format!("must set a password, link until {}", until.date()),
        AccountState::Disabled { since } => format!("disabled since {}", since.date()),
        _ => "in an unknown state".to_owned(),
    };
    let roles = if roles.is_empty() { String::new() } else { format!("  roles {}", roles.join(", ")) };
    // People choose their names: no character of them may act on a terminal.
    let name: Option<String> = name.as_ref().map(|name| name.chars().filter(|c| !c.is_control()).collect());
    let name = name.map(|name| format!("  {name:?}")).unwrap_or_default();
    format!("{email}{name}  {subject}  {state}{roles}  since {}", created_at.date())
}
