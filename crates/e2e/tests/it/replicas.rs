//! Three replicas over one store, and every request at another one: whoever is served notices nothing.

use std::time::{Duration, Instant};

use coatroom_e2e::fleet::{Passed, REPLICA};
use coatroom_e2e::foreign::Script;
use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::upstream::{EchoServer, EverythingServer, GitHub, GitHubApp, Renewal, RoutingHeaders};
use coatroom_e2e::{Answer, Era, Fleet, FormBrowser, Mcp, OAuthClient, TokenAnswer, Tokens};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};

use coatroom_servers::postgres::Postgres;
use coatroom_servers::redis::Cluster;

/// What replicas share.
pub(crate) enum Database {
    Postgres(Postgres),
    Cluster(Cluster),
}

impl Database {
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(Postgres::start().await)
    }

    pub(crate) async fn cluster() -> Self {
        Self::Cluster(Cluster::start().await)
    }

    fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Cluster(servers) => servers.url(),
        }
    }
}

/// Three replicas, what they share, and what stands around them.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) github: GitHub,
    pub(crate) database: Database,
    http: reqwest::Client,
}

impl World {
    pub(crate) async fn over(database: Database, app: GitHubApp) -> Self {
        let (github, echo) = (GitHub::start(app).await, EchoServer::start().await);
        let everything = EverythingServer::start(RoutingHeaders::Compared).await;
        // A call of the provider may take two seconds, so a lease lasts for seven.
        let configuration = format!(
            "\n{}deadline = \"2s\"\n\n[lifetimes]\nkey_poll = \"200ms\"\n\n[servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\nprovider = \"github\"\n\
             headers = {{ Authorization = \"Bearer {{github.access_token}}\", X-Login = \"{{user.username}}\" }}\n\n\
             [servers.plain]\npath = \"/plain\"\nupstream = \"{}\"\nprovider = \"github\"\n\n\
             [servers.everything]\npath = \"/everything\"\nupstream = \"{}\"\nprovider = \"github\"\n",
            github.configuration(),
            echo.url,
            echo.url,
            everything.url,
        );
        let fleet = Fleet::start(REPLICAS, &database.url(), &configuration).await;
        Self { fleet, github, database, http: http() }
    }

    /// A new client to which this person of GitHub has signed in.
    pub(crate) async fn signed_in(&self, account: &str) -> (OAuthClient, Tokens) {
        self.signed_in_at("/mcp", account).await
    }

    async fn signed_in_at(&self, path: &str, account: &str) -> (OAuthClient, Tokens) {
        let client = OAuthClient::connect(&format!("{}{path}", self.fleet.origin())).await;
        let tokens = client.sign_in(account).await;
        (client, tokens)
    }

    /// A call, at one of the replicas or at the next one.
    pub(crate) async fn call(&self, token: &str, replica: Option<usize>) -> Answer {
        self.call_at("/mcp", token, replica).await
    }

    async fn call_at(&self, path: &str, token: &str, replica: Option<usize>) -> Answer {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "headers", "arguments": {}}});
        let request = self.http.post(format!("{}{path}", self.fleet.origin())).bearer_auth(token);
        let request = request.header("accept", "application/json, text/event-stream").json(&call);
        let request = request.header("mcp-protocol-version", "2025-06-18");
        let request = match replica {
            Some(number) => request.header(REPLICA, number),
            None => request,
        };
        Answer::read(request.send().await.unwrap()).await
    }

    /// A call that is repeated while it is not the time for it, and for nothing else.
    async fn call_until_it_is_time(&self, token: &str, replica: Option<usize>) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.call(token, replica).await;
            if answer.status != 503 {
                return answer;
            }
            assert!(answer.headers.contains_key("retry-after"), "503 without Retry-After");
            assert!(began.elapsed() < Duration::from_secs(20), "a call fails for ever: {}", answer.body);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The same form to the token endpoint, `times` times at each replica and all at once.
    async fn token_everywhere(&self, times: usize, form: &[(&str, &str)]) -> Vec<TokenAnswer> {
        let url = format!("{}/token", self.fleet.origin());
        let post = async |number: usize| {
            let request = self.http.post(&url).header(REPLICA, number % REPLICAS).form(form);
            TokenAnswer::read(request.send().await.unwrap()).await
        };
        join_all((0..times * REPLICAS).map(post)).await
    }
}

