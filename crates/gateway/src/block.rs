//! `coatroom block`: which self-registered clients are not welcome. Registrations are kept nowhere, so blocks are.

use std::sync::Arc;

use anyhow::bail;
use coatroom::Block;
use coatroom::clock::{Clock, SystemClock};
use coatroom::protocol::words::{ClientId, Timestamp};

use crate::cli::{self, BlockCommand};
use crate::{assemble, load, terminal};

/// Does what the command line asks.
///
/// # Errors
/// When the configuration has mistakes, the store cannot be used, or the text is not a block.
pub(crate) async fn run(options: &cli::Block) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    if config.store.is_memory() {
        bail!("with `store = \"memory:\"` blocks end with the program that keeps them");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = assemble::store(&config.store, &clock).await?;
    let block = match &options.what {
        BlockCommand::List => {
            for block in Block::list(store.as_ref()).await? {
                terminal::say(block);
            }
            return Ok(());
        }
        BlockCommand::Remove { block } => {
            Block::parse(block)?.remove(store.as_ref()).await?;
            terminal::say(format_args!("{block} is no longer blocked"));
            return Ok(());
        }
        BlockCommand::Client { client_id } => Block::client(&ClientId::new(client_id)),
        BlockCommand::RedirectHost { host } => Block::RedirectHost(host.to_ascii_lowercase()),
        BlockCommand::RegisteredBefore { seconds } => Block::RegisteredBefore(Timestamp::from_unix(*seconds)),
    };
    block.add(store.as_ref()).await?;
    terminal::say(format_args!("{block} is blocked"));
    Ok(())
}
