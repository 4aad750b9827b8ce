//! Where the records are: a store, and the server or file behind it, gone with it.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use coatroom::clock::SystemClock;
use coatroom::store::{MemoryStore, Portable, PostgresStore, Record, RedisStore, SqliteStore, Store};
use coatroom_servers::postgres::Postgres;
use coatroom_servers::redis::{Cluster, Redis};
use tempfile::TempDir;

use super::fill;
use crate::machine;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    Memory,
    Sqlite,
    Postgres,
    Redis,
    /// Three Redis servers that share the records.
    Cluster,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Cluster => "Redis Cluster",
        })
    }
}

/// A store of its own.
pub(crate) struct Place {
    kind: StoreKind,
    version: String,
    store: Arc<dyn Portable>,
    behind: Behind,
}

enum Behind {
    Process,
    Folder(TempDir),
    Postgres(Postgres),
    Redis(Vec<Redis>),
}

impl Place {
    /// Starts what is needed, as the documents say that it should be run.
    pub(crate) async fn open(kind: StoreKind) -> Result<Self> {
        let clock = || Arc::new(SystemClock::new());
        let (store, behind, version): (Arc<dyn Portable>, _, _) = match kind {
            StoreKind::Memory => (Arc::new(MemoryStore::new(clock())), Behind::Process, String::new()),
            StoreKind::Sqlite => {
                let folder = tempfile::tempdir()?;
                let store = SqliteStore::open(&folder.path().join(FILE), clock())?;
                (Arc::new(store), Behind::Folder(folder), rusqlite::version().to_owned())
            }
            StoreKind::Postgres => {
                let server = Postgres::start().await;
                let store = PostgresStore::connect(&server.url(), clock()).await?;
                let row = server.client().await.query_one("SHOW server_version", &[]).await?;
                let version = row.get::<_, &str>(0).split(' ').next().unwrap_or_default().to_owned();
                (Arc::new(store), Behind::Postgres(server), version)
            }
            StoreKind::Redis | StoreKind::Cluster => {
                let (servers, url) = if kind == StoreKind::Redis {
                    let server = Redis::start().await;
                    let url = server.url();
                    (vec![server], url)
                } else {
                    let cluster = Cluster::start().await;
                    let url = cluster.url();
                    (cluster.0, url)
                };
                let store = RedisStore::connect(&url, clock()).await?;
                let version = info(&servers[0], "server", "redis_version")?;
                (Arc::new(store), Behind::Redis(servers), version)
            }
        };
        Ok(Self { kind, version, store, behind })
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// Fills it. The server need not be durable meanwhile; afterwards it keeps its word, and has caught up.
    pub(crate) async fn fill(&self, records: &[Record]) -> Result<()> {
        match &self.behind {
            Behind::Process => fill::store(&self.store, records).await,
            Behind::Folder(folder) => fill::sqlite(&folder.path().join(FILE), records),
            Behind::Postgres(server) => fill::postgres(server, records).await,
            Behind::Redis(servers) => {
                for server in servers {
                    server.command(&["config", "set", "appendonly", "no"]);
                }
                fill::store(&self.store, records).await?;
                for server in servers {
                    server.command(&["config", "set", "appendonly", "yes"]);
                    while is_rewriting(server)? {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                Ok(())
            }
        }
    }

    /// How much room it takes: on the disk, or in memory where it is all in memory.
    pub(crate) async fn bytes(&self) -> Result<u64> {
        match &self.behind {
            Behind::Process => machine::resident(),
            Behind::Folder(folder) => {
                let files = fs::read_dir(folder.path())?;
                files.map(|file| Ok(file?.metadata()?.len())).sum()
            }
            Behind::Postgres(server) => {
                let query = "SELECT pg_total_relation_size('coatroom_records')";
                let row = server.client().await.query_one(query, &[]).await?;
                Ok(u64::try_from(row.get::<_, i64>(0))?)
            }
            Behind::Redis(servers) => {
                servers.iter().map(|server| Ok(info(server, "memory", "used_memory")?.parse::<u64>()?)).sum()
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{} {}", self.kind, self.version).trim_end())
    }
}

/// What a server says of itself.
fn info(server: &Redis, section: &str, name: &str) -> Result<String> {
    let text = server.command(&["info", section]);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("the server does not tell its {name}"))?.trim().to_owned())
}

fn is_rewriting(server: &Redis) -> Result<bool> {
    let states = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
    let states = states.map(|state| info(server, "persistence", state));
    states
        .into_iter()
        .map(|state| Ok(state? != "0"))
        .reduce(|one, other| Ok(one? || other?))
        .unwrap_or(Ok(false))
}

const FILE: &str = "coatroom.db";
