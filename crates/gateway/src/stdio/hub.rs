//! What a client and its server say to each other beside calls: the streams of a session, requests of the server that wait for an
//! answer, what the client listens to, and calls that wait for their client's input.
//!
//! It belongs to the client's seat, and outlives the processes that come and go there.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use coatroom::protocol::access::Era;
use coatroom::protocol::bridge::envelope::{refusal, with_id};
use coatroom::protocol::bridge::{Envelope, Filter, Kind, calls, listening};
use tokio::sync::{mpsc, oneshot, watch};

use super::link::Link;
use super::outbox::Resumed;

/// What one seat has beside its calls.
#[derive(Debug)]
pub(super) struct Hub {
    /// How its client speaks.
    era: Era,
    state: Mutex<State>,
    /// The resources that a client of a session subscribed to.
    uris: watch::Sender<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct State {
    /// Streams that the client of a session opened.
    streams: Vec<mpsc::Sender<String>>,
    /// Requests of the server for which nobody could be asked yet.
    held: VecDeque<Held>,
    /// Requests that the client has not answered, by the number that the client knows them by.
    asked: BTreeMap<u64, Reply>,
    next: u64,
    listeners: BTreeMap<u64, Listener>,
    parked: HashMap<String, mpsc::Sender<Resumed>>,
    log_level: Option<String>,
    /// How the client of a session said that the handshake is over.
    initialized: Option<String>,
}

/// Who waits for a client's answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// A server's request, by the server's id, as JSON text.
    Server(Weak<Link>, String),
    /// A call that a client of a session made of a server that asks by results.
    Call(oneshot::Sender<String>),
}

/// A request of a server that waits for a call on which its client can be asked.
#[derive(Debug)]
pub(super) struct Held {
    number: u64,
    link: Weak<Link>,
    /// As the server wrote it.
    pub(super) text: String,
}

#[derive(Debug)]
struct Listener {
    id: String,
    filter: Filter,
    events: mpsc::Sender<String>,
}

/// A stream of `subscriptions/listen`, which hears no more once this is dropped.
pub(super) struct Listening {
    hub: Arc<Hub>,
    number: u64,
    pub(super) events: mpsc::Receiver<String>,
}

