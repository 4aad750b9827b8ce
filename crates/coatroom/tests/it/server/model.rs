//! Random histories of several clients and users, against a small model of what the rules say (ARCHITECTURE.md, rule 4).
//!
//! The model knows no store, no hash and no key. It knows what each client was given, and says of each next step what the
//! client must get. A history that differs is shrunk to the shortest one that still does.

use std::sync::Arc;

use coatroom::clock::{Clock, ManualClock};
use coatroom::protocol::words::Timestamp;
use coatroom::store::{MemoryStore, Portable, SqliteStore};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::sample::Index;

use super::browser::Browser;
use super::client::{Answer, Client};
use super::world::{NOW, Tokens, World};

/// One step. An index chooses among everything of its kind that was ever issued.
#[derive(Debug, Clone)]
enum Step {
    /// A user signs in to a client.
    Authorize {
        client: usize,
        user: usize,
    },
    /// A client redeems a code, the latest or any other: its own or another's, with the right verifier or not.
    Redeem {
        code: Option<Index>,
        by: By,
        right_verifier: bool,
    },
    /// A client presents a refresh token, from so many processes at once.
    Refresh {
        token: Which,
        by: By,
        processes: usize,
    },
    /// A client calls with an access token.
    Call {
        token: Index,
    },
    /// A client gives a token back.
    RevokeRefresh {
        token: Index,
        by: By,
    },
    RevokeAccess {
        token: Index,
        by: By,
    },
    /// Time passes.
    Wait {
        seconds: u64,
    },
}

/// Who presents something: whoever it was given to, or the client after that.
#[derive(Debug, Clone, Copy)]
enum By {
    Owner,
    Other,
}

/// Which refresh token: the likely ones are named, since most tokens of a long history are long dead.
#[derive(Debug, Clone, Copy)]
enum Which {
    Newest(Index),
    BeforeNewest(Index),
    Any(Index),
}

fn steps() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let by = || prop_oneof![9 => Just(By::Owner), 1 => Just(By::Other)];
    let which = prop_oneof![
        4 => index().prop_map(Which::Newest),
        4 => index().prop_map(Which::BeforeNewest),
        1 => index().prop_map(Which::Any),
    ];
    let seconds = prop_oneof![
        6 => prop::sample::select(vec![1, 30, 60, 120]),
        2 => prop::sample::select(vec![1_800, 3_599, 3_600]),
        1 => prop::sample::select(vec![DAY, 29 * DAY, 30 * DAY - 1, 30 * DAY]),
    ];
    prop_oneof![
        3 => (0..CLIENTS, 0..USERS.len()).prop_map(|(client, user)| Step::Authorize { client, user }),
        4 => (prop::option::of(index()), by(), prop::bool::weighted(0.9))
            .prop_map(|(code, by, right_verifier)| Step::Redeem { code, by, right_verifier }),
        12 => (which, by(), 1..4_usize).prop_map(|(token, by, processes)| Step::Refresh { token, by, processes }),
        5 => index().prop_map(|token| Step::Call { token }),
        1 => (index(), by()).prop_map(|(token, by)| Step::RevokeRefresh { token, by }),
        1 => (index(), by()).prop_map(|(token, by)| Step::RevokeAccess { token, by }),
        4 => seconds.prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// A single step, or a few that lead to both sides of a limit.
fn moves() -> impl Strategy<Value = Vec<Step>> {
    let around = |limit: u64| (limit - 1..=limit + 1).prop_map(|seconds| Step::Wait { seconds });
    let sign_in = |wait, client, user| {
        let redeem = Step::Redeem { code: None, by: By::Owner, right_verifier: true };
        vec![Step::Authorize { client, user }, wait, redeem]
    };
    let repeat = |index: Index, call: Option<Index>, wait| {
        let refresh = |token| Step::Refresh { token, by: By::Owner, processes: 1 };
        let call = call.map(|token| Step::Call { token });
        let before = [Some(refresh(Which::Newest(index))), call, Some(wait)];
        before.into_iter().flatten().chain([refresh(Which::BeforeNewest(index))]).collect()
    };
    prop_oneof![
        8 => steps().prop_map(|step| vec![step]),
        1 => (around(60), 0..CLIENTS, 0..USERS.len()).prop_map(move |(wait, client, user)| sign_in(wait, client, user)),
        2 => (any::<Index>(), any::<Option<Index>>(), around(120))
            .prop_map(move |(index, call, wait)| repeat(index, call, wait)),
    ]
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    let start = (0..CLIENTS, 0..USERS.len()).prop_map(|(client, user)| {
        vec![
            Step::Authorize { client, user },
            Step::Redeem { code: None, by: By::Owner, right_verifier: true },
        ]
    });
    (start, prop::collection::vec(moves(), 1..30)).prop_map(|(start, moves)| [start, moves.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn any_history_goes_as_the_model_says(steps in histories()) {
        run(&steps, MemoryStore::new);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES / 4) })]

    #[test]
    fn any_history_goes_as_the_model_says_over_sqlite(steps in histories()) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("coatroom.db");
        run(&steps, |clock| SqliteStore::open(&file, clock).unwrap());
    }
}

