//! How long a process lives: until its user is idle, its credential is replaced, its grant ends, or the gateway does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use coatroom_e2e::processes::{self, until};
use coatroom_e2e::upstream::Crowd;
use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, Tokens, oauth, tools};
use serde_json::json;

use super::{MODERN, PROBE, World, count, head, section};

#[tokio::test]
async fn a_process_that_rests_is_stopped_and_started_again_when_it_is_needed() {
    let world = World::start(MODERN, "idle = \"1s\"\n", "").await;
    let client = world.client("Alice", MODERN, json!({})).await;
    assert_eq!(count(&client).await["asked"], 1);
    // Whoever works does not rest.
    assert_eq!(client.call("sleep", json!({"seconds": 3})).await.text(), "slept 3s");
    assert_eq!(count(&client).await["asked"], 2);
    until(Duration::from_secs(8), "it never rests", || world.processes().is_empty()).await;
    assert_eq!(count(&client).await["asked"], 1);
}

#[tokio::test]
async fn an_older_client_keeps_its_session_while_its_process_rests() {
    let world = World::start("2025-11-25", "idle = \"1s\"\n", "").await;
    let client = world.client("Alice", "2025-06-18", json!({})).await;
    assert_eq!(count(&client).await["asked"], 1);
    until(Duration::from_secs(8), "it never rests", || world.processes().is_empty()).await;
    let answer = client.call("count", json!({})).await;
    // Either is within the norm; a client that is told 404 shakes hands again (SES-04, SES-08).
    assert!(answer.status == 404 || answer.body.get("result").is_some(), "{} {}", answer.status, answer.body);
}

/// A gateway whose upstream tokens live some seconds.
struct Renewing {
    gateway: Gateway,
    crowd: Crowd,
    mark: String,
}

