//! The processes of all users: who has one, who gets one, and who has to wait.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use coatroom::Revocations;
use coatroom::clock::Clock;
use coatroom::protocol::bridge::{Filter, Welcome};
use coatroom::protocol::words::Subject;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::link::Link;
use super::listen;
use super::meet::{Hello, Manners, meet};
use super::place::{Place, Places};
use super::process::Process;
use super::seat::{Phase, Seat, SeatKey, Started, Trouble};
use crate::child::Plan;
use crate::command::CommandConfig;

/// The processes of all users.
pub(crate) struct Pool {
    seats: Mutex<HashMap<SeatKey, Arc<Seat>>>,
    places: Places,
    bounds: Bounds,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
}

/// How many processes there may be, and how long sessions are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Processes of one user at once.
    pub(crate) per_user: usize,
    /// Processes at once.
    pub(crate) in_all: usize,
    /// Sessions of one user at once; and other clients that differ in what they can do.
    pub(crate) seats_per_user: usize,
    /// How long a session may rest.
    pub(crate) session_idle: Duration,
}

/// A command that users have processes of.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: CommandConfig,
    pub(super) manners: Manners,
}

/// Why there is no process for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoLink {
    /// All that there may be are at work.
    Crowded,
    /// It could not be started, just now.
    NotStarted(Trouble),
    /// It could not be started, and is not tried again for so long.
    Waiting(Trouble, Duration),
    /// The session or grant has ended.
    Ended,
}

