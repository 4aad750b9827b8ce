//! The issues that people opened: the newest few hundred, in one file.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coatroom::protocol::words::Timestamp;
use serde::{Deserialize, Serialize};

use crate::demo::disk;

/// Every kept issue. A new one is on disk before anyone sees it.
#[derive(Debug)]
pub(super) struct Issues {
    path: PathBuf,
    kept: Mutex<Kept>,
}

/// The file, as JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// The last number given in each repository; it outlives the issue, so that no number is given twice.
    last_numbers: BTreeMap<String, u64>,
    /// The issues, oldest first.
    issues: Vec<Issue>,
}

/// An issue as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Issue {
    /// Its number in its repository, from 1.
    pub(super) number: u64,
    /// The repository, as owner/name.
    pub(super) repo: String,
    /// Its title.
    pub(super) title: String,
    /// Its text; may be empty.
    pub(super) body: String,
    /// The login of who opened it.
    pub(super) author: String,
    /// When it was opened.
    pub(super) created_at: Timestamp,
}

/// An issue that has no number yet.
#[derive(Debug)]
pub(super) struct NewIssue {
    /// The repository, as owner/name.
    pub(super) repo: String,
    /// Its title.
    pub(super) title: String,
    /// Its text; may be empty.
    pub(super) body: String,
    /// The login of who opens it.
    pub(super) author: String,
}

impl Issues {
    /// Opens the file; without one, there are no issues yet.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let kept = match disk::read(&path)? {
            Some(bytes) => serde_json::from_slice(&bytes)?,
            None => Kept::default(),
        };
        Ok(Self { path, kept: Mutex::new(kept) })
    }

    /// Opens an issue under the repository's next number. Past [`MOST_ISSUES`] the oldest are forgotten.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has changed then.
    pub(super) fn create(&self, new: NewIssue, now: Timestamp) -> io::Result<Issue> {
        let mut kept = self.lock();
        let mut changed = kept.clone();
        let number = changed.last_numbers.entry(new.repo.clone()).or_default();
        *number = number.saturating_add(1);
        let issue = Issue {
            number: *number,
            repo: new.repo,
            title: new.title,
            body: new.body,
            author: new.author,
            created_at: now,
        };
        changed.issues.push(issue.clone());
        let excess = changed.issues.len().saturating_sub(MOST_ISSUES);
        changed.issues.drain(..excess);
        disk::write(&self.path, &serde_json::to_vec(&changed)?)?;
        *kept = changed;
        Ok(issue)
    }

    /// How many kept issues a repository has.
    pub(super) fn count(&self, repo: &str) -> usize {
        self.lock().issues.iter().filter(|issue| issue.repo == repo).count()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST_ISSUES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn new(repo: &str) -> NewIssue {
        NewIssue {
            repo: repo.to_owned(),
            title: "t".to_owned(),
            body: String::new(),
            author: "alice".to_owned(),
        }
    }

    #[test]
    fn issues_survive_a_restart_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("i.json");
        let issues = Issues::open(path.clone()).unwrap();
        let now = Timestamp::from_unix(1);
        assert_eq!(issues.create(new("alice/diary"), now).unwrap().number, 1);
        let reopened = Issues::open(path).unwrap();
        assert_eq!(reopened.create(new("alice/diary"), now).unwrap().number, 2);
        assert_eq!(reopened.create(new("bob/invoices"), now).unwrap().number, 1);
        assert_eq!(reopened.count("alice/diary"), 2);
    }

    #[test]
    fn the_oldest_issues_are_forgotten_and_their_numbers_are_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let issues = Issues::open(folder.path().join("i.json")).unwrap();
        let now = Timestamp::from_unix(1);
        let first = issues.create(new("alice/diary"), now).unwrap();
        issues.lock().issues = vec![first; MOST_ISSUES];
        assert_eq!(issues.create(new("alice/diary"), now).unwrap().number, 2);
        assert_eq!(issues.count("alice/diary"), MOST_ISSUES);
    }
}
