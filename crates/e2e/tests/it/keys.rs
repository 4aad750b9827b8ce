//! Signing keys are replaced under load, and nobody notices.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coatroom_e2e::oauth::http;
use coatroom_e2e::upstream::Behind;
use serde_json::Value;

/// For how long the verifier of these tests keeps the keys; shorter than the lead of a new key, as it is in earnest.
const KEPT: Duration = Duration::from_millis(500);

/// An MCP server's verifier of assertions, which keeps the published keys for a while and asks no more often.
struct Verifier<'a> {
    world: &'a Behind,
    kept: Mutex<Option<(Instant, Vec<Value>)>>,
}

impl Verifier<'_> {
    async fn keys(&self) -> Vec<Value> {
        if let Some((fetched, keys)) = &*self.kept.lock().unwrap()
            && fetched.elapsed() < KEPT
        {
            return keys.clone();
        }
        let asked = Instant::now();
        let keys = published(self.world).await;
        *self.kept.lock().unwrap() = Some((asked, keys.clone()));
        keys
    }

    /// The claims of an assertion; why not, if it cannot be verified.
    async fn verify(&self, jwt: &str) -> Result<Value, String> {
        let keys = self.keys().await;
        let (input, signature) = jwt.rsplit_once('.').ok_or("not a JWS")?;
        let (header, claims) = input.split_once('.').ok_or("not a JWT")?;
        let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
        let key = keys.iter().find(|key| key["kid"] == header["kid"]).ok_or("an unknown key")?;
        let point =
            [vec![4], decoded(key["x"].as_str().unwrap()), decoded(key["y"].as_str().unwrap())].concat();
        let verified = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(input.as_bytes(), &decoded(signature));
        verified.map_err(|_| "a wrong signature")?;
        let mut claims: Value = serde_json::from_slice(&decoded(claims)).unwrap();
        claims["kid"] = header["kid"].clone();
        claims["typ"] = header["typ"].clone();
        Ok(claims)
    }
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

async fn published(world: &Behind) -> Vec<Value> {
    let answer = http().get(format!("{}/jwks.json", world.gateway.origin())).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["keys"].as_array().unwrap().clone()
}

/// The ids of the signing keys, as the program lists them: newest first, each with its state.
async fn listed(world: &Behind) -> Vec<(String, String)> {
    let list = world.gateway.keys(&["list"]).await.unwrap();
    let of = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[0] == "signing").then(|| (words[1].to_owned(), words[5].trim_end_matches(',').to_owned()))
    };
    list.lines().filter_map(of).collect()
}

// KEY-03, KEY-06.
#[tokio::test]
async fn a_signing_key_is_replaced_under_load_without_a_lost_call() {
    let world = Behind::start("assertion = true", "[lifetimes]\nkey_poll = \"100ms\"").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let verifier = Verifier { world: &world, kept: Mutex::default() };
    let (over, calls, seen) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::<String>::new()));

    let load = async || {
        let mcp = world.mcp(&tokens.access);
        while !over.load(Ordering::Relaxed) {
            let headers = world.headers(&mcp).await;
            let jwt = headers["x-coatroom-assertion"].as_str().unwrap();
            let claims = verifier.verify(jwt).await.unwrap_or_else(|why| panic!("{why}: {jwt}"));
            assert_eq!(claims["typ"], "coatroom-assertion+jwt");
            assert_eq!(
                (&claims["sub"], claims["aud"].as_str()),
                (&headers["x-coatroom-user"], Some(&*world.echo.url))
            );
            assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
            let kid = claims["kid"].as_str().unwrap().to_owned();
            let mut seen = seen.lock().unwrap();
            if !seen.contains(&kid) {
                seen.push(kid);
            }
            calls.fetch_add(1, Ordering::Relaxed);
        }
    };
    let rotate = async {
        let first = listed(&world).await;
        assert_eq!(first.len(), 1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.gateway.keys(&["rotate", "--purpose", "signing", "--lead", "3s"]).await.unwrap();
        let states: Vec<_> = listed(&world).await.into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["waiting", "active"]);
        let refused = world.gateway.keys(&["rotate", "--purpose", "signing"]).await.unwrap_err();
        assert!(refused.contains("still waiting"), "{refused}");
        tokio::time::sleep(Duration::from_millis(4500)).await;
        let states: Vec<_> = listed(&world).await.into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["active", "superseded"]);
        let old = &first[0].0;
        let refused = world.gateway.keys(&["retire", old]).await.unwrap_err();
        assert!(refused.contains("in use until"), "{refused}");
        // What it signed last was verified long ago here, so it may go.
        world.gateway.keys(&["retire", old, "--force"]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        over.store(true, Ordering::Relaxed);
        old.clone()
    };
    let (old, ..) = tokio::join!(rotate, load(), load(), load(), load());
    let keys = published(&world).await;
    assert_eq!(keys.len(), 1, "the old key is published no more");
    assert_ne!(keys[0]["kid"], *old);
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 2, "both keys signed");
    assert!(calls.load(Ordering::Relaxed) > 50, "{calls:?} calls");
    println!("{} calls, none lost", calls.load(Ordering::Relaxed));
}

// KEY-06, and that a broken file costs nothing.
#[tokio::test]
async fn a_removed_key_is_gone_at_once_and_a_broken_file_changes_nothing() {
    let world = Behind::start("assertion = true", "[lifetimes]\nkey_poll = \"100ms\"").await;
    let (client, tokens) = world.signed_in("Alice").await;
    let old = listed(&world).await.remove(0).0;
    let alone = world.gateway.keys(&["retire", &old, "--force"]).await.unwrap_err();
    assert!(alone.contains("rotate first"), "{alone}");
    world.gateway.keys(&["rotate", "--purpose", "signing", "--lead", "0"]).await.unwrap();
    world.gateway.keys(&["retire", &old, "--force"]).await.unwrap();
    let gone = Instant::now();
    while published(&world).await.iter().any(|key| key["kid"] == *old) {
        assert!(gone.elapsed() < Duration::from_secs(1), "still published after a second");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for purpose in ["tickets", "sealing", "wrapping", "registration"] {
        world.gateway.keys(&["rotate", "--purpose", purpose, "--lead", "0"]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let tokens = client.refresh(&tokens.refresh).await.tokens();
    let headers = world.headers(&world.mcp(&tokens.access)).await;
    assert!(headers["authorization"].as_str().unwrap().starts_with("Bearer gho_"));
    let jwt = headers["x-coatroom-assertion"].as_str().unwrap().to_owned();
    world.gateway.overwrite_keys("not a key file");
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.headers(&world.mcp(&tokens.access)).await;
    client.refresh(&tokens.refresh).await.tokens();
    let log = world.gateway.log();
    assert_eq!(log.matches("cannot be used; the keys of before stay in use").count(), 1, "said once");
    assert!(!log.contains(&jwt), "an assertion is in the log");
    // An assertion is for the MCP server; presented to us it is nothing.
    assert_eq!(world.mcp(&jwt).call("headers", serde_json::json!({})).await.status, 401);
}
