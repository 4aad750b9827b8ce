//! What the Postgres store promises beyond the contract: about its table, and about a server that fails.

use std::sync::Arc;
use std::time::Duration;

use coatroom::clock::{Clock as _, SystemClock};
use coatroom::store::contract::{self, Clocked};
use coatroom::store::{Kind, NewRecord, PostgresStore, Store};
use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::history::{self, History, is_unavailable, record, recovers, refuses_writes};
use crate::store::manual_clock;
use coatroom_servers::disk::SmallDisk;
use coatroom_servers::pgbouncer::PgBouncer;
use coatroom_servers::postgres::Postgres;
use coatroom_servers::proxy::Proxy;
use coatroom_servers::tls::Certificates;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract() {
    let server = Postgres::start().await;
    let clock = manual_clock();
    let open = || async { open_with(&server.url(), clock.clone()).await };
    contract::run(Clocked::Manual(clock.clone()), open).await;
}

// === the table ===

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_can_be_opened_by_many_at_once() {
    let server = Postgres::start().await;
    let stores = join_all((0..16).map(|_| open(&server))).await;
    for (number, store) in stores.iter().enumerate() {
        store.insert(record(&number.to_string(), "")).await.unwrap();
    }
    let client = server.client().await;
    let row = client.query_one("SELECT count(*) FROM coatroom_records", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 17, "the records, and the format of the table");
}

#[tokio::test]
async fn a_table_of_a_newer_program_is_refused_and_left_alone() {
    let server = Postgres::start().await;
    open(&server).await.insert(record("a", "")).await.unwrap();
    let client = server.client().await;
    client.execute("UPDATE coatroom_records SET version = 7 WHERE kind = 'coatroom'", &[]).await.unwrap();
    let message = refusal(&server.url()).await;
    assert!(message.contains("has format 7") && message.contains("formats up to 1"), "{message}");
    client.execute("UPDATE coatroom_records SET version = 1 WHERE kind = 'coatroom'", &[]).await.unwrap();
    assert!(open(&server).await.get(Kind::Setting, "a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_table_of_another_program_is_refused_and_left_alone() {
    let server = Postgres::start().await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE coatroom_records (recipe text)").await.unwrap();
    assert!(refusal(&server.url()).await.contains("not of this program"));
    client.query("SELECT recipe FROM coatroom_records", &[]).await.unwrap();
}

#[tokio::test]
async fn a_database_that_keeps_no_unicode_is_refused() {
    let server = Postgres::start().await;
    let client = server.client().await;
    client.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0", &[]).await.unwrap();
    assert!(refusal(&server.url().replace("/postgres", "/latin")).await.contains("UTF-8"));
}

#[tokio::test]
async fn a_user_who_may_not_create_the_table_is_told_so() {
    let server = Postgres::start().await;
    server.client().await.execute("CREATE USER guest", &[]).await.unwrap();
    let message = refusal(&server.url().replace("coatroom@", "guest:canary@")).await;
    assert!(message.contains("cannot be laid out") && message.contains("permission denied"), "{message}");
    assert!(!message.contains("canary"), "{message}");
}

#[tokio::test]
async fn a_purge_deletes_more_than_one_batch_also_beside_another() {
    let server = Postgres::start().await;
    let clock = manual_clock();
    let store = open_with(&server.url(), clock.clone()).await;
    let expires_at = Some(clock.now().plus(Duration::from_secs(1)));
    let mortal = (0..1203).map(|number| NewRecord { expires_at, ..record(&format!("mortal-{number}"), "") });
    for answer in join_all(mortal.map(|record| store.insert(record))).await {
        answer.unwrap();
    }
    store.insert(record("lasting", "")).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let (one, other) = tokio::join!(store.purge_expired(clock.now()), store.purge_expired(clock.now()));
    let purged = one.unwrap() + other.unwrap();
    // What one of them has locked, the other leaves to it.
    assert_eq!(purged + store.purge_expired(clock.now()).await.unwrap(), 1203);
    assert!(store.get(Kind::Setting, "lasting").await.unwrap().is_some());
}

// A purge goes in steps, each of which locks what it deletes and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_serves_while_two_replicas_purge() {
    let server = Postgres::start().await;
    let clock = manual_clock();
    let store = open_with(&server.url(), clock.clone()).await;
    let other = open_with(&server.url(), clock.clone()).await;
    store.insert(record("lasting", "")).await.unwrap();
    let ends = clock.now().plus(Duration::from_secs(1)).unix();
    let mortal = format!(
        "INSERT INTO coatroom_records (kind, key, version, expires_at, body) \
         SELECT 'setting', 'mortal-' || n, 1, {ends}, '{{}}' FROM generate_series(1, 20000) n"
    );
    server.client().await.batch_execute(&mortal).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let now = clock.now();
    let work = async { tokio::join!(store.purge_expired(now), other.purge_expired(now)) };
    tokio::pin!(work);
    let mut count = 0;
    let mut seen = coatroom::store::Version::FIRST;
    let (one, two) = loop {
        tokio::select! {
            done = &mut work => break done,
            written = store.replace(record("lasting", ""), seen) => {
                written.unwrap();
                (seen, count) = (seen.next(), count + 1);
            }
        }
    };
    let rest = store.purge_expired(now).await.unwrap();
    assert_eq!(one.unwrap() + two.unwrap() + rest, 20_000);
    assert!(count >= 5, "{count} writes went through");
}

#[tokio::test]
async fn defaults_of_the_database_weaken_no_promise() {
    let server = Postgres::start().await;
    let client = server.client().await;
    let defaults = "ALTER DATABASE postgres SET synchronous_commit = off;
        ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'";
    client.batch_execute(defaults).await.unwrap();
    let clock = manual_clock();
    let open = || async { open_with(&server.url(), clock.clone()).await };
    contract::run(Clocked::Manual(clock.clone()), open).await;
}

// === connections ===

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_opened_than_the_url_allows() {
    let server = Postgres::start().await;
    let store = connect(&format!("{}?pool_size=3", server.url())).await;
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.insert(record(&number.to_string(), "")).await.unwrap() });
    }
    tasks.join_all().await;
    let client = server.client().await;
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coatroom'";
    let open: i64 = client.query_one(ours, &[]).await.unwrap().get(0);
    assert!((1..=3).contains(&open), "{open}");
}

