//! The one file that prints. Nobody listening, as behind a closed pipe, is no reason to fail.

use std::fmt::Display;
use std::io::Write as _;

/// Prints what was asked for.
pub(crate) fn say(text: impl Display) {
    writeln!(std::io::stdout(), "{text}").ok();
}

/// Prints why something cannot be done, and what to do about it.
pub(crate) fn complain(text: impl Display) {
    writeln!(std::io::stderr(), "{text}").ok();
}
