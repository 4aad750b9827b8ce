//! The only place that draws random bytes.

use std::sync::Mutex;

use coatroom_protocol::words::sha256;

/// Draws random bytes. Everything that needs them takes one, so that tests can repeat a run.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// Fills `bytes` with random bytes fit for keys.
    ///
    /// # Errors
    /// When the operating system gives none; nothing that depends on them may go on.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
#[non_exhaustive]
pub struct NoEntropy;

/// Draws `N` random bytes.
///
/// # Errors
/// [`NoEntropy`] when the operating system gives none.
pub fn draw<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

/// The operating system's random bytes.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SystemEntropy;

impl SystemEntropy {
    /// The operating system's random bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the file that draws random bytes")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(bytes).map_err(|_| NoEntropy)
    }
}

/// Lets the cryptographic library collect the randomness of its own that it mixes into keys, seals and signatures, and for which
/// it computes some 30 ms before the first of them. Whoever calls this early and aside spares the first user that wait.
#[expect(clippy::disallowed_methods, reason = "this is the file that draws random bytes")]
pub fn prepare() {
    // Whoever needs it sees for themselves that there is none.
    aws_lc_rs::rand::fill(&mut [0]).ok();
}

/// A repeatable stream of bytes for tests. Never fit for keys.
#[derive(Debug)]
pub struct SeededEntropy {
    counter: Mutex<u64>,
}

impl SeededEntropy {
    /// The stream that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { counter: Mutex::new(seed << 32) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        let mut counter = self.counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in bytes.chunks_mut(32) {
            *counter = counter.wrapping_add(1);
            for (to, from) in chunk.iter_mut().zip(sha256(&counter.to_be_bytes())) {
                *to = from;
            }
        }
        Ok(())
    }
}
