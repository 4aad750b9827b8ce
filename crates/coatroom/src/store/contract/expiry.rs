//! An expired record is as good as absent, from the second of its expiry on.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::lists::lists;
use super::once::{race, won};
use super::{Clocked, Trial, agrees, broken, is_absent, kept, meets_changed, meets_exists};
use crate::store::{NewRecord, StoreError, Version};

pub(super) async fn check(trial: &Trial) {
    let checks: Vec<BoxFuture<'_, ()>> = vec![
        Box::pin(a_record_is_absent_from_its_expiry_on(trial)),
        Box::pin(a_record_that_is_born_expired_is_absent(trial)),
        Box::pin(an_insert_writes_over_an_expired_record(trial)),
        Box::pin(of_many_inserts_over_an_expired_record_one_wins(trial)),
        Box::pin(a_replacement_moves_the_expiry(trial)),
        Box::pin(an_expired_record_is_in_no_list(trial)),
        Box::pin(an_expired_record_can_be_deleted(trial)),
    ];
    trial.clock.run(checks).await;
    // Alone, since it counts.
    a_purge_deletes_what_is_expired(trial).await;
}

async fn a_record_is_absent_from_its_expiry_on(trial: &Trial) {
    let promise = "a record is live until the second of its expiry, and then absent for get and replace";
    let (record, expires_at) = trial.mortal("expires");
    trial.insert(&record, promise).await;
    if let Clocked::Manual(clock) = &trial.clock {
        clock.advance(trial.clock.lifetime().saturating_sub(Duration::from_secs(1)));
    }
    agrees(&trial.live(&record, promise).await, &record, 1, promise);
    meets_exists(trial.store.insert(record.clone()).await, promise);
    trial.clock.reach(expires_at).await;
    is_absent(trial.get(&record, promise).await, promise);
    let revived = NewRecord { expires_at: None, ..record.clone() };
    meets_changed(trial.store.replace(revived, Version::FIRST).await, promise);
    is_absent(trial.get(&record, promise).await, promise);
}

async fn a_record_that_is_born_expired_is_absent(trial: &Trial) {
    let promise = "a record that is written with a past expiry is absent, and its key free";
    let now = trial.clock.now();
    let past = NewRecord { expires_at: Some(now), ..trial.record("born-expired") };
    trial.insert(&past, promise).await;
    is_absent(trial.get(&past, promise).await, promise);
    let lasting = NewRecord { expires_at: None, ..past.clone() };
    trial.insert(&lasting, promise).await;
    kept(trial.store.replace(past.clone(), Version::FIRST).await, promise);
    is_absent(trial.get(&past, promise).await, promise);
}

async fn an_insert_writes_over_an_expired_record(trial: &Trial) {
    let promise = "an insert writes over an expired record, and the new one is new in everything";
    let (first, expires_at) = trial.mortal("over");
    let first = NewRecord { owner: Some(trial.name("over-ann")), ..first };
    trial.insert(&first, promise).await;
    kept(trial.store.replace(first.clone(), Version::FIRST).await, promise);
    trial.clock.reach(expires_at).await;
    let second = NewRecord {
        owner: Some(trial.name("over-bob")),
        expires_at: None,
        body: "second".to_owned(),
        ..first.clone()
    };
    trial.insert(&second, promise).await;
    agrees(&trial.live(&second, promise).await, &second, 1, promise);
    meets_exists(trial.store.insert(second.clone()).await, promise);
    lists(trial, first.kind, "over-ann", &[], promise).await;
    lists(trial, first.kind, "over-bob", &["over"], promise).await;
}

