//! Rust lets modules of one crate import each other in circles. These tests do not: each room may use the rooms that
//! ARCHITECTURE.md says, and those only. They also hold the habits that no lint can: short files, one place that prints,
//! one that asks the clock.

use crate::workspace::{File, files};

/// A room, and the rooms that it may use. Every room stands below those that it uses, so there can be no circle.
type Plan = &'static [(&'static str, &'static str)];

const PROTOCOL: Plan = &[
    ("words", ""),
    ("errors", ""),
    ("jws", "words"),
    ("discovery", "words jws"),
    ("client", "words errors jws"),
    ("grant", "words errors client"),
    ("access", "words errors jws"),
    ("bridge", "access"),
];

const COATROOM: Plan = &[
    ("allowlist", ""),
    ("clock", ""),
    ("entropy", ""),
    ("settings", ""),
    ("user", ""),
    ("hooks", "user"),
    ("outbound", ""),
    ("pages", ""),
    ("allowance", "settings"),
    ("store", "clock entropy"),
    ("error", "entropy store"),
    ("providers", "allowlist clock user outbound"),
    ("issuers", "allowlist clock user outbound providers"),
    ("client_documents", "allowance clock settings outbound"),
    ("vault", "entropy"),
    ("records", "user store error vault"),
    ("connections", "clock entropy user hooks store error providers vault records"),
    ("accounts", "allowance clock entropy settings user store error vault records"),
    (
        "context",
        "clock entropy settings user hooks store error providers issuers client_documents vault records connections accounts",
    ),
    (
        "server",
        "allowance allowlist clock entropy settings user hooks store error providers issuers client_documents vault records connections accounts context pages",
    ),
    (
        "guard",
        "allowance clock entropy settings user outbound store error providers issuers vault records connections context",
    ),
    ("testing", "user store error providers guard"),
    (
        "builder",
        "clock entropy settings user hooks outbound pages store error providers issuers client_documents vault records connections accounts context server guard",
    ),
];

const GATEWAY: Plan = &[
    ("client_address", ""),
    ("terminal", ""),
    ("progress", "terminal"),
    ("child", "terminal"),
    ("shutdown", ""),
    ("descriptors", ""),
    ("demo", ""),
    ("unread", ""),
    ("overload", ""),
    ("named", ""),
    ("edge", "client_address unread named"),
    ("proxy", "edge"),
    ("command", "child proxy"),
    ("stdio", "child proxy command"),
    ("config", "client_address child proxy command"),
    ("cli", "config"),
    ("observe", "config named"),
    ("serve", "client_address edge config"),
    ("assemble", "overload edge proxy command stdio config"),
    ("block", "terminal config cli assemble"),
    ("keys", "terminal progress config cli assemble"),
    ("grants", "terminal config cli assemble"),
    ("users", "terminal config cli assemble"),
    ("backup", "terminal config cli assemble"),
    ("carry", "terminal progress config cli assemble backup"),
    ("demo/run", "terminal shutdown demo config observe serve assemble"),
    ("wrap", "demo config cli demo/run"),
];

#[test]
fn rooms_use_only_the_rooms_above_them() {
    let violations = [
        check("crates/protocol/src", PROTOCOL),
        check("crates/coatroom/src", COATROOM),
        check("crates/gateway/src", GATEWAY),
    ]
    .concat();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn the_plan_itself_has_no_circle() {
    for plan in [PROTOCOL, COATROOM, GATEWAY] {
        for (at, (room, uses)) in plan.iter().enumerate() {
            for used in uses.split_whitespace() {
                assert!(
                    plan[..at].iter().any(|(above, _)| *above == used),
                    "{room} uses {used}, which is not above it"
                );
            }
        }
    }
}

#[test]
fn the_check_notices_a_forbidden_use_in_every_spelling() {
    for text in [
        "use crate::server::App;",
        "use crate::{clock::Clock, server::App};",
        "fn work() { crate::server::run() }",
        "use super::super::server::App;",
    ] {
        let file = File { path: "src/guard/layer.rs".to_owned(), text: format!("//! Guards.\n{text}") };
        let violations = check_file("src", &file, COATROOM);
        assert_eq!(violations, ["src/guard/layer.rs:2: guard may not use server"], "{text}");
    }
    for text in ["use super::respond::Refusal;", "// crate::server", "use crate::context::Context;"] {
        let file = File { path: "src/guard/layer.rs".to_owned(), text: text.to_owned() };
        assert!(check_file("src", &file, COATROOM).is_empty(), "{text}");
    }
}

#[test]
fn no_file_has_more_than_500_lines_before_its_tests() {
    for file in sources() {
        let lines = production(&file.text).lines().count();
        assert!(lines <= 500, "{} has {lines} lines before its tests: it is two rooms", file.path);
    }
}

/// Clippy forbids the same; this also covers what it cannot see, and every crate alike.
#[test]
fn what_only_one_file_may_do_is_done_there_alone() {
    let rules: &[(&str, &[&str])] = &[
        ("SystemTime::now", &["coatroom/src/clock.rs"]),
        // Besides the clock only what sets timers of the runtime, which has a time of its own in tests.
        ("Instant::now", &["coatroom/src/clock.rs", "gateway/src/proxy/alarm.rs"]),
        ("rand::fill", &["coatroom/src/entropy.rs"]),
        // Keys are made, and sign, by calls that insist on their own source of random bytes.
        ("SystemRandom", &["coatroom/src/vault/key_ring.rs", "coatroom/src/providers/client_secret.rs"]),
        ("println!", &["gateway/src/terminal.rs"]),
        ("print!(", &["gateway/src/terminal.rs"]),
        ("io::stdout", &["gateway/src/terminal.rs"]),
        ("io::stderr", &["gateway/src/terminal.rs", "gateway/src/observe.rs"]),
        (
            "env::vars_os",
            &[
                "coatroom/src/providers/from_env.rs",
                "coatroom/src/issuers/from_env.rs",
                "gateway/src/config/environment.rs",
            ],
        ),
    ];
    for file in sources() {
        for (number, line) in code(production(&file.text)) {
            for (what, where_) in rules {
                let allowed = where_.iter().any(|path| file.path.ends_with(path));
                assert!(
                    allowed || !line.contains(what),
                    "{}:{number}: {what} belongs in {where_:?}",
                    file.path
                );
            }
        }
    }
}

#[test]
fn the_rules_do_no_io_and_are_not_async() {
    let manifest = files("crates/protocol", "Cargo.toml").remove(0).text;
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    for crate_name in ["tokio", "axum", "hyper", "http", "rusqlite", "rustls", "tracing", "async-trait"] {
        let used = dependencies.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(crate_name));
        assert!(!used, "coatroom-protocol may not depend on {crate_name}");
    }
    for file in files("crates/protocol/src", ".rs") {
        for (number, line) in code(production(&file.text)) {
            for what in
                ["std::fs", "std::net", "std::io", "std::env", "std::process", "async fn", "async move"]
            {
                assert!(!line.contains(what), "{}:{number}: {what} in a rule", file.path);
            }
        }
    }
}

