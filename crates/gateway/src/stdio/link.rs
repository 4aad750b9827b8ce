//! JSON-RPC over the lines of one process: which answer is whose.
//!
//! Requests get numbers of the link's own, so that ids of several clients never meet. What a server says about a request
//! (progress, its own requests) reaches whoever made it; on stdio older servers do not say which request that is, so it is
//! the newest one that may be asked. What is about none goes to the [`Hub`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use coatroom::protocol::access::one_line;
use coatroom::protocol::bridge::envelope::{self, messages};
use coatroom::protocol::bridge::{Envelope, Kind, Outgoing, Welcome, calls, handshake, listening, results};
use tokio::sync::{OnceCell, mpsc};

use super::hub::Hub;
use super::process::{Gone, Output, Process};

/// One process that speaks MCP.
pub(super) struct Link {
    process: Process,
    hub: Arc<Hub>,
    routes: Mutex<Routes>,
    next: AtomicU64,
    welcome: OnceLock<Welcome>,
    initialized: OnceCell<()>,
}

#[derive(Default)]
struct Routes {
    calls: BTreeMap<u64, Waiting>,
    /// It takes no more requests, and ends when those that it has are answered.
    retired: bool,
    /// It answers nothing any more.
    gone: bool,
}

struct Waiting {
    events: mpsc::Sender<Event>,
    token: Option<String>,
    about: About,
    is_cancelled: bool,
}

/// What is to be known of a request while it waits.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    /// The client's id, as JSON text; `None` for the gateway's own requests.
    pub(super) client_id: Option<String>,
    /// Whether its client may be asked for something in between.
    pub(super) may_be_asked: bool,
    /// The least severe log messages that its client wants, as JSON text; `None` for none.
    pub(super) log_level: Option<String>,
}

/// What a server says about one request.
#[derive(Debug)]
pub(super) enum Event {
    /// A notification, as its client reads it.
    Told(String),
    /// A request of the server's own, as the server wrote it.
    Asked(String),
    /// The answer, under the link's own number. It is the last event.
    Answered(String),
}

/// A request that waits for its answer.
pub(super) struct Calling {
    /// Its number at the server.
    pub(super) number: u64,
    pub(super) link: Arc<Link>,
    events: mpsc::Receiver<Event>,
    /// Whether the server is to stop when nobody waits any more.
    cancels: bool,
}

impl Link {
    /// Speaks with a process that has just been started.
    pub(super) fn open(process: Process, output: Output, hub: Arc<Hub>) -> Arc<Self> {
        let link = Arc::new(Self {
            process,
            hub,
            routes: Mutex::default(),
            next: AtomicU64::new(1),
            welcome: OnceLock::new(),
            initialized: OnceCell::new(),
        });
        tokio::spawn(Arc::clone(&link).read(output));
        link
    }

    /// How the server introduced itself. Known once it was met.
    pub(super) fn welcome(&self) -> Option<&Welcome> {
        self.welcome.get()
    }

    pub(super) fn met(&self, welcome: Welcome) {
        // A server is met once.
        let _ = self.welcome.set(welcome);
    }

    pub(super) const fn process(&self) -> &Process {
        &self.process
    }

    /// Whether it takes requests.
    pub(super) fn is_open(&self) -> bool {
        let routes = self.routes();
        !routes.retired && !routes.gone
    }

