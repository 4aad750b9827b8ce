//! Passwords: which are taken, and how they are kept and compared.
//!
//! Kept is argon2id with the parameters that OWASP names as the least (19 MiB, two passes). Each computation holds that much
//! memory and a processor, and strangers ask for them; so few run at once, few wait, and the rest is turned away.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::entropy::{Entropy, draw};
use crate::error::Error;

/// A password as somebody typed it.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// Takes what was typed, as it was typed.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRefusal {
    /// Too short to resist whoever tries many.
    #[error("a password has at least {} characters", Password::LEAST)]
    TooShort,
    /// So long that it only costs work.
    #[error("a password has at most {} characters", Password::MOST)]
    TooLong,
    /// Known from breaches, or made of what is easily found out: words, dates, patterns, the person's own name.
    #[error("the password is easily guessed")]
    Guessable,
}

impl Password {
    /// The fewest characters (NIST SP 800-63B-4 §3.1.1.2 asks for 15 where nothing else protects an account; here attempts are few
    /// and guessable ones are refused).
    pub const LEAST: usize = 12;
    /// The most characters.
    pub const MOST: usize = 128;

    /// Whether the password may be taken by a person of whom `known` is known.
    pub(super) fn check(&self, known: &[&str]) -> Result<(), PasswordRefusal> {
        let words = known.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
        let words: Vec<&str> = words.filter(|word| word.len() > 2).collect();
        match self.expose().chars().count() {
            ..Self::LEAST => Err(PasswordRefusal::TooShort),
            length if length > Self::MOST => Err(PasswordRefusal::TooLong),
            // Fewer than a hundred million guesses would find it: out of reach for whoever has ten in a quarter of an hour, and
            // within reach for whoever stole the hash.
            _ if zxcvbn::zxcvbn(self.expose(), &words).score() < zxcvbn::Score::Three => {
                Err(PasswordRefusal::Guessable)
            }
            _ => Ok(()),
        }
    }
}

/// Computes hashes, a few at once.
#[derive(Debug)]
pub(super) struct Hasher {
    /// Whoever computes.
    turns: Arc<Semaphore>,
    /// Whoever computes or waits.
    places: Semaphore,
}

impl Hasher {
    pub(super) fn new() -> Self {
        // Half of the processors stay for everybody else.
        let turns = (std::thread::available_parallelism().map_or(1, usize::from) / 2).clamp(1, MOST_TURNS);
        Self { turns: Arc::new(Semaphore::new(turns)), places: Semaphore::new(turns * PLACES_PER_TURN) }
    }

    /// Whether a password is the one that was kept. Where none was kept the same work is done, and the answer is no.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait, [`Error::Corrupt`] when what was kept is no hash.
    pub(super) async fn verify(&self, password: &Password, kept: Option<&str>) -> Result<bool, Error> {
        let (password, is_kept) = (password.clone(), kept.is_some());
        let kept = kept.unwrap_or(NOBODYS).to_owned();
        self.compute(move || {
            let hash = PasswordHash::new(&kept).map_err(corrupt)?;
            Ok(argon2()?.verify_password(password.expose().as_bytes(), &hash).is_ok() && is_kept)
        })
        .await
    }

    /// The form in which a password is kept, if it may be taken.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait, or there are no random bytes.
    pub(super) async fn hash(
        &self,
        password: &Password,
        known: Vec<String>,
        entropy: &dyn Entropy,
    ) -> Result<Result<String, PasswordRefusal>, Error> {
        let (password, salt) = (password.clone(), draw::<16>(entropy)?);
        self.compute(move || {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            if let Err(refusal) = password.check(&known) {
                return Ok(Err(refusal));
            }
            let hash = argon2()?.hash_password_with_salt(password.expose().as_bytes(), &salt);
            Ok(Ok(hash.map_err(corrupt)?.to_string()))
        })
        .await
    }

    /// Does work that takes a processor for long. It keeps its turn when nobody waits for it any more.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _place = self.places.try_acquire().map_err(|_| busy("too many people sign in at once"))?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(busy)?.map_err(busy)?;
        let work = move || {
            let result = work();
            drop(turn);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(busy)?
    }
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(corrupt)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn busy(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unavailable { what: "the check of passwords", source: cause.into() }
}

fn corrupt(error: impl fmt::Display) -> Error {
    Error::Corrupt { what: "password hash", reason: error.to_string() }
}

/// In KiB.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash of the form that is kept, of a password that nobody knows.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdC1vZi1ub2JvZHk$5CBZzaSXP1AKpMkHDqr6Nbyi+OO+NaLwMk9u1CwB0bE";

const MOST_TURNS: usize = 4;
const PLACES_PER_TURN: usize = 16;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_password_that_many_have_or_that_says_who_they_are_is_refused() {
        let known = ["alice.liddell@example.com", "Alice Liddell"];
        for (typed, expected) in [
            ("short", Err(PasswordRefusal::TooShort)),
            ("elevenchars", Err(PasswordRefusal::TooShort)),
            ("password1234", Err(PasswordRefusal::Guessable)),
            ("aaaaaaaaaaaaaaaaaaaa", Err(PasswordRefusal::Guessable)),
            ("qwertyuiop1234567890", Err(PasswordRefusal::Guessable)),
            ("AliceLiddell", Err(PasswordRefusal::Guessable)),
            ("correct horse battery staple", Ok(())),
            ("kT9#vLq2zW!x", Ok(())),
            ("пароль из многих слов", Ok(())),
        ] {
            assert_eq!(Password::new(typed).check(&known), expected, "{typed}");
        }
        assert_eq!(Password::new("x7!".repeat(43)).check(&[]), Err(PasswordRefusal::TooLong));
    }

    #[tokio::test]
    async fn the_right_password_passes_and_every_other_costs_the_same() {
        let hasher = Hasher::new();
        let typed = Password::new("kT9#vLq2zW!x");
        let kept = hasher.hash(&typed, Vec::new(), &SeededEntropy::new(1)).await.unwrap().unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(hasher.verify(&typed, Some(&kept)).await.unwrap());
        assert!(!hasher.verify(&Password::new("kT9#vLq2zW!y"), Some(&kept)).await.unwrap());
        // The same parameters, and so the same work, where there is no account.
        assert!(NOBODYS.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!hasher.verify(&typed, None).await.unwrap());
        assert!(matches!(hasher.verify(&typed, Some("x")).await, Err(Error::Corrupt { .. })));
    }

    #[tokio::test]
    async fn whoever_finds_no_place_is_turned_away_at_once() {
        let hasher = Hasher { turns: Arc::new(Semaphore::new(0)), places: Semaphore::new(1) };
        let typed = Password::new("kT9#vLq2zW!x");
        let waiting = hasher.verify(&typed, None);
        tokio::pin!(waiting);
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        assert!(matches!(hasher.verify(&typed, None).await, Err(Error::Unavailable { .. })));
    }

    #[test]
    fn debug_never_shows_a_password() {
        assert_eq!(format!("{:?}", Password::new("kT9#vLq2zW!x")), "Password([redacted])");
    }
}
