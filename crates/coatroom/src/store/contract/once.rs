//! What must happen once happens once.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Trial, agrees, broken, is_absent, kept, meets_changed, meets_exists};
use crate::store::{Kind, NewRecord, Store, StoreError, Version};

pub(super) async fn check(trial: &Trial) {
    a_second_insert_meets_exists(trial).await;
    kinds_do_not_share_keys(trial).await;
    versions_go_up_by_one(trial).await;
    a_stale_version_meets_changed(trial).await;
    a_missing_record_meets_changed(trial).await;
    a_replacement_keeps_the_owner(trial).await;
    deleting_what_is_not_there_is_no_error(trial).await;
    a_deleted_key_is_free_again(trial).await;
    another_handle_sees_what_was_answered(trial).await;
    of_many_inserts_one_wins(trial).await;
    of_many_replacements_one_wins(trial).await;
    no_replacement_is_lost(trial).await;
}

async fn a_second_insert_meets_exists(trial: &Trial) {
    let promise = "a second insert of the same key meets Exists and changes nothing";
    let first = trial.record("twice");
    trial.insert(&first, promise).await;
    let second = NewRecord { body: "second".to_owned(), ..first.clone() };
    meets_exists(trial.store.insert(second.clone()).await, promise);
    meets_exists(trial.replica.insert(second).await, promise);
    agrees(&trial.live(&first, promise).await, &first, 1, promise);
}

async fn kinds_do_not_share_keys(trial: &Trial) {
    let promise = "records of different kinds may have the same key";
    let grant = trial.record("kinds");
    let setting = NewRecord { kind: Kind::Setting, body: "setting".to_owned(), ..grant.clone() };
    trial.insert(&grant, promise).await;
    is_absent(trial.get(&setting, promise).await, promise);
    trial.insert(&setting, promise).await;
    kept(trial.store.delete(grant.kind, &grant.key).await, promise);
    is_absent(trial.get(&grant, promise).await, promise);
    agrees(&trial.live(&setting, promise).await, &setting, 1, promise);
}

async fn versions_go_up_by_one(trial: &Trial) {
    let promise = "a version starts at 1 and goes up by one with each replacement";
    let mut record = trial.record("versions");
    trial.insert(&record, promise).await;
    for version in 1..=5 {
        agrees(&trial.live(&record, promise).await, &record, version, promise);
        record.body = format!("after {version}");
        kept(trial.store.replace(record.clone(), Version::from_number(version)).await, promise);
    }
    agrees(&trial.live(&record, promise).await, &record, 6, promise);
}

async fn a_stale_version_meets_changed(trial: &Trial) {
    let promise = "a replacement of any but the current version meets Changed and changes nothing";
    let mut record = trial.record("stale");
    trial.insert(&record, promise).await;
    record.body = String::from("second");
    kept(trial.store.replace(record.clone(), Version::FIRST).await, promise);
    let late = NewRecord { body: "late".to_owned(), ..record.clone() };
    for other in [0, 1, 3, u64::MAX] {
        meets_changed(trial.store.replace(late.clone(), Version::from_number(other)).await, promise);
    }
    agrees(&trial.live(&record, promise).await, &record, 2, promise);
}

async fn a_missing_record_meets_changed(trial: &Trial) {
    let promise = "a replacement of a record that is not there meets Changed and writes nothing";
    let record = trial.record("missing");
    for version in [0, 1] {
        meets_changed(trial.store.replace(record.clone(), Version::from_number(version)).await, promise);
    }
    is_absent(trial.get(&record, promise).await, promise);
}

async fn a_replacement_keeps_the_owner(trial: &Trial) {
    let promise = "a replacement keeps the owner, whatever owner it names";
    let (ann, bob) = (trial.name("keeps-ann"), trial.name("keeps-bob"));
    let record = NewRecord { owner: Some(ann.clone()), ..trial.record("keeps") };
    trial.insert(&record, promise).await;
    for (version, owner) in [(1, Some(bob.clone())), (2, None), (3, Some(ann.clone()))] {
        let next = NewRecord { owner, ..record.clone() };
        kept(trial.store.replace(next, Version::from_number(version)).await, promise);
        agrees(&trial.live(&record, promise).await, &record, version + 1, promise);
        let of_ann = kept(trial.store.list(record.kind, &ann).await, promise);
        let of_bob = kept(trial.store.list(record.kind, &bob).await, promise);
        if of_ann.len() != 1 || !of_bob.is_empty() {
            broken(promise, "the lists of the owners changed");
        }
    }
}

async fn deleting_what_is_not_there_is_no_error(trial: &Trial) {
    let promise = "deleting what is not there is no error";
    let record = trial.record("deleted-twice");
    kept(trial.store.delete(record.kind, &record.key).await, promise);
    trial.insert(&record, promise).await;
    kept(trial.store.delete(record.kind, &record.key).await, promise);
    kept(trial.store.delete(record.kind, &record.key).await, promise);
    is_absent(trial.get(&record, promise).await, promise);
}

async fn a_deleted_key_is_free_again(trial: &Trial) {
    let promise = "a deleted key is free again, and its next record is new in everything";
    let first = NewRecord { owner: Some(trial.name("reused-ann")), ..trial.record("reused") };
    trial.insert(&first, promise).await;
    kept(trial.store.replace(first.clone(), Version::FIRST).await, promise);
    kept(trial.store.delete(first.kind, &first.key).await, promise);
    meets_changed(trial.store.replace(first.clone(), Version::from_number(2)).await, promise);
    let second =
        NewRecord { owner: Some(trial.name("reused-bob")), body: "second".to_owned(), ..first.clone() };
    trial.insert(&second, promise).await;
    agrees(&trial.live(&second, promise).await, &second, 1, promise);
    let of_ann = kept(trial.store.list(first.kind, &trial.name("reused-ann")).await, promise);
    if !of_ann.is_empty() {
        broken(promise, "the former owner still lists it");
    }
}