fn run<S: Portable + 'static>(steps: &[Step], store: impl FnOnce(Arc<dyn Clock>) -> S) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
        let store = store(clock.clone());
        let world = World::over(store, clock, |_| (), |builder| builder).await;
        let mut history = History::begin(world).await;
        for step in steps {
            history.take(step).await;
        }
        history.compare_all().await;
    });
}

// === The model ===

/// A grant, by the rules.
#[derive(Debug)]
struct Grant {
    client: usize,
    user: usize,
    /// When the code was issued, which is when the grant begins.
    began: u64,
    code: String,
    redeemed: bool,
    revoked: bool,
    /// The refresh tokens in their order: each is the successor of the one before.
    chain: Vec<Link>,
    access: Vec<Access>,
}

/// A refresh token, and what came with it.
#[derive(Debug)]
struct Link {
    token: String,
    born: u64,
    /// Whether it was replaced without ever having been used.
    displaced: bool,
}

#[derive(Debug)]
struct Access {
    token: String,
    born: u64,
    /// The place in the chain of the refresh token that it came with.
    link: usize,
    accepted: bool,
    displaced: bool,
}

/// What a client must get for a refresh token.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// A token that was never seen before.
    New,
    /// A token that was never seen before, in the place of the one that came last.
    Instead,
    /// The pair that came last, again.
    Same,
    Refusal,
}

impl Grant {
    /// Nothing of a grant is good from here on: unused for thirty days, or a hundred and eighty days old.
    fn ends(&self) -> u64 {
        let used = self.chain.last().map_or(self.began, |link| link.born);
        (used + 30 * DAY).min(self.began + 180 * DAY)
    }

    fn lives(&self, now: u64) -> bool {
        self.redeemed && !self.revoked && now < self.ends()
    }

    /// Redeems the code.
    fn redeem(&mut self, by: usize, right_verifier: bool, now: u64) -> bool {
        if self.revoked || by != self.client || !right_verifier {
            return false;
        }
        if self.redeemed {
            // The code again, by whoever holds the verifier.
            self.revoked = true;
            return false;
        }
        self.redeemed = now < self.began + 60;
        self.redeemed
    }

    /// A refresh token is presented. Of the chain without its displaced links, the last one is current, and the one before it
    /// may still be repeated; whoever presents anything else has a copy that should not exist.
    fn refresh(&mut self, at: usize, by: usize, now: u64) -> Due {
        if !self.lives(now) || by != self.client {
            return Due::Refusal;
        }
        let standing: Vec<usize> =
            (0..self.chain.len()).filter(|link| !self.chain[*link].displaced).collect();
        let newest = *standing.last().unwrap();
        let before = standing.iter().rev().nth(1).copied();
        let unused = self.access.iter().all(|access| access.link != newest || !access.accepted);
        if at == newest {
            Due::New
        } else if before == Some(at) && now < self.chain[newest].born + 120 {
            Due::Same
        } else if before == Some(at) && unused {
            self.chain[newest].displaced = true;
            self.access
                .iter_mut()
                .filter(|access| access.link == newest)
                .for_each(|access| access.displaced = true);
            Due::Instead
        } else {
            self.revoked = true;
            Due::Refusal
        }
    }

