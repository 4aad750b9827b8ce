//! What the Redis store promises beyond the contract: about clusters and Sentinels, and about servers that fail.

use std::sync::Arc;
use std::time::Duration;

use coatroom::clock::{Clock as _, ManualClock, SystemClock};
use coatroom::protocol::words::Timestamp;
use coatroom::store::contract::{self, Clocked};
use coatroom::store::{Kind, NewRecord, RedisStore, Store, StoreError, Version};

use crate::history::{self, History, is_unavailable, record, recovers, refuses_writes};
use crate::store::manual_clock;
use coatroom_servers::proxy::Proxy;
use coatroom_servers::redis::{Cluster, Redis, Watched};
use coatroom_servers::redis_tls::TlsRedis;
use coatroom_servers::tls::Certificates;

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract() {
    let server = Redis::start().await;
    keeps_the_contract(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_keeps_the_contract() {
    let cluster = Cluster::start().await;
    keeps_the_contract(&cluster.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_behind_sentinels_keeps_the_contract() {
    let watched = Watched::start().await;
    keeps_the_contract(&watched.url()).await;
}

async fn keeps_the_contract(url: &str) {
    let clock = manual_clock();
    let open = || async { open_with(url, clock.clone()).await };
    contract::run(Clocked::Manual(clock.clone()), open).await;
}

// === what is kept ===

#[tokio::test]
async fn the_server_drops_what_is_expired() {
    let server = Redis::start().await;
    let clock = manual_clock();
    let store = open_with(&server.url(), clock.clone()).await;
    let mortal =
        NewRecord { expires_at: Some(clock.now().plus(Duration::from_secs(100))), ..record("mortal", "") };
    store.insert(mortal.clone()).await.unwrap();
    store.insert(record("lasting", "")).await.unwrap();
    let life = |key: &str| server.command(&["ttl", key]).trim().parse::<i64>().unwrap();
    // A minute longer than it lives.
    assert!((150..=160).contains(&life("coatroom:r:setting:mortal")));
    assert_eq!(life("coatroom:r:setting:lasting"), -1);
    store.replace(NewRecord { expires_at: None, ..mortal }, Version::FIRST).await.unwrap();
    assert_eq!(life("coatroom:r:setting:mortal"), -1);
}

#[tokio::test]
async fn what_an_owner_has_is_forgotten_with_it() {
    let server = Redis::start().await;
    let clock = manual_clock();
    let store = open_with(&server.url(), clock.clone()).await;
    let mortal =
        NewRecord { expires_at: Some(clock.now().plus(Duration::from_secs(100))), ..record("mortal", "") };
    store.insert(mortal.clone()).await.unwrap();
    let set = "coatroom:o:setting:history";
    let life = |key: &str| server.command(&["ttl", key]).trim().parse::<i64>().unwrap();
    assert!((700..=800).contains(&life(set)), "{}", life(set));
    // A life that becomes longer is known in the set before it is in the record.
    let longer = NewRecord { expires_at: Some(clock.now().plus(Duration::from_hours(10))), ..mortal };
    store.replace(longer.clone(), Version::FIRST).await.unwrap();
    assert!(life(set) > 36_000, "{}", life(set));
    store.replace(NewRecord { expires_at: None, ..longer }, Version::from_number(2)).await.unwrap();
    assert_eq!(life(set), -1);
    assert_eq!(store.list(Kind::Setting, "history").await.unwrap().len(), 1);
}

#[tokio::test]
async fn entries_without_a_record_are_not_looked_at() {
    let server = Redis::start().await;
    let store = open(&server.url()).await;
    store.insert(record("a", "")).await.unwrap();
    server.command(&["zadd", "coatroom:o:setting:history", "+inf", "dangling"]);
    // Another owner's record of that key does not count either.
    store.insert(NewRecord { owner: Some("other".to_owned()), ..record("theirs", "") }).await.unwrap();
    server.command(&["zadd", "coatroom:o:setting:history", "+inf", "theirs"]);
    assert_eq!(store.list(Kind::Setting, "history").await.unwrap().len(), 1);
}

#[tokio::test]
async fn records_of_a_newer_program_are_refused_and_left_alone() {
    let server = Redis::start().await;
    drop(open(&server.url()).await);
    server.command(&["set", "coatroom:format", "7"]);
    let message = refusal(&server.url()).await;
    assert!(message.contains("format 7") && message.contains("formats up to 1"), "{message}");
    server.command(&["set", "coatroom:format", "recipes"]);
    assert!(refusal(&server.url()).await.contains("not of this program"));
    assert_eq!(server.command(&["get", "coatroom:format"]).trim(), "recipes");
}

// === connections ===

#[tokio::test]
async fn tls_needs_a_provider_of_cryptography_and_is_verified() {
    let certificates = Certificates::default();
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (folder.path().join("authority.pem"), folder.path().join("stranger.pem"));
    certificates.keep_authority(&authority);
    Certificates::default().keep_authority(&stranger);
    let server = Redis::start_with_tls(&certificates).await;
    let url = |path: &std::path::Path| {
        format!("rediss://127.0.0.1:{}?ssl_ca_certs={}", server.port(), path.display())
    };
    open(&url(&authority)).await.insert(record("a", "")).await.unwrap();
    for bad in [url(&stranger), url(&authority).replace("127.0.0.1", "localhost")] {
        let message = refusal(&bad).await;
        assert!(message.contains("certificate"), "{bad}: {message}");
    }
    refusal(&format!("redis://127.0.0.1:{}", server.port())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_speaks_tls_with_verified_servers_alone() {
    let certificates = Certificates::default();
    tls_is_verified(&TlsRedis::cluster(&certificates).await, &certificates).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_what_they_watch_speak_tls_with_verified_servers_alone() {
    let certificates = Certificates::default();
    tls_is_verified(&TlsRedis::watched(&certificates).await, &certificates).await;
}

async fn tls_is_verified(servers: &TlsRedis, certificates: &Certificates) {
    let folder = tempfile::tempdir().unwrap();
    let keep = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = keep("authority.pem", &certificates.authority);
    let stranger = keep("stranger.pem", &Certificates::default().authority);
    keeps_the_contract(&servers.url(&authority)).await;
    for bad in [servers.url(&stranger), servers.url(&authority).replace("127.0.0.1", "localhost")] {
        let message = refusal(&bad).await;
        assert!(message.contains("certificate"), "{bad}: {message}");
    }
    refusal(&servers.plain_url()).await;
    // A certificate of ours, where the servers ask for one.
    servers.ask_for_certificates();
    refusal(&servers.url(&authority)).await;
    let (certificate, key) = (keep("our.pem", &certificates.certificate), keep("our.key", &certificates.key));
    let url = servers.url(&authority);
    let url = format!("{url}&ssl_certfile={}&ssl_keyfile={}", certificate.display(), key.display());
    open(&url).await.insert(record("with a certificate", "")).await.unwrap();
    let half = format!("{}&ssl_certfile={}", servers.url(&authority), certificate.display());
    assert!(refusal(&half).await.contains("ssl_keyfile"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_given_and_never_repeated() {
    // Its rights are those that docs/storage.md names.
    let rights = "+get +set +del +exists +eval +hmget +hset +hdel +hincrby +expire +expireat +persist +zadd +zrange \
                  +zremrangebyscore +time +info";
    let user = ["--user", "coat", "on", ">canary", "~coatroom:*"];
    let user: Vec<&str> = user.into_iter().chain(rights.split_whitespace()).collect();
    let server = Redis::start_with(&user).await;
    let url = format!("redis://coat:canary@127.0.0.1:{}", server.port());
    keeps_the_contract(&url).await;
    let message = refusal(&url.replace("canary", "wrongcanary")).await;
    assert!(!message.contains("canary"), "{message}");
}

// === servers that fail ===

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let mut server = Redis::start().await;
    let history = History::begin(open(&server.url()).await).await;
    for _ in 0..3 {
        history.goes_on().await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.restart().await;
        history.goes_on().await;
    }
    history.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost_when_servers_of_a_cluster_are_killed() {
    let mut cluster = Cluster::start().await;
    let history = History::begin(open(&cluster.url()).await).await;
    for killed in 0..3 {
        history.goes_on().await;
        cluster.0[killed].kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.0[killed].restart().await;
        cluster.wait_until_whole().await;
        history.goes_on().await;
    }
    for server in &mut cluster.0 {
        server.kill();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for server in &mut cluster.0 {
        server.restart().await;
    }
    cluster.wait_until_whole().await;
    history.goes_on().await;
    history.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_slots_move_between_servers() {
    let cluster = Cluster::start().await;
    let store = open(&cluster.url()).await;
    let history = History::begin(Arc::clone(&store)).await;
    history.goes_on().await;
    // By hand, and slowly, so that keys are met in the middle of their move.
    let (from, to) = cluster.with_key("coatroom:r:setting:contested");
    let (from_id, to_id) = (from.command(&["cluster", "myid"]), to.command(&["cluster", "myid"]));
    let (from_id, to_id) = (from_id.trim(), to_id.trim());
    let slot = from.command(&["cluster", "keyslot", "coatroom:r:setting:contested"]);
    let slot = slot.trim();
    to.command(&["cluster", "setslot", slot, "importing", from_id]);
    from.command(&["cluster", "setslot", slot, "migrating", to_id]);
    history.goes_on().await;
    let port = to.port().to_string();
    loop {
        let keys = from.command(&["cluster", "getkeysinslot", slot, "100"]);
        let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
        if keys.is_empty() {
            break;
        }
        let migrate = ["migrate", "127.0.0.1", &port, "", "0", "5000", "keys"];
        from.command(&migrate.into_iter().chain(keys).collect::<Vec<_>>());
        history.goes_on().await;
    }
    for server in &cluster.0 {
        server.command(&["cluster", "setslot", slot, "node", to_id]);
    }
    history.goes_on().await;
    history.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_without_a_restart() {
    let mut watched = Watched::start().await;
    let store = open(&watched.url()).await;
    store.insert(record("before", "")).await.unwrap();
    assert_eq!(watched.master.command(&["wait", "1", "5000"]).trim(), "1");
    watched.master.kill();
    recovers(store.as_ref(), "after").await;
    assert!(store.get(Kind::Setting, "before").await.unwrap().is_some());
    store.replace(record("before", "replaced"), Version::FIRST).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_unavailable_until_it_goes_on() {
    let server = Redis::start().await;
    let store = open(&server.url()).await;
    store.insert(record("before", "")).await.unwrap();
    server.freeze();
    is_unavailable(store.as_ref()).await;
    is_unavailable(store.as_ref()).await;
    server.thaw();
    recovers(store.as_ref(), "after").await;
    assert!(store.get(Kind::Setting, "before").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_stands_still_is_unavailable_until_it_goes_on() {
    let cluster = Cluster::start().await;
    let store = open(&cluster.url()).await;
    store.insert(record("before", "")).await.unwrap();
    cluster.0.iter().for_each(Redis::freeze);
    is_unavailable(store.as_ref()).await;
    is_unavailable(store.as_ref()).await;
    cluster.0.iter().for_each(Redis::thaw);
    recovers(store.as_ref(), "after").await;
    assert!(store.get(Kind::Setting, "before").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_unavailable_until_it_is_back() {
    let mut server = Redis::start().await;
    let store = open(&server.url()).await;
    store.insert(record("before", "")).await.unwrap();
    server.kill();
    for _ in 0..3 {
        is_unavailable(store.as_ref()).await;
    }
    server.restart().await;
    recovers(store.as_ref(), "after").await;
    assert!(store.get(Kind::Setting, "before").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_empty_is_unavailable() {
    let mut server = Redis::start_with(&["--appendonly", "no"]).await;
    let store = open(&server.url()).await;
    store.insert(record("before", "")).await.unwrap();
    server.kill();
    server.restart().await;
    is_unavailable(store.as_ref()).await;
    let message = history::causes(&store.get(Kind::Setting, "before").await.unwrap_err());
    assert!(message.contains("came back empty"), "{message}");
    // Whoever starts the program again has decided to begin anew.
    open(&server.url()).await.insert(record("before", "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_of_a_cluster_lost_is_unavailable() {
    let mut cluster = Cluster::start().await;
    let store = open(&cluster.url()).await;
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for key in &keys {
        let owned = NewRecord { owner: Some(format!("owner-{key}")), ..record(key, "") };
        store.insert(owned).await.unwrap();
    }
    for emptied in 0..3 {
        cluster.0[emptied].kill();
        cluster.0[emptied].forget();
        cluster.0[emptied].restart().await;
        // From its very first answer on, it is not believed.
        let (began, mut lost) = (SystemClock::new(), 0);
        while lost == 0 || began.elapsed() < Duration::from_secs(5) {
            assert!(began.elapsed() < Duration::from_secs(30), "the loss is not noticed");
            for key in &keys {
                match store.get(Kind::Setting, key).await {
                    Ok(found) => assert!(found.is_some(), "{key} is taken for absent"),
                    Err(error) => lost += usize::from(history::causes(&error).contains("came back empty")),
                }
                let listed = store.list(Kind::Setting, &format!("owner-{key}")).await;
                assert!(listed.is_err() || listed.unwrap().len() == 1, "{key} is in no list");
            }
        }
        // Whoever starts the program again has decided to go on without, and a restored record is as good as it was.
        let again = open(&cluster.url()).await;
        for key in &keys {
            let owned = NewRecord { owner: Some(format!("owner-{key}")), ..record(key, "") };
            assert!(matches!(again.insert(owned).await, Ok(()) | Err(StoreError::Exists)));
        }
        assert!(store.get(Kind::Setting, "nobody's").await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cut_is_unavailable() {
    let server = Redis::start().await;
    let proxy = Proxy::start(server.port()).await;
    let store = open(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    store.insert(record("before", "")).await.unwrap();
    proxy.cut_requests();
    is_unavailable(store.as_ref()).await;
    proxy.pass();
    recovers(store.as_ref(), "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unavailable_whether_it_was_written_or_not() {
    let server = Redis::start().await;
    let proxy = Proxy::start(server.port()).await;
    let store = open(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    store.insert(record("before", "")).await.unwrap();
    proxy.lose_answers();
    let lasting = NewRecord { owner: None, ..record("lost", "") };
    history::causes(&store.insert(lasting).await.unwrap_err());
    proxy.pass();
    recovers(store.as_ref(), "after").await;
    // It was written, and the store did not say that it was not.
    assert!(store.get(Kind::Setting, "lost").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_swallows_everything_is_given_up() {
    let server = Redis::start().await;
    let proxy = Proxy::start(server.port()).await;
    let store = open(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    store.insert(record("before", "")).await.unwrap();
    proxy.swallow();
    is_unavailable(store.as_ref()).await;
    // A new connection is made without being told.
    recovers(store.as_ref(), "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_write_is_unavailable_until_it_may() {
    let server = Redis::start().await;
    let store = open(&server.url()).await;
    store.insert(record("before", "")).await.unwrap();
    for (setting, bad, good) in [
        // No replica follows, although one has to.
        ("min-replicas-to-write", "1", "0"),
        // The memory is full.
        ("maxmemory", "1", "0"),
    ] {
        server.command(&["config", "set", setting, bad]);
        let message = refuses_writes(store.as_ref()).await;
        assert!(message.contains("NOREPLICAS") || message.contains("OOM"), "{message}");
        assert!(store.get(Kind::Setting, "before").await.unwrap().is_some(), "reading goes on");
        server.command(&["config", "set", setting, good]);
        recovers(store.as_ref(), "after").await;
    }
    server.command(&["replicaof", "127.0.0.1", "1"]);
    let message = refuses_writes(store.as_ref()).await;
    assert!(message.to_uppercase().contains("READONLY"), "{message}");
    server.command(&["replicaof", "no", "one"]);
    recovers(store.as_ref(), "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_takes_nothing_out_of_a_list() {
    let server = Redis::start().await;
    let (early, late) = (manual_clock(), manual_clock());
    late.advance(Duration::from_hours(24 * 365));
    let (behind, ahead) =
        (open_with(&server.url(), early.clone()).await, open_with(&server.url(), late.clone()).await);
    let mortal = |key: &str, now: Timestamp| NewRecord {
        expires_at: Some(now.plus(Duration::from_hours(1))),
        ..record(key, "")
    };
    behind.insert(mortal("early", early.now())).await.unwrap();
    assert!(ahead.get(Kind::Setting, "early").await.unwrap().is_none());
    // Writes to the same set.
    ahead.insert(mortal("late", late.now())).await.unwrap();
    assert_eq!(ahead.list(Kind::Setting, "history").await.unwrap().len(), 1);
    assert_eq!(behind.list(Kind::Setting, "history").await.unwrap().len(), 2);
}

// === what the tests need ===

async fn open(url: &str) -> Arc<dyn Store> {
    Arc::new(RedisStore::connect(url, Arc::new(SystemClock::new())).await.unwrap())
}

async fn open_with(url: &str, clock: Arc<ManualClock>) -> Arc<dyn Store> {
    Arc::new(RedisStore::connect(url, clock).await.unwrap())
}

async fn refusal(url: &str) -> String {
    history::causes(&RedisStore::connect(url, Arc::new(SystemClock::new())).await.unwrap_err())
}
