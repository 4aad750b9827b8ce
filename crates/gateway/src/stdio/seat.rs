//! The seat of one client at one server: whoever it is, with the process that serves it at the moment.
//!
//! A client that speaks MCP 2026-07-28 has one for its grant, and for what it can do; a session of an older client has one of its own.
//! Processes come and go: they are started on first use, replaced when a credential was renewed, and stopped when nobody needs them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use coatroom::clock::Clock;
use coatroom::protocol::access::Era;
use coatroom::protocol::words::{GrantId, Subject};
use tokio::sync::watch;

use super::hub::Hub;
use super::link::Link;
use super::meet::Hello;

/// Which seat.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct SeatKey {
    /// The server's name.
    pub(super) server: String,
    /// What the client may do it by; `None` for whoever did not sign in.
    pub(super) grant: Option<GrantId>,
    pub(super) place: PlaceKey,
}

/// Which of a grant's seats at one server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum PlaceKey {
    /// Of a session, by the id that was made for it.
    Session(String),
    /// Of all requests that say that their client can do the same; `None` for servers that hear it with each request.
    Client(Option<String>),
}

/// A seat.
pub(super) struct Seat {
    pub(super) key: SeatKey,
    /// Whose it is.
    pub(super) user: Option<Subject>,
    pub(super) hello: Hello,
    pub(super) hub: Arc<Hub>,
    /// How long its process may rest.
    pub(super) idle: Duration,
    state: Mutex<State>,
    /// The process that takes requests at the moment.
    links: watch::Sender<Option<Arc<Link>>>,
    /// Whether nothing is started here any more.
    given_up: watch::Sender<bool>,
    busy: AtomicUsize,
    last_used: Mutex<Duration>,
    clock: Arc<dyn Clock>,
}

/// What a seat has for a process.
#[derive(Default)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// Starts and processes in a row that failed.
    pub(super) failures: u32,
    /// Why the last one failed, and until when none is tried.
    pub(super) trouble: Option<(Trouble, Duration)>,
    /// The credential before the present one, and when it was replaced: calls that are on their way still have it.
    before: Option<([u8; 32], Duration)>,
    /// Processes that answer what they have to, and take no more.
    retired: Vec<Weak<Link>>,
}

/// Where a process is in its life.
#[derive(Default, Clone)]
pub(super) enum Phase {
    /// There is none.
    #[default]
    Empty,
    /// It is being started, for a credential of this fingerprint.
    Starting([u8; 32], watch::Receiver<Option<Started>>),
    /// It runs, with a credential of this fingerprint.
    Running([u8; 32], Arc<Link>, Duration),
}

/// What came of a start.
pub(super) type Started = Result<Arc<Link>, Trouble>;

/// Why a server is not there for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) what: String,
    /// The last lines that it wrote to stderr, without credentials.
    pub(super) last_words: String,
}

impl Trouble {
    /// Its process could not be started.
    pub(super) fn not_started(why: &str, last_words: String) -> Self {
        Self { what: format!("the MCP server could not be started for you: {why}"), last_words }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.last_words.as_str() {
            "" => Ok(()),
            said => write!(f, ". It wrote last:\n{said}"),
        }
    }
}

/// Keeps the process of a seat from being stopped.
pub(super) struct Busy(Arc<Seat>);

impl Seat {
    pub(super) fn new(
        key: SeatKey,
        user: Option<Subject>,
        hello: Hello,
        idle: Duration,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let era = if matches!(hello, Hello::Session(_)) { Era::Legacy } else { Era::Modern };
        Arc::new(Self {
            key,
            user,
            hello,
            hub: Hub::new(era),
            idle,
            state: Mutex::default(),
            links: watch::Sender::new(None),
            given_up: watch::Sender::new(false),
            busy: AtomicUsize::new(0),
            last_used: Mutex::new(clock.elapsed()),
            clock,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is a session's.
    pub(super) const fn is_session(&self) -> bool {
        matches!(self.key.place, PlaceKey::Session(_))
    }

    /// Somebody uses it, until what is returned is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.uses() > 0
    }

    /// By how many it is used at the moment.
    pub(super) fn uses(&self) -> usize {
        self.busy.load(Ordering::Acquire)
    }

    /// Somebody is about to use it.
    pub(super) fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.elapsed();
    }

    /// How long nobody has used it.
    pub(super) fn unused_for(&self) -> Duration {
        let last = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.elapsed().saturating_sub(last)
    }

    /// The process that runs, if one does.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.links.borrow().clone()
    }

    /// The processes, as they come and go.
    pub(super) fn links(&self) -> watch::Receiver<Option<Arc<Link>>> {
        self.links.subscribe()
    }

    /// Another process takes the requests from now on; false when the seat was given up.
    pub(super) fn run(&self, fingerprint: [u8; 32], link: &Arc<Link>) -> bool {
        let mut state = self.state();
        if *self.given_up.borrow() {
            return false;
        }
        self.retire(&mut state);
        state.phase = Phase::Running(fingerprint, Arc::clone(link), self.clock.elapsed());
        self.links.send_replace(Some(Arc::clone(link)));
        true
    }