impl Pool {
    /// A pool without processes. It looks after itself as long as it is there.
    pub(crate) fn new(
        places: Places,
        bounds: Bounds,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let pool = Arc::new(Self { seats: Mutex::default(), places, bounds, revocations, clock });
        tokio::spawn(tidy(Arc::downgrade(&pool)));
        pool
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<SeatKey, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat with this key.
    pub(super) fn find(&self, key: &SeatKey) -> Option<Arc<Seat>> {
        self.seats().get(key).inspect(|seat| seat.touch()).cloned()
    }

    /// The seat with this key, which is made if there is none; `None` where the user has as many as there may be, and uses them all.
    pub(super) fn seat(
        self: &Arc<Self>,
        key: SeatKey,
        user: Option<&Subject>,
        idle: Duration,
        hello: impl FnOnce() -> Hello,
    ) -> Option<Arc<Seat>> {
        let mut seats = self.seats();
        if let Some(seat) = seats.get(&key) {
            seat.touch();
            return Some(Arc::clone(seat));
        }
        let seat = Seat::new(key.clone(), user.cloned(), hello(), idle, Arc::clone(&self.clock));
        self.make_place(&mut seats, &seat)?;
        seats.insert(key, Arc::clone(&seat));
        drop(seats);
        if let Some(grant) = seat.key.grant {
            tokio::spawn(end_with(
                Arc::downgrade(self),
                Arc::downgrade(&seat),
                Arc::clone(&self.revocations),
                grant,
            ));
        }
        Some(seat)
    }

    /// Gives up the longest unused seat of a user who has as many of its kind as there may be; `None` when all are in use.
    fn make_place(&self, seats: &mut HashMap<SeatKey, Arc<Seat>>, newcomer: &Seat) -> Option<()> {
        let alike =
            |seat: &&Arc<Seat>| seat.is_session() == newcomer.is_session() && seat.user == newcomer.user;
        // Whoever did not sign in is not told apart.
        let most = if newcomer.user.is_some() { self.bounds.seats_per_user } else { SEATS_OF_NOBODY };
        if seats.values().filter(alike).count() >= most {
            let unused = seats.values().filter(alike).filter(|seat| !seat.is_busy());
            let longest = unused.max_by_key(|seat| seat.unused_for()).cloned()?;
            seats.remove(&longest.key);
            longest.give_up();
        }
        Some(())
    }

    /// Gives a seat up: its session or grant has ended.
    pub(super) fn remove(&self, seat: &Seat) {
        self.seats().remove(&seat.key);
        seat.give_up();
    }

    /// The process of a seat, with the credential that `plan` has; it is started if there is none.
    ///
    /// # Errors
    /// [`NoLink`] says why there is none.
    pub(super) async fn link(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        server: &Arc<Server>,
        plan: &Plan,
    ) -> Result<Arc<Link>, NoLink> {
        let fingerprint = plan.fingerprint();
        for _ in 0..ATTEMPTS {
            if seat.is_given_up() {
                return Err(NoLink::Ended);
            }
            if let Some(link) = seat.running(&fingerprint) {
                return Ok(link);
            }
            let (of, mut starting) = self.start(seat, server, fingerprint, plan)?;
            let started = starting.wait_for(Option::is_some).await.ok().and_then(|started| started.clone());
            match started {
                Some(Ok(link)) if of == fingerprint && link.is_open() => return Ok(link),
                Some(Err(trouble)) if of == fingerprint => return Err(NoLink::NotStarted(trouble)),
                // It has another credential, or was taken away at once.
                _ => {}
            }
        }
        Err(NoLink::Crowded)
    }

    /// Begins to start a process, unless somebody else does.
    fn start(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        server: &Arc<Server>,
        fingerprint: [u8; 32],
        plan: &Plan,
    ) -> Result<([u8; 32], watch::Receiver<Option<Started>>), NoLink> {
        // One at a time decides who gets a process.
        let seats = self.seats();
        // Whoever comes first after a process ended sees that it did.
        seat.note_end();
        let old = {
            let state = seat.state();
            match &state.phase {
                // One whose task is gone never ends.
                Phase::Starting(of, starting) if starting.has_changed().is_ok() => {
                    return Ok((*of, starting.clone()));
                }
                Phase::Running(_, link, _) => Some(Arc::clone(link)),
                Phase::Starting(..) | Phase::Empty => None,
            }
        };
        if old.is_some_and(|link| link.is_open()) {
            tracing::debug!("a credential is another than before; the process is replaced");
        } else {
            if let Some((trouble, wait)) = seat.state().waits(self.clock.elapsed()) {
                return Err(NoLink::Waiting(trouble, wait));
            }
            self.make_room(&seats, seat)?;
        }
        seat.vacate(false);
        let (done, starting) = watch::channel(None);
        seat.state().phase = Phase::Starting(fingerprint, starting.clone());
        drop(seats);
        let (pool, seat, server, plan) =
            (Arc::clone(self), Arc::clone(seat), Arc::clone(server), plan.clone());
        let mine = starting.clone();
        tokio::spawn(async move {
            let started = pool.start_now(&seat, &server, fingerprint, plan).await;
            if let Err(trouble) = &started {
                tracing::warn!(why = trouble.what, "a server could not be started for a user");
                seat.not_started(&mine, trouble.clone());
            }
            done.send_replace(Some(started));
        });
        Ok((fingerprint, starting))
    }

    /// Makes sure that one more process may be started: ends the longest unused one, if it must.
    fn make_room(&self, seats: &HashMap<SeatKey, Arc<Seat>>, newcomer: &Arc<Seat>) -> Result<(), NoLink> {
        let has_process = |seat: &&Arc<Seat>| !matches!(seat.state().phase, Phase::Empty);
        let of_user = |seat: &&Arc<Seat>| newcomer.user.is_some() && seat.user == newcomer.user;
        let others = || seats.values().filter(|seat| !Arc::ptr_eq(seat, newcomer)).filter(has_process);
        let end_one = |seats: &mut dyn Iterator<Item = &Arc<Seat>>| {
            let resting =
                seats.filter(|seat| !seat.is_busy() && matches!(seat.state().phase, Phase::Running(..)));
            let longest = resting.max_by_key(|seat| seat.unused_for()).ok_or(NoLink::Crowded)?;
            longest.vacate(false);
            Ok(())
        };
        // Those that are about to end count as well, or whoever opens sessions in a row would have any number.
        let dying =
            |seats: &mut dyn Iterator<Item = &Arc<Seat>>| seats.map(|seat| seat.dying()).sum::<usize>();
        if dying(&mut seats.values().filter(of_user)) >= self.bounds.per_user
            || dying(&mut seats.values()) >= self.bounds.in_all
        {
            return Err(NoLink::Crowded);
        }
        if others().filter(of_user).count() >= self.bounds.per_user {
            return end_one(&mut others().filter(of_user));
        }
        if others().count() >= self.bounds.in_all {
            return end_one(&mut others());
        }
        Ok(())
    }

    async fn start_now(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        server: &Arc<Server>,
        fingerprint: [u8; 32],
        plan: Plan,
    ) -> Started {
        let failed = |why: &str| Trouble::not_started(why, String::new());
        let place = self.place(server).await;
        let place = place.map_err(|error| failed(&format!("it gets no folder: {error}")))?;
        let plan = plan.at(place.folder(), &place.temporary());
        let (process, output) = Process::start(place, &plan)
            .map_err(|error| failed(&format!("the system starts no process: {error}")))?;
        drop(plan);
        let link = Link::open(process, output, Arc::clone(&seat.hub));
        let why = tokio::select! {
            met = self.meet(seat, server, &link) => match met {
                Ok(()) if seat.run(fingerprint, &link) => {
                    tokio::spawn(watch_end(Arc::clone(seat), Arc::clone(&link)));
                    return Ok(link);
                }
                Ok(()) => ENDED.to_owned(),
                Err(why) => why,
            },
            () = seat.given_up() => ENDED.to_owned(),
        };
        link.process().kill();
        // What it said last is on its way.
        let _ = tokio::time::timeout(GRACE, link.process().ended()).await;
        Err(Trouble::not_started(&why, link.process().last_words()))
    }

    /// A folder for one more process. Whoever makes room for it may not have left yet.
    async fn place(&self, server: &Server) -> io::Result<Place> {
        for _ in 0..PATIENCE {
            let (places, config) = (self.places.clone(), server.config.clone());
            let opened = tokio::task::spawn_blocking(move || places.open(&config)).await;
            match opened.map_err(io::Error::other)? {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => tokio::time::sleep(PAUSE).await,
                opened => return opened,
            }
        }
        Err(io::Error::other("every user of `processes.uids` has a process"))
    }

    /// Introduces the client to a new process, and tells it what its predecessor was told; else why not.
    async fn meet(&self, seat: &Arc<Seat>, server: &Server, link: &Arc<Link>) -> Result<(), String> {
        let meeting = tokio::time::timeout(server.config.start, meet(link, &seat.hello, &server.manners));
        let late = |_| format!("it did not answer within {} s", server.config.start.as_secs());
        let welcome =
            meeting.await.map_err(late)?.map_err(|refused| link.process().redacted(&refused.to_string()))?;
        link.met(welcome.clone());
        if welcome.is_modern() {
            if seat.is_session() {
                tokio::spawn(listen::for_session(Arc::clone(seat), Arc::clone(link)));
            }
            return Ok(());
        }
        let words = seat.hub.initialized();
        // The first time a client with a session says so itself.
        if words.is_some() || !seat.is_session() {
            link.initialized(words).await.map_err(|gone| gone.to_string())?;
            restore(seat, link, &welcome).await;
        }
        Ok(())
    }
}

/// What an older server has to be told again: the level of log messages, and which resources somebody wants to hear of.
async fn restore(seat: &Seat, link: &Arc<Link>, welcome: &Welcome) {
    let mut requests = Vec::new();
    if let Some(level) = seat.hub.log_level().filter(|_| welcome.has("logging")) {
        requests.push(("logging/setLevel", format!(r#"{{"level":{level}}}"#)));
    }
    let wanted = Filter { uris: seat.hub.subscribed(), ..Filter::default() }.honoured(welcome);
    requests.extend(wanted.uris.iter().map(|uri| ("resources/subscribe", listen::params_of(uri))));
    let told = requests.into_iter().map(|(method, params)| async move {
        if let Ok(calling) = link.request(method, &params).await {
            calling.answer_soon().await;
        }
    });
    join_all(told).await;
}

/// Notes when a process ends that nobody ended.
async fn watch_end(seat: Arc<Seat>, link: Arc<Link>) {
    link.process().ended().await;
    if seat.note_end() {
        tracing::info!("a server's process ended by itself; it is started again when it is needed");
    }
}

/// Ends what runs for a grant once that has ended.
async fn end_with(
    pool: Weak<Pool>,
    seat: Weak<Seat>,
    revocations: Arc<Revocations>,
    grant: coatroom::protocol::words::GrantId,
) {
    loop {
        tokio::select! {
            () = revocations.ended(grant) => {}
            // Whether somebody still needs it.
            () = tokio::time::sleep(LOOK) => {}
        }
        let (Some(pool), Some(seat)) = (pool.upgrade(), seat.upgrade()) else { return };
        if seat.is_given_up() {
            return;
        }
        if revocations.is_revoked(grant) {
            tracing::info!("a grant has ended; its process is ended");
            pool.remove(&seat);
            return;
        }
        if revocations.is_blind() {
            // Nobody knows whose grants have ended (ARCHITECTURE.md, rule 5).
            seat.vacate(true);
            drop((pool, seat));
            tokio::time::sleep(BLIND).await;
        }
    }
}

/// Stops what nobody used for long, and forgets seats that nobody comes back to.
async fn tidy(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(TIDY).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = pool.clock.elapsed();
        let mut seats = pool.seats();
        let resting: Vec<Arc<Seat>> = seats.values().filter(|seat| !seat.is_busy()).cloned().collect();
        for seat in resting {
            let unused = seat.unused_for();
            if matches!(seat.state().phase, Phase::Running(..)) && unused >= seat.idle {
                tracing::debug!("nobody used a process for long; it is stopped");
                seat.vacate(false);
                continue;
            }
            let is_empty = matches!(seat.state().phase, Phase::Empty) && seat.state().waits(now).is_none();
            let kept = if seat.is_session() { pool.bounds.session_idle } else { seat.idle };
            if is_empty && unused >= kept && seat.is_quiet() {
                seats.remove(&seat.key);
                seat.give_up();
            }
        }
    }
}

const ENDED: &str = "its session has ended";

/// How often a process may be taken away before it was used.
const ATTEMPTS: usize = 4;

/// How often, and after how long, it is seen whether somebody has left.
const PATIENCE: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

const TIDY: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_mins(1);
const BLIND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(2);

/// Of all who did not sign in, together.
const SEATS_OF_NOBODY: usize = 1024;