    fn is_good(&self, access: &Access, now: u64) -> bool {
        self.lives(now) && !access.displaced && now < access.born + 3_600
    }

    fn issued(&mut self, tokens: Tokens, now: u64) {
        self.chain.push(Link { token: tokens.refresh, born: now, displaced: false });
        let link = self.chain.len() - 1;
        self.access.push(Access { token: tokens.access, born: now, link, accepted: false, displaced: false });
    }
}

// === What really happens ===

struct History {
    world: World,
    clients: Vec<Client>,
    grants: Vec<Grant>,
    now: u64,
}

impl History {
    async fn begin(world: World) -> Self {
        // The sign-in at the provider outlives everything here; what its end does is tested elsewhere.
        world.idp.set_token_life(365 * DAY);
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Client::register(&world.app).await);
        }
        Self { world, clients, grants: Vec::new(), now: NOW }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Authorize { client, user } => self.authorize(client, user).await,
            Step::Redeem { code, by, right_verifier } if !self.grants.is_empty() => {
                let latest = self.grants.len() - 1;
                self.redeem(code.map_or(latest, |code| code.index(latest + 1)), by, right_verifier).await;
            }
            Step::Refresh { token, by, processes } => {
                if let Some((grant, at)) = self.refresh_token(token) {
                    self.refresh((grant, at), by, processes).await;
                }
            }
            Step::Call { token } => {
                if let Some((grant, at)) = self.access_token(token) {
                    self.call(grant, at).await;
                }
            }
            Step::RevokeRefresh { token, by } => {
                if let Some((grant, at)) = self.refresh_token(Which::Any(token)) {
                    let token = self.grants[grant].chain[at].token.clone();
                    self.revoke(grant, &token, by).await;
                }
            }
            Step::RevokeAccess { token, by } => {
                // Of a token that has ended the server may know nothing any more, and RFC 7009 does not mind.
                if let Some((grant, at)) = self.access_token(token)
                    && self.grants[grant].is_good(&self.grants[grant].access[at], self.now)
                {
                    let token = self.grants[grant].access[at].token.clone();
                    self.revoke(grant, &token, by).await;
                }
            }
            Step::Wait { seconds } => {
                self.world.advance(seconds);
                self.now += seconds;
            }
            Step::Redeem { .. } => {}
        }
    }

    async fn authorize(&mut self, client: usize, user: usize) {
        let browser = &mut Browser::new(&self.world.app);
        let code = browser.code(&self.world.idp, &self.clients[client], USERS[user]).await;
        self.grants.push(Grant {
            client,
            user,
            began: self.now,
            code,
            redeemed: false,
            revoked: false,
            chain: Vec::new(),
            access: Vec::new(),
        });
    }

    async fn redeem(&mut self, grant: usize, by: By, right_verifier: bool) {
        let client = self.client(grant, by);
        let wrong = "x".repeat(43);
        let changes: &[_] = if right_verifier { &[] } else { &[("code_verifier", wrong.as_str())] };
        let answer = self.clients[client].redeem_with(&self.grants[grant].code, changes).await;
        if self.grants[grant].redeem(client, right_verifier, self.now) {
            self.fresh(grant, &answer);
        } else {
            refused(&answer);
        }
    }

    async fn refresh(&mut self, (grant, at): (usize, usize), by: By, processes: usize) {
        let client = self.client(grant, by);
        let token = self.grants[grant].chain[at].token.clone();
        let due = self.grants[grant].refresh(at, client, self.now);
        // Several processes present it at the same moment: what is due to one is due to all.
        let answers = join_all((0..processes).map(|_| self.clients[client].refresh(&token))).await;
        match due {
            Due::New | Due::Instead => {
                self.fresh(grant, &answers[0]);
                for answer in &answers {
                    self.same(grant, answer);
                }
            }
            Due::Same => answers.iter().for_each(|answer| self.same(grant, answer)),
            Due::Refusal => answers.iter().for_each(refused),
        }
    }

    async fn call(&mut self, grant: usize, at: usize) {
        let (grant, now) = (&mut self.grants[grant], self.now);
        let good = grant.is_good(&grant.access[at], now);
        let access = &mut grant.access[at];
        let (status, said) = self.world.call(&access.token).await;
        if good {
            assert_eq!(
                (status, said["user"].as_str()),
                (200, Some(format!("demo:{}-1", USERS[grant.user]).as_str()))
            );
            self.world.noted(&access.token).await;
            access.accepted = true;
        } else {
            assert_eq!(status, 401, "{said}");
        }
    }

    async fn revoke(&mut self, grant: usize, token: &str, by: By) {
        let client = self.client(grant, by);
        assert_eq!(self.clients[client].revoke(token).await.status, 200, "always (RFC 7009)");
        if client == self.grants[grant].client {
            self.grants[grant].revoked = true;
        }
    }

    /// At the end, everything that was ever issued is what the model says; the refresh tokens that are good are used last.
    async fn compare_all(&mut self) {
        for grant in 0..self.grants.len() {
            for at in 0..self.grants[grant].access.len() {
                self.call(grant, at).await;
            }
            if let Some(newest) = self.grants[grant].chain.iter().rposition(|link| !link.displaced) {
                self.refresh((grant, newest), By::Owner, 1).await;
            }
        }
    }

    /// An answer with a pair that nobody has seen.
    fn fresh(&mut self, grant: usize, answer: &Answer) {
        let tokens = Tokens::of(answer);
        for known in &self.grants {
            assert!(known.chain.iter().all(|link| link.token != tokens.refresh), "an old refresh token");
            assert!(known.access.iter().all(|access| access.token != tokens.access), "an old access token");
        }
        self.grants[grant].issued(tokens, self.now);
    }

    /// An answer with the pair that this grant got last.
    fn same(&self, grant: usize, answer: &Answer) {
        let tokens = Tokens::of(answer);
        let (link, access) =
            (self.grants[grant].chain.last().unwrap(), self.grants[grant].access.last().unwrap());
        assert_eq!((&tokens.refresh, &tokens.access), (&link.token, &access.token), "two successors");
    }

    fn client(&self, grant: usize, by: By) -> usize {
        match by {
            By::Owner => self.grants[grant].client,
            By::Other => (self.grants[grant].client + 1) % CLIENTS,
        }
    }

    /// Grant and place of a refresh token.
    fn refresh_token(&self, which: Which) -> Option<(usize, usize)> {
        let (Which::Newest(index) | Which::BeforeNewest(index) | Which::Any(index)) = which;
        let redeemed: Vec<usize> =
            (0..self.grants.len()).filter(|grant| !self.grants[*grant].chain.is_empty()).collect();
        if redeemed.is_empty() {
            return None;
        }
        let grant = redeemed[index.index(redeemed.len())];
        let chain = &self.grants[grant].chain;
        let at = match which {
            Which::Newest(_) => chain.len() - 1,
            Which::BeforeNewest(_) => chain.len().checked_sub(2)?,
            Which::Any(index) => index.index(chain.len()),
        };
        Some((grant, at))
    }

    /// Grant and place of an access token.
    fn access_token(&self, index: Index) -> Option<(usize, usize)> {
        let all = self.grants.iter().enumerate();
        let all: Vec<_> =
            all.flat_map(|(grant, of)| (0..of.access.len()).map(move |at| (grant, at))).collect();
        (!all.is_empty()).then(|| all[index.index(all.len())])
    }
}

fn refused(answer: &Answer) {
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

const CLIENTS: usize = 3;
const USERS: [&str; 2] = ["alice", "bob"];
const DAY: u64 = 24 * 3_600;
const CASES: u32 = 128;
