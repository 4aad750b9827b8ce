//! What is measured of the rules and of the hot path: each thing alone, on inputs as they are met in use.
//!
//! `rules.rs` takes the times and `instructions.rs` counts; docs/benchmarks.md has what came out.

mod bodies;
mod grants;
mod server;
mod shown;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coatroom::clock::SystemClock;
use coatroom::guard::{Caller, CallerParts, Remembered, VerifyError, VerifyToken};
use coatroom::protocol::access::{Bearer, Holder, Manifest, Rule, RuleKind, Unlisted, judge};
use coatroom::protocol::grant::{
    RefreshRules, SuccessorUse, access_token, decide_refresh, parse_refresh_token,
};
use coatroom::protocol::words::{AccessToken, ClientId, Resource, Scopes, Timestamp};
use coatroom::user::User;
use futures_util::FutureExt as _;

use self::bodies::Shape;
use self::grants::Refreshed;
use self::server::Server;
use self::shown::Shown;

/// One thing that is measured.
pub(crate) struct Case {
    pub(crate) name: String,
    /// How much it reads, where that varies.
    pub(crate) kib: Option<u64>,
    make: Box<dyn Fn() -> Work>,
}

/// What is done.
pub(crate) enum Work {
    /// The same again and again.
    Again(Box<dyn FnMut()>),
    /// Each time with something that is made before.
    Anew(Box<dyn FnMut() -> Once>),
}

pub(crate) type Once = Box<dyn FnOnce()>;

impl Case {
    /// Something that can be done again and again, once it is made. What it returns is computed, and dropped.
    fn again<F: FnMut() -> T + 'static, T>(name: impl Into<String>, make: impl Fn() -> F + 'static) -> Self {
        let make = move || {
            let mut work = make();
            Work::Again(Box::new(move || drop(black_box(work()))))
        };
        Self { name: name.into(), kib: None, make: Box::new(make) }
    }

    /// Something that must be made anew each time, of what is made once.
    fn anew<M: FnMut() -> F + 'static, F: FnOnce() -> T + 'static, T>(
        name: impl Into<String>,
        make: impl Fn() -> M + 'static,
    ) -> Self {
        let make = move || {
            let mut next = make();
            Work::Anew(Box::new(move || {
                let work = next();
                Box::new(|| drop(black_box(work())))
            }))
        };
        Self { name: name.into(), kib: None, make: Box::new(make) }
    }

    /// Makes what is needed.
    pub(crate) fn make(&self) -> Work {
        (self.make)()
    }
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [bearers(), peeks(), manifests(), refreshes(), vaults(), pages()].into_iter().flatten().collect()
}

fn bearers() -> Vec<Case> {
    let header = || format!("Bearer {}", token().expose()).into_bytes();
    vec![
        Case::again("bearer/read", move || {
            let header = header();
            move || Bearer::read([black_box(header.as_slice())])
        }),
        Case::again("bearer/read and remembered", move || {
            let (header, resource) = (header(), resource());
            let verifier =
                Remembered::new(Arc::new(Known), Arc::new(SystemClock::new()), Duration::from_hours(1), 1000);
            move || {
                let Ok(Bearer::Token(token)) = Bearer::read([black_box(header.as_slice())]) else {
                    panic!("the header has a token");
                };
                at_once(verifier.verify(&token, &resource)).expect("the token is known")
            }
        }),
        Case::anew("guard/call of 1 KiB, remembered", || {
            let (server, body) = (Server::new(Duration::from_hours(1)), bodies::call(Shape::Text, KIB));
            let grant = server.grant();
            move || server.calling(grant, body.clone())
        }),
    ]
}

fn peeks() -> Vec<Case> {
    let each = |shape: Shape| {
        [("1 KiB", 1), ("64 KiB", 64), ("4 MiB", 4096)].map(|(size, kib)| {
            let case = Case::again(format!("peek/{}, {size}", shape.name()), move || {
                let body = bodies::call(shape, kib * KIB);
                assert!(judge(&body).is_ok(), "the body is good");
                move || judge(black_box(&body)).is_ok()
            });
            Case { kib: u64::try_from(kib).ok(), ..case }
        })
    };
    Shape::ALL.into_iter().flat_map(each).collect()
}

