//! Remembers verified tokens for a moment, so that a burst of calls asks the store once.
//!
//! ARCHITECTURE.md, rule 5: a revocation is felt everywhere within a second because nothing is remembered for longer, and at
//! once where it happened because that replica forgets. Refusals and outages are never remembered.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coatroom_protocol::words::{AccessToken, GrantId, Resource, TokenHash};

use super::caller::Caller;
use super::verify::{VerifyError, VerifyToken};
use crate::clock::Clock;

/// A verifier that remembers what another one accepted.
pub struct Remembered {
    verifier: Arc<dyn VerifyToken>,
    clock: Arc<dyn Clock>,
    keep: Duration,
    per_shard: usize,
    shards: [Shard; SHARDS],
    /// Rises with every forgetting, so that what was being verified meanwhile is not remembered.
    forgettings: AtomicU64,
}

type Shard = Mutex<Entries>;

#[derive(Default)]
struct Entries {
    map: HashMap<TokenHash, Entry, BuildHasherDefault<Taken>>,
    /// When what was over was last removed.
    swept: Duration,
}

struct Entry {
    caller: Caller,
    until: Duration,
}

impl Remembered {
    /// Remembers what `verifier` accepts for `keep` (1 s by default elsewhere; zero remembers nothing), at most `capacity`
    /// tokens.
    #[must_use]
    pub fn new(
        verifier: Arc<dyn VerifyToken>,
        clock: Arc<dyn Clock>,
        keep: Duration,
        capacity: usize,
    ) -> Self {
        Self {
            verifier,
            clock,
            keep,
            per_shard: capacity.div_ceil(SHARDS).max(1),
            shards: std::array::from_fn(|_| Mutex::default()),
            forgettings: AtomicU64::new(0),
        }
    }

    /// Forgets every token of a grant that was revoked.
    pub fn forget(&self, grant: GrantId) {
        self.forget_where(|caller| caller.grant() == grant);
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.forget_where(|_| true);
    }

    fn forget_where(&self, forgotten: impl Fn(&Caller) -> bool) {
        // First the count, then the entries: whoever writes an entry afterwards sees the new count under the lock.
        self.forgettings.fetch_add(1, Ordering::SeqCst);
        for shard in &self.shards {
            locked(shard).map.retain(|_, entry| !forgotten(&entry.caller));
        }
    }

    fn find(&self, hash: &TokenHash, resource: &Resource) -> Option<Caller> {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let shard = locked(self.shard(hash)?);
        let entry = shard.map.get(hash)?;
        let good = elapsed < entry.until
            && entry.caller.resource() == resource
            && !now.has_reached(entry.caller.expires_at());
        good.then(|| entry.caller.clone())
    }

    fn keep(&self, hash: TokenHash, caller: &Caller, seen: u64) {
        let elapsed = self.clock.elapsed();
        let Some(shard) = self.shard(&hash) else { return };
        let mut shard = locked(shard);
        if self.keep.is_zero() || self.forgettings.load(Ordering::SeqCst) != seen {
            return;
        }
        // What is over goes, with the credentials in it, once others have come for as long. Each is looked at twice at most.
        let sweeps_at = shard.swept.saturating_add(self.keep);
        if sweeps_at <= elapsed || shard.map.len() >= self.per_shard {
            shard.map.retain(|_, entry| elapsed < entry.until);
            shard.swept = elapsed;
        }
        if shard.map.len() >= self.per_shard {
            shard.map.clear();
        }
        shard.map.insert(hash, Entry { caller: caller.clone(), until: elapsed.saturating_add(self.keep) });
    }

    fn shard(&self, hash: &TokenHash) -> Option<&Shard> {
        let [first, ..] = hash.as_bytes();
        self.shards.get(usize::from(*first) % SHARDS)
    }
}

#[async_trait]
impl VerifyToken for Remembered {
    async fn verify(&self, token: &AccessToken, resource: &Resource) -> Result<Caller, VerifyError> {
        let hash = token.hash();
        if let Some(caller) = self.find(&hash, resource) {
            return Ok(caller);
        }
        let seen = self.forgettings.load(Ordering::SeqCst);
        let caller = self.verifier.verify(token, resource).await?;
        self.keep(hash, &caller, seen);
        Ok(caller)
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("verifier", &self.verifier)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// Takes a part of what is a hash already. Nobody chooses it: only verified tokens are remembered.
#[derive(Debug, Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn write(&mut self, hash: &[u8]) {
        self.0 = hash.last_chunk().map_or(self.0, |part| u64::from_ne_bytes(*part));
    }

    // The length, which all of them share.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

fn locked<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parallel calls rarely meet in the same map.
const SHARDS: usize = 32;
