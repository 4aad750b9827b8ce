//! Log lines, to stderr. What may stand in them is decided where they are written; nothing here adds to it.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Environment, LogFormat};

/// Starts logging. `COATROOM_LOG` filters by level and module (`debug`, `coatroom=debug,hyper=info`); `info` without it.
///
/// Colours are for a terminal; a file and a log collector get plain text.
///
/// A panic is logged by its place and not by its text, which may hold anything.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub(crate) fn start(format: LogFormat, environment: &dyn Environment) -> Result<(), NotStarted> {
    let wanted = environment.variables().remove("COATROOM_LOG");
    let filter = wanted.filter(|text| !text.is_empty()).unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(without_messages(&filter)).map_err(|_| NotStarted::Filter(filter))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // For a terminal the builder has looked at NO_COLOR.
    let builder = if std::io::stderr().is_terminal() { builder } else { builder.with_ansi(false) };
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| NotStarted::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a task panicked");
    }));
    Ok(())
}

/// A filter that asks everything to be talkative, without what writes the messages of people into its lines; that has to be
/// named.
fn without_messages(filter: &str) -> String {
    let talkative =
        |part: &str| ["debug", "trace"].iter().any(|level| part.trim().eq_ignore_ascii_case(level));
    if filter.split(',').any(talkative) {
        // A directive for a module goes before a general one, and a later one before an earlier one for the same module.
        return format!("{WRITES_MESSAGES}=info,{filter}");
    }
    filter.to_owned()
}

/// The MCP server of the demo is built on it.
const WRITES_MESSAGES: &str = "rmcp";

/// Why there are no log lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotStarted {
    /// The filter cannot be read.
    #[error("COATROOM_LOG=`{0}` is not a filter such as `info` or `coatroom=debug`")]
    Filter(String),
    /// Logging runs already.
    #[error("logging was started twice")]
    Twice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_messages_is_talkative_only_where_it_is_named() {
        assert_eq!(without_messages("trace"), "rmcp=info,trace");
        assert_eq!(without_messages("hyper=info, DEBUG"), "rmcp=info,hyper=info, DEBUG");
        assert_eq!(without_messages("debug,rmcp=trace"), "rmcp=info,debug,rmcp=trace");
        for quiet in ["info", "off", "coatroom=debug,hyper=info"] {
            assert_eq!(without_messages(quiet), quiet);
        }
        let filter = EnvFilter::try_new(without_messages("trace,rmcp=debug")).unwrap().to_string();
        assert!(filter.contains("rmcp=debug") && !filter.contains("rmcp=info"), "{filter}");
    }
}
