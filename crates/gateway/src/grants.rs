//! `coatroom grants`: what users allowed to apps, for the operator. Users have the page `/account` for their own.

use anyhow::{Context as _, bail};
use coatroom::Coatroom;
use coatroom::protocol::words::{GrantId, ProviderName, Subject};

use crate::cli::{self, GrantsCommand};
use crate::{assemble, load, terminal};
use coatroom::store::StoreLocation;

/// Does what the command line asks.
///
/// # Errors
/// When the configuration has mistakes, the store or the keys cannot be used, or there is no such grant.
pub(crate) async fn run(options: &cli::Grants) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    match &config.store {
        StoreLocation::Memory => {
            bail!("with `store = \"memory:\"` grants end with the program that keeps them")
        }
        // A question makes no store, and no keys.
        StoreLocation::Sqlite(path, _) if !path.exists() => {
            bail!("there is no store at {}; nobody has signed in yet, or it is elsewhere", path.display())
        }
        StoreLocation::Sqlite(..) | StoreLocation::Postgres(_) | StoreLocation::Redis(_) => {}
    }
    let coatroom = assemble::coatroom(&config).await?;
    match &options.what {
        GrantsCommand::List { user } => list(&coatroom, &subject(user)?).await,
        GrantsCommand::Revoke { user, grant: None } => revoke_all(&coatroom, &subject(user)?).await,
        GrantsCommand::Revoke { user, grant: Some(grant) } => {
            let id = GrantId::parse(grant);
            let id = id.with_context(|| {
                format!("`{grant}` is not a grant id; `coatroom grants list` prints them")
            })?;
            if !coatroom.revoke_grant(&subject(user)?, &id).await? {
                bail!("{user} has no grant {id}");
            }
            terminal::say(format_args!("{id} has ended"));
            Ok(())
        }
    }
}

async fn list(coatroom: &Coatroom, user: &Subject) -> anyhow::Result<()> {
    for grant in coatroom.grants_of(user).await? {
        let name = grant.client_name.as_deref().unwrap_or("an app without a name");
        let scopes = if grant.scopes.is_empty() { "no scopes".to_owned() } else { grant.scopes.to_string() };
        // The app chose its name: no character of it may act on a terminal.
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        terminal::say(format_args!(
            "{}  {name:?} at {}  {} ({scopes})  allowed {}, last active {}",
            grant.id,
            grant.redirect_uri,
            grant.resource,
            grant.created_at.date(),
            grant.last_token_at.date(),
        ));
    }
    Ok(())
}

async fn revoke_all(coatroom: &Coatroom, user: &Subject) -> anyhow::Result<()> {
    let grants = coatroom.grants_of(user).await?;
    if grants.is_empty() {
        bail!("{user} has no grants; the user is written PROVIDER:ID, as the log names them");
    }
    for grant in grants {
        coatroom.revoke_grant(user, &grant.id).await?;
        terminal::say(format_args!("{} has ended", grant.id));
    }
    Ok(())
}

fn subject(text: &str) -> anyhow::Result<Subject> {
    let parts = text.split_once(':').filter(|(_, id)| !id.is_empty());
    let named = parts.and_then(|(provider, id)| Some((ProviderName::parse(provider)?, id)));
    let (provider, id) =
        named.with_context(|| format!("`{text}` is not a user; write PROVIDER:ID, such as github:583231"))?;
    Ok(Subject { provider, id: id.to_owned() })
}
