//! Processes that break and misbehave: every call gets exactly one answer, and what went wrong is said in words.

use std::time::{Duration, Instant};

use coatroom_e2e::processes::{self, until};
use coatroom_e2e::{Era, Mcp};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{MODERN, REVISIONS, World, count};

#[tokio::test]
async fn calls_in_flight_at_a_crash_get_one_answer_each_and_the_next_call_a_new_process() {
    for spoken in ["2025-11-25", MODERN] {
        for revision in ["2025-06-18", MODERN] {
            let world = World::start(spoken, "", "").await;
            let client = world.client("Alice", revision, json!({})).await;
            let before = count(&client).await;
            let sleep =
                json!({"name": "sleep", "arguments": {"seconds": 20}, "_meta": {"progressToken": "p"}});
            let mut streams = join_all((0..5).map(|_| client.open("tools/call", sleep.clone()))).await;
            for stream in &mut streams {
                stream.next().await.expect("progress");
            }
            let crash = client.call("crash", json!({})).await;
            assert!(
                crash.body.get("error").is_some(),
                "{revision} before {spoken}: {} {}",
                crash.status,
                crash.body
            );
            for stream in &mut streams {
                let (_, answer) = stream.answer().await;
                assert!(answer.get("error").is_some(), "{revision} before {spoken}: {answer}");
                assert_eq!(stream.next().await, None, "exactly one answer");
            }
            let after = count(&client).await;
            assert_eq!(after["asked"], 1, "{revision} before {spoken}: a new process");
            assert_eq!(after["token"], before["token"]);
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_from_outside_is_replaced() {
    let world = World::start(MODERN, "", "").await;
    let client = world.client("Alice", MODERN, json!({})).await;
    let first = count(&client).await;
    processes::kill(world.processes()[0]);
    // Whoever calls before its end was noticed is told, and calls again.
    let answer = client.call("count", json!({})).await;
    assert!(answer.body.get("result").is_some() || answer.body.get("error").is_some(), "{}", answer.body);
    let second = count(&client).await;
    assert_eq!((&first["asked"], &second["token"]), (&json!(1), &first["token"]));
    assert_eq!(world.processes().len(), 1);
}

/// What a start failure looks like: an error of JSON-RPC with what the command said at last, and nothing secret.
#[tokio::test]
async fn a_command_that_does_not_start_says_why_without_its_secret() {
    for spoken in ["2025-11-25", MODERN] {
        let failing = "env.PROBE_FAILURE = \"cannot reach the database at db.internal\"\n";
        let world = World::start(spoken, failing, "").await;
        let (_, tokens) = world.signed_in("Alice").await;
        let mcp = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
        let answer = mcp.call("count", json!({})).await;
        let error = &answer.body["error"];
        assert!(error["code"].is_i64(), "{spoken}: {} {}", answer.status, answer.body);
        let text = error.to_string();
        assert!(text.contains("cannot reach the database at db.internal"), "{spoken}: {text}");
        assert!(text.contains("starting with the token"), "{spoken}: {text}");
        for secret in world.github.secrets() {
            assert!(!answer.body.to_string().contains(&secret), "{spoken}: {text}");
            assert!(!world.gateway.log().contains(&secret), "{spoken}: the token is in the log");
        }
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
        let old = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Legacy, &tokens.access);
        let answer = old.request("initialize", hello).await;
        assert!(
            answer.body["error"].to_string().contains("db.internal"),
            "{spoken}: {} {}",
            answer.status,
            answer.body
        );
    }
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named_to_the_caller() {
    let github = coatroom_e2e::upstream::GitHub::start(coatroom_e2e::upstream::GitHubApp::OAuth).await;
    let port = coatroom_e2e::tools::free_port();
    let configuration = format!(
        "{}{}\n[servers.x]\npath = \"/mcp\"\nprovider = \"github\"\ncommand = [\"no-such-program\"]\n",
        super::head(port),
        github.configuration()
    );
    let gateway = coatroom_e2e::Gateway::serve_at(port, &configuration).await;
    let client = coatroom_e2e::OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let answer =
        Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access).call("x", json!({})).await;
    assert!(
        answer.body["error"].to_string().contains("no-such-program"),
        "{} {}",
        answer.status,
        answer.body
    );
}

/// After failures it waits longer and longer, and does not start a process for each call; once the cause is gone it goes on.
#[tokio::test]
async fn a_command_that_fails_is_not_started_for_every_call_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ready = folder.path().join("ready");
    let failing = format!(
        "env.PROBE_FAILURE = \"not yet\"\nenv.PROBE_FAILS_UNTIL = \"{}\"\nwrite = {}\n",
        ready.display(),
        super::paths(folder.path())
    );
    let world = World::start(MODERN, &failing, "").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let mcp = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
    let began = Instant::now();
    let mut failures = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let answer = mcp.call("count", json!({})).await;
        assert!(
            answer.body.get("error").is_some() || answer.status == 503,
            "{} {}",
            answer.status,
            answer.body
        );
        failures += 1;
    }
    let log = world.gateway.log();
    let starts = log.matches("not yet").count();
    println!("{failures} calls failed, the log says so {starts} times");
    std::fs::write(&ready, "").unwrap();
    let mut answered = false;
    for _ in 0..100 {
        answered = mcp.call("count", json!({})).await.body.get("result").is_some();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(answered, "it never recovers");
}

#[tokio::test]
async fn calls_wait_for_a_slow_start_and_one_process_is_started_for_all() {
    let world = World::start(MODERN, "env.PROBE_START_DELAY_MS = \"1500\"\n", "").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let mcp = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
    let answers = join_all((0..10).map(|_| count(&mcp))).await;
    assert!(answers.iter().all(|answer| answer["pid"] == answers[0]["pid"]), "{answers:?}");
    assert_eq!(world.processes().len(), 1);
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_given_up() {
    let slow = "env.PROBE_START_DELAY_MS = \"60000\"\nstart_timeout = \"2s\"\n";
    let world = World::start(MODERN, slow, "").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let mcp = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
    let began = Instant::now();
    let answer = mcp.call("count", json!({})).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(answer.body.get("error").is_some(), "{} {}", answer.status, answer.body);
    until(Duration::from_secs(2), "the slow one goes on", || world.processes().is_empty()).await;
}

#[tokio::test]
async fn lines_that_are_no_messages_and_answers_to_nobody_hurt_nobody() {
    for spoken in REVISIONS {
        let world = World::start(spoken, "", "").await;
        let client = world.client("Alice", MODERN, json!({})).await;
        for tool in ["garbage", "answer-nobody", "answer-twice", "garbage"] {
            let answer = client.call(tool, json!({})).await;
            assert!(!answer.text().is_empty(), "{tool} at {spoken}");
        }
        assert_eq!(count(&client).await["asked"], 1, "{spoken}: the same process still");
    }
}

#[tokio::test]
async fn what_a_dying_process_says_of_its_secret_is_in_no_log_and_no_answer() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let client = world.client("Alice", MODERN, json!({})).await;
        let token = count(&client).await["token"].as_str().unwrap().to_owned();
        let answer = client.call("stderr-secret", json!({})).await;
        assert!(answer.body.get("error").is_some(), "{}", answer.body);
        assert!(!answer.body.to_string().contains(&token), "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!world.gateway.log().contains(&token), "the token is in the log");
    }
}

/// One user's flood is that user's own: others are answered, and memory is bounded.
#[tokio::test]
async fn a_flood_holds_up_nobody_else_and_takes_bounded_memory() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let flooded = world.client("Alice", MODERN, json!({})).await;
        let other = world.client("Bob", MODERN, json!({})).await;
        count(&other).await;
        let before = world.gateway.resident_kib();
        // Nobody reads this stream until the end.
        let params =
            json!({"name": "flood", "arguments": {"messages": 50_000}, "_meta": {"progressToken": "p"}});
        let mut stream = flooded.open("tools/call", params).await;
        for _ in 0..20 {
            let asked = Instant::now();
            count(&other).await;
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let after = world.gateway.resident_kib();
        assert!(after < before + 64 * 1024, "{before} KiB -> {after} KiB");
        let (notes, answer) = stream.answer().await;
        println!("{spoken}: {} of 50,000 notes arrived; {before} KiB -> {after} KiB", notes.len());
        assert!(answer["result"].is_object(), "{answer}");
        let big = flooded.call("big", json!({"bytes": 2_000_000})).await;
        assert_eq!(big.text().len(), 2_000_000);
    }
}

