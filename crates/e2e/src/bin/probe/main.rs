//! A stdio server that looks around, breaks and misbehaves: to see from inside what a user's process may do, and from outside what
//! becomes of one that goes wrong.
//!
//! It speaks one revision and is strict about it: `PROBE_REVISION`, 2025-11-25 unless it is set. With `PROBE_START_DELAY_MS` it
//! starts late. With `PROBE_FAILURE` it says that on stderr, with its `TOKEN`, and does not start; `PROBE_FAILS_UNTIL` names a file
//! that ends this once it is there. Each request is a thread, so that none waits for another. What its tools are for stands in
//! `tools.rs`.

mod machine;
mod questions;
mod tools;
mod wire;

use std::env;
use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::wire::Wire;

fn main() -> ExitCode {
    if let Ok(delay) = env::var("PROBE_START_DELAY_MS") {
        thread::sleep(Duration::from_millis(delay.parse().expect("PROBE_START_DELAY_MS is a number")));
    }
    let is_ready = || env::var("PROBE_FAILS_UNTIL").is_ok_and(|file| Path::new(&file).exists());
    if let Some(failure) = env::var("PROBE_FAILURE").ok().filter(|_| !is_ready()) {
        eprintln!("starting with the token {}", token());
        eprintln!("{failure}");
        return ExitCode::FAILURE;
    }
    let wire = Arc::new(Wire::new(env::var("PROBE_REVISION").as_deref().unwrap_or("2025-11-25")));
    for line in io::stdin().lock().split(b'\n') {
        let line = String::from_utf8(line.expect("stdin")).expect("a line is UTF-8");
        wire.note_line();
        match serde_json::from_str(&line) {
            Ok(Value::Array(batch)) if wire.has_batches() => answer_all(&wire, batch),
            Ok(message @ Value::Object(_)) => take(&wire, message, line),
            _ => wire.send(&wire::error(&Value::Null, -32700, "this line is not one message", Value::Null)),
        }
    }
    ExitCode::SUCCESS
}

/// What it was given to keep.
fn token() -> String {
    env::var("TOKEN").unwrap_or_default()
}

/// Takes a message: a request is answered by a thread of its own.
fn take(wire: &Arc<Wire>, message: Value, line: String) {
    if message.get("method").is_none() {
        wire.take_answer(&message);
    } else if message.get("id").is_none() {
        wire.take_notification(&message);
    } else {
        let wire = Arc::clone(wire);
        thread::spawn(move || {
            if let Some(answer) = answer(&wire, &message, &line) {
                wire.send(&answer);
            }
        });
    }
}

/// Answers the requests of a batch together (2025-03-26).
fn answer_all(wire: &Arc<Wire>, batch: Vec<Value>) {
    let wire = Arc::clone(wire);
    thread::spawn(move || {
        let mut answers = Vec::new();
        for message in batch {
            if message.get("id").is_some() && message.get("method").is_some() {
                answers.extend(answer(&wire, &message, &message.to_string()));
            } else {
                take(&wire, message.clone(), message.to_string());
            }
        }
        if !answers.is_empty() {
            wire.send(&Value::Array(answers));
        }
    });
}

/// Answers one request; `None` where it was cancelled, or the tool never answers.
fn answer(wire: &Wire, message: &Value, line: &str) -> Option<Value> {
    let (id, params) = (&message["id"], &message["params"]);
    let method = message["method"].as_str().unwrap_or_default();
    if let Err(refusal) = wire.admit(message) {
        return Some(refusal);
    }
    let result = match method {
        "initialize" => wire.shake_hands(params),
        "server/discover" => wire.discover(),
        "ping" | "logging/setLevel" => json!({}),
        "tools/list" => wire.cacheable(json!({"tools": tools::list(wire)})),
        "subscriptions/listen" => {
            wire.listen(id, params);
            return None;
        }
        "tools/call" => return tools::call(wire, message, line),
        _ => return Some(wire::error(id, -32601, &format!("there is no method {method:?}"), Value::Null)),
    };
    Some(wire.result(id, result))
}
