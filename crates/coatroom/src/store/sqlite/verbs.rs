//! The six verbs in SQL. Expiry is decided as in `Timestamp::has_reached`: a record whose expiry equals now is expired.

use coatroom_protocol::words::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::store::{Kind, LISTED_TOGETHER, NewRecord, Page, Record, StoreError, Version};

/// A verb that writes.
#[derive(Debug)]
pub(super) enum Write {
    Insert(NewRecord),
    Replace(NewRecord, Version),
    /// Inserts the first record and replaces the second, or does neither.
    InsertThenReplace(Box<(NewRecord, NewRecord)>, Version),
    Delete(Kind, String),
    /// Writes a record over whatever has its key.
    Put(Record),
    /// Deletes at most [`PURGE_BATCH`] records.
    Purge(Timestamp),
}

impl Write {
    /// Applies the verb inside the open transaction, and says how many rows it changed.
    ///
    /// The outer error is the database's and spoils the transaction; the inner one is the verb's own answer.
    pub(super) fn apply(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> rusqlite::Result<Result<u64, StoreError>> {
        let (changed, if_none) = match self {
            Self::Insert(record) => (insert(connection, record, now)?, Some(StoreError::Exists)),
            Self::Replace(record, seen) => {
                (replace(connection, record, *seen, now)?, Some(StoreError::Changed))
            }
            Self::InsertThenReplace(records, seen) => {
                let (new, record) = records.as_ref();
                insert_then_replace(connection, (new, record), *seen, now)?
            }
            Self::Delete(kind, key) => (delete(connection, *kind, key)?, None),
            Self::Put(record) => (put(connection, record)?, None),
            Self::Purge(now) => (purge(connection, *now)?, None),
        };
        Ok(match if_none {
            Some(refusal) if changed == 0 => Err(refusal),
            _ => Ok(u64::try_from(changed).unwrap_or(u64::MAX)),
        })
    }
}

fn insert(connection: &Connection, record: &NewRecord, now: Timestamp) -> rusqlite::Result<usize> {
    let sql =
        "INSERT INTO records (kind, key, owner, version, expires_at, body) VALUES (?1, ?2, ?3, 1, ?4, ?5)
        ON CONFLICT (kind, key) DO UPDATE
        SET owner = excluded.owner, version = 1, expires_at = excluded.expires_at, body = excluded.body
        WHERE records.expires_at <= ?6";
    let NewRecord { kind, key, owner, expires_at, body } = record;
    let expires_at = expires_at.map(seconds);
    connection.prepare_cached(sql)?.execute(params![
        kind.as_str(),
        key,
        owner,
        expires_at,
        body,
        seconds(now)
    ])
}

fn replace(
    connection: &Connection,
    record: &NewRecord,
    seen: Version,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let Ok(seen) = i64::try_from(seen.number()) else {
        return Ok(0); // no record ever had this version
    };
    let sql = "UPDATE records SET version = version + 1, expires_at = ?4, body = ?5
        WHERE kind = ?1 AND key = ?2 AND version = ?3 AND (expires_at IS NULL OR expires_at > ?6)";
    let expires_at = record.expires_at.map(seconds);
    connection.prepare_cached(sql)?.execute(params![
        record.kind.as_str(),
        record.key,
        seen,
        expires_at,
        record.body,
        seconds(now)
    ])
}

/// How many records were replaced, and what it means if none was.
fn insert_then_replace(
    connection: &Connection,
    (new, record): (&NewRecord, &NewRecord),
    seen: Version,
    now: Timestamp,
) -> rusqlite::Result<(usize, Option<StoreError>)> {
    if insert(connection, new, now)? == 0 {
        return Ok((0, Some(StoreError::Exists)));
    }
    let replaced = replace(connection, record, seen, now)?;
    if replaced == 0 {
        // Nobody else has seen it: the transaction is open.
        delete(connection, new.kind, &new.key)?;
    }
    Ok((replaced, Some(StoreError::Changed)))
}

fn delete(connection: &Connection, kind: Kind, key: &str) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM records WHERE kind = ?1 AND key = ?2";
    connection.prepare_cached(sql)?.execute(params![kind.as_str(), key])
}

