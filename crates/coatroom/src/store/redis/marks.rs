//! Whether every server of a cluster still has what it kept. One that came back empty would make everybody's tickets look forged.
//!
//! Connections to the servers of a cluster are the driver's, and nobody hears of new ones. So whenever something is absent,
//! and before that is believed, marks that lie on all servers are looked for, at most once a second. That is often enough: a
//! server of a cluster that was started takes two seconds before it answers (`CLUSTER_WRITABLE_DELAY`), so one that has its
//! mark has lost nothing within the second after.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::Value;
use tokio::sync::Mutex;

use super::link::Link;
use super::trouble::Trouble;
use crate::clock::Clock;

/// What is known about the marks.
pub(super) struct Marks {
    clock: Arc<dyn Clock>,
    /// When all of them were last seen, by the clock's `elapsed`.
    seen: Mutex<Option<Duration>>,
}

impl Marks {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Lays those that are missing. `is_new` is a cluster that this program never used.
    pub(super) async fn lay(&self, link: &Link, is_new: bool) -> Result<(), Trouble> {
        let lay = |key: String| async move {
            let mut command = redis::cmd("SET");
            link.ask(command.arg(key).arg("1").arg("NX")).await
        };
        let answers = try_join_all(keys().map(lay)).await?;
        let laid = answers.iter().filter(|answer| **answer != Value::Nil).count();
        if !is_new && laid > 0 && laid < MARKS {
            tracing::warn!(store = %link.shown(), "a server of the cluster lost what it kept since this program was started last: whose grant it was will have to sign in again");
        }
        Ok(())
    }

    /// Finds all of them, unless that was done a moment ago.
    pub(super) async fn find(&self, link: &Link) -> Result<(), Trouble> {
        // One does it for all, one mark after the other: servers that are just coming back are not met by a crowd.
        let mut seen = self.seen.lock().await;
        let now = self.clock.elapsed();
        if seen.is_some_and(|seen| now.saturating_sub(seen) < BELIEVED) {
            return Ok(());
        }
        for key in keys() {
            if link.ask(redis::cmd("EXISTS").arg(key)).await? == Value::Int(0) {
                return Err(Trouble::PartlyEmptied { place: link.shown() });
            }
        }
        *seen = Some(now);
        Ok(())
    }
}

fn keys() -> impl Iterator<Item = String> {
    (0..MARKS).map(|number| format!("coatroom:mark:{number}"))
}

/// Their slots are spread by chance: a server with a third of the slots has one for certain, one with a tenth by a hundred and
/// fifty to one.
const MARKS: usize = 48;

const BELIEVED: Duration = Duration::from_secs(1);