/// The upstream token with which a call arrived.
pub(crate) fn bearer(answer: &Answer) -> String {
    let headers: Value = serde_json::from_str(&answer.text()).unwrap();
    headers["authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

// === One after the other ===

#[tokio::test]
async fn the_whole_way_with_every_request_at_another_replica_over_postgres() {
    the_whole_way(Database::postgres().await).await;
}

#[tokio::test]
async fn the_whole_way_with_every_request_at_another_replica_over_a_redis_cluster() {
    the_whole_way(Database::cluster().await).await;
}

/// The way is gone three times, and begins at another replica each time: so each step of it is done by each of them.
async fn the_whole_way(database: Database) {
    let world = World::over(database, GitHubApp::OAuth).await;
    let mut ways: Vec<Vec<Passed>> = Vec::new();
    for first in 0..REPLICAS {
        world.fleet.begin_at(first);
        one_way(&world).await;
        ways.push(world.fleet.passed());
    }
    for step in 0..ways[0].len() {
        let mut at: Vec<usize> = ways.iter().map(|way| way[step].replica).collect();
        at.sort_unstable();
        assert_eq!(at, [0, 1, 2], "step {step}: {:?}", ways[0][step]);
        assert!(ways.iter().all(|way| way[step].path == ways[0][step].path), "step {step}");
        if let Some(before) = step.checked_sub(1) {
            assert_ne!(ways[0][step].replica, ways[0][before].replica, "step {step}");
        }
    }
    for path in
        ["/register", "/authorize", "/consent", "/callback/github", "/token", "/everything", "/revoke"]
    {
        assert!(ways[0].iter().any(|passed| passed.path == path), "{path} is missing in {:?}", ways[0]);
    }
    println!("{} requests of one client, each done by each replica", ways[0].len());
    for login in ["Alice", "Bob"] {
        client_of_others(&world, login).await;
    }
}

/// Discovery, registration, pages, tokens, calls, a session of the older wire, and the end.
async fn one_way(world: &World) {
    let url = format!("{}/everything", world.fleet.origin());
    let client = OAuthClient::connect(&url).await;
    let first = client.sign_in("Alice").await;
    let tokens = client.refresh(&first.refresh).await.tokens();
    let again = client.refresh(&first.refresh).await.tokens();
    assert_eq!(
        (&tokens.refresh, &tokens.access),
        (&again.refresh, &again.access),
        "a repeat elsewhere agrees"
    );

    let session = Mcp::connect(&url, Era::Legacy, &tokens.access).await;
    assert!(session.session().is_some());
    let modern = Mcp::without_handshake(&url, Era::Modern, &tokens.access);
    for _ in 0..REPLICAS {
        assert!(session.call("test_simple_text", json!({})).await.text().contains("simple text"));
        assert!(modern.call("test_simple_text", json!({})).await.text().contains("simple text"));
    }
    let end = http().delete(&url).bearer_auth(&tokens.access);
    let end =
        end.header("mcp-session-id", session.session().unwrap()).header("mcp-protocol-version", "2025-06-18");
    assert!(end.send().await.unwrap().status().is_success());
    for _ in 0..REPLICAS {
        assert_eq!(session.call("test_simple_text", json!({})).await.status, 404, "it was ended for all");
    }

    assert_eq!(client.revoke(&tokens.access).await.status, 200);
    for _ in 0..REPLICAS {
        assert_eq!(client.refresh(&tokens.refresh).await.error(), "invalid_grant");
    }
}

async fn client_of_others(world: &World, login: &str) {
    let plan = json!(["list", {"call": "headers"}, "refresh", {"call": "headers"}]);
    world.fleet.begin_at(0);
    let person = async |url: &str| {
        FormBrowser::new().approve(url, login).await;
    };
    let script = Script::Node("ts-sdk-2.mjs");
    let transcript = script.run_where(&world.fleet.mcp_url(), &plan, person).await;
    assert_eq!(transcript.visits, 1, "{transcript:#?}");
    assert_eq!(transcript.steps[2], json!({"refreshed": true, "rotated": true}));
    for step in [&transcript.steps[1], &transcript.steps[3]] {
        assert!(step["text"].as_str().unwrap().contains(&login.to_lowercase()), "{step}");
    }
    let passed = world.fleet.passed();
    let at = |replica| passed.iter().filter(|passed| passed.replica == replica).count();
    println!("the TypeScript SDK: {:?} requests at the replicas", [at(0), at(1), at(2)]);
    assert!((0..REPLICAS).all(|replica| at(replica) > 2), "{passed:?}");
}

// === At once ===

#[tokio::test]
async fn codes_are_redeemed_once_and_refreshes_agree_over_postgres() {
    redemptions(Database::postgres().await).await;
}

#[tokio::test]
async fn codes_are_redeemed_once_and_refreshes_agree_over_a_redis_cluster() {
    redemptions(Database::cluster().await).await;
}

async fn redemptions(database: Database) {
    let world = World::over(database, GitHubApp::OAuth).await;
    let client = OAuthClient::connect(&world.fleet.mcp_url()).await;
    for round in 0..5 {
        let pending = client.start(None);
        FormBrowser::new().approve(&pending.url, "Alice").await;
        let callback = client.callback(&pending).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", callback.get("code").unwrap()),
            ("code_verifier", pending.verifier.as_str()),
            ("redirect_uri", client.redirect_uri.as_str()),
            ("client_id", client.id()),
        ];
        let answers = world.token_everywhere(8, &form).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "round {round}");
        assert!(answers.iter().all(|answer| answer.status == 200 || answer.error() == "invalid_grant"));
    }
    let mut tokens = client.sign_in("Bob").await;
    for round in 0..8 {
        let presented = tokens.refresh.clone();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", presented.as_str()),
            ("client_id", client.id()),
        ];
        let answers = world.token_everywhere(8, &form).await;
        let answers: Vec<Tokens> = answers.iter().map(TokenAnswer::tokens).collect();
        for answer in &answers {
            assert_eq!(
                (&answer.refresh, &answer.access),
                (&answers[0].refresh, &answers[0].access),
                "round {round}"
            );
        }
        tokens = answers[0].clone();
        for replica in 0..REPLICAS {
            assert_eq!(world.call(&tokens.access, Some(replica)).await.status, 200, "round {round}");
        }
    }
}