#[tokio::test]
async fn callers_who_leave_cost_no_connections() {
    let server = Postgres::start().await;
    let store = open(&server).await;
    store.insert(record("a", "")).await.unwrap();
    for _ in 0..100 {
        tokio::select! {
            biased;
            _ = store.get(Kind::Setting, "a") => {}
            () = tokio::task::yield_now() => {}
        }
    }
    store.insert(record("b", "")).await.unwrap();
    let client = server.client().await;
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coatroom'";
    let open: i64 = client.query_one(ours, &[]).await.unwrap().get(0);
    assert!(open <= 10, "{open}");
}

#[tokio::test]
async fn tls_is_verified_against_the_named_certificates() {
    let certificates = Certificates::default();
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (folder.path().join("authority.pem"), folder.path().join("stranger.pem"));
    certificates.keep_authority(&authority);
    Certificates::default().keep_authority(&stranger);
    let server = Postgres::start_with_tls(&certificates).await;
    let url = |options: &str| format!("{}?sslmode=require{options}", server.url());
    let store = connect(&url(&format!("&sslrootcert={}", authority.display()))).await;
    store.insert(record("a", "")).await.unwrap();
    let untrusted = refusal(&url(&format!("&sslrootcert={}", stranger.display()))).await;
    assert!(untrusted.contains("certificate"), "{untrusted}");
    let wrong_name = url(&format!("&sslrootcert={}", authority.display())).replace("127.0.0.1", "localhost");
    assert!(refusal(&wrong_name).await.contains("certificate"), "{wrong_name}");
    let plain = refusal(&server.url()).await;
    assert!(plain.contains("no encryption"), "{plain}");
    assert!(refusal(&url("&sslrootcert=/missing.pem")).await.contains("/missing.pem"));
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let server = Postgres::start().await;
    let message = refusal(&format!("{}?sslmode=require", server.url())).await;
    assert!(message.contains("TLS"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbouncer_with_session_pooling_keeps_the_contract() {
    let server = Postgres::start().await;
    let bouncer = PgBouncer::start(server.port(), "session").await;
    let clock = manual_clock();
    let open = || async { open_with(&Postgres::url_at(bouncer.port()), clock.clone()).await };
    contract::run(Clocked::Manual(clock.clone()), open).await;
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate_of_ours() {
    let (theirs, ours) = (Certificates::default(), Certificates::naming("coatroom"));
    let folder = tempfile::tempdir().unwrap();
    let keep = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let server = Postgres::start_with_tls_for(&theirs, Some(&ours.authority)).await;
    let roots = keep("authority.pem", &theirs.authority);
    let url = format!("{}?sslmode=require&sslrootcert={roots}", server.url());
    let message = refusal(&url).await;
    assert!(message.contains("certificate"), "{message}");
    let (certificate, key) = (keep("our.pem", &ours.certificate), keep("our.key", &ours.key));
    let store = connect(&format!("{url}&sslcert={certificate}&sslkey={key}")).await;
    store.insert(record("a", "")).await.unwrap();
    assert!(refusal(&format!("{url}&sslcert={certificate}")).await.contains("sslkey"));
    assert!(
        refusal(&format!("{url}&sslcert={certificate}&sslkey=/missing.key")).await.contains("/missing.key")
    );
}

#[tokio::test]
async fn a_password_is_given_by_scram_and_never_repeated() {
    let sql = "SET password_encryption = 'scram-sha-256'; CREATE USER coat PASSWORD 'can/ary@1'; \
               GRANT CREATE ON SCHEMA public TO coat";
    let server = Postgres::start_with_rules(sql, "host all all 127.0.0.1/32 scram-sha-256\n", &[]).await;
    let url = server.url().replace("coatroom@", "coat:can%2Fary%401@");
    connect(&url).await.insert(record("a", "")).await.unwrap();
    for bad in ["coat:wrongcanary@", "nobody:canary@", "coat@"] {
        let message = refusal(&server.url().replace("coatroom@", bad)).await;
        assert!(message.contains("password"), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
    let message = refusal(&server.url().replace("coatroom@", "coat:wrongcanary@")).await;
    assert!(message.contains("refuses the password: set the one"), "{message}");
}

// === a server that fails ===

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let mut server = Postgres::start().await;
    let history = History::begin(open(&server).await).await;
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
async fn nothing_that_was_answered_is_lost_when_a_standby_takes_over() {
    let mut primary = Postgres::start_with(&["synchronous_standby_names=*"]).await;
    let standby = primary.standby().await;
    let history = History::begin(connect(&primary.url_with(&standby)).await).await;
    history.goes_on().await;
    primary.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    standby.promote().await;
    history.goes_on().await;
    history.end().await;
}

// What a standby has not got must not be answered: it would be gone if that took over.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_that_a_synchronous_standby_has_not_got() {
    let primary = Postgres::start_with(&["synchronous_standby_names=*"]).await;
    let standby = primary.standby().await;
    let store = connect(&primary.url_with(&standby)).await;
    store.insert(record("before", "")).await.unwrap();
    standby.freeze();
    for _ in 0..3 {
        refuses_writes(store.as_ref()).await;
    }
    assert!(store.get(Kind::Setting, "before").await.unwrap().is_some(), "reading goes on");
    standby.thaw();
    recovers(store.as_ref(), "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_unavailable_until_it_goes_on() {
    let server = Postgres::start().await;
    let store = open(&server).await;
    store.insert(record("before", "")).await.unwrap();
    server.freeze();
    is_unavailable(store.as_ref()).await;
    is_unavailable(store.as_ref()).await;
    server.thaw();
    recovers(store.as_ref(), "after").await;
    assert!(store.get(Kind::Setting, "before").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_unavailable_until_it_is_back() {
    let mut server = Postgres::start().await;
    let store = open(&server).await;
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
async fn a_lost_answer_is_unavailable_whether_it_was_written_or_not() {
    let server = Postgres::start().await;
    let proxy = Proxy::start(server.port()).await;
    let store = connect(&Postgres::url_at(proxy.port())).await;
    store.insert(record("before", "")).await.unwrap();
    proxy.lose_answers();
    refuses_writes(store.as_ref()).await;
    proxy.pass();
    recovers(store.as_ref(), "after").await;
    // It was written, and the store did not say that it was not.
    assert!(store.get(Kind::Setting, "refused").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_swallows_everything_is_given_up() {
    let server = Postgres::start().await;
    let proxy = Proxy::start(server.port()).await;
    let store = connect(&Postgres::url_at(proxy.port())).await;
    store.insert(record("before", "")).await.unwrap();
    proxy.swallow();
    refuses_writes(store.as_ref()).await;
    // A new connection is made without being told.
    recovers(store.as_ref(), "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_turns_read_only_is_unavailable_until_it_can_be_written() {
    let server = Postgres::start().await;
    let store = open(&server).await;
    store.insert(record("before", "")).await.unwrap();
    server.set_read_only(true).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let message = refuses_writes(store.as_ref()).await;
    assert!(message.contains("read-only") || message.contains("does not allow writes"), "{message}");
    is_unavailable(store.as_ref()).await;
    server.set_read_only(false).await;
    recovers(store.as_ref(), "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_unavailable_until_there_is_space() {
    let disk = SmallDisk::mount(160);
    let mut server = Postgres::start_in(disk.folder(), &["min_wal_size=32MB", "max_wal_size=32MB"]).await;
    let store = open(&server).await;
    store.insert(record("before", "")).await.unwrap();
    // Leaves room for some more.
    disk.fill(6 << 10);
    let mut refused = String::new();
    for number in 0..200 {
        let record = record(&format!("large-{number}"), &incompressible(64 << 10, number));
        if let Err(error) = store.insert(record).await {
            refused = history::causes(&error);
            break;
        }
    }
    assert!(!refused.is_empty(), "the disk did not become full");
    disk.free();
    // If it was the log that found no space, the server ended itself.
    server.restart_if_ended().await;
    recovers(store.as_ref(), "after").await;
    assert!(store.get(Kind::Setting, "before").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_or_forward_changes_what_is_expired_and_nothing_else() {
    let server = Postgres::start().await;
    let (early, late) = (manual_clock(), manual_clock());
    late.advance(Duration::from_hours(2));
    let (behind, ahead) =
        (open_with(&server.url(), early.clone()).await, open_with(&server.url(), late).await);
    let mortal =
        NewRecord { expires_at: Some(early.now().plus(Duration::from_hours(1))), ..record("mortal", "") };
    behind.insert(mortal).await.unwrap();
    behind.insert(record("lasting", "")).await.unwrap();
    assert!(ahead.get(Kind::Setting, "mortal").await.unwrap().is_none());
    assert!(ahead.get(Kind::Setting, "lasting").await.unwrap().is_some());
    assert!(behind.get(Kind::Setting, "mortal").await.unwrap().is_some());
}

// === what the tests need ===

async fn open(server: &Postgres) -> Arc<dyn Store> {
    connect(&server.url()).await
}

async fn connect(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::connect(url, Arc::new(SystemClock::new())).await.unwrap())
}

async fn open_with(url: &str, clock: Arc<coatroom::clock::ManualClock>) -> Arc<dyn Store> {
    Arc::new(PostgresStore::connect(url, clock).await.unwrap())
}

async fn refusal(url: &str) -> String {
    history::causes(&PostgresStore::connect(url, Arc::new(SystemClock::new())).await.unwrap_err())
}

fn incompressible(length: usize, seed: u64) -> String {
    let mut state = seed;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    });
    letters.take(length).collect()
}