/// A line of any length is an answer or an error, and holds up nobody else.
#[tokio::test]
async fn a_line_without_end_takes_bounded_memory() {
    let world = World::start(MODERN, "memory = \"4 GiB\"\n", "").await;
    let (alice, bob) =
        (world.client("Alice", MODERN, json!({})).await, world.client("Bob", MODERN, json!({})).await);
    let (_, _) = (count(&alice).await, count(&bob).await);
    let before = world.gateway.resident_kib();
    let mut highest = before;
    let big = alice.call("big", json!({"bytes": 300_000_000}));
    let watch = async {
        for _ in 0..40 {
            let asked = Instant::now();
            count(&bob).await;
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            highest = highest.max(world.gateway.resident_kib());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (big, ()) = tokio::join!(big, watch);
    println!("{}: {before} KiB -> {highest} KiB", big.body["error"]);
    assert!(big.body.get("error").is_some(), "{} {}", big.status, big.body.to_string().len());
    assert!(highest < before + 200 * 1024, "{before} KiB -> {highest} KiB");
    assert!(count(&alice).await["asked"].is_u64());
}

#[tokio::test]
async fn a_process_that_never_answers_is_not_waited_for_by_others() {
    let world = World::start(MODERN, "", "").await;
    let client = world.client("Alice", MODERN, json!({})).await;
    let (_, tokens) = world.signed_in("Alice").await;
    let patient = Mcp::without_handshake(&world.gateway.mcp_url(), Era::Modern, &tokens.access);
    let waiting = tokio::spawn(async move { patient.call("silence", json!({})).await });
    for _ in 0..5 {
        count(&client).await;
    }
    assert!(!waiting.is_finished());
    waiting.abort();
}

/// Children are killed at random while users call: every call has one answer, a result or an error, and never another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_gets_one_answer_while_processes_are_killed_under_load() {
    let world = World::start(MODERN, "", "").await;
    let mut clients = Vec::new();
    for account in ["Alice", "Bob", "Alice", "Bob"] {
        clients.push((account, world.client(account, MODERN, json!({})).await));
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let kill = async {
        for number in 0..coatroom_e2e::tools::soak() * 4 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let running = world.processes();
            if let Some(process) = running.get(number * 7919 % running.len().max(1)) {
                processes::kill(*process);
            }
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let calls = clients.iter().map(async |(account, client)| {
        let (mut good, mut bad) = (0, 0);
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            let answer = client.call("count", json!({})).await;
            if answer.body.get("result").is_some() {
                let said: Value = serde_json::from_str(&answer.text()).unwrap();
                let owner = world.github.owner_of(said["token"].as_str().unwrap()).unwrap();
                assert_eq!(owner, account.to_lowercase());
                good += 1;
            } else {
                assert!(
                    answer.body.get("error").is_some() || answer.status == 503,
                    "{} {}",
                    answer.status,
                    answer.body
                );
                bad += 1;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (good, bad)
    });
    let (tallies, ()) = tokio::join!(join_all(calls), kill);
    println!("answers and errors: {tallies:?}");
    assert!(
        tallies.iter().all(|(good, _)| *good > 0) && tallies.iter().any(|(_, bad)| *bad > 0),
        "{tallies:?}"
    );
    for (_, client) in &clients {
        // Each waits longer after every failure, and comes back.
        let began = Instant::now();
        while client.call("count", json!({})).await.body.get("result").is_none() {
            assert!(began.elapsed() < Duration::from_secs(70), "it does not come back");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
