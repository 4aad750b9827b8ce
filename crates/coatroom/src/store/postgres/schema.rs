//! The one table: how it comes to be, and how it changes from one format to the next.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Transaction};

use super::place::Place;
use super::trouble::Trouble;

/// Brings the table to the newest format, alone among all who try; leaves one that is of this format untouched.
pub(super) async fn prepare(place: &Place) -> Result<(), Trouble> {
    let work = async {
        let connected = place.connect().await;
        let (mut client, _carrier) =
            connected.map_err(|source| Trouble::connecting(place.shown(), source))?;
        check_server(&client, place).await?;
        if format_of_table(&client, place).await? == Some(FORMAT) {
            return Ok(());
        }
        let layout = |source| Trouble::Layout { place: place.shown(), source };
        let transaction = client.transaction().await.map_err(layout)?;
        // Held until the transaction ends, however it ends. Others wait here, and then find the work done.
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(layout)?;
        let found = format_of_table(transaction.client(), place).await?;
        migrate(&transaction, found.unwrap_or(0)).await.map_err(layout)?;
        transaction.commit().await.map_err(layout)
    };
    timeout(LAYOUT_PATIENCE, work).await.unwrap_or_else(|_| Err(Trouble::Slow { place: place.shown() }))
}

/// Keys and bodies are any text, and what was answered is there after a crash.
async fn check_server(client: &Client, place: &Place) -> Result<(), Trouble> {
    let query = "SELECT current_setting('server_encoding'), current_setting('fsync')";
    let row = client.query_one(query, &[]).await;
    let row = row.map_err(|source| Trouble::Query { place: place.shown(), source })?;
    if row.get::<_, &str>(0) != "UTF8" {
        return Err(Trouble::NotUtf8 { place: place.shown() });
    }
    if row.get::<_, &str>(1) != "on" {
        tracing::warn!(store = %place.shown(), "the server has fsync off: a power cut there loses what was answered, or everything");
    }
    Ok(())
}

/// `None` when there is no table.
async fn format_of_table(client: &Client, place: &Place) -> Result<Option<i64>, Trouble> {
    let query = |source| Trouble::Query { place: place.shown(), source };
    // Read from the catalogue itself: `to_regclass` remembers that there was none, until after the lock is held.
    let table = "SELECT FROM pg_catalog.pg_class
        WHERE relname = 'coatroom_records' AND pg_catalog.pg_table_is_visible(oid)";
    if client.query_opt(table, &[]).await.map_err(query)?.is_none() {
        return Ok(None);
    }
    let row = client
        .query_opt("SELECT version FROM coatroom_records WHERE kind = $1 AND key = $2", &[&OURS, &"format"]);
    // Of a table that looks different, the query itself fails.
    let row = row.await.ok().flatten().ok_or_else(|| Trouble::Foreign { place: place.shown() })?;
    let found: i64 = row.try_get(0).map_err(|_| Trouble::Foreign { place: place.shown() })?;
    if found > FORMAT { Err(Trouble::Newer { place: place.shown(), found }) } else { Ok(Some(found)) }
}

async fn migrate(transaction: &Transaction<'_>, found: i64) -> Result<(), tokio_postgres::Error> {
    let behind = (1..).zip(MIGRATIONS).filter(|(format, _)| *format > found);
    for (_, migration) in behind {
        transaction.batch_execute(migration).await?;
    }
    let note = "INSERT INTO coatroom_records (kind, key, version, body) VALUES ($1, $2, $3, '')
        ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version";
    transaction.execute(note, &[&OURS, &"format", &FORMAT]).await.map(drop)
}

/// The newest format that this program knows. A table with a higher number is refused.
pub(super) const FORMAT: i64 = 1;

/// What leads from each format to the next; the first one starts from nothing.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/1.sql")];

/// The kind under which the table keeps its own format, in the column `version`. No record is of this kind.
pub(super) const OURS: &str = "coatroom";

/// The letters `coatroom`: no other program locks the same number.
const LOCK: i64 = 0x636f_6174_726f_6f6d;

/// For a migration, and for that of another process before it.
const LAYOUT_PATIENCE: Duration = Duration::from_mins(1);
