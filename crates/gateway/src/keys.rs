//! `coatroom keys`: the keys of the key file, while programs run that use them.
//!
//! A change is first made known to the store, so that replicas agree when they start, then written. Programs that run notice
//! the file within seconds. Nothing here prints a key.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use coatroom::clock::{Clock, SystemClock};
use coatroom::entropy::SystemEntropy;
use coatroom::protocol::access::ASSERTION_LIFE;
use coatroom::protocol::words::Timestamp;
use coatroom::vault::{KeyEntry, KeyFile, KeyState, Purpose};

use crate::cli::{self, KeysCommand};
use crate::config::Config;
use crate::{assemble, load, terminal};

/// Does what the command line asks.
///
/// # Errors
/// When the configuration has mistakes, there is no key file, or the change is refused.
pub(crate) async fn run(options: &cli::Keys) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    let Some(path) = &config.keys_file else {
        bail!("there is no key file: with `store = \"memory:\"` keys end with the program");
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let now = clock.now();
    match &options.what {
        KeysCommand::List => {
            for entry in KeyFile::read(path)?.entries(now) {
                terminal::say(format_args!("{}", line(&entry)));
            }
        }
        KeysCommand::Rotate { purpose, lead } => {
            let mut file = KeyFile::open_to_change(path)?;
            let made = file.rotate(*purpose, *lead, &SystemEntropy::new(), now)??;
            keep(&config, &file, path, &clock).await?;
            terminal::say(format_args!("{}", line(&made)));
            if *purpose == Purpose::Signing && *lead < LEAST_LEAD {
                let minutes = LEAST_LEAD.as_secs() / 60;
                terminal::say(format_args!(
                    "verifiers that keep {}/jwks.json may refuse it for up to {minutes} minutes",
                    config.public_url
                ));
            }
        }
        KeysCommand::Retire { id, force } => {
            let mut file = KeyFile::open_to_change(path)?;
            let gone = file.retire(id, *force, |purpose| in_use(&config, purpose), now)?;
            keep(&config, &file, path, &clock).await?;
            terminal::say(format_args!("the {} key {} is gone", gone.purpose.as_str(), gone.id));
        }
    }
    Ok(())
}

/// Makes a change known, then writes it.
async fn keep(config: &Config, file: &KeyFile, path: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<()> {
    let ring =
        file.ring(clock.now()).map_err(|reason| anyhow::anyhow!("the new key file is wrong: {reason}"))?;
    if !config.store.is_memory() {
        let store = assemble::store(&config.store, clock).await?;
        coatroom::agree_on_keys(store.as_ref(), &ring).await.context("nothing was changed")?;
    }
    file.write(path)?;
    Ok(())
}

/// For how long what a key made is good after another took its place; `None` is for ever.
fn in_use(config: &Config, purpose: Purpose) -> Option<Duration> {
    let lifetimes = &config.lifetimes;
    match purpose {
        // Client ids do not expire.
        Purpose::Registration => None,
        Purpose::Tickets | Purpose::Wrapping => Some(lifetimes.refresh_token_total + MARGIN),
        Purpose::Sealing => Some(lifetimes.session.max(lifetimes.flow) + MARGIN),
        Purpose::Signing => Some(ASSERTION_LIFE + MARGIN),
    }
}

fn line(entry: &KeyEntry) -> String {
    let state = match entry.state {
        KeyState::Waiting(from) => format!("waiting, active from {}", utc(from)),
        KeyState::Active => "active".to_owned(),
        KeyState::Superseded(at) => format!("superseded at {}", utc(at)),
    };
    format!("{:<12} {}  made at {}  {state}", entry.purpose.as_str(), entry.id, utc(entry.created_at))
}

/// Seconds since 1970; `date -d @SECONDS` reads them.
fn utc(moment: Timestamp) -> String {
    format!("@{}", moment.unix())
}

/// Until every program has noticed the change, and for the clocks of others.
const MARGIN: Duration = Duration::from_mins(3);

/// Twice as long as verifiers may keep the published keys.
const LEAST_LEAD: Duration = Duration::from_mins(10);
