//! `coatroom export` and `import`: records on their way from one store to another.
//!
//! The file has one line of JSON for each record, between a first line that says what it is and a last one that says how many
//! there are. Bodies pass as they are: what is sealed stays sealed, what is hashed stays hashed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use coatroom::clock::{Clock, SystemClock};
use coatroom::protocol::words::Timestamp;
use coatroom::store::{Kind, Portable, Record, Version};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::backup::tell_about_keys;
use crate::cli::{Arrival, Copy};
use crate::config::Config;
use crate::progress::Progress;
use crate::{assemble, load, terminal};

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    /// The first one: the version of the form.
    CoatroomExport(u32),
    Record(RecordLine),
    /// The last one: how many records there are.
    End(u64),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine {
    kind: String,
    key: String,
    owner: Option<String>,
    version: u64,
    /// Seconds since 1970.
    expires_at: Option<u64>,
    body: String,
}

/// Writes every record to a new file.
///
/// # Errors
/// When the store cannot be read, or the file exists or cannot be written; then nothing is left of it.
pub(crate) async fn export(options: &Copy) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    let store = open(&config).await?;
    let path = &options.file;
    let file = create_private(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut progress = Progress::new(Arc::new(SystemClock::new()), "records are written");
    let written = write_all(store.as_ref(), file, &mut progress).await;
    if written.is_err() {
        std::fs::remove_file(path).ok();
    }
    let count = written.with_context(|| format!("nothing was exported to {}", path.display()))?;
    terminal::say(format_args!("{count} records are in {}", path.display()));
    tell_about_keys(&config);
    Ok(())
}

/// Reads records from such a file.
///
/// # Errors
/// When the file is not whole, the store has records already, or it cannot be written; then import again with `--over`.
pub(crate) async fn import(options: &Arrival) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    let path = &options.file;
    // Read once before anything is written: half a file is noticed in time.
    let count = check(path).with_context(|| format!("{} cannot be imported", path.display()))?;
    let store = open(&config).await?;
    if !options.over && has_records(store.as_ref()).await? {
        bail!("the store has records already; with --over, those of the file are written over them");
    }
    let lines = stream::iter(lines(path)?);
    let puts = lines.map(|line| async {
        if let Line::Record(line) = line? {
            store.put(line.into_record()?).await?;
        }
        anyhow::Ok(())
    });
    let mut progress =
        Progress::new(Arc::new(SystemClock::new()), &format!("of {count} records are in the store"));
    let counted = puts.buffer_unordered(WRITTEN_TOGETHER).try_fold(0, |done, ()| {
        progress.tell(done);
        std::future::ready(Ok(done + 1))
    });
    counted.await.context("not all was imported; when the cause is gone, import again with --over")?;
    terminal::say(format_args!("{count} records are in the store"));
    tell_about_keys(&config);
    Ok(())
}