impl Renewing {
    async fn start(lifetime: u64) -> Self {
        let crowd = Crowd::start(2, Some(lifetime)).await;
        let mark = format!("mark-{}", oauth::random());
        let port = tools::free_port();
        let section = section(&crowd.configuration(), "crowd", MODERN, &mark);
        let gateway = Gateway::serve_at(port, &format!("{}{section}", head(port))).await;
        Self { gateway, crowd, mark }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_token_replaces_the_process_and_no_call_is_lost() {
    let world = Renewing::start(4).await;
    let client = OAuthClient::connect(&world.gateway.mcp_url()).await;
    let tokens = client.sign_in(&Crowd::name(0)).await;
    let mcp = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
    let slow = mcp.call("sleep", json!({"seconds": 9}));
    let quick = async {
        let (began, mut seen) = (Instant::now(), std::collections::HashSet::new());
        while began.elapsed() < Duration::from_secs(10) {
            let said = count(&mcp).await;
            let token = said["token"].as_str().unwrap().to_owned();
            assert_eq!(world.crowd.owner_of(&token), Some(Crowd::name(0)));
            seen.insert(token);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        seen.len()
    };
    let (slow, tokens) = tokio::join!(slow, quick);
    assert_eq!(slow.text(), "slept 9s", "a call that was under way ends where it began");
    assert!(tokens > 1 && world.crowd.renewals() > 0, "{tokens} tokens, {} renewals", world.crowd.renewals());
    // What was replaced is gone once it has nothing to do.
    until(Duration::from_secs(8), "replaced processes go on", || {
        processes::of(PROBE, &world.mark).len() <= 1
    })
    .await;
}

#[tokio::test]
async fn an_older_client_keeps_its_session_when_its_token_is_renewed() {
    let world = Renewing::start(4).await;
    let client = OAuthClient::connect(&world.gateway.mcp_url()).await;
    let tokens = client.sign_in(&Crowd::name(1)).await;
    let mcp = Mcp::connect_as(&world.gateway.mcp_url(), "2025-11-25", &tokens.access, json!({})).await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        seen.insert(count(&mcp).await["token"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(seen.len() > 1, "the token was renewed, and the process has the old one");
}

/// A person at a browser, the client to which they signed in, and its tokens.
struct SignedIn {
    browser: FormBrowser,
    client: OAuthClient,
    tokens: Tokens,
}

/// Alice's processes end with her grant, with all that they left behind. Bob's goes on.
async fn ends_with_the_grant(world: &World, end: impl AsyncFnOnce(&World, &SignedIn)) {
    let (browser, client) = (FormBrowser::new(), OAuthClient::connect(&world.gateway.mcp_url()).await);
    let pending = client.start(None);
    browser.approve(&pending.url, "Alice").await;
    let callback = client.callback(&pending).await;
    let tokens = client.redeem(&pending, &callback).await.tokens();
    let alice = SignedIn { browser, client, tokens };
    let tokens = &alice.tokens;
    let url = world.gateway.mcp_url();
    let modern = Mcp::without_handshake(&url, Era::Modern, &tokens.access);
    let old = Mcp::connect_as(&url, "2025-06-18", &tokens.access, json!({})).await;
    let bob = world.client("Bob", MODERN, json!({})).await;
    count(&bob).await;
    let words = ["one", "two"].map(|word| format!("left-behind-{word}-{}", oauth::random()));
    assert_ne!(modern.call("fork", json!({"word": words[0]})).await.text(), "");
    assert_ne!(old.call("fork", json!({"word": words[1]})).await.text(), "");
    let left =
        |word: &str| processes::with(word).into_iter().filter(|process| processes::runs(*process)).count();
    assert!(words.iter().all(|word| left(word) > 0));
    let sleep = json!({"name": "sleep", "arguments": {"seconds": 60}, "_meta": {"progressToken": 1}});
    let mut under_way = modern.open("tools/call", sleep).await;
    under_way.next().await.expect("progress");
    end(world, &alice).await;
    let took = until(Duration::from_secs(1), "the processes of a revoked grant go on", || {
        words.iter().all(|word| left(word) == 0) && world.processes().len() == 1
    })
    .await;
    println!("all are gone {took:?} after the grant");
    let ended =
        tokio::time::timeout(Duration::from_secs(2), async { while under_way.next().await.is_some() {} })
            .await;
    assert!(ended.is_ok(), "the call of a revoked grant goes on");
    assert_eq!(modern.post(&modern.message("tools/list", json!({}))).send().await.unwrap().status(), 401);
    assert_eq!(count(&bob).await["asked"], 2, "another's process goes on");
}

#[tokio::test]
async fn a_revoked_token_ends_every_process_of_its_grant_within_a_second() {
    let world = World::start("2025-11-25", "", "").await;
    ends_with_the_grant(&world, async |_, alice| {
        assert_eq!(alice.client.revoke(&alice.tokens.refresh).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_is_ended_on_the_account_page_ends_every_process_within_a_second() {
    let world = World::start(MODERN, "", "").await;
    ends_with_the_grant(&world, async |world, alice| {
        let page = alice.browser.open(&format!("{}/account", world.gateway.origin())).await;
        alice.browser.press(&page, "Remove").await;
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_the_operator_ends_ends_every_process() {
    let world = World::start(MODERN, "", "").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let mcp = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
    count(&mcp).await;
    world.gateway.command(&["grants", "revoke", "github:583231"]).await;
    until(Duration::from_secs(2), "the process goes on", || world.processes().is_empty()).await;
}

/// A user has so many processes at most: of those at rest the one goes that rested longest.
#[tokio::test]
async fn a_user_who_has_too_many_loses_the_one_that_rested_longest() {
    let world = World::start(MODERN, "", "[processes]\nper_user = 2\nin_all = 3\n").await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(world.client("Alice", MODERN, json!({})).await);
        count(clients.last().unwrap()).await;
    }
    let bob = world.client("Bob", MODERN, json!({})).await;
    count(&bob).await;
    count(&clients[0]).await;
    let third = world.client("Alice", MODERN, json!({})).await;
    assert_eq!(count(&third).await["asked"], 1);
    assert_eq!(count(&bob).await["asked"], 2, "another user's process stays");
    assert_eq!(count(&clients[0]).await["asked"], 3, "it was used after the other");
    assert_eq!(count(&clients[1]).await["asked"], 1, "it was ended, and started again");
    until(Duration::from_secs(8), "more than three", || world.processes().len() <= 3).await;
}

/// Where all are busy, whoever comes is told to come again; nothing under way is lost.
#[tokio::test]
async fn when_all_are_busy_the_next_is_told_to_wait() {
    for (more, other) in [("per_user = 1\n", "Alice"), ("per_user = 1\nin_all = 1\n", "Bob")] {
        let world = World::start(MODERN, "", &format!("[processes]\n{more}")).await;
        let busy = world.client("Alice", MODERN, json!({})).await;
        let sleep = json!({"name": "sleep", "arguments": {"seconds": 4}, "_meta": {"progressToken": 1}});
        let mut under_way = busy.open("tools/call", sleep).await;
        under_way.next().await.expect("progress");
        let next = world.client(other, MODERN, json!({})).await;
        let refused = next.call("count", json!({})).await;
        assert_eq!(refused.status, 503, "{more}: {}", refused.body);
        let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(under_way.answer().await.1["result"].is_object());
        assert_eq!(count(&next).await["asked"], 1, "{more}");
    }
}

#[tokio::test]
async fn a_gateway_that_stops_leaves_nothing_behind() {
    let mut world = World::start(MODERN, "", "").await;
    let (left, tree) = busy(&world).await;
    world.gateway.stop().await;
    processes::gone(&tree, Duration::from_secs(5)).await;
    assert_eq!(processes::with(&left).iter().filter(|process| processes::runs(**process)).count(), 0);
}

#[tokio::test]
async fn a_gateway_that_is_killed_leaves_nothing_behind_within_five_seconds() {
    let mut world = World::start(MODERN, "", "").await;
    let (left, tree) = busy(&world).await;
    world.gateway.kill().await;
    let took = processes::gone(&tree, Duration::from_secs(5)).await;
    assert_eq!(processes::with(&left).iter().filter(|process| processes::runs(**process)).count(), 0);
    println!("gone {took:?} after the gateway");
}

#[tokio::test]
async fn what_a_killed_gateway_left_on_the_disk_goes_when_the_next_one_starts() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.path().join("processes");
    let mut world =
        World::start(MODERN, "", &format!("[processes]\nfolder = \"{}\"\n", place.display())).await;
    let (_, tree) = busy(&world).await;
    let homes = || {
        fs::read_dir(&place)
            .unwrap()
            .flatten()
            .flat_map(|gateway| fs::read_dir(gateway.path()))
            .flatten()
            .flatten()
    };
    assert_eq!(homes().filter(|home| home.path().is_dir()).count(), 2, "one for each process");
    world.gateway.kill().await;
    processes::gone(&tree, Duration::from_secs(5)).await;
    world.gateway.restart().await;
    until(Duration::from_secs(5), "they are still there", || {
        homes().filter(|home| home.path().is_dir()).count() == 0
    })
    .await;
}

/// A grant that ends while its process is being started gets none.
#[tokio::test]
async fn a_grant_that_ends_during_a_start_leaves_no_process() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "env.PROBE_START_DELAY_MS = \"3000\"\n", "").await;
        let (client, tokens) = world.signed_in("Alice").await;
        let mcp = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
        let call = tokio::spawn(async move { mcp.call("count", json!({})).await });
        until(Duration::from_secs(5), "nothing is started", || !world.processes().is_empty()).await;
        assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
        until(Duration::from_secs(1), "the start goes on", || world.processes().is_empty()).await;
        let answer = call.await.unwrap();
        assert!(answer.body.get("result").is_none(), "{} {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(world.processes().is_empty(), "it was started all the same");
    }
}

/// A session that is ended while it is asked something still gives one answer.
#[tokio::test]
async fn a_session_that_is_ended_answers_what_was_asked() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let client = world.client("Alice", "2025-06-18", json!({})).await;
        let sleep = json!({"name": "sleep", "arguments": {"seconds": 30}, "_meta": {"progressToken": 1}});
        let mut under_way = client.open("tools/call", sleep).await;
        under_way.next().await.expect("progress");
        assert!(client.end().await.is_success());
        let ended = tokio::time::timeout(Duration::from_secs(5), async {
            let mut answers = 0;
            while let Some(message) = under_way.next().await {
                answers += usize::from(message.get("method").is_none());
            }
            answers
        });
        let answers = ended.await.expect("the call of an ended session goes on");
        assert!(answers <= 1, "{answers} answers");
        until(Duration::from_secs(8), "its process goes on", || world.processes().is_empty()).await;
    }
}

/// Two users' processes, one of which has left another behind; the word of that, and all processes that belong to the gateway.
async fn busy(world: &World) -> (String, Vec<u32>) {
    let (alice, bob) =
        (world.client("Alice", MODERN, json!({})).await, world.client("Bob", MODERN, json!({})).await);
    let word = format!("left-behind-{}", oauth::random());
    assert_ne!(alice.call("fork", json!({"word": word})).await.text(), "");
    count(&bob).await;
    let mut tree = processes::descendants(world.gateway.id());
    tree.extend(processes::with(&word));
    tree.extend(world.processes());
    assert!(tree.len() >= 4, "{tree:?}");
    (word, tree)
}
