//! The clock of the machine is set while things are under way: nobody is accused, and nothing that lives for minutes ends early.

use std::sync::Arc;
use std::time::Duration;

use coatroom::clock::{Clock as _, ManualClock};
use coatroom::store::{Kind, NewRecord, Record, Store as _};
use serde_json::{Value, json};

use super::browser::{Browser, refresh_of};
use super::client::{Answer, Client};
use super::world::{NOW, Tokens, World, call};

const HOUR: Duration = Duration::from_hours(1);

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

fn pair(answer: &Answer) -> (String, String) {
    let Tokens { access, refresh } = Tokens::of(answer);
    (access, refresh)
}

// ARCHITECTURE.md, rule 4: the window is two minutes that passed, and not two that the clock shows.
#[tokio::test]
async fn a_clock_that_is_set_makes_no_replay_of_a_repeated_refresh() {
    for step in [Step::Forward, Step::Back, Step::BackAndForward] {
        let world = World::new().await;
        let (client, first) = world.signed_in("alice").await;
        step.first(&world.clock);
        let rotated = client.refresh(&first.refresh).await;
        let second = Tokens::of(&rotated);
        assert_eq!(world.status(&second.access).await, 200);
        world.noted(&second.access).await;
        step.then(&world.clock);
        world.advance(119);
        assert_eq!(pair(&client.refresh(&first.refresh).await), pair(&rotated), "{step:?}");
        assert_eq!(world.status(&second.access).await, 200, "{step:?}");
        // Ten minutes later the clock is believed, and its hour has passed.
        world.advance(600);
        assert_eq!(client.refresh(&second.refresh).await.status, 200, "{step:?}");
        assert_eq!(client.refresh(&first.refresh).await.error(), invalid_grant(), "{step:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_ends_no_sign_in_that_is_under_way() {
    for step in [Step::Forward, Step::Back, Step::BackAndForward] {
        let world = World::new().await;
        let client = Client::register(&world.app).await;
        let mut browser = Browser::new(&world.app);
        step.first(&world.clock);
        let consent = browser.ask(&client.authorize_url(&[])).await;
        step.then(&world.clock);
        world.advance(300);
        let callback = browser.approve(&world.idp, &consent, "alice").await;
        let answer = refresh_of(&browser.open(&callback).await);
        let code = &client.answered(&answer)["code"];
        world.clock.set_forward(HOUR);
        world.advance(59);
        let redeemed = client.redeem(code).await;
        assert_eq!(redeemed.status, 200, "{step:?}: {}", redeemed.body);
        let tokens = Tokens::of(&redeemed);
        assert_eq!(world.status(&tokens.access).await, 200, "{step:?}");
    }
}

#[tokio::test]
async fn a_code_still_ends_after_a_minute_that_passed() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    world.clock.set_forward(HOUR);
    world.advance(60);
    assert_eq!(client.redeem(&code).await.error(), invalid_grant());
}

// A clock that shows next year for a minute deletes nothing, and tells nobody that it is over.
#[tokio::test]
async fn a_clock_that_is_wrong_for_a_moment_costs_nothing() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    for _ in 0..2 {
        world.clock.set_forward(HOUR * 24 * 365);
        let purges = world.store.purges();
        // Begins what is done in the background, and that with a purge.
        let replica = world.replica();
        assert_eq!(call(&replica, &tokens.access, "/mcp").await.0, 200);
        while world.store.purges() == purges {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(world.status(&tokens.access).await, 200);
        assert_eq!(client.at(&replica.routes()).refresh(&tokens.refresh).await.status, 200);
        world.clock.set_back(HOUR * 24 * 365);
        assert_eq!(world.status(&tokens.access).await, 200);
    }
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

// ARCHITECTURE.md, "Upstream renewal": a lease lasts for its time, whatever clocks show.
#[tokio::test]
async fn a_clock_that_is_set_makes_no_second_renewal_and_no_endless_lease() {
    for step in [Step::Forward, Step::Back] {
        let world =
            World::with_settings(|settings| settings.access_token_life = Duration::from_hours(24)).await;
        world.idp.set_token_life(3600);
        let (_, tokens) = world.signed_in("alice").await;
        world.advance(7200);
        // A replica takes the lease, and dies.
        let grant = world.grant_of(&tokens.access).await;
        let listed = world.store.list(Kind::Connection, &grant).await.unwrap().remove(0);
        let Record { kind, key, owner, version, expires_at, body } = listed;
        let mut leased: Value = serde_json::from_str(&body).unwrap();
        leased["lease"] = json!({ "until": NOW + 7206 });
        let body = leased.to_string();
        world.store.replace(NewRecord { kind, key, owner, expires_at, body }, version).await.unwrap();
        step.then(&world.clock);
        let passing = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            assert_eq!(world.idp.renewals(), 0, "{step:?}: the lease is somebody's");
            world.advance(6);
        };
        let ((status, told), ()) = tokio::join!(world.call(&tokens.access), passing);
        assert_eq!((status, world.idp.renewals()), (200, 1), "{step:?}: {told}");
    }
}

// docs/replicas.md: what a replica costs whose clock is a minute and a half ahead of the others, or behind.
#[tokio::test]
async fn clocks_of_replicas_may_differ_by_less_than_a_code_lives() {
    let world = World::new().await;
    let skewed = |by: Duration, ahead: bool| {
        let clock = Arc::new(ManualClock::at(world.clock.now()));
        if ahead {
            clock.advance(by);
        } else {
            clock.set_back(by);
        }
        world.replica_where(|builder| builder.clock(clock))
    };
    let client = Client::register(&world.app).await;
    for (seconds, ahead, redeemed) in
        [(55, true, true), (90, true, false), (55, false, true), (90, false, true)]
    {
        let replica = skewed(Duration::from_secs(seconds), ahead);
        let there = client.at(&replica.routes());
        let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
        let answer = there.redeem(&code).await;
        assert_eq!(answer.status == 200, redeemed, "{seconds} s: {}", answer.body);
        let first = if redeemed { Tokens::of(&answer) } else { world.sign_in_to(&client, "alice").await };
        // Rotated at one of them, used, and repeated at the other.
        let rotated = client.refresh(&first.refresh).await;
        let second = Tokens::of(&rotated);
        assert_eq!(world.status(&second.access).await, 200);
        world.noted(&second.access).await;
        assert_eq!(pair(&there.refresh(&first.refresh).await), pair(&rotated), "{seconds} s, {ahead}");
        assert_eq!(call(&replica, &second.access, "/mcp").await.0, 200);
        let third = there.refresh(&second.refresh).await;
        assert_eq!(pair(&client.refresh(&second.refresh).await), pair(&third), "{seconds} s, {ahead}");
    }
}

/// How the clock is set in the middle of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Forward,
    Back,
    /// It is an hour behind when something begins, and right again before it ends.
    BackAndForward,
}

impl Step {
    fn first(self, clock: &ManualClock) {
        if self == Self::BackAndForward {
            clock.set_back(HOUR);
        }
    }

    fn then(self, clock: &ManualClock) {
        match self {
            Self::Back => clock.set_back(HOUR),
            Self::Forward | Self::BackAndForward => clock.set_forward(HOUR),
        }
    }
}
