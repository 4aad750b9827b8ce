//! What was answered is still there after a restart.

use super::lists::lists;
use super::{Trial, agrees, is_absent, kept, meets_changed, meets_exists};
use crate::store::{NewRecord, Version};

const PROMISE: &str = "what was answered is still there, and still compared, when the store is opened again";

/// What [`leave_records`] wrote.
pub(super) struct Left {
    replaced: NewRecord,
    deleted: NewRecord,
}

pub(super) async fn leave_records(trial: &Trial) -> Left {
    let (mortal, _) = trial.mortal("reopen");
    let far = mortal.expires_at.map(|time| time.plus(std::time::Duration::from_hours(1)));
    let mut replaced = NewRecord { owner: Some(trial.name("reopen")), expires_at: far, ..mortal };
    trial.insert(&replaced, PROMISE).await;
    replaced.body = String::from("second");
    kept(trial.store.replace(replaced.clone(), Version::FIRST).await, PROMISE);
    let deleted = NewRecord { owner: Some(trial.name("reopen")), ..trial.record("reopen-deleted") };
    trial.insert(&deleted, PROMISE).await;
    kept(trial.store.delete(deleted.kind, &deleted.key).await, PROMISE);
    Left { replaced, deleted }
}

pub(super) async fn records_are_still_there(trial: &Trial, left: Left) {
    let Left { replaced, deleted } = left;
    agrees(&trial.live(&replaced, PROMISE).await, &replaced, 2, PROMISE);
    is_absent(trial.get(&deleted, PROMISE).await, PROMISE);
    lists(trial, replaced.kind, "reopen", &["reopen"], PROMISE).await;
    meets_exists(trial.store.insert(replaced.clone()).await, PROMISE);
    meets_changed(trial.store.replace(replaced.clone(), Version::FIRST).await, PROMISE);
    kept(trial.replica.replace(replaced.clone(), Version::from_number(2)).await, PROMISE);
    agrees(&trial.live(&replaced, PROMISE).await, &replaced, 3, PROMISE);
}