fn put(connection: &Connection, record: &Record) -> rusqlite::Result<usize> {
    let sql = "INSERT OR REPLACE INTO records (kind, key, owner, version, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Record { kind, key, owner, version, expires_at, body } = record;
    let version = i64::try_from(version.number()).unwrap_or(i64::MAX);
    let expires_at = expires_at.map(seconds);
    connection.prepare_cached(sql)?.execute(params![kind.as_str(), key, owner, version, expires_at, body])
}

fn purge(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM records
        WHERE rowid IN (SELECT rowid FROM records WHERE expires_at <= ?1 LIMIT ?2)";
    let batch = i64::try_from(PURGE_BATCH).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.execute(params![seconds(now), batch])
}

pub(super) fn get(
    connection: &Connection,
    kind: Kind,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<Record>> {
    let sql = "SELECT key, owner, version, expires_at, body FROM records
        WHERE kind = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(params![kind.as_str(), key, seconds(now)], |row| record(kind, row)).optional()
}

pub(super) fn list(
    connection: &Connection,
    kind: Kind,
    owner: &str,
    now: Timestamp,
) -> rusqlite::Result<Vec<Record>> {
    let sql = "SELECT key, owner, version, expires_at, body FROM records
        WHERE kind = ?1 AND owner = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![kind.as_str(), owner, seconds(now)], |row| record(kind, row))?.collect()
}

/// The newest first. `place` is the rowid before which the page begins.
pub(super) fn list_page(
    connection: &Connection,
    (kind, owner): (Kind, &str),
    place: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<Page> {
    let sql = "SELECT key, owner, version, expires_at, body, rowid FROM records
        WHERE kind = ?1 AND owner = ?2 AND rowid < ?3 AND (expires_at IS NULL OR expires_at > ?4)
        ORDER BY rowid DESC";
    let before = place.map_or(i64::MAX, |place| place.parse().unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![kind.as_str(), owner, before, seconds(now)], |row| {
        Ok((record(kind, row)?, row.get::<_, i64>(5)?))
    })?;
    // The index has them in this order, so what is not taken is not looked for.
    let rows = rows.take(LISTED_TOGETHER).collect::<rusqlite::Result<Vec<_>>>()?;
    let next = rows.last().filter(|_| rows.len() == LISTED_TOGETHER).map(|(_, rowid)| rowid.to_string());
    Ok(Page { records: rows.into_iter().map(|(record, _)| record).collect(), next })
}

/// `place` is the last kind and key that were read, with NUL between them, which no text has.
pub(super) fn page(connection: &Connection, place: &str, now: Timestamp) -> rusqlite::Result<Page> {
    let sql = "SELECT key, owner, version, expires_at, body, kind FROM records
        WHERE (kind, key) > (?1, ?2) AND (expires_at IS NULL OR expires_at > ?3) ORDER BY kind, key LIMIT ?4";
    let (kind, key) = place.split_once('\0').unwrap_or_default();
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let name: String = row.get(5)?;
        let unknown = || format!("a record of the kind `{name}` is not known to this program").into();
        let kind = Kind::parse(&name);
        let kind = kind.ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, unknown()))?;
        record(kind, row)
    };
    let rows = statement.query_map(params![kind, key, seconds(now), PAGE_LENGTH], read)?;
    let records = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = records.last().map(|last| format!("{}\0{}", last.kind, last.key));
    Ok(Page { records, next })
}

fn record(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Record> {
    let unsigned = |column, number: i64| u64::try_from(number).map_err(|_| out_of_range(column, number));
    let version = unsigned(2, row.get(2)?)?;
    let expires_at = row.get::<_, Option<i64>>(3)?.map(|seconds| unsigned(3, seconds)).transpose()?;
    Ok(Record {
        kind,
        key: row.get(0)?,
        owner: row.get(1)?,
        version: Version::from_number(version),
        expires_at: expires_at.map(Timestamp::from_unix),
        body: row.get(4)?,
    })
}

fn out_of_range(column: usize, number: i64) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(column, number)
}

/// SQLite's integers are signed; a time past their end, 292 billion years ahead, is kept as their end.
fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.unix()).unwrap_or(i64::MAX)
}

/// How many records one purge deletes at most: a few milliseconds' work.
pub(super) const PURGE_BATCH: u64 = 500;

const PAGE_LENGTH: i64 = 500;
