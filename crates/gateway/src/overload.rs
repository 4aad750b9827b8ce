//! Overload: noticed by how late this program gets to its work, and kept out before everybody waits for it.
//!
//! A task sleeps for a moment, again and again, and sees how late it is woken: whatever else is ready waits as long. A delay that stands is
//! the sign of overload (CoDel, RFC 8289 §3); a single one is a hiccup. From then on only so many calls begin between two looks,
//! fewer after each late one and more after each that was in time, and the others wait at the gate. There callers have their turns one after
//! the other (fair queueing), so one who calls now and then is next, however much another one calls. Who had no turn within
//! [`PATIENCE`], or finds no place to wait, is refused.
//!
//! What waits or is refused costs little: nothing of it was read but its headers. What runs goes on.

mod before;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use coatroom::clock::Clock;
use tokio::sync::oneshot;

pub(crate) use self::before::{CallsBefore, rest_before};

/// What is kept out: calls of MCP servers first, and all else when that is not enough.
#[derive(Debug)]
pub(crate) struct Overload {
    /// New calls of MCP servers.
    pub(crate) calls: Gate,
    /// Everything else. Clients lose their sign-in or stand still without it.
    pub(crate) rest: Gate,
}

/// There is more to do than can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overloaded;

impl Overload {
    /// Watches for overload until it is dropped, in the runtime whose delay it is.
    pub(crate) fn watch(clock: Arc<dyn Clock>) -> Arc<Self> {
        let overload = Arc::new(Self::new());
        tokio::spawn(look(Arc::downgrade(&overload), clock));
        overload
    }

    fn new() -> Self {
        Self {
            calls: Gate::new("calls", CALLS_WAIT),
            rest: Gate::new("requests that are no calls", REST_WAITS),
        }
    }
}

async fn look(overload: Weak<Overload>, clock: Arc<dyn Clock>) {
    let mut pause = PAUSE;
    loop {
        let asked = clock.elapsed();
        tokio::time::sleep(pause).await;
        let delay = clock.elapsed().saturating_sub(asked).saturating_sub(pause);
        let Some(overload) = overload.upgrade() else { return };
        overload.calls.note(delay);
        overload.rest.note(delay);
        // Nobody needs to look closely where nothing waits.
        let is_quiet = delay < CALLS_WAIT / 8 && !overload.calls.is_shut();
        pause = if is_quiet { PAUSE } else { CLOSE_LOOK };
    }
}

/// Where requests of one kind are let in: all of them, or while it is shut some at a time.
#[derive(Debug)]
pub(crate) struct Gate {
    what: &'static str,
    target: Duration,
    /// The one thing that is looked at while all is well.
    shut: AtomicBool,
    line: Mutex<Line<oneshot::Sender<()>>>,
    names: RandomState,
}

impl Gate {
    fn new(what: &'static str, target: Duration) -> Self {
        Self {
            what,
            target,
            shut: AtomicBool::new(false),
            line: Mutex::new(Line::new()),
            names: RandomState::new(),
        }
    }

    /// Whether who comes may have to wait.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }

    /// Lets a caller begin something, at once or when it is their turn.
    ///
    /// # Errors
    /// [`Overloaded`] when that is not soon.
    pub(crate) async fn pass(&self, caller: impl Hash) -> Result<(), Overloaded> {
        if !self.is_shut() {
            return Ok(());
        }
        let (turn, has_come) = oneshot::channel();
        let arrival = self.line().arrive(self.names.hash_one(caller), turn);
        match arrival {
            Arrival::Passes => return Ok(()),
            Arrival::Waits => {}
            Arrival::Refused => {
                // Told at once, a client that does not wait before it tries again would keep this program busy with refusals.
                tokio::time::sleep(PATIENCE).await;
                return Err(Overloaded);
            }
        }
        match tokio::time::timeout(PATIENCE, has_come).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Overloaded),
        }
    }

    fn note(&self, delay: Duration) {
        let mut line = self.line();
        line.look((delay, self.target), |turn| turn.send(()).is_ok());
        let shut = line.is_shut();
        drop(line);
        if shut == self.shut.swap(shut, Ordering::Relaxed) {
            return;
        }
        let what = self.what;
        if shut {
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                delay_ms,
                "there is more to do than can be done: {what} wait, or are refused with 503"
            );
        } else {
            tracing::info!("{what} pass at once again");
        }
    }

    fn line(&self) -> MutexGuard<'_, Line<oneshot::Sender<()>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for a turn, and how many may still pass until the next look.
