//! The last that a process wrote to stderr: what its user is told when it fails. Credentials are taken out before anything is kept.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

/// The last lines of one process.
#[derive(Default)]
pub(super) struct LastWords {
    secrets: Vec<Zeroizing<String>>,
    lines: Mutex<VecDeque<String>>,
}

impl LastWords {
    /// Of a process that was given these secrets.
    pub(super) fn without(secrets: impl IntoIterator<Item = String>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty()).map(Zeroizing::new);
        Self { secrets: secrets.collect(), lines: Mutex::default() }
    }

    /// Takes a line, and gives it back as it may be shown.
    pub(super) fn hear(&self, line: &[u8]) -> String {
        let text = self.redacted(&String::from_utf8_lossy(line));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if !text.trim().is_empty() {
            if lines.len() == MOST {
                lines.pop_front();
            }
            lines.push_back(text.clone());
        }
        text
    }

    /// What a process said as it may be shown: without credentials and control characters, and not too much of it.
    pub(super) fn redacted(&self, said: &str) -> String {
        let mut text = said.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "[redacted]");
        }
        text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
    }

    /// The lines, oldest first; empty when nothing was said.
    pub(super) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Enough for the end of a stack trace.
const MOST: usize = 12;
/// Characters of a line.
const LONGEST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_without_secrets_and_control_characters() {
        let words = LastWords::without(["gho_alice".to_owned(), String::new()]);
        for number in 0..20 {
            words.hear(format!("line {number}").as_bytes());
        }
        let shown = words.hear(b"\x1b[31mcannot use gho_alice\r");
        words.hear(b"  ");
        assert_eq!(shown, "[31mcannot use [redacted]");
        assert!(words.text().ends_with("line 19\n[31mcannot use [redacted]"), "{}", words.text());
        assert!(!words.text().contains("line 8\n"));
        assert_eq!(words.hear(&[b'x'; 1000]).len(), LONGEST);
    }
}