/// Roots declare the rooms, and may use every one of them.
const ROOTS: [&str; 2] = ["src/lib.rs", "src/main.rs"];

/// The sources of the program and the libraries.
fn sources() -> Vec<File> {
    ["crates/protocol/src", "crates/coatroom/src", "crates/gateway/src"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .filter(|file| !file.path.ends_with("/tests.rs"))
        .collect()
}

/// What stands before the tests at the bottom of a file.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// The lines that are not comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn check(folder: &str, plan: Plan) -> Vec<String> {
    let files = files(folder, ".rs");
    files
        .iter()
        .filter(|file| !ROOTS.iter().any(|root| file.path.ends_with(root)))
        .flat_map(|file| check_file(folder, file, plan))
        .collect()
}

/// Names every use of a room that the file's room may not use.
fn check_file(folder: &str, file: &File, plan: Plan) -> Vec<String> {
    let module = module_of(folder, &file.path);
    let own = room_of(&module, plan);
    let allowed = plan.iter().find(|(room, _)| *room == own).map(|(_, uses)| *uses);
    let Some(allowed) = allowed else {
        return vec![format!("{}: {own} is not a room of ARCHITECTURE.md", file.path)];
    };
    let production = production(&file.text).len();
    let mut violations = Vec::new();
    let mut at = 0;
    for (number, line) in (1..).zip(file.text.split_inclusive('\n')) {
        let mut here = module.clone();
        here.extend((at >= production).then(|| "tests".to_owned()));
        at += line.len();
        if line.trim_start().starts_with("//") {
            continue;
        }
        let used =
            uses(line, &here).into_iter().filter(|used| *used != own && own.split('/').next() != Some(used));
        // Other names below `crate::` are items of the root.
        let rooms = used.filter(|used| plan.iter().any(|(room, _)| room == used));
        let forbidden = rooms.filter(|used| !allowed.split(' ').any(|room| room == used));
        violations.extend(forbidden.map(|used| format!("{}:{number}: {own} may not use {used}", file.path)));
    }
    violations
}

/// The path of the module that a file holds: `src/guard/mod.rs` is `guard`, `src/guard/layer.rs` is `guard`, `layer`.
fn module_of(folder: &str, path: &str) -> Vec<String> {
    let inside = path.strip_prefix(folder).unwrap().trim_start_matches('/').trim_end_matches(".rs");
    inside.split('/').filter(|part| *part != "mod").map(str::to_owned).collect()
}

/// A module that the plan names by its path is a room of its own; every other belongs to the room it stands in.
fn room_of(module: &[String], plan: Plan) -> String {
    let path = module.iter().take(2).map(String::as_str).collect::<Vec<_>>().join("/");
    if plan.iter().any(|(room, _)| *room == path) { path } else { module[0].clone() }
}

/// The rooms that a line names by `crate::` or by climbing out of its own room with `super::`.
fn uses(line: &str, here: &[String]) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            used.extend(heads(&line[at + "crate::".len()..]));
        }
    }
    let climb = line.find("super::").map_or("", |at| &line[at..]);
    let rest = climb.trim_start_matches("super::");
    let levels = (climb.len() - rest.len()) / "super::".len();
    if levels > 0 && levels >= here.len() {
        used.extend(heads(rest));
    }
    used
}

/// The first names of a path or of each path in a group: `{clock::Clock, server}` has `clock` and `server`.
fn heads(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return name(path).into_iter().collect() };
    let mut depth = 0;
    let mut start = true;
    let mut found = Vec::new();
    for (at, character) in group.char_indices() {
        if start && depth == 0 && !character.is_whitespace() {
            found.extend(name(&group[at..]));
            start = false;
        }
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' => start = true,
            _ => {}
        }
    }
    found
}

fn name(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    // Types of the crate's root are not rooms.
    text[..end].starts_with(|c: char| c.is_ascii_lowercase()).then(|| text[..end].to_owned())
}