// === One renewal for all ===

#[tokio::test]
async fn replicas_make_one_renewal_for_all_calls_over_postgres() {
    one_renewal(Database::postgres().await).await;
}

#[tokio::test]
async fn replicas_make_one_renewal_for_all_calls_over_a_redis_cluster() {
    one_renewal(Database::cluster().await).await;
}

async fn one_renewal(database: Database) {
    let world = World::over(database, GitHubApp::Expiring(LONGER_LIFE)).await;
    let (_, tokens) = world.signed_in("Alice").await;
    world.github.renew(Renewal::Slow(Duration::from_millis(800)));
    // First while the old token is still good for a moment, then after its end, when everybody has to wait.
    for (round, pause) in [LONGER_LIFE / 2 + 1, LONGER_LIFE + 1].into_iter().enumerate() {
        let asked = world.github.asked();
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let began = Instant::now();
        let calls = (0..10 * REPLICAS).map(|number| world.call(&tokens.access, Some(number % REPLICAS)));
        let bearers: Vec<String> = join_all(calls).await.iter().map(bearer).collect();
        println!(
            "{} calls waited {:?} for {} renewals",
            bearers.len(),
            began.elapsed(),
            world.github.asked() - asked
        );
        assert_eq!(world.github.asked() - asked, 1, "one renewal for all");
        if round == 1 {
            assert_eq!(world.github.owner_of(&bearers[0]).as_deref(), Some("alice"));
            assert!(bearers.iter().all(|bearer| *bearer == bearers[0]), "all have the one new token");
        }
    }
    assert_eq!(world.github.asked(), world.github.refreshes(), "none was refused");
}

#[tokio::test]
async fn a_replica_that_dies_before_the_provider_renewed_costs_nothing_over_postgres() {
    dies_before(Database::postgres().await).await;
}

