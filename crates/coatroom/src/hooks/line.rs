//! Calling hooks: one decides and is waited for, the others are told in a line of their own.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{ConnectionEvent, GrantEnded, Hooks};
#[cfg(feature = "server")]
use super::{GrantMade, SignIn, SignInRefusal, TokensIssued, TokensRefreshed};

/// Something that hooks are told.
#[derive(Debug)]
pub(crate) enum Event {
    #[cfg(feature = "server")]
    GrantMade(GrantMade),
    #[cfg(feature = "server")]
    Issued(TokensIssued),
    #[cfg(feature = "server")]
    Refreshed(TokensRefreshed),
    Ended(GrantEnded),
    #[cfg(feature = "server")]
    Made(ConnectionEvent),
    Renewed(ConnectionEvent),
    Dead(ConnectionEvent),
}

/// The hooks of a server, if it has any.
#[derive(Debug, Clone, Default)]
pub(crate) struct HookLine(Option<Arc<Line>>);

struct Line {
    hooks: Arc<dyn Hooks>,
    /// Set with the first event: whoever makes one is within a runtime, and builders need not be.
    sender: OnceLock<Sender<Event>>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl HookLine {
    pub(crate) fn new(hooks: Arc<dyn Hooks>) -> Self {
        Self(Some(Arc::new(Line { hooks, sender: OnceLock::new() })))
    }

    /// Whether there are none.
    #[cfg(feature = "server")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Tells the hooks, some time. Costs nothing where there are none.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        let Some(line) = &self.0 else { return };
        let sender = line.sender.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(LONGEST);
            tokio::spawn(work_off(Arc::clone(&line.hooks), receiver));
            sender
        });
        match sender.try_send(event()) {
            Ok(()) => {}
            Err(TrySendError::Full(event)) => {
                tracing::warn!(event = name(&event), "a hook is too slow; it was not told of an event");
            }
            // The runtime in which the line was worked off has ended.
            Err(TrySendError::Closed(event)) => {
                tracing::warn!(event = name(&event), "hooks are not called any more");
            }
        }
    }

    /// Asks whether somebody may sign in, and who they are then. Whatever the hook does to the identity is undone.
    ///
    /// # Errors
    /// What the hook says; [`SignInRefusal::Unavailable`] also for one that panics or takes too long.
    #[cfg(feature = "server")]
    pub(crate) async fn ask(&self, sign_in: SignIn) -> Result<SignIn, SignInRefusal> {
        let Some(line) = &self.0 else { return Ok(sign_in) };
        let hooks = Arc::clone(&line.hooks);
        let (subject, deadline) = (sign_in.user.subject.clone(), hooks.deadline());
        let asked = async move {
            let mut sign_in = sign_in;
            hooks.signing_in(&mut sign_in).await.map(|()| sign_in)
        };
        let mut sign_in = finished(asked, deadline).await.map_err(SignInRefusal::unavailable)??;
        if sign_in.user.subject != subject {
            tracing::error!(%subject, "a hook changed who somebody is; that was undone");
            sign_in.user.subject = subject;
        }
        Ok(sign_in)
    }
}

/// Calls one hook after the other, so that events keep their order.
async fn work_off(hooks: Arc<dyn Hooks>, mut events: Receiver<Event>) {
    while let Some(event) = events.recv().await {
        let (about, deadline) = (name(&event), hooks.deadline());
        let hooks = Arc::clone(&hooks);
        let told = async move { told(hooks.as_ref(), &event).await };
        if let Err(reason) = finished(told, deadline).await {
            tracing::warn!(event = about, reason, "a hook was told of an event and did not finish");
        }
    }
}

async fn told(hooks: &dyn Hooks, event: &Event) {
    match event {
        #[cfg(feature = "server")]
        Event::GrantMade(event) => hooks.grant_made(event).await,
        #[cfg(feature = "server")]
        Event::Issued(event) => hooks.tokens_issued(event).await,
        #[cfg(feature = "server")]
        Event::Refreshed(event) => hooks.tokens_refreshed(event).await,
        Event::Ended(event) => hooks.grant_ended(event).await,
        #[cfg(feature = "server")]
        Event::Made(event) => hooks.connection_made(event).await,
        Event::Renewed(event) => hooks.connection_renewed(event).await,
        Event::Dead(event) => hooks.connection_dead(event).await,
    }
}

/// Runs something on its own, so that a panic of it is its own too.
async fn finished<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    deadline: Duration,
) -> Result<T, &'static str> {
    let task = tokio::spawn(work);
    let abort = task.abort_handle();
    match tokio::time::timeout(deadline, task).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err("it panicked"),
        Err(_) => {
            abort.abort();
            Err("it took too long")
        }
    }
}

const fn name(event: &Event) -> &'static str {
    match event {
        #[cfg(feature = "server")]
        Event::GrantMade(_) => "grant.made",
        #[cfg(feature = "server")]
        Event::Issued(_) => "tokens.issued",
        #[cfg(feature = "server")]
        Event::Refreshed(_) => "tokens.refreshed",
        Event::Ended(_) => "grant.ended",
        #[cfg(feature = "server")]
        Event::Made(_) => "connection.made",
        Event::Renewed(_) => "connection.renewed",
        Event::Dead(_) => "connection.dead",
    }
}

/// The most events that wait.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use coatroom_protocol::words::{GrantId, ProviderName, Subject, Timestamp};

    use super::*;

    /// Hooks that never finish.
    struct Stuck;

    #[async_trait]
    impl Hooks for Stuck {
        async fn connection_dead(&self, _: &ConnectionEvent) {
            std::future::pending::<()>().await;
        }
    }

    #[tokio::test]
    async fn events_that_do_not_fit_are_dropped_and_nobody_waits() {
        let line = HookLine::new(Arc::new(Stuck));
        let provider = ProviderName::parse("demo").unwrap();
        for _ in 0..3 * LONGEST {
            let subject = Subject { provider: provider.clone(), id: "alice".to_owned() };
            let (grant, provider, at) =
                (GrantId::from_bytes([1; 16]), provider.clone(), Timestamp::from_unix(0));
            line.tell(|| Event::Dead(ConnectionEvent { grant, subject, provider, at }));
            tokio::task::yield_now().await;
        }
        let sender = line.0.as_ref().unwrap().sender.get().unwrap();
        assert_eq!((sender.capacity(), sender.max_capacity()), (0, LONGEST));
    }
}