async fn of_many_inserts_over_an_expired_record_one_wins(trial: &Trial) {
    let promise = "of 32 inserts over one expired record exactly one succeeds, and the others meet Exists";
    let (first, expires_at) = trial.mortal("race-over");
    trial.insert(&first, promise).await;
    trial.clock.reach(expires_at).await;
    let next = NewRecord { expires_at: None, ..first };
    let racing = next.clone();
    let winner = race(trial, promise, move |store, racer| {
        let record = NewRecord { body: racer.to_string(), ..racing.clone() };
        async move { won(store.insert(record).await, promise, |error| matches!(error, StoreError::Exists)) }
    });
    let written = NewRecord { body: winner.await.to_string(), ..next };
    agrees(&trial.live(&written, promise).await, &written, 1, promise);
}

async fn a_replacement_moves_the_expiry(trial: &Trial) {
    let promise = "a replacement sets the expiry anew: later, or none at all";
    let (first, expires_at) = trial.mortal("moves");
    let (other, _) = trial.mortal("moves-away");
    let far = expires_at.plus(Duration::from_hours(1));
    let later = NewRecord { expires_at: Some(far), ..first.clone() };
    let lasting = NewRecord { expires_at: None, ..other.clone() };
    for (before, after) in [(&first, &later), (&other, &lasting)] {
        trial.insert(before, promise).await;
        kept(trial.store.replace(after.clone(), Version::FIRST).await, promise);
    }
    trial.clock.reach(expires_at).await;
    agrees(&trial.live(&later, promise).await, &later, 2, promise);
    agrees(&trial.live(&lasting, promise).await, &lasting, 2, promise);
}

async fn an_expired_record_is_in_no_list(trial: &Trial) {
    let promise = "a list leaves out what is expired";
    let owner = Some(trial.name("mixed"));
    let (mortal, expires_at) = trial.mortal("mixed-mortal");
    let mortal = NewRecord { owner: owner.clone(), ..mortal };
    let lasting = NewRecord { owner, ..trial.record("mixed-lasting") };
    trial.insert(&mortal, promise).await;
    trial.insert(&lasting, promise).await;
    lists(trial, mortal.kind, "mixed", &["mixed-mortal", "mixed-lasting"], promise).await;
    trial.clock.reach(expires_at).await;
    lists(trial, mortal.kind, "mixed", &["mixed-lasting"], promise).await;
}

async fn an_expired_record_can_be_deleted(trial: &Trial) {
    let promise = "deleting an expired record is no error, and its key is free";
    let (record, expires_at) = trial.mortal("expired-deleted");
    trial.insert(&record, promise).await;
    trial.clock.reach(expires_at).await;
    kept(trial.store.delete(record.kind, &record.key).await, promise);
    let lasting = NewRecord { expires_at: None, ..record };
    trial.insert(&lasting, promise).await;
    agrees(&trial.live(&lasting, promise).await, &lasting, 1, promise);
}

async fn a_purge_deletes_what_is_expired(trial: &Trial) {
    let promise =
        "a purge deletes what is expired and nothing else, and counts it (or leaves it all to the server)";
    kept(trial.store.purge_expired(trial.clock.now()).await, promise);
    let (mortal, expires_at) = trial.mortal("purge");
    let far = expires_at.plus(Duration::from_hours(1));
    let later = NewRecord { expires_at: Some(far), ..trial.record("purge-later") };
    let lasting = trial.record("purge-lasting");
    for survivor in [&later, &lasting] {
        trial.insert(survivor, promise).await;
    }
    for number in 0..3 {
        let record = NewRecord { key: trial.name(&format!("purge-{number}")), ..mortal.clone() };
        trial.insert(&record, promise).await;
    }
    trial.clock.reach(expires_at).await;
    let purged = kept(trial.store.purge_expired(trial.clock.now()).await, promise);
    let again = kept(trial.store.purge_expired(trial.clock.now()).await, promise);
    if !matches!((purged, again), (3 | 0, 0)) {
        broken(promise, format!("of three it counted {purged}, and then {again} more"));
    }
    for survivor in [&later, &lasting] {
        agrees(&trial.live(survivor, promise).await, survivor, 1, promise);
    }
}
