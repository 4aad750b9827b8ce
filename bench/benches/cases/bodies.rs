//! Bodies of calls, as clients of MCP 2026-07-28 send them.

use coatroom::protocol::access::RuleKind;

/// What the arguments of a call are.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One long text with line breaks and quotes: a source file.
    Text,
    /// One long text without escapes: a picture in base64.
    Base64,
    /// A list of small objects.
    Rows,
    /// One object of many members, in no order.
    Members,
    /// Objects within objects, 50 deep, one such after another.
    Nested,
}

impl Shape {
    pub(crate) const ALL: [Self; 5] = [Self::Text, Self::Base64, Self::Rows, Self::Members, Self::Nested];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text with escapes",
            Self::Base64 => "plain text",
            Self::Rows => "list of objects",
            Self::Members => "one wide object",
            Self::Nested => "deep objects",
        }
    }

    /// What the arguments begin and end with, and what comes between, again and again.
    fn parts(self) -> (&'static str, fn(u32) -> String, &'static str) {
        match self {
            Self::Text => (
                r#"{"path":"src/total.rs","content":""#,
                |n| format!(r#"    println!(\"line {n}\");\n"#),
                r#""}"#,
            ),
            Self::Base64 => {
                (r#"{"name":"a.png","data":""#, |_| "iVBORw0KGgoAAAANSUhEUgAAAAUA".to_owned(), r#""}"#)
            }
            Self::Rows => (
                r#"{"rows":["#,
                |n| format!(r#"{{"id":{n},"name":"Ada Lovelace","paid":true,"total":19.5}},"#),
                "null]}",
            ),
            // Different numbers stay different when they are multiplied by an odd one.
            Self::Members => {
                ("{", |n| format!(r#""{:08x}":"on","#, n.wrapping_mul(0x9e37_79b1)), r#""last":null}"#)
            }
            Self::Nested => {
                (r#"{"tree":["#, |n| format!("{}{n}{},", r#"{"in":"#.repeat(50), "}".repeat(50)), "null]}")
            }
        }
    }
}

/// A call of a tool whose body has nearly so many bytes.
pub(crate) fn call(shape: Shape, bytes: usize) -> Vec<u8> {
    let (begin, part, end) = shape.parts();
    let mut arguments = begin.to_owned();
    let most = bytes - request("tools/call", &tool("notes-write", "")).len() - end.len();
    for part in (0..).map(part) {
        if arguments.len() + part.len() > most {
            break;
        }
        arguments.push_str(&part);
    }
    arguments.push_str(end);
    request("tools/call", &tool("notes-write", &arguments)).into_bytes()
}

/// A small call of a tool, prompt or resource.
pub(crate) fn asking_for(kind: RuleKind, name: &str) -> Vec<u8> {
    match kind {
        RuleKind::Tool => request("tools/call", &tool(name, "{}")),
        RuleKind::Prompt => request("prompts/get", &tool(name, "{}")),
        RuleKind::Resource => request("resources/read", &format!(r#""uri":"{name}""#)),
    }
    .into_bytes()
}

fn tool(name: &str, arguments: &str) -> String {
    format!(r#""name":"{name}","arguments":{arguments}"#)
}

fn request(method: &str, params: &str) -> String {
    let meta = concat!(
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"Example Desktop","version":"1.4.2"},"#,
        r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}}}}"#,
    );
    format!(r#"{{"jsonrpc":"2.0","id":17,"method":"{method}","params":{{"_meta":{meta},{params}}}}}"#)
}