async fn another_handle_sees_what_was_answered(trial: &Trial) {
    let promise = "a verb that was answered is seen through every handle";
    let mut record = NewRecord { owner: Some(trial.name("seen")), ..trial.record("seen") };
    trial.insert(&record, promise).await;
    for version in 1..=20 {
        let seen = kept(trial.replica.get(record.kind, &record.key).await, promise);
        let Some(seen) = seen else { broken(promise, "the other handle does not see the record") };
        agrees(&seen, &record, version, promise);
        let listed = kept(trial.replica.list(record.kind, &trial.name("seen")).await, promise);
        if listed != [seen] {
            broken(promise, "the other handle lists something else");
        }
        record.body = format!("after {version}");
        kept(trial.store.replace(record.clone(), Version::from_number(version)).await, promise);
    }
    kept(trial.store.delete(record.kind, &record.key).await, promise);
    is_absent(kept(trial.replica.get(record.kind, &record.key).await, promise), promise);
}

async fn of_many_inserts_one_wins(trial: &Trial) {
    let promise = "of 32 inserts of one key exactly one succeeds, and the others meet Exists";
    for round in 0..ROUNDS {
        let record = trial.record(&format!("race-insert-{round}"));
        let winner = race(trial, promise, move |store, racer| {
            let record = NewRecord { body: racer.to_string(), ..record.clone() };
            async move { won(store.insert(record).await, promise, |error| matches!(error, StoreError::Exists)) }
        });
        let winner = winner.await;
        let record = NewRecord { body: winner.to_string(), ..trial.record(&format!("race-insert-{round}")) };
        agrees(&trial.live(&record, promise).await, &record, 1, promise);
    }
}

async fn of_many_replacements_one_wins(trial: &Trial) {
    let promise = "of 32 replacements of one version exactly one succeeds, and the others meet Changed";
    let first = trial.record("race-replace");
    trial.insert(&first, promise).await;
    for version in 1..=ROUNDS {
        let next = first.clone();
        let seen = Version::from_number(version);
        let winner = race(trial, promise, move |store, racer| {
            let next = NewRecord { body: racer.to_string(), ..next.clone() };
            async move {
                won(store.replace(next, seen).await, promise, |error| matches!(error, StoreError::Changed))
            }
        });
        let winner = winner.await;
        let written = NewRecord { body: winner.to_string(), ..first.clone() };
        agrees(&trial.live(&first, promise).await, &written, version + 1, promise);
    }
}

async fn no_replacement_is_lost(trial: &Trial) {
    let promise = "32 tasks that read, count up and try again on Changed count to 32";
    let first = NewRecord { body: "0".to_owned(), ..trial.record("count") };
    trial.insert(&first, promise).await;
    let mut tasks = JoinSet::new();
    for racer in 0..RACERS {
        let (store, mut record) = (handle(trial, racer), first.clone());
        tasks.spawn(async move {
            loop {
                let found = kept(store.get(record.kind, &record.key).await, promise);
                let Some(found) = found else { broken(promise, "the record is absent") };
                let count = found.body.parse::<u64>().unwrap_or_else(|error| broken(promise, error));
                record.body = (count + 1).to_string();
                match store.replace(record.clone(), found.version).await {
                    Ok(()) => return,
                    Err(StoreError::Changed) => {}
                    Err(error) => broken(promise, error),
                }
            }
        });
    }
    drop(tasks.join_all().await);
    let counted = NewRecord { body: RACERS.to_string(), ..first };
    agrees(&trial.live(&counted, promise).await, &counted, RACERS + 1, promise);
}

/// Starts 32 tasks at once, half of them through another handle, and says which one won.
pub(super) async fn race<A, F>(trial: &Trial, promise: &str, act: A) -> u64
where
    A: Fn(Arc<dyn Store>, u64) -> F,
    F: Future<Output = bool> + Send + 'static,
{
    let start = Arc::new(Barrier::new(usize::try_from(RACERS).unwrap_or(usize::MAX)));
    let mut tasks = JoinSet::new();
    for racer in 0..RACERS {
        let (act, start) = (act(handle(trial, racer), racer), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            (racer, act.await)
        });
    }
    let winners: Vec<_> = tasks.join_all().await.into_iter().filter(|(_, won)| *won).collect();
    match winners.as_slice() {
        [(winner, _)] => *winner,
        winners => broken(promise, format!("{} succeeded", winners.len())),
    }
}

/// Whether the verb succeeded; it may lose only in the way that `lost` knows.
pub(super) fn won(answer: Result<(), StoreError>, promise: &str, lost: fn(&StoreError) -> bool) -> bool {
    match answer {
        Ok(()) => true,
        Err(error) if lost(&error) => false,
        Err(error) => broken(promise, error),
    }
}

fn handle(trial: &Trial, racer: u64) -> Arc<dyn Store> {
    Arc::clone(if racer.is_multiple_of(2) { &trial.store } else { &trial.replica })
}

const RACERS: u64 = 32;
const ROUNDS: u64 = 8;