    /// A start failed: unless something else happened meanwhile, there is no process.
    pub(super) fn not_started(&self, starting: &watch::Receiver<Option<Started>>, trouble: Trouble) {
        let mut state = self.state();
        if matches!(&state.phase, Phase::Starting(_, phase) if phase.same_channel(starting)) {
            state.phase = Phase::Empty;
        }
        state.failed(trouble, self.clock.elapsed());
    }

    /// Takes note of a process that ended by itself; whether it is news.
    pub(super) fn note_end(&self) -> bool {
        let now = self.clock.elapsed();
        let mut state = self.state();
        let (link, since) = match &state.phase {
            Phase::Running(_, link, since) if link.is_gone() => (Arc::clone(link), *since),
            Phase::Running(..) | Phase::Starting(..) | Phase::Empty => return false,
        };
        if now.saturating_sub(since) >= LIVED {
            state.failures = 0;
        }
        let what = match state.failures {
            0 => "the process of the MCP server that is yours ended by itself".to_owned(),
            before => format!(
                "the process of the MCP server that is yours keeps ending by itself, {} times now",
                before + 1
            ),
        };
        state.phase = Phase::Empty;
        state.failed(Trouble { what, last_words: link.process().last_words() }, now);
        self.links.send_replace(None);
        true
    }

    /// The process that runs takes no more.
    fn retire(&self, state: &mut State) {
        if !matches!(state.phase, Phase::Running(..)) {
            return;
        }
        if let Phase::Running(fingerprint, link, _) = std::mem::take(&mut state.phase) {
            state.before = Some((fingerprint, self.clock.elapsed()));
            link.retire();
            state.retired.retain(|link| link.strong_count() > 0);
            state.retired.push(Arc::downgrade(&link));
        }
    }

    /// Processes that take no more, and have not ended.
    pub(super) fn dying(&self) -> usize {
        let state = self.state();
        state.retired.iter().filter_map(Weak::upgrade).filter(|link| !link.is_gone()).count()
    }

    /// Whether nobody listens to what comes of it, and nothing of it runs.
    pub(super) fn is_quiet(&self) -> bool {
        self.links.receiver_count() == 0 && self.dying() == 0
    }

    /// The process for calls with this credential, if it runs.
    pub(super) fn running(&self, fingerprint: &[u8; 32]) -> Option<Arc<Link>> {
        let state = self.state();
        let Phase::Running(of, link, _) = &state.phase else { return None };
        let is_late = || {
            let before = state.before.as_ref().filter(|(before, _)| before == fingerprint);
            before.is_some_and(|(_, since)| self.clock.elapsed().saturating_sub(*since) < LATE)
        };
        (link.is_open() && (of == fingerprint || is_late())).then(|| Arc::clone(link))
    }

    /// Takes the process away. It ends when what it has to answer is answered, or at once with all that came before it.
    pub(super) fn vacate(&self, at_once: bool) {
        let mut state = self.state();
        self.retire(&mut state);
        if at_once {
            let retired = std::mem::take(&mut state.retired);
            retired.iter().filter_map(Weak::upgrade).for_each(|link| link.process().kill());
        }
        self.links.send_replace(None);
    }

    /// Nothing is started here any more, and what runs ends at once.
    pub(super) fn give_up(&self) {
        {
            let _nothing_runs_meanwhile = self.state();
            self.given_up.send_replace(true);
        }
        self.vacate(true);
    }

    pub(super) fn is_given_up(&self) -> bool {
        *self.given_up.borrow()
    }

    /// Completes when the seat is given up.
    pub(super) async fn given_up(&self) {
        // The sender is there as long as the seat.
        let _ = self.given_up.subscribe().wait_for(|given_up| *given_up).await;
    }
}

impl State {
    /// A process failed, or could not be started.
    pub(super) fn failed(&mut self, trouble: Trouble, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        // The first time may be bad luck; after that each wait is twice as long as the one before.
        let wait = match self.failures {
            0 | 1 => Duration::ZERO,
            failures => LONGEST_WAIT.min(Duration::from_secs(1) * 2_u32.saturating_pow(failures - 2)),
        };
        self.trouble = Some((trouble, now.saturating_add(wait)));
    }

    /// How long nothing is started, and why; `None` when it may be tried.
    pub(super) fn waits(&self, now: Duration) -> Option<(Trouble, Duration)> {
        let (trouble, until) = self.trouble.as_ref()?;
        (*until > now).then(|| (trouble.clone(), until.saturating_sub(now)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How long a call with the credential before may be on its way.
const LATE: Duration = Duration::from_secs(10);

/// A process that lived so long did not fail at its start.
const LIVED: Duration = Duration::from_secs(30);

const LONGEST_WAIT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_first_failure_each_wait_is_twice_as_long() {
        let trouble = Trouble::not_started("it ended", "bad token".to_owned());
        assert!(trouble.to_string().ends_with("it ended. It wrote last:\nbad token"));
        let mut state = State::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            state.failed(trouble.clone(), Duration::from_secs(100));
            waits.push(state.waits(Duration::from_secs(100)).map_or(0, |(_, wait)| wait.as_secs()));
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(state.waits(Duration::from_secs(160)), None);
    }
}
