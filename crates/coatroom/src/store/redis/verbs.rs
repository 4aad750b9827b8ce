//! The six verbs, as commands on one key each. Expiry is decided as in `Timestamp::has_reached`: a record whose expiry
//! equals now is expired.

use coatroom_protocol::words::Timestamp;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::Value;

use super::layout::{held_until, hold, keep, owner_key, record_key};
use super::link::Link;
use super::trouble::Trouble;
use crate::store::{Kind, NewRecord, Record, Version};

/// Whether the key was free.
pub(super) async fn insert(link: &Link, record: NewRecord, now: Timestamp) -> Result<bool, Trouble> {
    let NewRecord { kind, key, owner, expires_at, body } = record;
    let record = Record { kind, key, owner, version: Version::FIRST, expires_at, body };
    write(link, record, now, OnlyIfFree(true)).await
}

/// Writes a record over whatever has its key.
pub(super) async fn put(link: &Link, record: Record, now: Timestamp) -> Result<(), Trouble> {
    write(link, record, now, OnlyIfFree(false)).await.map(drop)
}

pub(super) async fn get(
    link: &Link,
    kind: Kind,
    key: String,
    now: Timestamp,
) -> Result<Option<Record>, Trouble> {
    let mut command = redis::cmd("HMGET");
    command.arg(record_key(kind, &key)).arg(&FIELDS);
    let fields: Fields = link.read(link.ask(&command).await?)?;
    let (Some(version), owner, expires_at, Some(body)) = fields else {
        return link.believe_absence().await.map(|()| None);
    };
    let expires_at = expires_at.map(Timestamp::from_unix);
    let is_live = expires_at.is_none_or(|expires_at| !now.has_reached(expires_at));
    let record = Record { kind, key, owner, version: Version::from_number(version), expires_at, body };
    Ok(Some(record).filter(|_| is_live))
}

/// Whether the record was there, at that version.
pub(super) async fn replace(
    link: &Link,
    record: NewRecord,
    seen: Version,
    now: Timestamp,
) -> Result<bool, Trouble> {
    match compare_and_swap(link, &record, seen, now, "").await? {
        Value::Int(done) => Ok(done == 1),
        owner => {
            // Only now is it known whose it is, and that the set would forget the record too early.
            let owner: String = link.read(owner)?;
            let until = held(link, (record.kind, &record.key), &owner, record.expires_at, now).await?;
            Ok(compare_and_swap(link, &record, seen, now, &until).await? == Value::Int(1))
        }
    }
}

pub(super) async fn delete(link: &Link, kind: Kind, key: &str) -> Result<(), Trouble> {
    // The entry in the owner's set stays until its time: taking it out could take out that of a record which is just being
    // written anew.
    link.ask(redis::cmd("DEL").arg(record_key(kind, key))).await.map(drop)
}

pub(super) async fn list(
    link: &Link,
    kind: Kind,
    owner: &str,
    now: Timestamp,
) -> Result<Vec<Record>, Trouble> {
    let entries = link.ask(redis::cmd("ZRANGE").arg(owner_key(kind, owner)).arg(0).arg(-1)).await?;
    let keys: Vec<String> = link.read(entries)?;
    if keys.is_empty() {
        link.believe_absence().await?;
    }
    let found = stream::iter(keys).map(|key| get(link, kind, key, now)).buffer_unordered(READ_TOGETHER);
    // A key may have been deleted and written anew for somebody else.
    let theirs = |found: Option<Record>| async move {
        Ok(found.filter(|record| record.owner.as_deref() == Some(owner)))
    };
    found.try_filter_map(theirs).try_collect().await
}

/// Whether a record may be written over another live one.
struct OnlyIfFree(bool);

async fn write(link: &Link, record: Record, now: Timestamp, only: OnlyIfFree) -> Result<bool, Trouble> {
    let Record { kind, key, owner, version, expires_at, body } = record;
    let until = match &owner {
        Some(owner) => held(link, (kind, &key), owner, expires_at, now).await?,
        None => String::new(),
    };
    let mut command = redis::cmd("EVAL");
    command.arg(INSERT).arg(1).arg(record_key(kind, &key)).arg(now.unix()).arg(body);
    arg_expiry(&mut command, expires_at, now);
    command.arg(owner.map(|owner| format!("={owner}")).unwrap_or_default()).arg(until);
    command.arg(version.number()).arg(if only.0 { "" } else { "over" });
    Ok(link.ask(&command).await? == Value::Int(1))
}

async fn compare_and_swap(
    link: &Link,
    record: &NewRecord,
    seen: Version,
    now: Timestamp,
    held_until: &str,
) -> Result<Value, Trouble> {
    let mut command = redis::cmd("EVAL");
    command.arg(REPLACE).arg(1).arg(record_key(record.kind, &record.key)).arg(now.unix()).arg(&record.body);
    arg_expiry(&mut command, record.expires_at, now);
    command.arg(seen.number()).arg(held_until);
    link.ask(&command).await
}

/// Puts a record into its owner's set, and says until when it is there, by our clock.
async fn held(
    link: &Link,
    (kind, key): (Kind, &str),
    owner: &str,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<String, Trouble> {
    let until = expires_at.map(|expires_at| held_until(expires_at, now));
    let seconds = until.map(|until| hold(until, now).to_string()).unwrap_or_default();
    let mut command = redis::cmd("EVAL");
    command.arg(HOLD).arg(1).arg(owner_key(kind, owner)).arg(key).arg(seconds);
    link.ask(&command).await?;
    Ok(until.map_or_else(|| "inf".to_owned(), |until| until.unix().to_string()))
}

/// Adds how many seconds a record is kept, and when it expires; nothing for one that never does.
fn arg_expiry(command: &mut redis::Cmd, expires_at: Option<Timestamp>, now: Timestamp) {
    match expires_at {
        Some(expires_at) => command.arg(keep(expires_at, now)).arg(expires_at.unix()),
        None => command.arg("").arg(""),
    };
}

/// Version, owner, expiry, body.
type Fields = (Option<u64>, Option<String>, Option<u64>, Option<String>);

const FIELDS: [&str; 4] = ["v", "o", "e", "b"];

/// The scripts are sent whole: a server that restarted, or took over, knows none by name.
const INSERT: &str = include_str!("insert.lua");
const REPLACE: &str = include_str!("replace.lua");
const HOLD: &str = include_str!("hold.lua");

/// How many records of a list are read at once.
const READ_TOGETHER: usize = 64;
