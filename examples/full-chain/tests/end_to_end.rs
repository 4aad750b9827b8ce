//! The built program from outside, with a Redis and a pretended GitHub of the test's own.

// Always true here; it tells clippy that the helpers of tests are tests too.
#![cfg(test)]

use std::process::Output;

use coatroom_e2e::oauth::{Pending, challenge_parameter, http};
use coatroom_e2e::{Answer, Era, FormBrowser, Mcp, OAuthClient, Program};
use coatroom_servers::redis::Redis;
use coatroom_servers::tls::Certificates;
use pretend_github::{GitHub, GitHubApp};
use serde_json::{Value, json};

const ALICES: [&str; 4] = ["garden-planner", "seed-catalog", "greenhouse-sensors", "diary"];
const BOBS: [&str; 4] = ["bike-workshop", "wheel-truing", "invoices", "race-team"];
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

struct World {
    program: Program,
    _github: GitHub,
}

impl World {
    /// The program with this store; `redirect_hosts` as its variable has them.
    async fn start(store: &str, redirect_hosts: &str) -> Self {
        let github = GitHub::start(GitHubApp::OAuth).await.unwrap();
        let mut program = Program::new(env!("CARGO_BIN_EXE_full-chain"), github.variables());
        program.set("COATROOM_STORE", Some(store));
        let mut world = Self { program, _github: github };
        world.restart(redirect_hosts).await;
        world
    }

    /// Kills the program if it runs, and starts it.
    async fn restart(&mut self, redirect_hosts: &str) {
        self.program.set("COATROOM_REDIRECT_HOSTS", Some(redirect_hosts));
        self.program.restart().await;
    }

    fn mcp(&self) -> String {
        self.program.mcp_url()
    }

    fn caller(&self, era: Era, token: &str) -> Mcp {
        Mcp::without_handshake(&self.mcp(), era, token)
    }

    /// What somebody without any credential is answered.
    async fn stranger(&self, era: Era, method: &str, mut params: Value) -> Answer {
        if era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "stranger", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = self.caller(era, "none").post(&message).build().unwrap();
        request.headers_mut().remove("authorization");
        Answer::read(http().execute(request).await.unwrap()).await
    }

    /// An authorization up to its code, which is not redeemed.
    async fn code(&self, client: &OAuthClient, account: &str) -> (Pending, coatroom_e2e::Callback) {
        let pending = client.start(None);
        FormBrowser::new().approve(&pending.url, account).await;
        let callback = client.callback(&pending).await;
        (pending, callback)
    }
}

/// For how many seconds more Redis keeps each record of a kind.
fn lives(redis: &Redis, kind: &str) -> Vec<u64> {
    let keys = redis.command(&["--scan", "--pattern", &format!("coatroom:r:{kind}:*")]);
    keys.lines().map(|key| redis.command(&["ttl", key]).trim().parse().unwrap()).collect()
}

/// For how many seconds the only code that waits for its redemption is good.
fn code_life(redis: &Redis) -> u64 {
    let keys = redis.command(&["--scan", "--pattern", "coatroom:r:grant:*"]);
    let record: Value = serde_json::from_str(&redis.command(&["hget", keys.trim(), "b"])).unwrap();
    record["grant"]["state"]["expires_at"].as_u64().unwrap() - record["grant"]["created_at"].as_u64().unwrap()
}

/// Each of these lives for so long, and the minute that Redis keeps it longer.
fn assert_lives(lives: &[u64], seconds: u64) {
    assert!(!lives.is_empty());
    for &life in lives {
        let is_meant = (seconds..=seconds + MINUTE).contains(&life);
        assert!(is_meant, "{life} s instead of {seconds} s");
    }
}

fn assert_repos(answer: &Answer, own: &[&str], others: &[&str]) {
    let text = answer.text();
    assert!(own.iter().all(|repo| text.contains(repo)), "{text}");
    assert!(!others.iter().any(|repo| text.contains(repo)), "{text}");
}

