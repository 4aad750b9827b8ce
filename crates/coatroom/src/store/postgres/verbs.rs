//! The six verbs. Expiry is decided as in `Timestamp::has_reached`: a record whose expiry equals now is expired.

use coatroom_protocol::words::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::schema::OURS;
use super::session::Session;
use crate::store::{Kind, NewRecord, Page, Record, Version};

/// The statements.
pub(super) mod sql {
    pub(in super::super) const INSERT: &str =
        "INSERT INTO coatroom_records AS old (kind, key, owner, version, expires_at, body) VALUES ($1, $2, $3, 1, $4, $5)
        ON CONFLICT (kind, key) DO UPDATE
        SET owner = excluded.owner, version = 1, expires_at = excluded.expires_at, body = excluded.body
        WHERE old.expires_at <= $6";

    pub(in super::super) const GET: &str =
        "SELECT kind, key, owner, version, expires_at, body FROM coatroom_records
        WHERE kind = $1 AND key = $2 AND (expires_at IS NULL OR expires_at > $3)";

    pub(in super::super) const REPLACE: &str =
        "UPDATE coatroom_records SET version = version + 1, expires_at = $4, body = $5
        WHERE kind = $1 AND key = $2 AND version = $3 AND (expires_at IS NULL OR expires_at > $6)";

    pub(in super::super) const DELETE: &str = "DELETE FROM coatroom_records WHERE kind = $1 AND key = $2";

    pub(in super::super) const LIST: &str =
        "SELECT kind, key, owner, version, expires_at, body FROM coatroom_records
        WHERE kind = $1 AND owner = $2 AND (expires_at IS NULL OR expires_at > $3)";

    /// The outer condition counts for a row that was written anew meanwhile; the lock lets replicas purge beside each other.
    pub(in super::super) const PURGE: &str =
        "DELETE FROM coatroom_records WHERE expires_at <= $1 AND ctid = ANY (ARRAY(
        SELECT ctid FROM coatroom_records WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";

    pub(in super::super) const PAGE: &str =
        "SELECT kind, key, owner, version, expires_at, body FROM coatroom_records
        WHERE (kind, key) > ($1, $2) AND kind <> $3 AND (expires_at IS NULL OR expires_at > $4)
        ORDER BY kind, key LIMIT $5";

    pub(in super::super) const PUT: &str =
        "INSERT INTO coatroom_records (kind, key, owner, version, expires_at, body) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (kind, key) DO UPDATE SET owner = excluded.owner, version = excluded.version,
        expires_at = excluded.expires_at, body = excluded.body";
}

type Value<'a> = dyn ToSql + Sync + 'a;

/// Why a verb has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    Database(tokio_postgres::Error),
    UnknownKind(String),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

pub(super) async fn insert(session: &Session, record: NewRecord, now: Timestamp) -> Result<u64, Fault> {
    let NewRecord { kind, key, owner, expires_at, body } = record;
    let (expires_at, now) = (expires_at.map(seconds), seconds(now));
    let values: [&Value<'_>; 6] = [&kind.as_str(), &key, &owner, &expires_at, &body, &now];
    Ok(session.client.execute(&session.statements.insert, &values).await?)
}

pub(super) async fn get(
    session: &Session,
    kind: Kind,
    key: String,
    now: Timestamp,
) -> Result<Option<Record>, Fault> {
    let values: [&Value<'_>; 3] = [&kind.as_str(), &key, &seconds(now)];
    let row = session.client.query_opt(&session.statements.get, &values).await?;
    row.as_ref().map(record).transpose()
}

pub(super) async fn replace(
    session: &Session,
    record: NewRecord,
    seen: Version,
    now: Timestamp,
) -> Result<u64, Fault> {
    let Ok(seen) = i64::try_from(seen.number()) else {
        return Ok(0); // no record ever had this version
    };
    let NewRecord { kind, key, expires_at, body, .. } = record;
    let (expires_at, now) = (expires_at.map(seconds), seconds(now));
    let values: [&Value<'_>; 6] = [&kind.as_str(), &key, &seen, &expires_at, &body, &now];
    Ok(session.client.execute(&session.statements.replace, &values).await?)
}

pub(super) async fn delete(session: &Session, kind: Kind, key: String) -> Result<(), Fault> {
    session.client.execute(&session.statements.delete, &[&kind.as_str(), &key]).await?;
    Ok(())
}

pub(super) async fn list(
    session: &Session,
    kind: Kind,
    owner: String,
    now: Timestamp,
) -> Result<Vec<Record>, Fault> {
    let values: [&Value<'_>; 3] = [&kind.as_str(), &owner, &seconds(now)];
    let rows = session.client.query(&session.statements.list, &values).await?;
    rows.iter().map(record).collect()
}

pub(super) async fn purge(session: &Session, now: Timestamp) -> Result<u64, Fault> {
    let batch = i64::try_from(PURGE_BATCH).unwrap_or(i64::MAX);
    Ok(session.client.execute(&session.statements.purge, &[&seconds(now), &batch]).await?)
}

/// `place` is the last kind and key that were read, with NUL between them, which no text has.
pub(super) async fn page(session: &Session, place: String, now: Timestamp) -> Result<Page, Fault> {
    let (kind, key) = place.split_once('\0').unwrap_or_default();
    let values: [&Value<'_>; 5] = [&kind, &key, &OURS, &seconds(now), &PAGE_LENGTH];
    let rows = session.client.query(&session.statements.page, &values).await?;
    let records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    let next = records.last().map(|last| format!("{}\0{}", last.kind, last.key));
    Ok(Page { records, next })
}

pub(super) async fn put(session: &Session, record: Record) -> Result<(), Fault> {
    let Record { kind, key, owner, version, expires_at, body } = record;
    let version = i64::try_from(version.number()).unwrap_or(i64::MAX);
    let expires_at = expires_at.map(seconds);
    let values: [&Value<'_>; 6] = [&kind.as_str(), &key, &owner, &version, &expires_at, &body];
    session.client.execute(&session.statements.put, &values).await?;
    Ok(())
}

fn record(row: &Row) -> Result<Record, Fault> {
    let kind: &str = row.try_get(0)?;
    let kind = Kind::parse(kind).ok_or_else(|| Fault::UnknownKind(kind.to_owned()))?;
    // The table holds only what the verbs wrote, and they write no negative numbers.
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Record {
        kind,
        key: row.try_get(1)?,
        owner: row.try_get(2)?,
        version: Version::from_number(unsigned(row.try_get(3)?)),
        expires_at: row.try_get::<_, Option<i64>>(4)?.map(|at| Timestamp::from_unix(unsigned(at))),
        body: row.try_get(5)?,
    })
}

/// The database's integers are signed; a time past their end, 292 billion years ahead, is kept as their end.
fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.unix()).unwrap_or(i64::MAX)
}

/// How many records one purge deletes at most: a few milliseconds' work.
pub(super) const PURGE_BATCH: u64 = 500;

const PAGE_LENGTH: i64 = 500;