#[derive(Debug)]
struct Line<T> {
    pace: Pace,
    left: usize,
    /// The callers that wait, each once, in the order of their turns.
    turns: VecDeque<u64>,
    waiting: HashMap<u64, VecDeque<T>>,
    length: usize,
}

/// What becomes of who comes to a gate that is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Passes,
    Waits,
    Refused,
}

impl<T> Line<T> {
    fn new() -> Self {
        Self {
            pace: Pace::Free { late: Duration::ZERO },
            left: 0,
            turns: VecDeque::new(),
            waiting: HashMap::new(),
            length: 0,
        }
    }

    const fn is_shut(&self) -> bool {
        matches!(self.pace, Pace::Counted { .. })
    }

    fn arrive(&mut self, caller: u64, turn: T) -> Arrival {
        if !self.is_shut() {
            return Arrival::Passes;
        }
        if self.left > 0 && self.length == 0 {
            self.left -= 1;
            return Arrival::Passes;
        }
        // One caller may have as much of the room as they leave (dynamic thresholds, Choudhury and Hahne 1998).
        let own = self.waiting.get(&caller).map_or(0, VecDeque::len);
        if own >= MOST_WAITING.saturating_sub(self.length) {
            return Arrival::Refused;
        }
        let queue = self.waiting.entry(caller).or_default();
        if queue.is_empty() {
            self.turns.push_back(caller);
        }
        queue.push_back(turn);
        self.length += 1;
        Arrival::Waits
    }

    /// After a look: work waited for so long, and should for no longer than the target. `grant` says whether somebody was still there
    /// to begin.
    fn look(&mut self, delay: (Duration, Duration), mut grant: impl FnMut(T) -> bool) {
        let is_needed = self.length > 0 || (self.is_shut() && self.left == 0);
        self.pace = self.pace.after(delay, is_needed);
        self.left = match self.pace {
            Pace::Free { .. } => usize::MAX,
            Pace::Counted { calls, .. } => calls,
        };
        while self.left > 0
            && let Some(caller) = self.turns.pop_front()
        {
            let Some(queue) = self.waiting.get_mut(&caller) else { continue };
            // Who went away takes nobody's turn.
            while let Some(turn) = queue.pop_front() {
                self.length -= 1;
                if grant(turn) {
                    self.left -= 1;
                    break;
                }
            }
            if queue.is_empty() {
                self.waiting.remove(&caller);
            } else {
                self.turns.push_back(caller);
            }
        }
    }
}

/// How many may begin between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// As many as come; for how long work waited in all since it last waited for no longer than it should.
    Free { late: Duration },
    /// So many; for how many looks in a row that was enough, and in time.
    Counted { calls: usize, enough: u32 },
}

impl Pace {
    /// After a look: how long work waited and should at the most, and whether more would have begun than might.
    fn after(self, (delay, target): (Duration, Duration), is_needed: bool) -> Self {
        match (self, delay > target) {
            (Self::Free { .. }, false) => Self::Free { late: Duration::ZERO },
            (Self::Free { late }, true) if late + delay < target * STANDS => {
                Self::Free { late: late + delay }
            }
            (Self::Free { .. }, true) => Self::Counted { calls: AT_FIRST, enough: 0 },
            (Self::Counted { calls, .. }, true) => {
                Self::Counted { calls: (calls - calls / 3).max(1), enough: 0 }
            }
            (Self::Counted { calls, .. }, false) if is_needed => {
                Self::Counted { calls: calls.saturating_add(calls / 8 + 1), enough: 0 }
            }
            (Self::Counted { enough, .. }, false) if enough >= ENOUGH => Self::Free { late: Duration::ZERO },
            (Self::Counted { calls, enough }, false) => Self::Counted { calls, enough: enough + 1 },
        }
    }
}