    /// Sends a request that `write` makes of its number.
    ///
    /// # Errors
    /// [`Gone`] when the server did not get it, so that another may.
    pub(super) async fn call(
        self: &Arc<Self>,
        about: About,
        write: impl FnOnce(u64) -> Option<Outgoing> + Send,
    ) -> Result<Option<Calling>, Gone> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(Outgoing { text, token }) = write(number) else { return Ok(None) };
        let (sender, events) = mpsc::channel(UNREAD);
        {
            let mut routes = self.routes();
            if routes.retired || routes.gone {
                return Err(Gone);
            }
            routes.calls.insert(number, Waiting { events: sender, token, about, is_cancelled: false });
        }
        let calling = Calling { number, link: Arc::clone(self), events, cancels: true };
        if let Err(gone) = self.process.send(text).await {
            self.lose();
            return Err(gone);
        }
        Ok(Some(calling))
    }

    /// Sends a request of the gateway's own; `params` are JSON text.
    ///
    /// # Errors
    /// [`Gone`] when the server did not get it.
    pub(super) async fn request(self: &Arc<Self>, method: &str, params: &str) -> Result<Calling, Gone> {
        let write = |number: u64| {
            Some(Outgoing { text: envelope::request(&number.to_string(), method, params), token: None })
        };
        self.call(About::default(), write).await?.ok_or(Gone)
    }

    /// Sends what has no answer.
    ///
    /// # Errors
    /// [`Gone`] when the server did not get it.
    pub(super) async fn tell(&self, line: String) -> Result<(), Gone> {
        self.process.send(line).await.inspect_err(|_| self.lose())
    }

    /// A process that reads nothing any more is of no use to anybody.
    fn lose(&self) {
        self.routes().gone = true;
        self.process.kill();
    }

    /// Sends what has no answer, and does not wait: for whoever must go on reading what the server says.
    pub(super) fn tell_soon(self: &Arc<Self>, text: String) {
        let link = Arc::clone(self);
        tokio::spawn(async move { link.tell(text).await });
    }

    /// Tells an older server that the handshake is over, in the client's words or ours; once, and before any request.
    ///
    /// # Errors
    /// [`Gone`] when the server did not get it.
    pub(super) async fn initialized(&self, words: Option<String>) -> Result<(), Gone> {
        if self.welcome().is_none_or(Welcome::is_modern) {
            return Ok(());
        }
        let tell = || self.tell(words.unwrap_or_else(handshake::initialized));
        self.initialized.get_or_try_init(tell).await.copied()
    }

    /// A client takes a request back, in its own words; `id` is the client's, as JSON text. Servers do not answer such a request, so it is
    /// over soon whatever they do.
    pub(super) fn cancel(self: &Arc<Self>, id: &str, words: &str) {
        let number = {
            let mut routes = self.routes();
            let mut waiting = routes.calls.iter_mut();
            let found = waiting.find(|(_, call)| call.about.client_id.as_deref() == Some(id));
            // Once is enough.
            found.and_then(|(number, call)| {
                (!std::mem::replace(&mut call.is_cancelled, true)).then_some(*number)
            })
        };
        let Some(number) = number else { return };
        if let Some(text) = calls::cancels_instead(words, number) {
            self.process.try_send(text);
        }
        let link = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(CANCELLED).await;
            link.forget(number);
        });
    }

    /// Whether the process answers nothing any more.
    pub(super) fn is_gone(&self) -> bool {
        self.routes().gone
    }

    /// Takes no more requests, and ends the process once those that it has are answered, or nobody can believe any more that they will be.
    pub(super) fn retire(self: &Arc<Self>) {
        let link = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(RETIRED).await;
            if let Some(link) = link.upgrade() {
                link.process.kill();
            }
        });
        let mut routes = self.routes();
        routes.retired = true;
        if routes.calls.is_empty() {
            self.process.close();
        }
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody waits for this answer any more; whether somebody did.
    fn forget(&self, number: u64) -> bool {
        let mut routes = self.routes();
        let waited = routes.calls.remove(&number).is_some();
        if routes.retired && routes.calls.is_empty() {
            self.process.close();
        }
        waited
    }

    async fn read(self: Arc<Self>, mut output: Output) {
        let mut complained = false;
        loop {
            match output.next().await {
                Ok(Some(line)) => {
                    let line = one_line(&line);
                    let understood = match std::str::from_utf8(&line) {
                        Ok(text) => self.hear_line(text).await,
                        Err(_) => false,
                    };
                    if !understood && !std::mem::replace(&mut complained, true) {
                        tracing::warn!(
                            "a server writes lines to stdout that are no MCP messages; they are left out"
                        );
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "a server's message cannot be read; its process is ended");
                    self.process.note(&format!("(a message was not read: {error})"));
                    self.process.kill();
                    break;
                }
            }
        }
        self.routes().gone = true;
        // Whoever waits is told what the process said last.
        tokio::select! {
            () = self.process.ended() => {}
            () = tokio::time::sleep(END) => self.process.kill(),
        }
        let waiting = std::mem::take(&mut self.routes().calls);
        drop(waiting);
    }

    async fn hear_line(self: &Arc<Self>, line: &str) -> bool {
        let mut understood = true;
        for text in messages(line) {
            match Envelope::read(text) {
                Some(message) => self.hear(text, &message).await,
                None => understood = text.trim().is_empty(),
            }
        }
        understood
    }

    async fn hear(self: &Arc<Self>, text: &str, message: &Envelope<'_>) {
        match &message.kind {
            Kind::Result { id } | Kind::Error { id: Some(id) } => self.answered(id, text).await,
            Kind::Error { id: None } => tracing::debug!("a server could not read a message"),
            Kind::Request { id, method } if method == "ping" => {
                // A server that does not read its answers waits for none.
                self.process.try_send(envelope::answer(id, "{}"));
            }
            Kind::Request { .. } => {
                let newest = self.newest(|about| about.may_be_asked);
                match newest {
                    Some(events) => send(&events, Event::Asked(text.to_owned())).await,
                    None => self.hub.asked(self, text),
                }
            }
            Kind::Notification { method } => self.told(text, message, method).await,
        }
    }

    async fn answered(&self, id: &str, text: &str) {
        let Ok(number) = id.parse() else { return };
        let waiting = self.routes().calls.get(&number).map(|call| call.events.clone());
        if let Some(events) = waiting {
            // First, since whoever takes the answer may end the process.
            send(&events, Event::Answered(text.to_owned())).await;
        }
        self.forget(number);
    }

    async fn told(self: &Arc<Self>, text: &str, message: &Envelope<'_>, method: &str) {
        let numbered = |key: Option<&str>| {
            let number = key?.parse().ok()?;
            let routes = self.routes();
            let call = routes.calls.get(&number)?;
            Some((call.events.clone(), call.token.clone()))
        };
        if method == "notifications/progress" {
            if let Some((events, Some(token))) = numbered(message.param("progressToken"))
                && let Some(text) = results::with_token(text, &token)
            {
                send(&events, Event::Told(text)).await;
            }
        } else if let Some((events, _)) = numbered(message.meta(listening::SUBSCRIPTION)) {
            send(&events, Event::Told(text.to_owned())).await;
        } else if method == "notifications/message" {
            let level = message.param("level").unwrap_or_default();
            let wanted = |about: &About| {
                about.log_level.as_deref().is_some_and(|least| results::is_severe_enough(level, least))
            };
            match self.newest(wanted) {
                Some(events) => send(&events, Event::Told(text.to_owned())).await,
                None => self.hub.told(self, text, message, method),
            }
        } else if method == "notifications/cancelled"
            // An older server takes back a request of its own.
            && self.welcome().is_some_and(Welcome::is_modern)
            && let Some((events, _)) = numbered(message.param("requestId"))
        {
            // MCP 2026-07-28: the server ends a stream of its own accord.
            drop(events);
            self.forget(message.param("requestId").and_then(|id| id.parse().ok()).unwrap_or_default());
        } else {
            self.hub.told(self, text, message, method);
        }
    }

    fn newest(&self, suits: impl Fn(&About) -> bool) -> Option<mpsc::Sender<Event>> {
        let routes = self.routes();
        let mut waiting = routes.calls.values().rev();
        waiting.find(|call| suits(&call.about)).map(|call| call.events.clone())
    }
}