impl Hub {
    pub(super) fn new(era: Era) -> Arc<Self> {
        Arc::new(Self { era, state: Mutex::default(), uris: watch::Sender::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // === What the server says ===

    /// A server asks for something, and there is no call on which its client could be asked.
    pub(super) fn asked(self: &Arc<Self>, link: &Arc<Link>, text: &str) {
        if self.era == Era::Legacy && self.ask_on_stream(link, text) {
            return;
        }
        let number = {
            let mut state = self.state();
            let number = state.number();
            let held = Held { number, link: Arc::downgrade(link), text: text.to_owned() };
            if state.held.len() >= MOST_HELD {
                held.refuse("too much is asked");
                return;
            }
            state.held.push_back(held);
            number
        };
        let hub = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(HELD).await;
            let given_up = {
                let mut state = hub.state();
                let at = state.held.iter().position(|held| held.number == number);
                at.and_then(|at| state.held.remove(at))
            };
            if let Some(held) = given_up {
                held.refuse("nobody could be asked");
            }
        });
    }

    fn ask_on_stream(&self, link: &Arc<Link>, text: &str) -> bool {
        let mut state = self.state();
        if state.streams.is_empty() {
            return false;
        }
        state.ask(link, text).is_some_and(|text| state.say(text))
    }

    /// A server tells something that is about no call.
    pub(super) fn told(&self, link: &Arc<Link>, text: &str, message: &Envelope<'_>, method: &str) {
        let mut state = self.state();
        if self.era == Era::Modern {
            for listener in state.listeners.values().filter(|listener| listener.filter.wants(message, method))
            {
                if let Some(text) = listening::tagged(text, &listener.id) {
                    // Who does not read learns of the change when they ask.
                    let _ = listener.events.try_send(text);
                }
            }
        } else if method == "notifications/cancelled" {
            // The server gives up a request of its own.
            let id = message.param("requestId").unwrap_or_default();
            let number = state.asked.iter().find_map(|(number, reply)| match reply {
                Reply::Server(asked, own) if own == id && asked.ptr_eq(&Arc::downgrade(link)) => {
                    Some(*number)
                }
                _ => None,
            });
            if let Some(number) = number {
                state.asked.remove(&number);
                if let Some(text) = calls::cancels_instead(text, number) {
                    state.say(text);
                }
            }
        } else {
            state.say(text.to_owned());
        }
    }

    // === What the client says ===

    /// Asks the client: the server's request under a number that the client's answer names; `None` when it is none.
    pub(super) fn ask(&self, link: &Arc<Link>, text: &str) -> Option<String> {
        self.state().ask(link, text)
    }

    /// Asks the client on behalf of a call; `write` makes the request of its number.
    pub(super) fn ask_for_call(
        &self,
        write: impl FnOnce(&str) -> String,
    ) -> (String, oneshot::Receiver<String>) {
        let (sender, answer) = oneshot::channel();
        let mut state = self.state();
        let number = state.number();
        state.asked.retain(|_, reply| !reply.is_stale());
        state.asked.insert(number, Reply::Call(sender));
        (write(&number.to_string()), answer)
    }

    /// A client answers. What was not asked is left out.
    pub(super) fn answered(&self, text: &str) {
        let id = Envelope::read(text).and_then(|message| match message.kind {
            Kind::Result { id } | Kind::Error { id: Some(id) } => id.parse().ok(),
            _ => None,
        });
        let reply = id.and_then(|id: u64| self.state().asked.remove(&id));
        match reply {
            Some(Reply::Server(link, id)) => {
                if let (Some(link), Some(text)) = (link.upgrade(), with_id(text, &id)) {
                    link.tell_soon(text);
                }
            }
            Some(Reply::Call(call)) => drop(call.send(text.to_owned())),
            None => tracing::debug!("a client answered what nobody asked"),
        }
    }

    /// A request that waits for a call on which the client can be asked, as the server wrote it.
    pub(super) fn take_held(&self, link: &Arc<Link>) -> Option<String> {
        let own = Arc::downgrade(link);
        let mut state = self.state();
        let at = state.held.iter().position(|held| held.link.ptr_eq(&own))?;
        state.held.remove(at).map(|held| held.text)
    }

    /// Opens a stream for a client of a session.
    pub(super) fn open_stream(&self) -> mpsc::Receiver<String> {
        let (sender, events) = mpsc::channel(UNREAD);
        let mut state = self.state();
        state.streams.retain(|stream| !stream.is_closed());
        if state.streams.len() >= MOST_STREAMS {
            state.streams.remove(0);
        }
        state.streams.push(sender);
        for held in std::mem::take(&mut state.held) {
            if let Some(link) = held.link.upgrade()
                && let Some(text) = state.ask(&link, &held.text)
            {
                state.say(text);
            }
        }
        events
    }

    /// Sends something to the client of a session on a stream of its own; false when it has none.
    pub(super) fn say(&self, text: String) -> bool {
        self.state().say(text)
    }

    // === What the client listens to ===

    /// Lets a client hear what `filter` says of changes; `id` is that of its request, as JSON text.
    pub(super) fn listen(self: &Arc<Self>, id: &str, filter: Filter) -> Listening {
        let (events, receiver) = mpsc::channel(UNREAD);
        let mut state = self.state();
        let number = state.number();
        state.listeners.insert(number, Listener { id: id.to_owned(), filter, events });
        Listening { hub: Arc::clone(self), number, events: receiver }
    }

    /// The resources of which somebody wants to hear.
    pub(super) fn subscribed(&self) -> BTreeSet<String> {
        let mut uris = self.uris.borrow().clone();
        for listener in self.state().listeners.values() {
            uris.extend(listener.filter.uris.iter().cloned());
        }
        uris
    }

    /// The client of a session wants to hear of a resource, or does not any more; false when it wants to hear of too many.
    pub(super) fn subscribe(&self, uri: &str, wants: bool) -> bool {
        if wants && (uri.len() > LONGEST_URI || self.uris.borrow().len() >= MOST_URIS) {
            return false;
        }
        self.uris.send_if_modified(|uris| if wants { uris.insert(uri.to_owned()) } else { uris.remove(uri) });
        true
    }

    /// Changes whenever the client of a session subscribes to something else.
    pub(super) fn subscriptions(&self) -> watch::Receiver<BTreeSet<String>> {
        self.uris.subscribe()
    }

    /// The least severe log messages that the client of a session wants, as JSON text.
    pub(super) fn log_level(&self) -> Option<String> {
        self.state().log_level.clone()
    }

    /// What was wanted before.
    pub(super) fn set_log_level(&self, level: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.state().log_level, level)
    }

