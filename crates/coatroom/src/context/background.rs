//! What goes on without a request: reading revocations and blocks, following the key file, and purging what is expired.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{Block, Context};
use crate::error::Error;
use crate::records::{self, RevocationRecord};

impl Context {
    /// Starts the background work, once, on the first request. It ends with the context.
    pub(crate) fn start_background(self: &Arc<Self>) {
        self.background.call_once(|| {
            tokio::spawn(run(Arc::downgrade(self)));
            tokio::spawn(super::keys::follow(Arc::downgrade(self)));
        });
    }

    async fn read_changes(&self) -> Result<(), Error> {
        for note in records::list::<RevocationRecord>(self.store.as_ref(), RevocationRecord::OWNER).await? {
            self.revocations.announce(note.value.grant, self.clock.elapsed());
        }
        self.blocks.set(Block::list(self.store.as_ref()).await?);
        Ok(())
    }
}

async fn run(context: Weak<Context>) {
    let mut last_read: Option<Duration> = None;
    let mut last_purge: Option<Duration> = None;
    let mut purging: Option<JoinHandle<()>> = None;
    loop {
        let Some(context) = context.upgrade() else { return };
        // Looked at all the time, so that it is noticed when it is set.
        context.clock.at_least();
        let now = context.clock.elapsed();
        let patience = context.settings.revocation_patience;
        match tokio::time::timeout(patience, context.read_changes()).await {
            Ok(Ok(())) => {
                last_read = Some(now);
                context.revocations.set_blind(false);
            }
            Ok(Err(error)) => {
                let since = now.saturating_sub(*last_read.get_or_insert(now));
                // With its causes: this is where an operator learns what is wrong with the store.
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, "revocations cannot be read");
                context.revocations.set_blind(since >= patience);
            }
            Err(_) => {
                tracing::warn!("revocations cannot be read: the store does not answer");
                context.revocations.set_blind(true);
            }
        }
        let is_due = last_purge.is_none_or(|last| now.saturating_sub(last) >= PURGE_EVERY);
        if is_due && purging.as_ref().is_none_or(JoinHandle::is_finished) {
            last_purge = Some(now);
            // Aside: a large purge must not keep anybody from hearing of a revocation.
            purging = Some(tokio::spawn(purge(Arc::clone(&context))));
        }
        let pause = context.settings.revocation_poll;
        drop(context);
        tokio::time::sleep(pause).await;
    }
}

async fn purge(context: Arc<Context>) {
    if let Err(error) = context.store.purge_expired(context.clock.at_least()).await {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(error, "expired records were not purged");
    }
}

/// How often expired records are purged.
const PURGE_EVERY: Duration = Duration::from_mins(10);
