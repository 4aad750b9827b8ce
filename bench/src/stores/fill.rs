//! Filling a store with many records, by whatever way is fast.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use coatroom::protocol::words::Timestamp;
use coatroom::store::{Portable, Record};
use coatroom_servers::postgres::Postgres;
use futures_util::future::try_join_all;
use rusqlite::{Connection, params};

/// By the store's own verb.
pub(crate) async fn store(store: &Arc<dyn Portable>, records: &[Record]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let fill = async || {
        while let Some(record) = records.get(next.fetch_add(1, Ordering::Relaxed)) {
            store.put(record.clone()).await?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..FILLERS).map(|_| fill())).await.map(drop)
}

/// Into the file, a few transactions long.
pub(crate) fn sqlite(file: &Path, records: &[Record]) -> Result<()> {
    let mut connection = Connection::open(file)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    for some in records.chunks(SQLITE_ROWS) {
        let transaction = connection.transaction()?;
        let sql = "INSERT INTO records (kind, key, owner, version, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let mut insert = transaction.prepare_cached(sql)?;
        for Record { kind, key, owner, version, expires_at, body } in some {
            let (version, expires_at) = (number(version.number())?, ends(*expires_at)?);
            insert.execute(params![kind.as_str(), key, owner, version, expires_at, body])?;
        }
        drop(insert);
        transaction.commit()?;
    }
    // What was not flushed so far.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Into the table, without waiting for the disk.
pub(crate) async fn postgres(server: &Postgres, records: &[Record]) -> Result<()> {
    let client = server.client().await;
    client.batch_execute("ALTER SYSTEM SET fsync = off").await?;
    client.batch_execute("SELECT pg_reload_conf()").await?;
    let sql = "INSERT INTO coatroom_records (kind, key, owner, version, expires_at, body)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])";
    let insert = client.prepare(sql).await?;
    for some in records.chunks(POSTGRES_ROWS) {
        let kinds: Vec<&str> = some.iter().map(|record| record.kind.as_str()).collect();
        let keys: Vec<&str> = some.iter().map(|record| record.key.as_str()).collect();
        let owners: Vec<Option<&str>> = some.iter().map(|record| record.owner.as_deref()).collect();
        let versions =
            some.iter().map(|record| number(record.version.number())).collect::<Result<Vec<_>>>()?;
        let ends = some.iter().map(|record| ends(record.expires_at)).collect::<Result<Vec<_>>>()?;
        let bodies: Vec<&str> = some.iter().map(|record| record.body.as_str()).collect();
        client.execute(&insert, &[&kinds, &keys, &owners, &versions, &ends, &bodies]).await?;
    }
    // As autovacuum would leave it in time.
    for statement in ["ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()", "VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

fn ends(at: Option<Timestamp>) -> Result<Option<i64>> {
    at.map(|at| number(at.unix())).transpose()
}

fn number(number: u64) -> Result<i64> {
    Ok(i64::try_from(number)?)
}

const FILLERS: usize = 256;
const CACHE_KIB: i64 = 1 << 20;
const SQLITE_ROWS: usize = 100_000;
const POSTGRES_ROWS: usize = 1000;