async fn open(config: &Config) -> anyhow::Result<Arc<dyn Portable>> {
    if config.store.is_memory() {
        bail!("with `store = \"memory:\"` records end with the program that keeps them");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    assemble::store(&config.store, &clock).await
}

async fn write_all(store: &dyn Portable, file: File, progress: &mut Progress) -> anyhow::Result<u64> {
    let mut out = BufWriter::new(file);
    write(&mut out, &Line::CoatroomExport(FORM))?;
    let (mut count, mut place) = (0, None);
    loop {
        let page = store.page(place.as_deref()).await?;
        for record in page.records {
            write(&mut out, &Line::Record(RecordLine::from(record)))?;
            count += 1;
        }
        progress.tell(count);
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    write(&mut out, &Line::End(count))?;
    out.into_inner()?.sync_all()?;
    Ok(count)
}

fn write(out: &mut impl io::Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// How many records a whole file has.
fn check(path: &Path) -> anyhow::Result<u64> {
    let mut lines = lines(path)?;
    match lines.next().transpose()? {
        Some(Line::CoatroomExport(FORM)) => {}
        Some(Line::CoatroomExport(form)) => {
            bail!(
                "it is of form {form}, and this program knows {FORM} only: import it with the program that wrote it, or a newer one"
            )
        }
        _ => bail!("`coatroom export` did not write it"),
    }
    let mut count = 0;
    for line in &mut lines {
        match line? {
            Line::Record(line) => {
                line.into_record()?;
                count += 1;
            }
            Line::End(said) if said == count => {
                return match lines.next() {
                    None => Ok(count),
                    Some(_) => bail!("something follows its end"),
                };
            }
            Line::End(said) => bail!("it has {count} records instead of {said}"),
            Line::CoatroomExport(_) => bail!("it begins twice"),
        }
    }
    bail!("its end is missing")
}

fn lines(path: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Line>> + use<>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = BufReader::new(file).lines().zip(1..);
    Ok(lines.map(|(line, number): (_, u64)| {
        // What is in the line is nobody's business.
        let strange =
            || anyhow::anyhow!("line {number} is not one of an export: the file is another, or was cut off");
        match line {
            Ok(line) => serde_json::from_str(&line).map_err(|_| strange()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(strange()),
            Err(error) => Err(error.into()),
        }
    }))
}

async fn has_records(store: &dyn Portable) -> anyhow::Result<bool> {
    let mut place = None;
    loop {
        let page = store.page(place.as_deref()).await?;
        if !page.records.is_empty() {
            return Ok(true);
        }
        place = page.next;
        if place.is_none() {
            return Ok(false);
        }
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl From<Record> for RecordLine {
    fn from(record: Record) -> Self {
        let Record { kind, key, owner, version, expires_at, body } = record;
        let (kind, version) = (kind.as_str().to_owned(), version.number());
        Self { kind, key, owner, version, expires_at: expires_at.map(Timestamp::unix), body }
    }
}

impl RecordLine {
    fn into_record(self) -> anyhow::Result<Record> {
        let Self { kind, key, owner, version, expires_at, body } = self;
        let Some(kind) = Kind::parse(&kind) else {
            bail!("a record of the kind `{kind}` is not known to this program")
        };
        let (version, expires_at) = (Version::from_number(version), expires_at.map(Timestamp::from_unix));
        Ok(Record { kind, key, owner, version, expires_at, body })
    }
}

/// The form of the file.
const FORM: u32 = 1;

const WRITTEN_TOGETHER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(content: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        std::fs::write(&path, content).unwrap();
        match check(&path) {
            Ok(count) => format!("{count} records"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_file_is_taken_whole_or_not_at_all() {
        let [first, end] = ["{\"coatroom_export\":1}\n", "{\"end\":2}\n"];
        let record = |key: &str| {
            let line = RecordLine {
                kind: "setting".to_owned(),
                key: key.to_owned(),
                owner: None,
                version: 1,
                expires_at: None,
                body: "canary".to_owned(),
            };
            serde_json::to_string(&Line::Record(line)).unwrap() + "\n"
        };
        let both = record("a") + &record("b");
        let whole = format!("{first}{both}{end}");
        assert_eq!(verdict(whole.as_bytes()), "2 records");
        let one = record("a");
        let half = &whole[..whole.len() - end.len() - 10];
        let strange = both.replace("setting", "recipe");
        for (content, reason) in [
            (format!("{first}{both}"), "its end is missing"),
            (format!("{first}{one}{end}"), "it has 1 records instead of 2"),
            (half.to_owned(), "line 3 is not one of an export"),
            (whole.replace(":1}", ":2}"), "it is of form 2"),
            (format!("{whole}{one}"), "something follows its end"),
            (format!("{first}{first}{both}{end}"), "it begins twice"),
            (both, "`coatroom export` did not write it"),
            (format!("{first}{strange}{end}"), "`recipe` is not known"),
            (String::new(), "`coatroom export` did not write it"),
        ] {
            let said = verdict(content.as_bytes());
            assert!(said.contains(reason) && !said.contains("canary"), "{said} and not {reason}");
        }
        assert!(verdict(b"SQLite format 3\0\xff\xfe\n").contains("the file is another"));
    }
}
