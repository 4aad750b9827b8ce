//! What SQLite does by itself: the least that a token endpoint over it can cost.
//!
//! A rotation puts a new hash in the place of the old one, in one table with a row for each grant, if the old one is still there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use rusqlite::{Connection, params};

use super::Round;
use crate::processes::{self, CONTENDER_CORE};

/// What to do, in a process of its own.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How rotations are committed.
    kind: Alone,
    /// For how long, in seconds.
    seconds: f64,
}

/// How rotations are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Alone {
    /// Each by itself, on the disk.
    Full,
    /// Sixteen together, on the disk.
    Together,
    /// Each by itself, flushed now and then.
    Normal,
}

impl Alone {
    pub(super) const ALL: [Self; 3] = [Self::Full, Self::Together, Self::Normal];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Full => "SQLite alone, FULL, one by one",
            Self::Together => "SQLite alone, FULL, sixteen together",
            Self::Normal => "SQLite alone, NORMAL, one by one",
        }
    }

    /// Runs it in another process, on the core of the contenders.
    pub(super) fn measure(self, time: Duration) -> Result<Round> {
        let own = std::env::current_exe()?;
        let mut command = processes::on_core(CONTENDER_CORE, own.to_str().context("its own path")?);
        let kind = self.to_possible_value().context("its name")?;
        command.args(["rotations", kind.get_name(), &time.as_secs_f64().to_string()]);
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout)?;
        let mut numbers = said.split_whitespace().map(str::parse::<f64>);
        let mut next = || numbers.next().context("a number is missing")?.context("no number");
        Ok(Round { done: next()?, seconds: next()?, computed: Duration::from_secs_f64(next()?) })
    }
}

/// Rotates in a folder of its own, and prints how many times, in how many seconds, and how many of them it computed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = open(&folder.path().join("alone.db"), options.kind)?;
    let together = if options.kind == Alone::Together { 16 } else { 1 };
    let mut hashes = vec![[0_u8; 32]; GRANTS];
    let mut number = 0_u64;
    let time = Duration::from_secs_f64(options.seconds);
    let (begins, mut counted) = (Instant::now() + time.min(WARMUP), 0.0);
    let mut before = None;
    loop {
        let now = Instant::now();
        if now >= begins && before.is_none() {
            before = Some(processes::computed(std::process::id()));
        }
        if now >= begins + time {
            break;
        }
        database.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..together {
            number += 1;
            let grant = usize::try_from(number)? % GRANTS;
            let mut next = [1; 32];
            next[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            let mut rotate = database.prepare_cached(ROTATE)?;
            let changed =
                rotate.execute(params![next, number.cast_signed(), grant.cast_signed(), hashes[grant]])?;
            ensure!(changed == 1, "the row had another hash");
            hashes[grant] = next;
        }
        database.execute_batch("COMMIT")?;
        if before.is_some() {
            counted += f64::from(together);
        }
    }
    let computed = processes::computed(std::process::id()).saturating_sub(before.unwrap_or_default());
    println!("{counted} {} {}", options.seconds, computed.as_secs_f64());
    Ok(())
}

/// A database with its grants, in the journal mode that everybody advises.
fn open(path: &Path, kind: Alone) -> Result<Connection> {
    let mut database = Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", if kind == Alone::Normal { "NORMAL" } else { "FULL" })?;
    database.execute_batch(
        "CREATE TABLE grants (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, rotated_at INTEGER NOT NULL) STRICT",
    )?;
    let all = database.transaction()?;
    for grant in 0..GRANTS {
        all.execute("INSERT INTO grants VALUES (?1, ?2, 0)", params![grant.cast_signed(), [0_u8; 32]])?;
    }
    all.commit()?;
    Ok(database)
}

const GRANTS: usize = 10_000;
const ROTATE: &str = "UPDATE grants SET hash = ?1, rotated_at = ?2 WHERE id = ?3 AND hash = ?4";
const WARMUP: Duration = Duration::from_secs(1);
