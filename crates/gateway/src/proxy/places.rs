//! How many requests may be under way at one server: so many whose answers have not begun, and so many in all, streams too.
//!
//! A server that has become slow holds up those who call it and nobody else, and one user of it does not hold up the others: of
//! what there is, each may have as much as is still free (dynamic thresholds, Choudhury and Hahne 1998). So one alone gets half, and
//! there is always something for the next. Users are told apart by a keyed hash in a table of fixed size: two who share a place of it share
//! what one would have.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What there is at one server, and who has it.
#[derive(Debug)]
pub(crate) struct Places {
    server: String,
    names: RandomState,
    waiting: Shares,
    open: Shares,
}

/// A request that is under way; it gives back what it has when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    name: u64,
    waits: bool,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Places {
    /// At the server of this name: `waiting` whose answers have not begun, `open` in all.
    pub(crate) fn new(server: &str, waiting: usize, open: usize) -> Arc<Self> {
        Arc::new(Self {
            server: server.to_owned(),
            names: RandomState::new(),
            waiting: Shares::new("calls are waiting for it", waiting),
            open: Shares::new("requests are under way there", open),
        })
    }

    /// A place for one more request of a user, and whether they wait for its answer to begin: a stream may stay silent.
    ///
    /// # Errors
    /// [`Full`] when there is none for them.
    pub(crate) fn enter(self: &Arc<Self>, user: impl Hash, waits: bool) -> Result<Place, Full> {
        let name = self.names.hash_one(user);
        self.open.take(name, &self.server)?;
        let mut place = Place { places: Arc::clone(self), name, waits: false };
        if waits {
            self.waiting.take(name, &self.server)?;
            place.waits = true;
        }
        Ok(place)
    }
}

impl Place {
    /// The answer has begun.
    pub(crate) fn begun(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.places.waiting.give_back(self.name);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.begun();
        self.places.open.give_back(self.name);
    }
}

/// So many of something, and how many of them each has.
#[derive(Debug)]
struct Shares {
    what: &'static str,
    most: u32,
    taken: AtomicU32,
    of: Box<[AtomicU32]>,
    /// Whether the log knows that there was none left.
    told: AtomicBool,
}

impl Shares {
    fn new(what: &'static str, most: usize) -> Self {
        Self {
            what,
            most: u32::try_from(most).unwrap_or(u32::MAX),
            taken: AtomicU32::new(0),
            of: (0..NAMES).map(|_| AtomicU32::new(0)).collect(),
            told: AtomicBool::new(false),
        }
    }

    fn take(&self, name: u64, server: &str) -> Result<(), Full> {
        let own = self.of(name).map_or(0, |own| own.fetch_add(1, Ordering::Relaxed));
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        if fits(own, taken, self.most) {
            return Ok(());
        }
        self.give_back(name);
        if !self.told.swap(true, Ordering::Relaxed) {
            let (most, what) = (self.most, self.what);
            tracing::warn!(server.name = %server, taken, most, "a server has no room for more requests of some user: {what}");
        }
        Err(Full)
    }

    fn give_back(&self, name: u64) {
        if let Some(own) = self.of(name) {
            own.fetch_sub(1, Ordering::Relaxed);
        }
        let taken = self.taken.fetch_sub(1, Ordering::Relaxed);
        if taken < self.most / 4 && self.told.load(Ordering::Relaxed) {
            self.told.store(false, Ordering::Relaxed);
        }
    }

    fn of(&self, name: u64) -> Option<&AtomicU32> {
        self.of.get(usize::try_from(name % NAMES).ok()?)
    }
}

/// Whether who has `own` may have one more, when `taken` of `most` are taken.
const fn fits(own: u32, taken: u32, most: u32) -> bool {
    let free = most.saturating_sub(taken);
    free > 0 && (own == 0 || own < free)
}

const NAMES: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn held(places: &Arc<Places>, user: &str, tries: usize) -> Vec<Place> {
        (0..tries).filter_map(|_| places.enter(user, true).ok()).collect()
    }

    #[test]
    fn one_user_gets_half_and_there_is_always_something_for_the_next() {
        let places = Places::new("slow", 100, 1000);
        let first = held(&places, "first", 500);
        assert_eq!(first.len(), 50);
        let second = held(&places, "second", 500);
        assert_eq!(second.len(), 25);
        let others: Vec<_> = (0..500).filter_map(|user| places.enter(user, true).ok()).collect();
        assert_eq!(others.len(), 25, "and in all there are so many");
        drop(others);
        assert!(places.enter("third", true).is_ok());
        drop((first, second));
        assert_eq!(places.waiting.taken.load(Ordering::Relaxed), 0);
        assert_eq!(held(&places, "first", 500).len(), 50);
        assert!(places.waiting.of.iter().chain(&places.open.of).all(|own| own.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn an_answer_that_has_begun_waits_no_more_and_is_still_under_way() {
        let places = Places::new("streams", 2, 10);
        let mut streams = Vec::new();
        while let Ok(mut stream) = places.enter("first", true) {
            stream.begun();
            streams.push(stream);
        }
        assert_eq!(streams.len(), 5);
        assert!(places.enter("second", true).is_ok());
        drop(streams);
        assert!(places.open.of.iter().chain(&places.waiting.of).all(|own| own.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn where_there_is_one_place_one_may_have_it() {
        let places = Places::new("single", 1, 1);
        let held = places.enter("first", true).unwrap();
        assert_eq!(places.enter("second", true).unwrap_err(), Full);
        drop(held);
        assert!(places.enter("second", true).is_ok());
    }
}
