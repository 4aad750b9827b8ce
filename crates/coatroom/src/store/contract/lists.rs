//! An owner's records, all of them and no others.

use futures_util::future::join_all;

use super::{Trial, agrees, broken, kept};
use crate::store::{Kind, NewRecord, Version};

pub(super) async fn check(trial: &Trial) {
    an_owner_lists_their_own_records_of_one_kind(trial).await;
    similar_owners_are_different_owners(trial).await;
    a_list_follows_replacements_and_deletions(trial).await;
    a_long_list_is_complete(trial).await;
}

async fn an_owner_lists_their_own_records_of_one_kind(trial: &Trial) {
    let promise = "a list holds the owner's records of that kind and no others";
    let (ann, bob) = (Some(trial.name("owns-ann")), Some(trial.name("owns-bob")));
    let grant = |name: &str, owner: &Option<String>| NewRecord { owner: owner.clone(), ..trial.record(name) };
    let connection = NewRecord { kind: Kind::Connection, ..grant("owns-1", &ann) };
    for record in [
        grant("owns-1", &ann),
        grant("owns-2", &ann),
        grant("owns-3", &bob),
        grant("owns-4", &None),
        connection,
    ] {
        trial.insert(&record, promise).await;
    }
    lists(trial, Kind::Grant, "owns-ann", &["owns-1", "owns-2"], promise).await;
    lists(trial, Kind::Grant, "owns-bob", &["owns-3"], promise).await;
    lists(trial, Kind::Connection, "owns-ann", &["owns-1"], promise).await;
    lists(trial, Kind::Setting, "owns-ann", &[], promise).await;
    lists(trial, Kind::Grant, "owns-nobody", &[], promise).await;
    let unowned = kept(trial.store.list(Kind::Grant, "").await, promise);
    if unowned.iter().any(|record| record.key == trial.name("owns-4")) {
        broken(promise, "the empty owner lists a record that nobody owns");
    }
    let listed = kept(trial.store.list(Kind::Connection, &trial.name("owns-ann")).await, promise);
    let read = trial.store.get(Kind::Connection, &trial.name("owns-1")).await;
    if listed != kept(read, promise).into_iter().collect::<Vec<_>>() {
        broken(promise, "a listed record differs from the same record as it is read");
    }
}

async fn similar_owners_are_different_owners(trial: &Trial) {
    let promise = "owners that differ in any byte are different owners";
    for owner in SIMILAR_OWNERS {
        let record =
            NewRecord { owner: Some(trial.name(owner)), ..trial.record(&format!("similar-{owner}")) };
        trial.insert(&record, promise).await;
    }
    for owner in SIMILAR_OWNERS {
        lists(trial, Kind::Grant, owner, &[&format!("similar-{owner}")], promise).await;
    }
}

async fn a_list_follows_replacements_and_deletions(trial: &Trial) {
    let promise = "a list shows each record once, as it was last written, until it is deleted";
    let owner = Some(trial.name("follows"));
    let mut record = NewRecord { owner, ..trial.record("follows-1") };
    trial.insert(&record, promise).await;
    record.body = String::from("second");
    kept(trial.store.replace(record.clone(), Version::FIRST).await, promise);
    let listed = kept(trial.store.list(record.kind, &trial.name("follows")).await, promise);
    match listed.as_slice() {
        [found] => agrees(found, &record, 2, promise),
        listed => broken(promise, format!("{} are listed", listed.len())),
    }
    kept(trial.store.delete(record.kind, &record.key).await, promise);
    lists(trial, record.kind, "follows", &[], promise).await;
}

async fn a_long_list_is_complete(trial: &Trial) {
    let promise = "a list of 300 records is complete";
    let names: Vec<_> = (0..300).map(|number| format!("long-{number}")).collect();
    let inserts = names.iter().map(|name| {
        let record = NewRecord { owner: Some(trial.name("long")), ..trial.record(name) };
        trial.store.insert(record)
    });
    for answer in join_all(inserts).await {
        kept(answer, promise);
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    lists(trial, Kind::Grant, "long", &names, promise).await;
}

/// Checks that `owner` lists the records of these names, in any order, at once and page by page.
pub(super) async fn lists(trial: &Trial, kind: Kind, owner: &str, names: &[&str], promise: &str) {
    let owner = trial.name(owner);
    let mut expected: Vec<_> = names.iter().map(|name| trial.name(name)).collect();
    expected.sort_unstable();
    let at_once = kept(trial.store.list(kind, &owner).await, promise);
    let (mut by_page, mut place) = (Vec::new(), None);
    loop {
        let page = kept(trial.store.list_page(kind, &owner, place.as_deref()).await, promise);
        by_page.extend(page.records);
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    for listed in [at_once, by_page] {
        let mut found: Vec<_> = listed.into_iter().map(|record| record.key).collect();
        found.sort_unstable();
        if found != expected {
            broken(promise, format!("{kind} of {owner} lists {found:?} instead of {expected:?}"));
        }
    }
}

const SIMILAR_OWNERS: [&str; 9] =
    ["ann", "Ann", "anna", "an_", "an%", "ann ", "ann:grant", "{ann}", "an\u{301}n"];