#[tokio::test]
async fn a_replica_that_dies_before_the_provider_renewed_costs_nothing_over_a_redis_cluster() {
    dies_before(Database::cluster().await).await;
}

async fn dies_before(database: Database) {
    let mut world = World::over(database, GitHubApp::Expiring(LIFE)).await;
    let (alice_client, alice) = world.signed_in("Alice").await;
    let (_, bob) = world.signed_in("Bob").await;
    dies_with_the_lease(&mut world, &alice, Renewal::Ignored).await;
    let began = Instant::now();
    let calls = (0..9).map(|_| world.call_until_it_is_time(&alice.access, None));
    let (alices, bobs) = tokio::join!(join_all(calls), world.call(&bob.access, None));
    assert_eq!(bobs.status, 200, "nobody else waits");
    for answer in &alices {
        assert_eq!(world.github.owner_of(&bearer(answer)).as_deref(), Some("alice"));
    }
    println!("Alice's calls went on {:?} after the kill", began.elapsed());
    world.replicas_come_back().await;
    for replica in 0..REPLICAS {
        assert_eq!(world.call(&alice.access, Some(replica)).await.status, 200);
    }
    alice_client.refresh(&alice.refresh).await.tokens();
}

#[tokio::test]
async fn a_replica_that_dies_after_the_provider_renewed_costs_one_sign_in_over_postgres() {
    dies_after(Database::postgres().await).await;
}

#[tokio::test]
async fn a_replica_that_dies_after_the_provider_renewed_costs_one_sign_in_over_a_redis_cluster() {
    dies_after(Database::cluster().await).await;
}

async fn dies_after(database: Database) {
    let mut world = World::over(database, GitHubApp::Expiring(LIFE)).await;
    let (alice_client, alice) = world.signed_in("Alice").await;
    let (bob_client, bob) = world.signed_in("Bob").await;
    dies_with_the_lease(&mut world, &alice, Renewal::Swallowed).await;
    let began = Instant::now();
    let calls = (0..9).map(|_| world.call_until_it_is_time(&alice.access, None));
    let (alices, bobs) = tokio::join!(join_all(calls), world.call(&bob.access, None));
    assert_eq!(bobs.status, 200, "nobody else waits");
    println!("Alice was asked to sign in again {:?} after the kill", began.elapsed());
    for answer in &alices {
        assert_eq!(
            answer.status, 401,
            "the provider has forgotten the only token that we have: {}",
            answer.body
        );
        assert!(challenge_parameter(&answer.headers, "resource_metadata").is_some(), "where to sign in");
    }
    world.replicas_come_back().await;
    assert_eq!(
        alice_client.refresh(&alice.refresh).await.error(),
        "invalid_grant",
        "so that she is really asked"
    );
    let bob = bob_client.refresh(&bob.refresh).await.tokens();
    assert_eq!(world.call(&bob.access, None).await.status, 200, "only of her");

    let alice = alice_client.sign_in("Alice").await;
    for number in 0..4 * REPLICAS {
        let answer = world.call(&alice.access, Some(number % REPLICAS)).await;
        assert_eq!(answer.status, 200, "she is asked again: {}", answer.body);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    alice_client.refresh(&alice.refresh).await.tokens();
}

/// The first replica takes the lease of a token that has ended, asks the provider, which does what `renewal` says, and is killed.
async fn dies_with_the_lease(world: &mut World, tokens: &Tokens, renewal: Renewal) {
    tokio::time::sleep(Duration::from_secs(LIFE + 1)).await;
    world.github.renew(renewal);
    let mcp = Mcp::without_handshake(&world.fleet.mcp_url(), Era::Modern, &tokens.access);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }}});
    let call = tokio::spawn(mcp.post(&call).header(REPLICA, 0).send());
    let until = Instant::now() + Duration::from_secs(10);
    while world.github.asked() == 0 || (renewal == Renewal::Swallowed && world.github.refreshes() == 0) {
        assert!(Instant::now() < until, "nobody asks for a renewal");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.fleet.replicas[0].kill().await;
    world.github.renew(Renewal::Prompt);
    assert_eq!(call.await.unwrap().unwrap().status(), 502, "the call died with its replica");
}

