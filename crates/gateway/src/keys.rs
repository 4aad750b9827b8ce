//! `coatroom keys`: the keys of the key file, while programs run that use them.
//!
//! A change is first made known to the store, so that replicas agree when they start, then written. Programs that run notice
//! the file within seconds. Nothing here prints a key, but for `new`, which is asked to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use coatroom::clock::{Clock, SystemClock};
use coatroom::entropy::SystemEntropy;
use coatroom::protocol::access::ASSERTION_LIFE;
use coatroom::protocol::words::Timestamp;
use coatroom::store::Portable;
use coatroom::vault::{KeyChangeRefusal, KeyEntry, KeyFile, KeyRing, KeyState, Purpose};
use coatroom::{SealAgain, SealedAgain};
use secrecy::ExposeSecret as _;

use crate::cli::{self, KeysCommand};
use crate::config::{Config, KEYS_VARIABLE, KeysLocation};
use crate::progress::Progress;
use crate::{assemble, load, terminal};

/// Does what the command line asks.
///
/// # Errors
/// When the configuration has mistakes, there is no key file, or the change is refused.
pub(crate) async fn run(options: &cli::Keys) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let now = clock.now();
    if matches!(options.what, KeysCommand::New) {
        // Needs no configuration: there is none yet where it is used.
        terminal::say(KeyFile::generate(&SystemEntropy::new(), now)?.expose().trim_end());
        return Ok(());
    }
    let config = load(&options.settings)?;
    match &options.what {
        KeysCommand::New => {}
        KeysCommand::List => {
            let file = match &config.keys {
                KeysLocation::File(path) => KeyFile::read(there(path)?)?,
                KeysLocation::Text(text) => KeyFile::from_text(text.expose_secret())?,
                KeysLocation::Memory => bail!(NOWHERE),
            };
            for entry in file.entries(now) {
                terminal::say(format_args!("{}{}", line(&entry), needed(&config, &entry, now)));
            }
        }
        KeysCommand::Rotate { purpose, lead } => {
            let path = file_to_change(&config)?;
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
        KeysCommand::Retire { id, force } => retire(&config, (id, *force), &clock).await?,
    }
    Ok(())
}

/// The file, if that is where the keys are.
fn file_to_change(config: &Config) -> anyhow::Result<&Path> {
    match &config.keys {
        KeysLocation::File(path) => there(path),
        KeysLocation::Memory => bail!(NOWHERE),
        KeysLocation::Text(_) => bail!(
            "the keys come from {KEYS_VARIABLE}, so they are changed where that is set: write its text to a file of mode \
             0600, change that with `--keys-file FILE`, and set {KEYS_VARIABLE} to the text of the file"
        ),
    }
}

fn there(path: &Path) -> anyhow::Result<&Path> {
    if !path.try_exists().unwrap_or(true) {
        bail!("there is no key file {} yet: `coatroom serve` makes it at its first start", path.display());
    }
    Ok(path)
}

async fn retire(config: &Config, (id, force): (&str, bool), clock: &Arc<dyn Clock>) -> anyhow::Result<()> {
    let path = file_to_change(config)?;
    let mut file = KeyFile::open_to_change(path)?;
    let now = clock.now();
    let before = ring(&file, now)?;
    let gone = match file.retire(id, force, |purpose| in_use(config, purpose), now) {
        Ok(gone) => gone,
        Err(KeyChangeRefusal::Unknown(id)) if force && !config.store.is_memory() => {
            let store = assemble::store(&config.store, clock).await?;
            if !coatroom::give_up_key(&store, &id).await? {
                return Err(KeyChangeRefusal::Unknown(id).into());
            }
            terminal::say(format_args!("{id} is given up: who has something under it alone signs in again"));
            return Ok(());
        }
        Err(refusal @ KeyChangeRefusal::InUse { id, .. }) => {
            let key = before.registration.find(id).filter(|_| !config.store.is_memory());
            let Some(key) = key else { return Err(refusal.into()) };
            let store = assemble::store(&config.store, clock).await?;
            let count = coatroom::grants_of_clients_under(store.as_ref(), key).await?;
            bail!("{refusal} ({count} live sign-ins are of such clients)");
        }
        Err(refusal) => return Err(refusal.into()),
    };
    if gone.purpose == Purpose::Wrapping && !config.store.is_memory() {
        let store = assemble::store(&config.store, clock).await?;
        let SealedAgain { sealed, shut, .. } = seal_again(store.as_ref(), &before, &ring(&file, now)?, clock)
            .await
            .context("nothing was retired")?;
        terminal::say(format_args!(
            "{sealed} records that were sealed under it are sealed under another key now"
        ));
        if shut > 0 {
            terminal::say(format_args!("{shut} records opened under no key: who needs them signs in again"));
        }
    }
    keep(config, &file, path, clock).await?;
    terminal::say(format_args!("the {} key {} is gone", gone.purpose.as_str(), gone.id));
    Ok(())
}

async fn seal_again(
    store: &dyn Portable,
    from: &KeyRing,
    to: &KeyRing,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<SealedAgain> {
    let mut progress = Progress::new(Arc::clone(clock), "records were looked at");
    let again = SealAgain { from, to, clock: clock.as_ref(), entropy: &SystemEntropy::new() };
    Ok(again.run(store, |done| progress.tell(done.seen)).await?)
}

fn ring(file: &KeyFile, now: Timestamp) -> anyhow::Result<KeyRing> {
    file.ring(now).map_err(|reason| anyhow::anyhow!("the key file is wrong: {reason}"))
}

/// Makes a change known, then writes it.
async fn keep(config: &Config, file: &KeyFile, path: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<()> {
    let ring = ring(file, clock.now())?;
    if !config.store.is_memory() {
        let store = assemble::store(&config.store, clock).await?;
        coatroom::agree_on_keys(store.as_ref(), &ring).await.context("nothing was changed")?;
    }
    file.write(path)?;
    Ok(())
}

/// For how long what a key made is needed after another took its place; `None` is for ever.
fn in_use(config: &Config, purpose: Purpose) -> Option<Duration> {
    let lifetimes = &config.lifetimes;
    match purpose {
        // Client ids do not expire.
        Purpose::Registration => None,
        // One that is used is followed by one of the new key.
        Purpose::Tickets => Some(lifetimes.refresh_token_idle.min(lifetimes.refresh_token_total) + MARGIN),
        // What it sealed is sealed again; only who has not noticed the new key may still use it.
        Purpose::Wrapping => Some(MARGIN),
        // The states of connections live for two flows.
        Purpose::Sealing => Some(lifetimes.session.max(lifetimes.flow * 2) + MARGIN),
        Purpose::Signing => Some(ASSERTION_LIFE + MARGIN),
    }
}

/// Until when a key is needed whose place another took.
fn needed(config: &Config, entry: &KeyEntry, now: Timestamp) -> String {
    let KeyState::Superseded(at) = entry.state else { return String::new() };
    match in_use(config, entry.purpose).map(|span| at.plus(span)) {
        Some(until) if now.has_reached(until) => ", may be retired".to_owned(),
        Some(until) => format!(", may be retired from {}", utc(until)),
        None => ", in use for good: clients registered with it".to_owned(),
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

const NOWHERE: &str = "there is no key file: with `store = \"memory:\"` keys end with the program";

/// Until every program has noticed the change, and for the clocks of others.
const MARGIN: Duration = Duration::from_mins(3);

/// Twice as long as verifiers may keep the published keys.
const LEAST_LEAD: Duration = Duration::from_mins(10);
