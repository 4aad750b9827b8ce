//! Which grants were revoked lately, here or by another replica (ARCHITECTURE.md, rule 5).
//!
//! Ordinary calls need no message: a verified token is remembered for a second at the most. Open streams and child
//! processes live longer, so each replica reads the recent revocation records twice a second and ends what matches.
//! The replica that revokes announces it to itself at once. A replica that cannot read them is blind: it ends its
//! streams and refuses calls.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coatroom_protocol::words::GrantId;
use tokio::sync::watch;

/// The grants that were revoked lately.
pub struct Revocations {
    recent: Mutex<HashMap<GrantId, Duration>>,
    changes: watch::Sender<Change>,
    forgetters: Mutex<Vec<Forgetter>>,
}

type Forgetter = Box<dyn Fn(&GrantId) + Send + Sync>;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Change {
    count: u64,
    blind: bool,
}

impl Revocations {
    /// Nothing was revoked yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            recent: Mutex::new(HashMap::new()),
            changes: watch::Sender::new(Change::default()),
            forgetters: Mutex::new(Vec::new()),
        }
    }

    /// Has `forget` called for each grant that is revoked, wherever that happened.
    pub fn on_revoked(&self, forget: impl Fn(&GrantId) + Send + Sync + 'static) {
        self.forgetters.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(forget));
    }

    /// Notes that a grant is revoked; `now` is the clock's elapsed time.
    pub fn announce(&self, grant: GrantId, now: Duration) {
        let known = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.retain(|_, since| now.saturating_sub(*since) < KEPT);
            recent.insert(grant, now).is_some()
        };
        if !known {
            for forget in self.forgetters.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                forget(&grant);
            }
            self.changes.send_modify(|change| change.count = change.count.wrapping_add(1));
        }
    }

    /// Completes when the grant is revoked, or when this replica can no longer know.
    pub async fn ended(&self, grant: GrantId) {
        let mut changes = self.changes.subscribe();
        loop {
            let blind = changes.borrow_and_update().blind;
            if blind || self.is_revoked(grant) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether it is known here that the grant was revoked, which is forgotten after a quarter of an hour.
    #[must_use]
    pub fn is_revoked(&self, grant: GrantId) -> bool {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&grant)
    }

    /// Whether revocations could not be read for so long that nothing may be trusted.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.changes.borrow().blind
    }

    pub(super) fn set_blind(&self, blind: bool) {
        self.changes.send_if_modified(|change| std::mem::replace(&mut change.blind, blind) != blind);
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("changes", &*self.changes.borrow()).finish_non_exhaustive()
    }
}

/// How long a revocation is remembered here, longer than its record lives.
const KEPT: Duration = Duration::from_mins(15);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;

    const GRANT: GrantId = GrantId::from_bytes([1; 16]);

    #[tokio::test]
    async fn a_stream_ends_when_its_grant_is_revoked_and_only_then() {
        let revocations = Revocations::new();
        let mut ended = std::pin::pin!(revocations.ended(GRANT));
        revocations.announce(GrantId::from_bytes([2; 16]), Duration::ZERO);
        assert!(ended.as_mut().now_or_never().is_none());
        revocations.announce(GRANT, Duration::ZERO);
        ended.await;
        revocations.ended(GRANT).await;
    }

    #[tokio::test]
    async fn a_blind_replica_ends_every_stream() {
        let revocations = Revocations::new();
        revocations.set_blind(true);
        assert!(revocations.is_blind());
        revocations.ended(GRANT).await;
        revocations.set_blind(false);
        assert!(!revocations.is_blind());
    }

    #[test]
    fn a_revocation_is_told_once_however_often_it_is_read() {
        let revocations = Revocations::new();
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        revocations.on_revoked(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..3 {
            revocations.announce(GRANT, Duration::ZERO);
        }
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
