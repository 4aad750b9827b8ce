//! Tokens are remembered for a moment, and forgotten at once when they are revoked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use coatroom::clock::ManualClock;
use coatroom::guard::{Caller, Remembered, VerifyError, VerifyToken};
use coatroom::protocol::words::{AccessToken, GrantId, Resource, Timestamp};
use tokio::sync::Notify;

use super::fixture::{ALICE, BOB, OTHER_RESOURCE, OUTAGE, RESOURCE, Tokens, caller};

struct Memory {
    remembered: Remembered,
    tokens: Arc<Tokens>,
    clock: Arc<ManualClock>,
}

impl Memory {
    fn new(capacity: usize) -> Self {
        let tokens = Arc::new(Tokens::new());
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_000)));
        let verifier: Arc<dyn VerifyToken> = tokens.clone();
        let remembered = Remembered::new(verifier, clock.clone(), Duration::from_secs(1), capacity);
        Self { remembered, tokens, clock }
    }

    /// How often the verifier was asked for this call.
    async fn asked(&self, token: &str, resource: &str) -> (bool, usize) {
        let before = self.tokens.asked.load(Ordering::SeqCst);
        let resource = Resource::parse(resource).unwrap();
        let good = self.remembered.verify(&AccessToken::new(token), &resource).await.is_ok();
        (good, self.tokens.asked.load(Ordering::SeqCst) - before)
    }
}

#[tokio::test]
async fn a_verified_token_is_remembered_for_one_second() {
    let memory = Memory::new(100);
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 1));
    memory.clock.advance(Duration::from_millis(999));
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 0));
    memory.clock.advance(Duration::from_millis(1));
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 1));
}

// RS-11
#[tokio::test]
async fn a_token_is_remembered_for_its_resource_alone() {
    let memory = Memory::new(100);
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 1));
    assert_eq!(memory.asked(ALICE, "https://mcp.example.com/gitlab").await, (false, 1));
    assert_eq!(memory.asked(OTHER_RESOURCE, "https://mcp.example.com/gitlab").await, (true, 1));
    assert_eq!(memory.asked(OTHER_RESOURCE, RESOURCE).await, (false, 1));
}

// RS-30, RS-27
#[tokio::test]
async fn refusals_and_outages_are_never_remembered() {
    let memory = Memory::new(100);
    for token in ["coat_at_unknown", OUTAGE] {
        assert_eq!(memory.asked(token, RESOURCE).await, (false, 1));
        assert_eq!(memory.asked(token, RESOURCE).await, (false, 1));
    }
}

#[tokio::test]
async fn a_revoked_grant_is_forgotten_at_once() {
    let memory = Memory::new(100);
    memory.asked(ALICE, RESOURCE).await;
    memory.asked(BOB, RESOURCE).await;
    memory.remembered.forget(GrantId::from_bytes([1; 16]));
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 1));
    assert_eq!(memory.asked(BOB, RESOURCE).await, (true, 0));
    memory.remembered.forget_all();
    assert_eq!(memory.asked(BOB, RESOURCE).await, (true, 1));
}

/// Verifies slowly: the store has answered, and the answer is on its way.
#[derive(Debug, Default)]
struct Slow {
    answered: Notify,
    arrives: Notify,
}

#[async_trait]
impl VerifyToken for Slow {
    async fn verify(&self, _: &AccessToken, _: &Resource) -> Result<Caller, VerifyError> {
        self.answered.notify_one();
        self.arrives.notified().await;
        Ok(caller("alice", 1, "", RESOURCE))
    }
}

#[tokio::test]
async fn what_was_verified_before_a_revocation_is_not_remembered_after_it() {
    let slow = Arc::new(Slow::default());
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_000)));
    let verifier: Arc<dyn VerifyToken> = slow.clone();
    let remembered = Arc::new(Remembered::new(verifier, clock, Duration::from_secs(1), 100));
    let resource = Resource::parse(RESOURCE).unwrap();
    let verifying = tokio::spawn({
        let (remembered, resource) = (Arc::clone(&remembered), resource.clone());
        async move { remembered.verify(&AccessToken::new(ALICE), &resource).await.is_ok() }
    });
    slow.answered.notified().await;
    remembered.forget(GrantId::from_bytes([1; 16]));
    slow.arrives.notify_one();
    assert!(verifying.await.unwrap());

    let again = AccessToken::new(ALICE);
    let asked_again = tokio::select! {
        biased;
        _ = remembered.verify(&again, &resource) => false,
        () = slow.answered.notified() => true,
    };
    assert!(asked_again);
}

#[tokio::test]
async fn a_token_is_not_remembered_past_its_own_end() {
    let memory = Memory::new(100);
    memory.clock.advance(Duration::from_secs(8_999));
    memory.clock.advance(Duration::from_millis(500));
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 1));
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 0));
    memory.clock.advance(Duration::from_millis(500));
    assert_eq!(memory.asked(ALICE, RESOURCE).await, (true, 1));
}

/// Accepts every token.
#[derive(Debug, Default)]
struct Everybody {
    asked: AtomicUsize,
}

#[async_trait]
impl VerifyToken for Everybody {
    async fn verify(&self, _: &AccessToken, _: &Resource) -> Result<Caller, VerifyError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(caller("alice", 1, "", RESOURCE))
    }
}

#[tokio::test]
async fn a_full_memory_forgets_instead_of_growing() {
    let everybody = Arc::new(Everybody::default());
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_000)));
    let verifier: Arc<dyn VerifyToken> = everybody.clone();
    let remembered = Remembered::new(verifier, clock, Duration::from_secs(1), 64);
    let resource = Resource::parse(RESOURCE).unwrap();
    for _ in 0..2 {
        for number in 0..1_000 {
            let token = AccessToken::new(format!("coat_at_{number}"));
            remembered.verify(&token, &resource).await.unwrap();
        }
    }
    assert!(everybody.asked.load(Ordering::SeqCst) >= 2_000 - 64);
}

#[tokio::test]
async fn what_is_over_is_let_go_when_others_come() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_000)));
    let verifier = Arc::new(Everybody::default());
    let remembered = Remembered::new(verifier, clock.clone(), Duration::from_secs(1), 100_000);
    let resource = Resource::parse(RESOURCE).unwrap();
    let come = async |name: &str| {
        let mut held = Vec::new();
        for number in 0..1_000 {
            let token = AccessToken::new(format!("coat_at_{name}_{number}"));
            let caller = remembered.verify(&token, &resource).await.unwrap();
            held.push(Arc::downgrade(&caller.derived(|_| "what goes with the caller")));
        }
        held
    };
    let held = come("first").await;
    assert!(held.iter().all(|it| it.upgrade().is_some()), "they are remembered");
    clock.advance(Duration::from_secs(1));
    come("second").await;
    assert!(held.iter().all(|it| it.upgrade().is_none()), "they are gone with all that they held");
}