fn manifests() -> Vec<Case> {
    let kinds = [
        ("names", RuleKind::Tool, "tool-{n}", ["tool-999", "other"]),
        ("patterns", RuleKind::Tool, "area-{n}-*", ["area-999-write", "other"]),
        ("URIs", RuleKind::Resource, "notes://area-{n}/*", ["notes://area-999/today", "notes://other/today"]),
    ];
    let each = |(name, kind, pattern, asked): (&'static str, _, &'static str, [&'static str; 2])| {
        [("the last matches", asked[0]), ("none matches", asked[1])].map(move |(which, asked)| {
            Case::again(format!("manifest/1,000 {name}, {which}"), move || {
                let scopes: Scopes = "notes:write".parse().expect("a scope");
                let rule = |n: u32| Rule::new(kind, &pattern.replace("{n}", &n.to_string()));
                let rules = (0..1000).map(|n| rule(n).with_scopes(scopes.clone()));
                let manifest = Manifest::new(rules, Unlisted::Denied);
                let body = bodies::asking_for(kind, asked);
                let judged = judge(&body).expect("the body is good").into_owned();
                move || {
                    let holder = Holder { scopes: &scopes, roles: &[], permissions: &[], signed_in: true };
                    manifest.decide(black_box(&judged), &holder)
                }
            })
        })
    };
    kinds.into_iter().flat_map(each).collect()
}

fn refreshes() -> Vec<Case> {
    let decided = |name, presented: fn(&Refreshed) -> _| {
        Case::again(name, move || {
            let refreshed = Refreshed::new();
            let (presented, rules) = (presented(&refreshed), RefreshRules::default());
            move || {
                let now = Timestamp::from_unix(grants::ROTATED_AT + 60);
                decide_refresh(&refreshed.grant, black_box(&presented), SuccessorUse::Unused, &rules, now)
            }
        })
    };
    vec![
        Case::again("refresh/token read, its MAC checked", || {
            let Refreshed { current, keys, .. } = Refreshed::new();
            move || parse_refresh_token(black_box(&current), &keys)
        }),
        decided("refresh/decision: rotate", |refreshed| refreshed.presented(&refreshed.current)),
        decided("refresh/decision: repeat", |refreshed| refreshed.presented(&refreshed.previous)),
    ]
}

/// Through what is public, so with the records of a store in memory around the seals.
fn vaults() -> Vec<Case> {
    vec![
        Case::anew("vault/a grant's keys made, a credential sealed", || {
            let server = Server::new(Duration::ZERO);
            move || server.seeding()
        }),
        Case::anew("vault/sealed", || {
            let server = Server::new(Duration::ZERO);
            move || {
                let caller = server.caller();
                move || at_once(caller.set_data(&"a".repeat(100))).expect("it is sealed")
            }
        }),
        Case::anew("vault/unwrapped and opened", || {
            let server = Server::new(Duration::ZERO);
            let grant = server.grant();
            move || {
                let caller = server.caller_of(grant);
                move || at_once(caller.upstream("demo")).expect("it opens")
            }
        }),
        Case::again("vault/opened", || {
            let caller = Server::new(Duration::ZERO).caller();
            move || at_once(caller.upstream("demo")).expect("it opens")
        }),
    ]
}

fn pages() -> Vec<Case> {
    vec![
        Case::again("page/consent", || {
            let shown = Shown::new();
            move || shown.consent()
        }),
        Case::again("page/error", || {
            let shown = Shown::new();
            move || shown.error()
        }),
    ]
}

/// The outcome of something that waits for nothing.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("nothing is waited for")
}

fn token() -> AccessToken {
    access_token(&[7; 32])
}

fn resource() -> Resource {
    Resource::parse("https://mcp.example.com/mcp").expect("a resource")
}

/// Whoever is asked once, by the one that remembers.
#[derive(Debug)]
struct Known;

#[async_trait]
impl VerifyToken for Known {
    async fn verify(&self, _: &AccessToken, resource: &Resource) -> Result<Caller, VerifyError> {
        let grant = grants::id();
        let (user, client) = (User::new(grants::subject()), ClientId::new("client"));
        Ok(Caller::new(CallerParts::new(user, client, grant, resource.clone())))
    }
}

const KIB: usize = 1024;
