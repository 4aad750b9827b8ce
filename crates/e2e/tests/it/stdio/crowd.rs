//! Many users at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coatroom_e2e::processes;
use coatroom_e2e::upstream::Crowd;
use coatroom_e2e::{Era, Gateway, Mcp, OAuthClient, tools};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{MODERN, PROBE, head, section};

const USERS: usize = 50;

/// Fifty users at once, each with a process and a token of their own; some processes are killed while all call. Then the gateway is
/// killed, and nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_users_at_once_each_see_their_own_token_also_while_processes_are_killed() {
    let crowd = Crowd::start(USERS, None).await;
    let mark = format!("mark-{}", coatroom_e2e::oauth::random());
    let port = tools::free_port();
    let section = section(&crowd.configuration(), "crowd", MODERN, &mark);
    let mut gateway = Gateway::serve_at(port, &format!("{}{section}", head(port))).await;
    let url = gateway.mcp_url();
    let users: Vec<(String, Mcp)> = futures_util::stream::iter(0..USERS)
        .map(async |number| {
            let client = OAuthClient::connect(&url).await;
            let name = Crowd::name(number);
            let tokens = client.sign_in(&name).await;
            (name, Mcp::without_handshake(&url, Era::Modern, &tokens.access))
        })
        .buffer_unordered(8)
        .collect()
        .await;
    // All at the same moment, each for the first time.
    let first = join_all(users.iter().map(async |(name, mcp)| own_token(&crowd, name, mcp).await)).await;
    let pids: HashSet<u32> = processes::of(PROBE, &mark).into_iter().collect();
    assert_eq!((first.len(), pids.len()), (USERS, USERS), "a process for each");
    assert!(first.iter().all(Option::is_some), "nobody was killed yet");
    let stop = AtomicBool::new(false);
    let kill = async {
        for number in 0..tools::soak() * 4 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let running = processes::of(PROBE, &mark);
            if let Some(process) = running.get(number * 7919 % running.len().max(1)) {
                processes::kill(*process);
            }
        }
        stop.store(true, Ordering::SeqCst);
    };
    let calls = join_all(users.iter().map(async |(name, mcp)| {
        let (mut good, mut bad) = (0, 0);
        while !stop.load(Ordering::SeqCst) {
            match own_token(&crowd, name, mcp).await {
                Some(_) => good += 1,
                None => bad += 1,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        (good, bad)
    }));
    let (tallies, ()) = tokio::join!(calls, kill);
    let (good, bad) = tallies.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    println!("{good} answers, {bad} errors");
    assert!(good > bad, "{good} answers, {bad} errors");
    let mut all = processes::descendants(gateway.id());
    all.extend(processes::with(&mark));
    gateway.kill().await;
    let took = processes::gone(&all, Duration::from_secs(5)).await;
    println!("{} processes are gone {took:?} after the gateway", all.len());
    assert!(processes::with(&mark).is_empty());
}

/// The token that the process has, which must be this user's; `None` when the call failed.
async fn own_token(crowd: &Crowd, name: &str, mcp: &Mcp) -> Option<String> {
    let answer = mcp.call("count", json!({})).await;
    if answer.body.get("result").is_none() {
        assert!(answer.body.get("error").is_some(), "{} {}", answer.status, answer.body);
        return None;
    }
    let said: Value = serde_json::from_str(&answer.text()).unwrap();
    let token = said["token"].as_str().unwrap().to_owned();
    assert_eq!(crowd.owner_of(&token).as_deref(), Some(name), "somebody else's token");
    Some(token)
}
