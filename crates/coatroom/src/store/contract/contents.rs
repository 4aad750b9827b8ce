//! What is read is what was written, byte by byte.

use super::{Trial, agrees, kept};
use crate::store::{NewRecord, Version};

pub(super) async fn check(trial: &Trial) {
    odd_texts_are_kept_as_they_are(trial).await;
    odd_keys_are_different_keys(trial).await;
    large_bodies_are_kept(trial).await;
}

async fn odd_texts_are_kept_as_they_are(trial: &Trial) {
    let promise = "bodies, keys and owners of any text without NUL are kept as they are";
    for (number, text) in ODD_TEXTS.into_iter().enumerate() {
        let mut record = NewRecord {
            key: trial.name(&format!("odd-{number}-{text}")),
            owner: Some(trial.name(&format!("odd-{number}-{text}"))),
            body: text.to_owned(),
            ..trial.record("")
        };
        trial.insert(&record, promise).await;
        agrees(&trial.live(&record, promise).await, &record, 1, promise);
        record.body = format!("{text}{text}");
        kept(trial.store.replace(record.clone(), Version::FIRST).await, promise);
        agrees(&trial.live(&record, promise).await, &record, 2, promise);
    }
}

async fn odd_keys_are_different_keys(trial: &Trial) {
    let promise = "keys that differ in any byte are different keys";
    let records = DISTINCT_KEYS.map(|key| NewRecord { body: format!("of {key}"), ..trial.record(key) });
    for record in &records {
        trial.insert(record, promise).await;
    }
    for record in &records {
        agrees(&trial.live(record, promise).await, record, 1, promise);
    }
}

async fn large_bodies_are_kept(trial: &Trial) {
    let promise = "a body of up to 1 MiB is kept whole";
    for size in [64 << 10, 1 << 20] {
        let mut record = NewRecord { body: "x".repeat(size), ..trial.record(&format!("large-{size}")) };
        trial.insert(&record, promise).await;
        agrees(&trial.live(&record, promise).await, &record, 1, promise);
        record.body = "ż".repeat(size / 2);
        kept(trial.store.replace(record.clone(), Version::FIRST).await, promise);
        agrees(&trial.live(&record, promise).await, &record, 2, promise);
    }
}

const ODD_TEXTS: [&str; 12] = [
    "",
    " leading and trailing ",
    "null",
    "'; DROP TABLE records; --",
    r#""quoted" `ticks` \backslash\ $1 ?1 :name {braces}"#,
    r#"{"nul":"\u0000"}"#,
    "\u{1}\u{8}\u{b}\u{1f}\u{7f}",
    "line\r\nbreaks\tand\ttabs",
    "Zażółć gęślą jaźń, Ελληνικά, العربية, 日本語",
    "👩‍👩‍👧‍👦 \u{10ffff}\u{fffd}\u{feff}",
    "%_*?[a-z]",
    "a:b/c|d,e=f#g h+i",
];

/// Among them the same letter in two Unicode forms.
const DISTINCT_KEYS: [&str; 13] = [
    "same",
    "Same",
    "same ",
    " same",
    "same\n",
    "s_me",
    "s%me",
    "same:",
    "same:same",
    "{same}",
    "samé",
    "same\u{301}",
    "1e0",
];
