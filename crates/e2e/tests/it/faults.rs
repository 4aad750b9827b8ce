//! The store is slow, stands still, is gone, read-only, full, or reset in the middle of a write, while clients work with two replicas.
//! Whatever a client was told stays true; while the fault lasts it is told to wait, in time; and all goes on by itself afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use coatroom_e2e::Fleet;
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::kills::{History, Site, all_hold, work};
use crate::outages::goes_on;
use coatroom_servers::disk::SmallDisk;
use coatroom_servers::postgres::Postgres;
use coatroom_servers::proxy::Proxy;
use coatroom_servers::redis::Redis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_whatever_happens_to_a_file() {
    let disk = SmallDisk::mount_ext4(48);
    let file = disk.path().join("coatroom.db");
    let faults = [Fault::ALittleSlow, Fault::TooSlow, Fault::ReadOnly, Fault::Full];
    let url = format!("sqlite:{}", file.display());
    under_load(Store::File { disk, file, lock: None }, &url, &faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_whatever_happens_to_postgres() {
    let disk = SmallDisk::mount(160);
    let server = Postgres::start_in(disk.folder(), &["min_wal_size=32MB", "max_wal_size=32MB"]).await;
    let proxy = Proxy::start(server.port()).await;
    let url = Postgres::url_at(proxy.port());
    under_load(Store::Postgres { server, proxy, disk }, &url, &Fault::ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_whatever_happens_to_redis() {
    let disk = SmallDisk::mount(64);
    let server = Redis::start_with(&["--dir", disk.path().to_str().unwrap()]).await;
    let proxy = Proxy::start(server.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    under_load(Store::Redis { server, proxy, disk }, &url, &Fault::ALL).await;
}

/// And nobody is told to wait, either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_whatever_the_clock_shows() {
    const HOUR: i64 = 3600;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("coatroom.db").display());
    let faults = [30, -30, 300, -300, HOUR, -HOUR, 24 * HOUR, 366 * 24 * HOUR].map(Fault::ClockSet);
    under_load(Store::Clocked { folder }, &url, &faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_when_a_standby_of_postgres_takes_over() {
    let server = Postgres::start_with(&["synchronous_standby_names=*"]).await;
    let standby = server.standby().await;
    let url = server.url_with(&standby);
    under_load(Store::Standby { server, standby }, &url, &[Fault::Gone]).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Every answer comes late, and in time.
    ALittleSlow,
    /// Every answer comes when nobody waits for it any more.
    TooSlow,
    /// The server has its connections, and does nothing.
    StandsStill,
    /// The server was killed.
    Gone,
    /// The server can be read.
    ReadOnly,
    /// The disk has no space left.
    Full,
    /// Connections are reset after a request went through, and before its answer comes.
    AnswersLost,
    /// Connections are reset in the middle of a request.
    RequestsCut,
    /// The clock is set by so many seconds.
    ClockSet(i64),
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::ALittleSlow,
        Self::TooSlow,
        Self::StandsStill,
        Self::Gone,
        Self::ReadOnly,
        Self::Full,
        Self::AnswersLost,
        Self::RequestsCut,
    ];
}

async fn under_load(mut store: Store, url: &str, faults: &[Fault]) {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let configuration = format!(
        "\n{}\n[servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\nprovider = \"github\"\n\
         headers = {{ Authorization = \"Bearer {{github.access_token}}\", X-Login = \"{{user.username}}\" }}\n",
        github.configuration(),
        echo.url,
    );
    let fleet = Fleet::start_with(REPLICAS, url, &configuration, &store.environment()).await;
    let site = Arc::new(Site::of_a_fleet(&fleet.origin()));
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(work(Arc::clone(&site), stopped.clone(), number));
    }
    for &fault in faults {
        goes_on(&site, &mut clients).await;
        site.longest_wait.store(0, Ordering::Relaxed);
        let unanswered = site.unanswered.load(Ordering::Relaxed);
        store.begin(fault).await;
        if matches!(fault, Fault::ALittleSlow | Fault::ClockSet(_)) {
            goes_on(&site, &mut clients).await;
        } else {
            let began = Instant::now();
            while site.unanswered.load(Ordering::Relaxed) < unanswered + CLIENTS {
                assert!(began.elapsed() < Duration::from_mins(1), "{fault:?} is not felt");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(LASTS).await;
        }
        store.end(fault).await;
        let back = Instant::now();
        goes_on(&site, &mut clients).await;
        let waited = Duration::from_millis(site.longest_wait.load(Ordering::Relaxed));
        println!(
            "{fault:?}: {} requests without an answer or with 503, the last of them after {waited:?}; 40 answers {:?} after it was over",
            site.unanswered.load(Ordering::Relaxed) - unanswered,
            back.elapsed()
        );
        // One answer of the store may have come late before the one that did not come at all.
        assert!(waited < Duration::from_secs(11), "{fault:?}: 503 came after {waited:?}");
    }
    stop.send(true).unwrap();
    let histories: Vec<History> = clients.join_all().await;
    let grants = all_hold(&histories, &site).await;
    if matches!(store, Store::Clocked { .. }) {
        let log = fleet.replicas[0].log();
        for direction in ["forward", "back"] {
            assert!(log.contains(&format!("the clock was set {direction}")), "no clock was set {direction}");
        }
    }
    println!("{grants} grants, {} answers", site.answered.load(Ordering::Relaxed));
    assert!(grants >= CLIENTS, "hardly anything was done");
}

enum Store {
    File {
        disk: SmallDisk,
        file: PathBuf,
        /// Another program that holds the file's lock.
        lock: Option<Connection>,
    },
    Postgres {
        server: Postgres,
        proxy: Proxy,
        disk: SmallDisk,
    },
    Redis {
        server: Redis,
        proxy: Proxy,
        disk: SmallDisk,
    },
    Standby {
        server: Postgres,
        standby: Postgres,
    },
    /// A file, and a clock that can be set.
    Clocked {
        folder: TempDir,
    },
}

impl Store {
    fn environment(&self) -> Vec<(String, String)> {
        let Self::Clocked { folder } = self else { return Vec::new() };
        let clock = folder.path().join("clock");
        fs::write(&clock, "+0").unwrap();
        let library = faketime();
        let variables = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    async fn begin(&mut self, fault: Fault) {
        match (fault, self) {
            (Fault::ALittleSlow, Self::File { file, .. }) => {
                let lock = locked(file);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    drop(lock);
                });
            }
            (Fault::TooSlow, Self::File { file, lock, .. }) => *lock = Some(locked(file)),
            (Fault::ClockSet(seconds), Self::Clocked { folder }) => set_clock(folder, seconds),
            (Fault::Gone, Self::Standby { server, .. }) => server.kill(),
            (_, Self::Standby { .. } | Self::Clocked { .. }) | (Fault::ClockSet(_), _) => unreachable!(),
            (Fault::ReadOnly, Self::File { file, .. }) => SmallDisk::set_immutable(&log_of(file), true),
            (
                Fault::Full,
                Self::File { disk, .. } | Self::Postgres { disk, .. } | Self::Redis { disk, .. },
            ) => {
                disk.fill(0);
            }
            (_, Self::File { .. }) => unreachable!("no fault of a file"),
            (Fault::ALittleSlow, Self::Postgres { proxy, .. } | Self::Redis { proxy, .. }) => {
                proxy.delay_answers(Duration::from_millis(200));
            }
            (Fault::TooSlow, Self::Postgres { proxy, .. } | Self::Redis { proxy, .. }) => {
                proxy.delay_answers(Duration::from_secs(7));
            }
            (Fault::AnswersLost, Self::Postgres { proxy, .. } | Self::Redis { proxy, .. }) => {
                proxy.lose_answers();
            }
            (Fault::RequestsCut, Self::Postgres { proxy, .. } | Self::Redis { proxy, .. }) => {
                proxy.cut_requests();
            }
            (Fault::StandsStill, Self::Postgres { server, .. }) => server.freeze(),
            (Fault::StandsStill, Self::Redis { server, .. }) => server.freeze(),
            (Fault::Gone, Self::Postgres { server, .. }) => server.kill(),
            (Fault::Gone, Self::Redis { server, .. }) => server.kill(),
            (Fault::ReadOnly, Self::Postgres { server, .. }) => server.set_read_only(true).await,
            (Fault::ReadOnly, Self::Redis { server, .. }) => {
                server.command(&["replicaof", "127.0.0.1", "1"]);
            }
        }
    }

    async fn end(&mut self, fault: Fault) {
        match (fault, self) {
            (Fault::ALittleSlow, Self::File { .. }) => {}
            (Fault::TooSlow, Self::File { lock, .. }) => *lock = None,
            (Fault::ClockSet(_), Self::Clocked { folder }) => set_clock(folder, 0),
            (Fault::Gone, Self::Standby { standby, .. }) => standby.promote().await,
            (_, Self::Standby { .. } | Self::Clocked { .. }) | (Fault::ClockSet(_), _) => unreachable!(),
            (Fault::ReadOnly, Self::File { file, .. }) => SmallDisk::set_immutable(&log_of(file), false),
            (Fault::Full, Self::File { disk, .. }) => disk.free(),
            (_, Self::File { .. }) => unreachable!("no fault of a file"),
            // A server that could not write what it has to write may have ended itself.
            (Fault::Full, Self::Postgres { disk, server, .. }) => {
                disk.free();
                server.restart_if_ended().await;
            }
            (Fault::Full, Self::Redis { disk, server, .. }) => {
                disk.free();
                server.restart_if_ended().await;
            }
            (
                Fault::ALittleSlow | Fault::TooSlow | Fault::AnswersLost | Fault::RequestsCut,
                Self::Postgres { proxy, .. } | Self::Redis { proxy, .. },
            ) => proxy.pass(),
            (Fault::StandsStill, Self::Postgres { server, .. }) => server.thaw(),
            (Fault::StandsStill, Self::Redis { server, .. }) => server.thaw(),
            (Fault::Gone, Self::Postgres { server, .. }) => server.restart().await,
            (Fault::Gone, Self::Redis { server, .. }) => server.restart().await,
            (Fault::ReadOnly, Self::Postgres { server, .. }) => server.set_read_only(false).await,
            (Fault::ReadOnly, Self::Redis { server, .. }) => {
                server.command(&["replicaof", "no", "one"]);
            }
        }
    }
}

/// Sets the clock of the programs by so many seconds, seen from the right time.
fn set_clock(folder: &TempDir, seconds: i64) {
    let (new, clock) = (folder.path().join("new"), folder.path().join("clock"));
    fs::write(&new, format!("{seconds:+}")).unwrap();
    // Never half written.
    fs::rename(new, clock).unwrap();
}

/// What Debian's package `faketime` loads into a program, for one with threads.
fn faketime() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut files = libraries.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    files.find(|file| file.exists()).expect("the package `faketime` is not installed")
}

fn locked(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// What is written at each commit.
fn log_of(file: &Path) -> PathBuf {
    file.with_extension("db-wal")
}

const REPLICAS: usize = 2;

const CLIENTS: usize = 6;

/// How long a fault lasts after it was felt.
const LASTS: Duration = Duration::from_secs(2);
