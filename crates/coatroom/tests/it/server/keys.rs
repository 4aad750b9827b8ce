//! Keys that come and go while the server runs, and the assertions that they sign.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use coatroom::clock::{Clock as _, ManualClock};
use coatroom::entropy::SystemEntropy;
use coatroom::guard::{Caller, CallerClient, CallerParts, NoCredentials, NoData};
use coatroom::protocol::words::{
    ClientId, GrantId, ProviderName, Resource, Subject, Timestamp, from_base64url,
};
use coatroom::user::User;
use coatroom::vault::{KeyEntry, KeyFile, KeyState, Purpose};
use serde_json::Value;
use tempfile::TempDir;

use super::client::{Client, get};
use super::world::{NOW, Tokens, World};

const UPSTREAM: &str = "http://127.0.0.1:3000/mcp";
/// For how long a verifier may keep `/jwks.json`, by its `Cache-Control`.
const KEPT: u64 = 300;

/// A world whose keys live in a file.
pub(super) struct Keyed {
    pub(super) world: World,
    pub(super) path: PathBuf,
    _folder: TempDir,
}

impl Keyed {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let at = path.clone();
        let quick =
            |settings: &mut coatroom::settings::Settings| settings.key_poll = Duration::from_millis(5);
        let world = World::with(quick, |builder| builder.key_file(at)).await;
        world.coatroom.start().await.unwrap();
        Self { world, path, _folder: folder }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    pub(super) fn rotate(&self, purpose: Purpose, lead: Duration) -> KeyEntry {
        let mut file = KeyFile::open_to_change(&self.path).unwrap();
        let made = file.rotate(purpose, lead, &SystemEntropy::new(), self.now()).unwrap().unwrap();
        file.write(&self.path).unwrap();
        made
    }

    pub(super) fn retire(&self, id: &str) {
        let mut file = KeyFile::open_to_change(&self.path).unwrap();
        file.retire(id, true, |_| None, self.now()).unwrap();
        file.write(&self.path).unwrap();
    }

    pub(super) fn active(&self, purpose: Purpose) -> String {
        let entries = KeyFile::read(&self.path).unwrap().entries(self.now());
        let active = entries.into_iter().find(|key| key.purpose == purpose && key.state == KeyState::Active);
        active.unwrap().id.to_string()
    }

    async fn jwks(&self) -> Vec<Value> {
        get(&self.world.app, "/jwks.json").await.json()["keys"].as_array().unwrap().clone()
    }

