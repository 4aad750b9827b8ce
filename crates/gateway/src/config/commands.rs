//! Servers that are commands: `command` in `[servers.*]`, and what belongs to it.

use std::path::PathBuf;
use std::time::Duration;

use super::limits::{DAY, HOUR, MINUTE, SECOND, span};
use super::reader::{Found, Section};
use super::templates::Templates;
use crate::child::{Limits, OF_THE_PLACE};
use crate::command::{CommandConfig, IsolationChoice};
use crate::proxy::credential::Template;

/// Reads the command of a server, if it has one.
pub(super) fn read_command(section: &Section<'_>, templates: &Templates<'_>) -> Option<CommandConfig> {
    refuse_arguments(section);
    let place = section.in_file("command")?;
    for (key, why) in [
        ("upstream", "a server is a command, or it has a URL"),
        ("transport", "a command speaks stdio"),
        ("http2", "a command speaks stdio"),
        ("headers", "a command has no headers: give it what it needs by `env`"),
        ("assertion", "a command gets no assertion: each user has a process of their own"),
    ] {
        if let Some(place) = section.place(key) {
            let help = Some(format!("keep `command` or `{key}`"));
            section.refuse(&place, format!("`{key}` with `command`: {why}"), help);
        }
    }
    let command = section.list("command", |text| templates.compile(text))?;
    let command: Vec<Template> = command.into_iter().map(|found| found.value).collect();
    match command.first() {
        None => section.refuse(&place, "`command` is empty", Some("name the program first".to_owned())),
        Some(program) if !program.is_constant() => {
            let message = "`command`: the program is the same for everybody, so its name is fixed text";
            section.refuse(&place, message, None);
        }
        Some(_) => {}
    }
    Some(CommandConfig {
        command,
        environment: read_environment(section, templates),
        passed: values(section.list("pass", variable_name)),
        isolation: section.choice("isolation", ISOLATION).map_or(IsolationChoice::Auto, |found| found.value),
        readable: values(section.list("read", absolute)),
        writable: values(section.list("write", absolute)),
        limits: read_limits(section),
        idle: span(section, "idle", 10 * MINUTE, SECOND..=DAY),
        start: span(section, "start_timeout", MINUTE, SECOND..=HOUR),
    })
}

/// Notes keys that mean something with a command alone.
pub(super) fn refuse_without_command(section: &Section<'_>) {
    for key in KEYS.iter().filter(|key| **key != "command" && **key != "args") {
        if let Some(place) = section.in_file(key) {
            let help = match *key {
                "env" => "a server with a URL gets `headers`; `env` is for a server that is a `command`",
                _ => "it is for a server that is a `command`",
            };
            section.refuse(&place, format!("`{key}` without `command`"), Some(help.to_owned()));
        }
    }
    refuse_arguments(section);
}

fn refuse_arguments(section: &Section<'_>) {
    if let Some(place) = section.in_file("args") {
        let help = Some("write `command = [\"PROGRAM\", \"ARGUMENT\", …]`".to_owned());
        section.refuse(&place, "`args`: arguments stand in `command`, after the program", help);
    }
}

fn read_environment(section: &Section<'_>, templates: &Templates<'_>) -> Vec<(String, Template)> {
    let table = section.section("env");
    let mut environment = Vec::new();
    for key in table.keys() {
        let template = table.value(&key.value, |text| templates.compile(text));
        match variable_name(&key.value) {
            Ok(name) => environment.extend(template.map(|template| (name, template.value))),
            Err(reason) => section.refuse(&key.place, reason, None),
        }
    }
    environment
}

fn read_limits(section: &Section<'_>) -> Limits {
    let default = DEFAULT_LIMITS;
    let read = |key: &str, default: Option<u64>, range: std::ops::RangeInclusive<u64>| {
        let within = |text: &str| {
            let number = super::values::size(text).map(|number| u64::try_from(number).unwrap_or(u64::MAX))?;
            let limits = format!("must be between {} and {}", range.start(), range.end());
            if range.contains(&number) { Ok(number) } else { Err(limits) }
        };
        section.value(key, within).map_or(default, |found| Some(found.value))
    };
    let seconds = section.value("cpu_time", super::values::duration);
    Limits {
        memory: read("memory", default.memory, 16 * MIB..=1024 * 1024 * MIB),
        processes: read("max_processes", default.processes, 1..=100_000),
        open_files: read("open_files", default.open_files, 16..=1_000_000),
        cpu_seconds: seconds
            .map_or(default.cpu_seconds, |found: Found<Duration>| Some(found.value.as_secs().max(1))),
    }
}

const MIB: u64 = 1024 * 1024;

fn values<T>(found: Option<Vec<Found<T>>>) -> Vec<T> {
    found.unwrap_or_default().into_iter().map(|found| found.value).collect()
}

/// Reads the name of a variable that may be given to a command.
fn variable_name(text: &str) -> Result<String, String> {
    if OF_THE_PLACE.contains(&text) {
        return Err(format!("`{text}` is the process's own folder, and set by the gateway itself"));
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || !text.chars().all(good) || text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`{text}` is not the name of a variable: letters, digits and _"));
    }
    Ok(text.to_owned())
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    if path.is_absolute() && is_plain {
        Ok(path)
    } else {
        Err(format!("`{text}` is not an absolute path without `..`"))
    }
}

const ISOLATION: &[(&str, IsolationChoice)] =
    &[("auto", IsolationChoice::Auto), ("none", IsolationChoice::None)];

/// The keys of a server that is a command.
pub(super) const KEYS: &[&str] = &[
    "command",
    "args",
    "env",
    "pass",
    "isolation",
    "read",
    "write",
    "memory",
    "max_processes",
    "open_files",
    "cpu_time",
    "idle",
    "start_timeout",
];

const DEFAULT_LIMITS: Limits =
    Limits { memory: Some(1024 * MIB), processes: Some(256), open_files: Some(1024), cpu_seconds: None };
