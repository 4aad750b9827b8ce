//! The tools, each for something that can go wrong.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::wire::Wire;
use crate::{machine, questions};

/// How a call ends.
pub(crate) enum Outcome {
    /// With a text.
    Text(String),
    /// With a text that says why not (`isError`).
    Failed(String),
    /// With a result of its own shape.
    Result(Value),
    /// With a whole message.
    Answer(Value),
    /// Without an answer.
    Never,
}

/// Every tool, and what it is for.
const TOOLS: &[(&str, &str)] = &[
    ("env", "the whole environment, as JSON"),
    ("whoami", "user, process and folder, and the processes in sight"),
    ("read-file", "what is in the file `path`"),
    ("write-file", "writes `text` to the file `path`"),
    ("list-folder", "the names in the folder `path`"),
    ("search-processes", "other processes that show the `text` in /proc"),
    ("count", "its process, and how often that was asked"),
    ("echo-raw", "the line as it was read, and how many lines were"),
    ("sleep", "takes so many `seconds`, with progress"),
    ("cancellations", "how many requests were cancelled"),
    ("log", "says something while it works"),
    ("elicit", "asks the person"),
    ("sample", "asks the model"),
    ("roots", "asks for the folders"),
    ("list-changed", "has one more tool from now on"),
    ("big", "so many `bytes` in one answer"),
    ("flood", "so many `messages` before the answer"),
    ("crash", "ends without an answer"),
    ("stderr-secret", "says its token on stderr, and ends"),
    ("fork", "leaves a process behind that has the `word` among its arguments"),
    ("eat-memory", "takes so many `mebibytes`"),
    ("many-processes", "starts up to `count` at once"),
    ("open-files", "opens up to `count` at once"),
    ("burn", "computes for so many `seconds`"),
    ("garbage", "writes a line that is no message before the answer"),
    ("answer-twice", "gives the same answer twice"),
    ("answer-nobody", "answers a request that nobody made, before the answer"),
    ("silence", "never answers"),
];

pub(crate) fn list(wire: &Wire) -> Vec<Value> {
    let described = |(name, description): &(&str, &str)| {
        let schema = json!({"type": "object", "additionalProperties": true});
        json!({"name": name, "description": description, "inputSchema": schema, "x-unknown": [1, {"kept": 2.50}]})
    };
    let more = wire.has_more_tools().then_some(("more", "was not there before"));
    TOOLS.iter().chain(&more).map(described).collect()
}

/// Answers a call; `None` where there is no answer.
pub(crate) fn call(wire: &Wire, message: &Value, line: &str) -> Option<Value> {
    let id = &message["id"];
    let content = |text: String| json!({"content": [{"type": "text", "text": text}]});
    let result = match run(wire, message, line) {
        Outcome::Text(text) => content(text),
        Outcome::Failed(text) => {
            let mut result = content(text);
            result["isError"] = json!(true);
            result
        }
        Outcome::Result(result) => result,
        Outcome::Answer(answer) => return Some(answer),
        Outcome::Never => return None,
    };
    let answer = wire.result(id, result);
    if message["params"]["name"] == "answer-twice" {
        wire.send(&answer);
    }
    Some(answer)
}

fn run(wire: &Wire, message: &Value, line: &str) -> Outcome {
    let arguments = &message["params"]["arguments"];
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    let number = |name: &str| arguments[name].as_u64().unwrap_or_default();
    let seconds = || Duration::from_secs_f64(arguments["seconds"].as_f64().unwrap_or_default());
    let done = |done: Result<String, String>| match done {
        Ok(text) => Outcome::Text(text),
        Err(text) => Outcome::Failed(text),
    };
    Outcome::Text(match message["params"]["name"].as_str().unwrap_or_default() {
        "env" => machine::environment().to_string(),
        "whoami" => machine::identity().to_string(),
        "read-file" => return done(machine::read(text("path"))),
        "write-file" => return done(machine::write(text("path"), text("text"))),
        "list-folder" => return done(machine::list(text("path"))),
        "search-processes" => machine::search_processes(text("text")),
        "count" => count().to_string(),
        "echo-raw" => json!({"line": line, "lines": wire.lines()}).to_string(),
        "sleep" => return sleep(wire, message, seconds()),
        "cancellations" => wire.cancellations().to_string(),
        "log" => log(wire, message),
        "elicit" => return questions::elicit(wire, message),
        "sample" => return questions::sample(wire, message),
        "roots" => return questions::roots(wire, message),
        "list-changed" => {
            wire.grow();
            "has more".to_owned()
        }
        "big" => "x".repeat(usize::try_from(number("bytes")).expect("a size")),
        "flood" => flood(wire, message, number("messages")),
        "crash" => process::exit(3),
        "stderr-secret" => {
            eprintln!("I was given {}", crate::token());
            process::exit(4)
        }
        "fork" => return done(machine::fork(text("word"))),
        "eat-memory" => machine::eat_memory(number("mebibytes")),
        "many-processes" => machine::many_processes(number("count")),
        "open-files" => machine::open_files(number("count")),
        "burn" => machine::burn(seconds()),
        "garbage" => {
            wire.send_line("Debug: this is no message, and holds {\"braces\"");
            "after the garbage".to_owned()
        }
        "answer-twice" => "twice".to_owned(),
        "answer-nobody" => {
            wire.send(&wire.result(&json!(987_654_321), json!({"content": []})));
            wire.send(&wire.result(&json!("nobody"), json!({"content": []})));
            "after the others".to_owned()
        }
        "silence" => return Outcome::Never,
        "more" if wire.has_more_tools() => "more".to_owned(),
        unknown => {
            let text = format!("there is no tool {unknown:?}");
            return Outcome::Answer(crate::wire::error(&message["id"], -32602, &text, Value::Null));
        }
    })
}

/// Which process this is, and how often it was asked.
fn count() -> Value {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.fetch_add(1, Ordering::SeqCst) + 1;
    json!({"pid": process::id(), "asked": asked, "token": crate::token()})
}

/// Takes its time in ten steps, and stops when nobody wants the answer any more.
fn sleep(wire: &Wire, message: &Value, time: Duration) -> Outcome {
    let token = &message["params"]["_meta"]["progressToken"];
    for step in 1..=10 {
        thread::sleep(time / 10);
        if wire.is_cancelled(&message["id"]) {
            return Outcome::Never;
        }
        if !token.is_null() {
            wire.notify(
                "notifications/progress",
                json!({"progressToken": token, "progress": step, "total": 10}),
            );
        }
    }
    Outcome::Text(format!("slept {time:?}"))
}

/// In 2026-07-28 a call must ask for it.
fn log(wire: &Wire, message: &Value) -> String {
    let level = &message["params"]["_meta"]["io.modelcontextprotocol/logLevel"];
    if wire.is_modern() && level.is_null() {
        return "nobody asked".to_owned();
    }
    let level = level.as_str().unwrap_or("info");
    wire.notify("notifications/message", json!({"level": level, "logger": "probe", "data": "at work"}));
    "logged".to_owned()
}

/// Messages of this call, one after the other, as fast as they are taken.
fn flood(wire: &Wire, message: &Value, messages: u64) -> String {
    let token = &message["params"]["_meta"]["progressToken"];
    for number in 1..=messages {
        if token.is_null() {
            let line = json!({"level": "info", "data": format!("{number} {}", "x".repeat(200))});
            wire.notify("notifications/message", line);
        } else {
            wire.notify("notifications/progress", json!({"progressToken": token, "progress": number}));
        }
    }
    format!("sent {messages}")
}