    async fn published(&self) -> Vec<String> {
        let mut ids: Vec<_> =
            self.jwks().await.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    /// Waits until the server has noticed.
    async fn until_published(&self, mut expected: Vec<String>) {
        expected.sort();
        let published = async {
            while self.published().await != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(5), published).await;
        assert!(waited.is_ok(), "{:?} and not {expected:?}", self.published().await);
    }

    /// Waits until the server signs with this key.
    async fn until_signing(&self, id: &str) {
        let signing = async {
            while kid(&self.sign()) != id {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), signing).await.unwrap();
    }

    fn sign(&self) -> String {
        self.world.coatroom.assertions(UPSTREAM).sign(&alice()).unwrap()
    }
}

fn alice() -> Caller {
    Caller::new(CallerParts {
        user: User {
            email: Some("alice@example.com".to_owned()),
            ..User::new(Subject { provider: ProviderName::parse("demo").unwrap(), id: "alice-1".to_owned() })
        },
        client: CallerClient { id: ClientId::new("client"), name: None },
        grant: GrantId::from_bytes([1; 16]),
        resource: Resource::parse("https://gate.example/mcp").unwrap(),
        scopes: "read".parse().unwrap(),
        sender_constrained: false,
        expires_at: Timestamp::from_unix(u64::MAX),
        credentials: Arc::new(NoCredentials),
        data: Arc::new(NoData),
    })
}

fn part(jwt: &str, index: usize) -> Value {
    serde_json::from_slice(&from_base64url(jwt.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

fn kid(jwt: &str) -> String {
    part(jwt, 0)["kid"].as_str().unwrap().to_owned()
}

/// What a careful MCP server does with an assertion. `None`: it does not know the key.
fn verify(keys: &[Value], jwt: &str, now: u64) -> Option<Value> {
    let header = part(jwt, 0);
    assert_eq!(
        (header["alg"].as_str(), header["typ"].as_str()),
        (Some("ES256"), Some("coatroom-assertion+jwt"))
    );
    let key = keys.iter().find(|key| key["kid"] == header["kid"])?;
    assert_eq!((key["alg"].as_str(), key["use"].as_str()), (Some("ES256"), Some("sig")));
    let coordinate = |name: &str| from_base64url(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (input, signature) = jwt.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(input.as_bytes(), &from_base64url(signature).unwrap())
        .unwrap();
    let claims = part(jwt, 1);
    assert_eq!(
        (claims["iss"].as_str(), claims["aud"].as_str()),
        (Some("https://gate.example"), Some(UPSTREAM))
    );
    let (begins, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!(begins <= now && now < ends && ends - begins <= 60);
    Some(claims)
}

// KEY-02: signed with the one allowed algorithm, for one server, and of no use as a token.
#[tokio::test]
async fn an_assertion_is_verified_by_the_published_keys_and_is_no_token() {
    let keyed = Keyed::new().await;
    let jwt = keyed.sign();
    let claims = verify(&keyed.jwks().await, &jwt, NOW).unwrap();
    assert_eq!(
        (claims["sub"].as_str(), claims["client_id"].as_str()),
        (Some("demo:alice-1"), Some("client"))
    );
    assert_eq!(claims["scope"], "read");
    assert!(claims.get("email").is_none(), "the provider did not verify it");
    assert_ne!(claims["jti"], part(&keyed.sign(), 1)["jti"]);
    assert_eq!(keyed.world.status(&jwt).await, 401);
    let client = Client::register(&keyed.world.app).await;
    assert_eq!(client.refresh(&jwt).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.redeem(&jwt).await.error(), (400, "invalid_grant".to_owned()));
}

// KEY-03, KEY-07: a verifier that keeps the keys for as long as it may knows every key by which something is signed, before,
// while and after it is replaced.
#[tokio::test]
async fn no_assertion_is_lost_while_the_signing_key_is_replaced() {
    let keyed = Keyed::new().await;
    let kept = get(&keyed.world.app, "/jwks.json").await;
    assert_eq!(kept.header("cache-control"), Some(format!("public, max-age={KEPT}").as_str()));
    let old = keyed.active(Purpose::Signing);
    let (mut keys, mut fetched) = (keyed.jwks().await, NOW);
    let made = keyed.rotate(Purpose::Signing, Duration::from_mins(10));
    let new = made.id.to_string();
    keyed.until_published(vec![old.clone(), new.clone()]).await;
    let mut signers = Vec::new();
    for step in 0..100 {
        let now = NOW + step * 15;
        if now - fetched >= KEPT {
            (keys, fetched) = (keyed.jwks().await, now);
        }
        if now == NOW + 600 {
            keyed.until_signing(&new).await;
        }
        let jwt = keyed.sign();
        assert!(
            verify(&keys, &jwt, now).is_some(),
            "at {} s the key of {} s is unknown",
            now - NOW,
            fetched - NOW
        );
        signers.push(kid(&jwt));
        keyed.world.advance(15);
    }
    signers.dedup();
    assert_eq!(signers, [old.clone(), new.clone()]);
    keyed.retire(&old);
    keyed.until_published(vec![new]).await;
}

// KEY-06.
#[tokio::test]
async fn a_removed_signing_key_is_published_no_more_and_signs_no_more() {
    let keyed = Keyed::new().await;
    let old = keyed.active(Purpose::Signing);
    let leaked = keyed.sign();
    let new = keyed.rotate(Purpose::Signing, Duration::ZERO).id.to_string();
    keyed.retire(&old);
    keyed.until_published(vec![new.clone()]).await;
    assert_eq!(kid(&keyed.sign()), new);
    assert!(verify(&keyed.jwks().await, &leaked, NOW).is_none());
}

// KEY-01.
#[tokio::test]
async fn every_published_key_is_public_and_has_its_own_name() {
    let keyed = Keyed::new().await;
    for _ in 0..3 {
        keyed.rotate(Purpose::Signing, Duration::ZERO);
    }
    let ids = async { keyed.published().await.len() };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ids.await, 4);
    let answer = get(&keyed.world.app, "/jwks.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut ids = keyed.published().await;
    ids.dedup();
    assert_eq!(ids.len(), 4);
    for key in keyed.jwks().await {
        assert!(["d", "p", "q", "k"].iter().all(|secret| key.get(secret).is_none()), "{key}");
    }
}

// OPS-04: whatever the purpose, what the old key made is good until it is retired.
#[tokio::test]
async fn every_purpose_is_rotated_under_those_who_are_signed_in() {
    let keyed = Keyed::new().await;
    let world = &keyed.world;
    let (client, mut tokens) = world.signed_in("alice").await;
    for purpose in Purpose::ALL {
        let old = keyed.active(purpose);
        let new = keyed.rotate(purpose, Duration::from_mins(10)).id.to_string();
        for _ in 0..3 {
            assert_eq!(world.call(&tokens.access).await.1["user"], "demo:alice-1", "{purpose:?}");
            tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
            world.advance(300);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(keyed.active(purpose), new);
        let (other, fresh) = world.signed_in("bob").await;
        assert_eq!(world.call(&fresh.access).await.1["user"], "demo:bob-1", "{purpose:?}");
        Tokens::of(&other.refresh(&fresh.refresh).await);
        // Signing and sealing keys have made nothing that lasts.
        if matches!(purpose, Purpose::Signing | Purpose::Sealing) {
            keyed.retire(&old);
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(world.status(&tokens.access).await, 200);
        }
    }
    Tokens::of(&client.refresh(&tokens.refresh).await);
}

// A file that is broken, unreadable or of another server changes nothing.
#[tokio::test]
async fn a_key_file_that_cannot_be_right_is_not_taken_over() {
    let keyed = Keyed::new().await;
    let (client, tokens) = keyed.world.signed_in("alice").await;
    let good = std::fs::read_to_string(&keyed.path).unwrap();
    let still_works = async |refresh: &str| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(keyed.world.status(&tokens.access).await, 200);
        Tokens::of(&client.refresh(refresh).await)
    };
    write(&keyed.path, &good[..good.len() / 2]);
    let second = still_works(&tokens.refresh).await;
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("keys.toml");
    coatroom::vault::KeyRing::open_or_create(&other, &SystemEntropy::new(), keyed.now()).unwrap();
    write(&keyed.path, &std::fs::read_to_string(&other).unwrap());
    let third = still_works(&second.refresh).await;
    std::fs::remove_file(&keyed.path).unwrap();
    still_works(&third.refresh).await;
}

/// Overwrites a file and keeps its mode.
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

// Replicas with files of their own: a key is known to all of them before one of them uses it.
#[tokio::test]
async fn replicas_agree_while_keys_come_and_go_one_by_one() {
    let keyed = Keyed::new().await;
    let check = async |path: &Path| {
        let clock = Arc::new(ManualClock::at(keyed.now()));
        let ring =
            coatroom::vault::KeyRing::open_or_create(path, &SystemEntropy::new(), clock.now()).unwrap();
        coatroom::agree_on_keys(&keyed.world.store, &ring).await
    };
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("keys.toml");
    std::fs::copy(&keyed.path, &copy).unwrap();
    let old = keyed.active(Purpose::Tickets);
    keyed.rotate(Purpose::Tickets, Duration::from_mins(10));
    check(&keyed.path).await.unwrap();
    check(&copy).await.unwrap();
    std::fs::copy(&keyed.path, &copy).unwrap();
    check(&copy).await.unwrap();
    keyed.retire(&old);
    check(&keyed.path).await.unwrap();
    check(&copy).await.unwrap();
    let lost = folder.path().join("lost.toml");
    check(&lost).await.unwrap_err();
}
