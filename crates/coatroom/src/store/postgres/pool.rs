//! A few connections for all callers.
//!
//! A connection goes back only after its answer came: one on which something failed, or took too long, may still be busy
//! with it. A verb goes on when its caller leaves, so that callers who leave cost no connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use super::place::Place;
use super::session::Session;
use super::trouble::Trouble;
use super::verbs::Fault;
use crate::clock::Clock;
use crate::store::rest::Rest;
use crate::store::{PATIENCE, StoreError};

/// The connections of one process.
pub(super) struct Pool {
    place: Place,
    /// One seat for each connection that may be in use.
    seats: Semaphore,
    /// The one that was used last, at the end, is used next, so that those that are not needed grow old.
    idle: Mutex<Vec<Idle>>,
    rest: Rest,
    clock: Arc<dyn Clock>,
}

/// A connection that waits.
struct Idle {
    session: Session,
    since: Duration,
}

impl Pool {
    /// A pool without connections.
    pub(super) fn new(place: Place, clock: Arc<dyn Clock>) -> Self {
        let seats = Semaphore::new(place.pool_size());
        Self { place, seats, idle: Mutex::default(), rest: Rest::default(), clock }
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Runs one verb on a connection.
    pub(super) async fn run<T, V>(self: &Arc<Self>, verb: V) -> Result<T, StoreError>
    where
        T: Send + 'static,
        V: for<'a> FnOnce(&'a Session) -> BoxFuture<'a, Result<T, Fault>> + Send + 'static,
    {
        let pool = Arc::clone(self);
        let work = tokio::spawn(async move {
            let answer = timeout(PATIENCE, pool.run_on_connection(verb)).await;
            answer.unwrap_or_else(|_| Err(Trouble::Slow { place: pool.place.shown() }))
        });
        Ok(work.await.unwrap_or(Err(Trouble::GivenUp))?)
    }

    async fn run_on_connection<T, V>(&self, verb: V) -> Result<T, Trouble>
    where
        V: for<'a> FnOnce(&'a Session) -> BoxFuture<'a, Result<T, Fault>>,
    {
        let _seat = self.seats.acquire().await.map_err(|_| Trouble::GivenUp)?;
        // Cut where it is dropped: when this takes too long, or the answer says that it is of no more use.
        let session = self.session().await?;
        let answer = verb(&session).await;
        let is_sound = match &answer {
            Ok(_) | Err(Fault::UnknownKind(_)) => true,
            Err(Fault::Database(error)) => is_sound_after(error),
        };
        if is_sound {
            self.take_back(session);
        }
        answer.map_err(|fault| match fault {
            Fault::Database(source) => Trouble::Query { place: self.place.shown(), source },
            Fault::UnknownKind(kind) => Trouble::UnknownKind { kind },
        })
    }

    async fn session(&self) -> Result<Session, Trouble> {
        while let Some(session) = self.take_idle() {
            if !session.client.is_closed() {
                return Ok(session);
            }
        }
        if let Some(reason) = self.rest.resting() {
            return Err(Trouble::Resting { reason });
        }
        let place = || self.place.shown();
        let opened = timeout(OPEN_PATIENCE, Session::open(&self.place, self.clock.elapsed())).await;
        let opened = match opened {
            Ok(opened) => opened.map_err(|source| Trouble::connecting(place(), source)),
            Err(_) => Err(Trouble::Slow { place: place() }),
        };
        match &opened {
            Ok(_) => self.rest.succeeded(),
            Err(trouble) => self.rest.failed(trouble),
        }
        opened
    }

    fn take_back(&self, session: Session) {
        let now = self.clock.elapsed();
        let mut idle = self.idle();
        idle.retain(|idle| now.saturating_sub(idle.since) < IDLE_LIFE);
        if now.saturating_sub(session.opened) < SESSION_LIFE {
            idle.push(Idle { session, since: now });
        }
    }

    fn take_idle(&self) -> Option<Session> {
        self.idle().pop().map(|idle| idle.session)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Each use is one step, so a panic elsewhere leaves nothing half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection can be used again: the server itself said no, and would not say so to another connection.
fn is_sound_after(error: &tokio_postgres::Error) -> bool {
    // A server that became read-only is no longer the one to write to; the others lost or outgrew their statements.
    let moved = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    error.as_db_error().is_some_and(|refusal| !moved.contains(refusal.code()))
}

/// For connecting and preparing; less than a caller's patience, so that it learns the reason.
const OPEN_PATIENCE: Duration = Duration::from_secs(4);

/// After a burst its connections are closed again.
const IDLE_LIFE: Duration = Duration::from_mins(5);

/// The server's side of a connection grows with time, and the name of a server may come to mean another one.
const SESSION_LIFE: Duration = Duration::from_hours(1);
