//! Log lines, to stderr. What may stand in them is decided where they are written; nothing here adds to it.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Environment, LogFormat};
use crate::named::OpensNames;

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
    let filter = targets(&filter).ok_or(NotStarted::Filter(filter))?;
    // What passes is for the targets to say, which is asked once for each place that logs; what none of them lets pass is not asked for.
    let levels = filter.iter().map(|(_, level)| level).chain(filter.default_level());
    let most = levels.max().unwrap_or(LevelFilter::OFF);
    let builder = tracing_subscriber::fmt().with_max_level(most).with_writer(std::io::stderr);
    // For a terminal the builder has looked at NO_COLOR.
    let builder = if std::io::stderr().is_terminal() { builder } else { builder.with_ansi(false) };
    let started = match format {
        LogFormat::Text => builder.finish().with(filter).with(OpensNames).try_init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).finish().with(filter).with(OpensNames).try_init()
        }
    };
    started.map_err(|_| NotStarted::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a task panicked");
    }));
    Ok(())
}

/// Reads a filter. One that asks everything to be talkative does not mean what writes the messages of people into its lines: that has
/// to be named.
fn targets(filter: &str) -> Option<Targets> {
    let mut targets = Targets::new();
    for part in filter.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        targets = match part.split_once('=') {
            Some((target, level)) if is_target(target) => {
                targets.with_target(target, level.parse::<LevelFilter>().ok()?)
            }
            Some(_) => return None,
            None => match part.parse::<LevelFilter>() {
                Ok(level) => targets.with_default(level),
                Err(_) if is_target(part) => targets.with_target(part, LevelFilter::TRACE),
                Err(_) => return None,
            },
        };
    }
    let is_talkative = targets.default_level().is_some_and(|level| level > LevelFilter::INFO);
    let is_named = targets.iter().any(|(target, _)| target == WRITES_MESSAGES);
    Some(if is_talkative && !is_named {
        targets.with_target(WRITES_MESSAGES, LevelFilter::INFO)
    } else {
        targets
    })
}

/// The name of a module, as code spells it.
fn is_target(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
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
    use tracing::Level;

    use super::*;

    #[test]
    fn what_writes_messages_is_talkative_only_where_it_is_named() {
        let level = |filter: &str| {
            let targets = targets(filter).unwrap();
            [Level::TRACE, Level::DEBUG, Level::INFO]
                .into_iter()
                .find(|level| targets.would_enable("rmcp::service", level))
        };
        assert_eq!(level("trace"), Some(Level::INFO));
        assert_eq!(level("hyper=info, DEBUG"), Some(Level::INFO));
        assert_eq!(level("debug,rmcp=trace"), Some(Level::TRACE));
        assert_eq!(level("rmcp=debug,trace"), Some(Level::DEBUG));
        assert_eq!(level("info"), Some(Level::INFO));
        assert_eq!(level("off"), None);
        assert_eq!(level("coatroom=debug,hyper=info"), None);
    }

    #[test]
    fn a_filter_names_levels_and_modules() {
        let enables = |filter: &str, target| targets(filter).unwrap().would_enable(target, &Level::DEBUG);
        assert!(enables("debug", "coatroom::guard"));
        assert!(enables("info,coatroom=debug", "coatroom::guard"));
        assert!(enables("coatroom", "coatroom::guard"), "all of a module that is named alone");
        assert!(!enables("info,coatroom=debug", "hyper"));
        for bad in ["coatroom=loud", "=debug", "coatroom[span]=debug", "a b"] {
            assert!(targets(bad).is_none(), "{bad}");
        }
    }
}