    /// How the client of a session said that the handshake is over.
    pub(super) fn initialized(&self) -> Option<String> {
        self.state().initialized.clone()
    }

    pub(super) fn set_initialized(&self, words: &str) {
        self.state().initialized = Some(words.to_owned());
    }

    // === Calls that wait for their client's input ===

    /// Lets the call be found by this state.
    pub(super) fn park(&self, state: &str, call: mpsc::Sender<Resumed>) {
        self.state().parked.insert(state.to_owned(), call);
    }

    /// The call of this state.
    pub(super) fn parked(&self, state: &str) -> Option<mpsc::Sender<Resumed>> {
        self.state().parked.get(state).cloned()
    }

    pub(super) fn unpark(&self, state: &str) {
        self.state().parked.remove(state);
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn ask(&mut self, link: &Arc<Link>, text: &str) -> Option<String> {
        let Kind::Request { id, .. } = Envelope::read(text)?.kind else { return None };
        let number = self.number();
        self.asked.retain(|_, reply| !reply.is_stale());
        if self.asked.len() >= MOST_ASKED {
            self.asked.pop_first();
        }
        self.asked.insert(number, Reply::Server(Arc::downgrade(link), id.to_owned()));
        with_id(text, &number.to_string())
    }

    /// One stream gets it: the first that takes it. Who does not read has no stream any more, and opens another.
    fn say(&mut self, text: String) -> bool {
        let mut text = Some(text);
        self.streams.retain(|stream| match text.take() {
            None => true,
            Some(said) => match stream.try_send(said) {
                Ok(()) => true,
                Err(refused) => {
                    text = Some(refused.into_inner());
                    false
                }
            },
        });
        text.is_none()
    }
}

impl Reply {
    /// Whether nobody waits any more.
    fn is_stale(&self) -> bool {
        match self {
            Self::Server(link, _) => link.strong_count() == 0,
            Self::Call(call) => call.is_closed(),
        }
    }
}

impl Held {
    fn refuse(&self, why: &str) {
        let Some(link) = self.link.upgrade() else { return };
        if let Some(Kind::Request { id, .. }) = Envelope::read(&self.text).map(|message| message.kind) {
            link.process().try_send(refusal(id, METHOD_NOT_FOUND, why));
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.hub.state().listeners.remove(&self.number);
    }
}

/// Streams that a client of a session may have open.
const MOST_STREAMS: usize = 16;

/// Resources that a client of a session may want to hear of, and how long their names may be in bytes.
const MOST_URIS: usize = 1024;
const LONGEST_URI: usize = 4096;

/// Requests of a server that wait for a client that can be asked.
const MOST_HELD: usize = 16;

/// Requests that a client has not answered.
const MOST_ASKED: usize = 1024;

/// How long a server's request waits for a client that can be asked.
const HELD: Duration = Duration::from_secs(30);

/// What a client has not read of one stream.
const UNREAD: usize = 256;

const METHOD_NOT_FOUND: i32 = -32601;