#[tokio::test]
async fn each_call_goes_the_whole_chain_as_its_own_user_and_everything_outlives_program_and_redis() {
    let mut redis = Redis::start().await;
    let mut world = World::start(&redis.url(), "localhost").await;
    let mcp = world.mcp();
    let (client, bobs) = tokio::join!(OAuthClient::connect(&mcp), OAuthClient::connect(&mcp));
    let (alice, bob) = tokio::join!(client.sign_in("Alice"), bobs.sign_in("Bob"));
    for _ in 0..2 {
        for (tokens, login, own, others) in [(&alice, "alice", ALICES, BOBS), (&bob, "bob", BOBS, ALICES)] {
            for era in [Era::Modern, Era::Legacy] {
                let mcp = Mcp::connect(&world.mcp(), era, &tokens.access).await;
                let who = mcp.call("whoami", json!({})).await;
                assert_eq!(who.body["result"]["structuredContent"]["login"], login, "{}", who.body);
                assert_repos(&mcp.call("list-my-repos", json!({})).await, &own, &others);
            }
        }
        redis.kill();
        redis.restart().await;
        world.restart("localhost").await;
    }
    assert_eq!(client.refresh(&alice.refresh).await.status, 200);
}

#[tokio::test]
async fn everything_lives_for_as_long_as_it_should() {
    let redis = Redis::start().await;
    let world = World::start(&redis.url(), "localhost").await;
    let client = OAuthClient::connect(&world.mcp()).await;

    // Before somebody has signed in there is nothing, so a flow has no record: its ten minutes are in the cookie.
    let pending = client.start(None);
    let browser = FormBrowser::new();
    let consent = browser.open(&pending.url).await;
    let left = browser.send_only(&consent, consent.form("Continue")).await;
    let cookies = format!("{:?}", left.headers.get_all("set-cookie"));
    assert!(cookies.contains("Max-Age=600"), "{cookies}");
    assert!(redis.command(&["--scan", "--pattern", "coatroom:r:grant:*"]).is_empty());

    let (pending, callback) = world.code(&client, "Alice").await;
    // A code whose time is over must not come back by its flow, so that it was there is known for as long as the flow.
    assert_lives(&lives(&redis, "grant"), 10 * MINUTE);
    assert_eq!(code_life(&redis), 5 * MINUTE);
    assert_lives(&lives(&redis, "connection"), 5 * MINUTE);
    let answer = client.redeem(&pending, &callback).await;
    assert_eq!(answer.body["expires_in"], DAY);
    // Its record stays a minute longer, so that a use in its last moment is still noted.
    assert_lives(&lives(&redis, "access_token"), DAY + MINUTE);
    assert_lives(&lives(&redis, "connection"), 30 * DAY);
    let tokens = answer.tokens();
    let refreshed = client.refresh(&tokens.refresh).await;
    assert_eq!(refreshed.body["expires_in"], DAY);
    // A sign-in ends thirty days after it began, however often it is refreshed; its last token may live a day longer.
    let grants = lives(&redis, "grant");
    assert!(grants.iter().all(|life| (30 * DAY - MINUTE..=31 * DAY + MINUTE).contains(life)), "{grants:?}");
    assert!(lives(&redis, "connection").iter().all(|life| *life <= 30 * DAY + MINUTE));
}

