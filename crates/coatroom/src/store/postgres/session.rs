//! One connection, set up to do the verbs.

use std::time::Duration;

use tokio_postgres::{Client, Statement};

use super::place::{Carrier, Place};
use super::verbs::sql;

/// A connection with its statements prepared. Dropping it cuts it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) statements: Statements,
    /// When, by the clock's `elapsed`.
    pub(super) opened: Duration,
    _carrier: Carrier,
}

/// The verbs, as the server knows them.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) insert: Statement,
    pub(super) get: Statement,
    pub(super) replace: Statement,
    pub(super) delete: Statement,
    pub(super) list: Statement,
    pub(super) purge: Statement,
    pub(super) page: Statement,
    pub(super) put: Statement,
}

impl Session {
    /// Connects and prepares the statements.
    pub(super) async fn open(place: &Place, now: Duration) -> Result<Self, tokio_postgres::Error> {
        let (client, carrier) = place.connect().await?;
        client.batch_execute(SET_UP).await?;
        let (insert, get, replace, delete, list, purge, page, put) = tokio::try_join!(
            client.prepare(sql::INSERT),
            client.prepare(sql::GET),
            client.prepare(sql::REPLACE),
            client.prepare(sql::DELETE),
            client.prepare(sql::LIST),
            client.prepare(sql::PURGE),
            client.prepare(sql::PAGE),
            client.prepare(sql::PUT),
        )?;
        let statements = Statements { insert, get, replace, delete, list, purge, page, put };
        Ok(Self { client, statements, opened: now, _carrier: carrier })
    }
}

/// The server gives up a statement before its caller does. Whatever the database's own defaults are, a statement sees what
/// was committed before it began, and an answered write survives a crash of the server.
const SET_UP: &str = "
    SET statement_timeout = '4s';
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
";