impl World {
    async fn replicas_come_back(&mut self) {
        self.fleet.replicas[0].restart().await;
    }
}

// === The end is felt everywhere ===

#[tokio::test]
async fn the_end_is_felt_at_every_replica_within_a_second_over_postgres() {
    revocation(Database::postgres().await).await;
}

#[tokio::test]
async fn the_end_is_felt_at_every_replica_within_a_second_over_a_redis_cluster() {
    revocation(Database::cluster().await).await;
}

async fn revocation(database: Database) {
    let world = World::over(database, GitHubApp::OAuth).await;
    // A call that finds the grant at its end ends the streams of its replica too; so there is a round without calls.
    for (path, revoked_by, called) in
        [("/plain", "the client", 0), ("/plain", "a replay", REPLICAS), ("/mcp", "the client", REPLICAS)]
    {
        let (client, tokens) = world.signed_in_at(path, "Alice").await;
        let (_, other) = world.signed_in_at(path, "Alice").await;
        let second = client.refresh(&tokens.refresh).await.tokens();
        client.refresh(&second.refresh).await.tokens();
        let mut streams = Vec::new();
        for replica in 0..REPLICAS {
            streams.push(open_stream(&world, path, &tokens.access, replica).await);
        }
        let mut others_stream = open_stream(&world, path, &other.access, 1).await;
        for answer in join_all((0..REPLICAS).map(|at| world.call_at(path, &tokens.access, Some(at)))).await {
            assert_eq!(answer.status, 200, "it is remembered at every replica");
        }
        let asked = Instant::now();
        let revoking = async {
            if revoked_by == "the client" {
                assert_eq!(client.revoke(&second.refresh).await.status, 200);
            } else {
                // It says that a token was stolen, which ends the grant.
                assert_eq!(client.refresh(&tokens.refresh).await.error(), "invalid_grant");
            }
            asked.elapsed()
        };
        let ended = join_all(streams.into_iter().map(async |mut events| {
            while let Some(Ok(_)) = events.next().await {
                assert!(asked.elapsed() < Duration::from_secs(5), "the stream of a revoked grant goes on");
            }
            asked.elapsed()
        }));
        let last_calls = join_all((0..called).map(async |replica| {
            let mut last = None;
            while asked.elapsed() < Duration::from_secs(2) {
                let sent = asked.elapsed();
                match world.call_at(path, &tokens.access, Some(replica)).await.status.as_u16() {
                    401 => {}
                    200 => last = Some(sent),
                    status => panic!("{status} after a revocation"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            last
        }));
        let (revoked, ended, last_calls) = tokio::join!(revoking, ended, last_calls);
        println!(
            "{path}, ended by {revoked_by} within {revoked:?}: streams after {ended:?}, last calls let in after {last_calls:?}"
        );
        let second = revoked + Duration::from_secs(1);
        assert!(last_calls.iter().flatten().all(|last| *last < second), "{last_calls:?}");
        assert!(ended.iter().all(|end| *end < second), "{ended:?}");
        for replica in 0..REPLICAS {
            let answer = world.call_at(path, &other.access, Some(replica)).await;
            assert_eq!(answer.status, 200, "another grant goes on");
        }
        assert!(others_stream.next().await.unwrap().is_ok(), "and so does its stream");
    }
}

async fn open_stream(
    world: &World,
    path: &str,
    token: &str,
    replica: usize,
) -> impl StreamExt<Item = reqwest::Result<impl AsRef<[u8]>>> + Unpin {
    let open =
        http().get(format!("{}{path}", world.fleet.origin())).bearer_auth(token).header(REPLICA, replica);
    let stream = open.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut events = stream.bytes_stream();
    assert!(events.next().await.unwrap().unwrap().starts_with(b"event: tick"));
    events
}

/// How many there are.
pub(crate) const REPLICAS: usize = 3;

/// How many seconds a token of the provider lives, where it ends.
const LIFE: u64 = 4;

/// The same, where it must not be half over before all calls are answered.
const LONGER_LIFE: u64 = 8;
