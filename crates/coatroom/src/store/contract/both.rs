//! An insert and a replacement that are asked for together.

use super::once::{race, won};
use super::{Trial, agrees, broken, is_absent, kept, meets_changed, meets_exists};
use crate::store::{NewRecord, StoreError, Version};

pub(super) async fn check(trial: &Trial) {
    both_are_written(trial).await;
    a_taken_key_keeps_the_other_as_it_was(trial).await;
    a_stale_version_leaves_nothing_new(trial).await;
    of_many_one_wins_and_the_others_leave_nothing(trial).await;
}

async fn both_are_written(trial: &Trial) {
    let promise = "an insert and a replacement that are asked for together are both done";
    let old = trial.record("both-old");
    trial.insert(&old, promise).await;
    let new = NewRecord { owner: Some(trial.name("both-ann")), ..trial.record("both-new") };
    let next = NewRecord { body: "next".to_owned(), ..old };
    kept(trial.store.insert_then_replace(new.clone(), next.clone(), Version::FIRST).await, promise);
    agrees(&trial.live(&new, promise).await, &new, 1, promise);
    agrees(&trial.live(&next, promise).await, &next, 2, promise);
    let listed = kept(trial.replica.list(new.kind, &trial.name("both-ann")).await, promise);
    if listed.len() != 1 {
        broken(promise, "the new record is in no list");
    }
}

async fn a_taken_key_keeps_the_other_as_it_was(trial: &Trial) {
    let promise = "a replacement is not done without the insert that was to come before it";
    let (taken, old) = (trial.record("both-taken"), trial.record("both-kept"));
    trial.insert(&taken, promise).await;
    trial.insert(&old, promise).await;
    let new = NewRecord { body: "new".to_owned(), ..taken.clone() };
    let next = NewRecord { body: "next".to_owned(), ..old.clone() };
    meets_exists(trial.store.insert_then_replace(new, next, Version::FIRST).await, promise);
    agrees(&trial.live(&taken, promise).await, &taken, 1, promise);
    agrees(&trial.live(&old, promise).await, &old, 1, promise);
}

async fn a_stale_version_leaves_nothing_new(trial: &Trial) {
    let promise = "an insert is taken back when the replacement that was to follow is refused";
    let (new, old) = (trial.record("both-undone"), trial.record("both-stale"));
    trial.insert(&old, promise).await;
    for (record, seen) in [(old.clone(), 2), (old.clone(), 0), (trial.record("both-missing"), 1)] {
        let seen = Version::from_number(seen);
        meets_changed(trial.store.insert_then_replace(new.clone(), record, seen).await, promise);
        is_absent(trial.get(&new, promise).await, promise);
    }
    agrees(&trial.live(&old, promise).await, &old, 1, promise);
    trial.insert(&new, promise).await;
}

async fn of_many_one_wins_and_the_others_leave_nothing(trial: &Trial) {
    let promise = "of 32 who insert and replace together exactly one succeeds, and the others leave nothing";
    let (first, owner) = (trial.record("both-race"), trial.name("both-racers"));
    trial.insert(&first, promise).await;
    let (next, session, of) = (first.clone(), trial.name("both-racer"), owner.clone());
    let winner = race(trial, promise, move |store, racer| {
        let key = format!("{session}-{racer}");
        let new = NewRecord { key, owner: Some(of.clone()), ..next.clone() };
        let next = NewRecord { body: racer.to_string(), ..next.clone() };
        async move {
            let answer = store.insert_then_replace(new, next, Version::FIRST).await;
            won(answer, promise, |error| matches!(error, StoreError::Changed))
        }
    });
    let winner = winner.await;
    let written = NewRecord { body: winner.to_string(), ..first.clone() };
    agrees(&trial.live(&first, promise).await, &written, 2, promise);
    let left = kept(trial.store.list(first.kind, &owner).await, promise);
    let keys: Vec<&str> = left.iter().map(|record| record.key.as_str()).collect();
    if keys != [trial.name(&format!("both-racer-{winner}"))] {
        broken(promise, format!("{keys:?} are there"));
    }
}