impl Calling {
    /// What the server says next; `None` when it has ended without an answer.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The answer, whatever is said before it.
    pub(super) async fn answer(mut self) -> Option<String> {
        loop {
            if let Event::Answered(text) = self.next().await? {
                return Some(text);
            }
        }
    }

    /// The answer to a request on which little depends: a server that does not answer it soon is not waited for.
    pub(super) async fn answer_soon(self) -> Option<String> {
        tokio::time::timeout(SOON, self.answer()).await.ok().flatten()
    }

    /// The client that waits calls its progress by another name from now on.
    pub(super) fn set_token(&self, token: Option<String>) {
        if let Some(call) = self.link.routes().calls.get_mut(&self.number) {
            call.token = token;
        }
    }

    /// Lets the server go on when nobody waits any more.
    pub(super) const fn leave_running(&mut self) {
        self.cancels = false;
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if self.link.forget(self.number) && self.cancels {
            self.link.process.try_send(calls::cancelled(self.number));
        }
    }
}

/// The reader waits for whoever is slow: what is about one request is never lost, and all of it is one user's.
async fn send(events: &mpsc::Sender<Event>, event: Event) {
    // Nobody waits any more.
    let _ = events.send(event).await;
}

/// Events of a request that its client has not read.
const UNREAD: usize = 64;

/// How long a server may take to answer what the gateway itself asks.
const SOON: std::time::Duration = std::time::Duration::from_secs(2);

/// How long a server may take to answer a request all the same that was taken back.
const CANCELLED: std::time::Duration = std::time::Duration::from_secs(2);

/// How long a process may take to answer what it was asked before it was replaced.
const RETIRED: std::time::Duration = std::time::Duration::from_mins(30);

/// How long a process may go on after it closed stdout.
const END: std::time::Duration = std::time::Duration::from_secs(5);
