//! Replicas or their store are killed while clients work with all of them. Whatever a client was told stays true, and until the store
//! is back it is told nothing but to wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use coatroom_e2e::upstream::GitHubApp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::kills::{History, Site, all_hold, below, work};
use crate::replicas::{Database, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_when_postgres_is_killed() {
    under_load(Database::postgres().await, Kill::Store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_when_servers_of_a_redis_cluster_are_killed() {
    under_load(Database::cluster().await, Kill::Store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_when_replicas_over_postgres_are_killed() {
    under_load(Database::postgres().await, Kill::Replica).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_when_replicas_over_a_redis_cluster_are_killed() {
    under_load(Database::cluster().await, Kill::Replica).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// The store, or one of its servers.
    Store,
    Replica,
}

async fn under_load(database: Database, kill: Kill) {
    const CLIENTS: usize = 6;
    let mut world = World::over(database, GitHubApp::OAuth).await;
    let site = Arc::new(Site::of_a_fleet(&world.fleet.origin()));
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(work(Arc::clone(&site), stopped.clone(), number));
    }
    goes_on(&site, &mut clients).await;
    for number in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(below(300))).await;
        if kill == Kill::Store {
            world.database.kill(number);
            let unanswered = site.unanswered.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1000 + below(1500))).await;
            assert!(site.unanswered.load(Ordering::Relaxed) > unanswered, "the kill was not felt");
            world.database.comes_back(number).await;
        } else {
            world.fleet.replicas[number].kill().await;
            goes_on(&site, &mut clients).await;
            world.fleet.replicas[number].restart().await;
        }
        let back = Instant::now();
        goes_on(&site, &mut clients).await;
        println!("40 answers {:?} after it was back", back.elapsed());
    }
    stop.send(true).unwrap();
    let histories: Vec<History> = clients.join_all().await;
    let grants = all_hold(&histories, &site).await;
    let (answered, unanswered) =
        (site.answered.load(Ordering::Relaxed), site.unanswered.load(Ordering::Relaxed));
    println!(
        "{KILLS} kills, {grants} grants, {answered} answers, {unanswered} requests without one or with 503"
    );
    assert!(grants >= CLIENTS, "hardly anything was done");
}

/// Waits until everybody is served again.
pub(crate) async fn goes_on(site: &Site, clients: &mut JoinSet<History>) {
    let (before, began) = (site.answered.load(Ordering::Relaxed), Instant::now());
    while site.answered.load(Ordering::Relaxed) < before + 40 {
        if let Some(ended) = clients.try_join_next() {
            ended.unwrap();
            panic!("a client gave up");
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it does not recover");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Database {
    /// Kills the server, or one of its servers.
    fn kill(&mut self, number: usize) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Cluster(servers) => servers.0[number % 3].kill(),
        }
    }

    async fn comes_back(&mut self, number: usize) {
        match self {
            Self::Postgres(server) => server.restart().await,
            Self::Cluster(servers) => {
                servers.0[number % 3].restart().await;
                servers.wait_until_whole().await;
            }
        }
    }
}

/// Each server of a cluster, or each replica, once.
const KILLS: usize = 3;