/// What work may wait before calls are kept out, and before everything is.
const CALLS_WAIT: Duration = Duration::from_millis(50);
const REST_WAITS: Duration = Duration::from_millis(500);

/// How often it is looked at: while all is well, and when something waits.
const PAUSE: Duration = Duration::from_millis(50);
const CLOSE_LOOK: Duration = Duration::from_millis(10);

/// As many times the target a delay stands for, before anything is done about it.
const STANDS: u32 = 3;

/// What may begin until the next look, at first.
const AT_FIRST: usize = 32;

/// As many looks in a row all that came could begin: about a second.
const ENOUGH: u32 = 100;

/// How long a caller waits for a turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How many wait at one gate.
const MOST_WAITING: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: (Duration, Duration) = (Duration::from_millis(51), CALLS_WAIT);
    const IN_TIME: (Duration, Duration) = (CALLS_WAIT, CALLS_WAIT);

    fn shut() -> Line<u32> {
        let mut line = Line::new();
        for _ in 0..STANDS {
            line.look(LATE, |_| true);
        }
        assert!(line.is_shut());
        line
    }

    /// Who has a turn until the next look.
    fn turns(line: &mut Line<u32>) -> Vec<u32> {
        let mut turns = Vec::new();
        line.look(LATE, |turn| {
            turns.push(turn);
            true
        });
        turns
    }

    #[test]
    fn a_hiccup_shuts_nothing_a_delay_that_stands_does_and_it_is_over_soon_after() {
        let mut line = Line::<u32>::new();
        for delay in [LATE, LATE, IN_TIME, LATE, LATE, IN_TIME] {
            line.look(delay, |_| true);
            assert_eq!(line.arrive(1, 1), Arrival::Passes);
        }
        let mut line = shut();
        let looks = (0..1000).take_while(|_| {
            line.look(IN_TIME, |_| true);
            line.is_shut()
        });
        assert!((100..110).contains(&looks.count()));
    }

    #[test]
    fn callers_have_their_turns_one_after_the_other() {
        let mut line = shut();
        let began = (0..100).filter(|turn| line.arrive(1, *turn) == Arrival::Passes).count();
        assert_eq!(began, AT_FIRST, "the first come first");
        assert_eq!(line.arrive(2, 200), Arrival::Waits);
        assert_eq!(line.arrive(3, 300), Arrival::Waits);
        assert_eq!(turns(&mut line)[..5], [32, 200, 300, 33, 34]);
    }

    #[test]
    fn who_went_away_takes_nobodys_turn() {
        let mut line = shut();
        for turn in 0..u32::try_from(AT_FIRST).unwrap() + 50 {
            line.arrive(1, turn);
        }
        let mut asked = 0;
        line.look(LATE, |_| {
            asked += 1;
            false
        });
        assert_eq!((asked, line.length, line.waiting.len(), line.turns.len()), (50, 0, 0, 0));
        assert_eq!(line.arrive(2, 1), Arrival::Passes);
    }

    #[test]
    fn the_line_is_bounded_and_nobody_fills_it_alone() {
        let mut line = shut();
        let flood = (0..100_000).filter(|turn| line.arrive(1, *turn) == Arrival::Waits).count();
        assert_eq!(flood, MOST_WAITING / 2);
        let others = (0..100_000).filter(|turn| line.arrive(2 + u64::from(*turn), *turn) == Arrival::Waits);
        assert_eq!(others.count(), MOST_WAITING / 2);
        assert_eq!(line.length, MOST_WAITING);
    }

    /// One worker that takes what is ready in its turn: a call takes it 100 µs, a refusal or waiting 10, and a look nothing.
    ///
    /// Each of `clients` calls again as soon as it was answered, whatever it was told; they have this many names. One more calls every
    /// 100 ms.
    struct Simulated {
        done: u32,
        of_other: (u32, u32),
        longest_delay: Duration,
    }

    #[derive(Clone, Copy)]
    enum Item {
        Comes(u32),
        Begins,
        Look(Duration),
    }

    fn simulate(clients: u32, names: u32) -> Simulated {
        let mut line = Line::<(u32, Duration)>::new();
        let mut now = Duration::ZERO;
        let mut ready: VecDeque<(Duration, Item)> =
            (0..clients).map(|client| (now, Item::Comes(client))).collect();
        let mut result = Simulated { done: 0, of_other: (0, 0), longest_delay: Duration::ZERO };
        let mut held: VecDeque<(Duration, u32)> = VecDeque::new();
        let (mut next_look, mut next_other) = (now, now);
        while now < SIMULATED {
            if now >= next_look {
                ready.push_back((now, Item::Look(next_look)));
                next_look = Duration::MAX;
            }
            if now >= next_other {
                ready.push_back((now, Item::Comes(OTHER)));
                next_other = now + Duration::from_millis(100);
            }
            while let Some((_, client)) = held.pop_front_if(|(until, _)| *until <= now) {
                ready.push_back((now, Item::Comes(client)));
            }
            let Some((since, item)) = ready.pop_front() else {
                now += Duration::from_micros(100);
                continue;
            };
            if now > SIMULATED / 4 {
                result.longest_delay = result.longest_delay.max(now.saturating_sub(since));
            }
            let mut cost = Duration::from_micros(10);
            let mut begins = None;
            match item {
                Item::Look(due) => {
                    cost = Duration::ZERO;
                    line.look((now.saturating_sub(due), CALLS_WAIT), |(client, since)| {
                        let in_time = now.saturating_sub(since) <= PATIENCE;
                        if in_time {
                            ready.push_back((now, Item::Begins));
                            result.of_other.0 += u32::from(client == OTHER);
                        }
                        if client != OTHER {
                            ready.push_back((now, Item::Comes(client)));
                        }
                        in_time
                    });
                    next_look = now + CLOSE_LOOK;
                }
                Item::Begins => begins = Some(()),
                Item::Comes(client) => {
                    let is_other = client == OTHER;
                    result.of_other.1 += u32::from(is_other);
                    let name = if is_other { u64::MAX } else { u64::from(client % names) };
                    let arrival = line.arrive(name, (client, now));
                    if arrival == Arrival::Passes {
                        begins = Some(());
                        result.of_other.0 += u32::from(is_other);
                    }
                    if arrival == Arrival::Refused && !is_other {
                        held.push_back((now + PATIENCE, client));
                    } else if arrival == Arrival::Passes && !is_other {
                        ready.push_back((now, Item::Comes(client)));
                    }
                }
            }
            if begins.is_some() {
                result.done += 1;
                cost = Duration::from_micros(100);
            }
            now += cost;
        }
        result
    }

    const OTHER: u32 = u32::MAX;
    const SIMULATED: Duration = Duration::from_secs(10);

    #[test]
    fn under_any_load_the_work_goes_on_the_delay_stays_short_and_who_calls_little_is_served() {
        for (clients, names) in
            [(100, 100), (1000, 1), (1000, 1000), (4000, 3), (4000, 4000), (10_000, 1), (10_000, 10_000)]
        {
            let Simulated { done, of_other, longest_delay } = simulate(clients, names);
            let what = format!("{clients} clients, {names} names");
            // Ten in a millisecond can be done.
            assert!(done > 100_000 * 6 / 10, "{what}: {done} done");
            assert!(longest_delay < 4 * CALLS_WAIT, "{what}: {longest_delay:?}");
            let fair = of_other.1.min(done / names);
            assert!(of_other.0 * 10 >= fair * 9, "{what}: {of_other:?}, and {fair} would be fair");
        }
    }
}