#[tokio::test]
async fn answers_go_to_the_listed_hosts_alone() {
    let redis = Redis::start().await;
    let mut world = World::start(&redis.url(), "localhost,*.example.com").await;
    let register = async |uri: &str| {
        let metadata = json!({ "redirect_uris": [uri], "token_endpoint_auth_method": "none" });
        let answer =
            http().post(format!("{}/register", world.program.origin())).json(&metadata).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    for good in
        ["http://localhost:3000/callback", "http://127.0.0.1:1/cb", "https://app.example.com/callback"]
    {
        let (status, answer) = register(good).await;
        assert_eq!(status, 201, "{good}: {answer}");
    }
    for bad in [
        "https://evil.example/callback",
        "https://example.com/callback",
        "https://app.example.com.evil.example/callback",
        "https://evil.example/?app.example.com",
    ] {
        let (status, answer) = register(bad).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_redirect_uri")), "{bad}: {answer}");
    }

    // A client that registered while its host was listed gets no answer there any more.
    let (_, answer) = register("https://app.example.com/callback").await;
    let client = answer["client_id"].as_str().unwrap().to_owned();
    let authorize = format!(
        "{}/authorize?response_type=code&client_id={client}&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&state=s\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        world.program.origin()
    );
    assert_eq!(FormBrowser::new().open_only(&authorize).await.status, 200);
    world.restart("localhost").await;
    let refused = FormBrowser::new().open_only(&authorize).await;
    assert_eq!((refused.status.as_u16(), refused.leads_to()), (400, None), "{}", refused.text());
}

#[tokio::test]
async fn strangers_see_what_there_is_and_are_challenged_at_the_first_tool() {
    let redis = Redis::start().await;
    let world = World::start(&redis.url(), "localhost").await;
    let info = json!({ "name": "stranger", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let initialized = world.stranger(Era::Legacy, "initialize", hello).await;
    assert_eq!(initialized.status, 200, "{}", initialized.body);
    assert_eq!(world.stranger(Era::Legacy, "ping", json!({})).await.status, 200);
    let discovered = world.stranger(Era::Modern, "server/discover", json!({})).await;
    assert_eq!(discovered.status, 200, "{}", discovered.body);
    for era in [Era::Legacy, Era::Modern] {
        let tools = world.stranger(era, "tools/list", json!({})).await;
        assert_eq!(tools.status, 200, "{}", tools.body);
        let names = tools.body["result"]["tools"].as_array().unwrap().iter();
        let mut names: Vec<_> = names.map(|tool| tool["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["list-my-repos", "whoami"]);
    }

    for era in [Era::Legacy, Era::Modern] {
        let call = json!({ "name": "whoami", "arguments": {} });
        let refused = world.stranger(era, "tools/call", call).await;
        assert_eq!(refused.status, 401, "{}", refused.body);
        let parameter = |name| challenge_parameter(&refused.headers, name);
        let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", world.program.origin());
        assert_eq!(parameter("resource_metadata"), Some(metadata));
        assert_eq!(parameter("scope").as_deref(), Some("github:read"));
    }
    // Open to strangers is not open to whoever has a bad token.
    let bad = world.caller(Era::Modern, "coat_at_guessed").request("tools/list", json!({})).await;
    assert_eq!(bad.status, 401, "{}", bad.body);
}

#[tokio::test]
async fn redis_is_spoken_to_over_tls_with_a_certificate_that_is_verified() {
    let certificates = Certificates::default();
    let redis = Redis::start_with_tls(&certificates).await;
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (folder.path().join("authority.pem"), folder.path().join("stranger.pem"));
    certificates.keep_authority(&authority);
    Certificates::default().keep_authority(&stranger);
    let url = |authority: &std::path::Path| {
        format!("rediss://127.0.0.1:{}?ssl_ca_certs={}", redis.port(), authority.display())
    };
    let mut world = World::start(&url(&authority), "localhost").await;
    let client = OAuthClient::connect(&world.mcp()).await;
    let tokens = client.sign_in("Bob").await;
    let mcp = world.caller(Era::Modern, &tokens.access);
    assert_repos(&mcp.call("list-my-repos", json!({})).await, &BOBS, &ALICES);

    world.program.kill().await;
    for (bad, why) in [
        (url(&stranger), "certificate"),
        (format!("rediss://127.0.0.1:{}", redis.port()), "certificate"),
        (format!("redis://127.0.0.1:{}", redis.port()), "the store cannot be used"),
    ] {
        world.program.set("COATROOM_STORE", Some(&bad));
        let Output { status, stderr, .. } = world.program.output().await;
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("full-chain: ") && said.contains(why), "{said}");
    }
}
