//! What the judge of a body found in it: enough to decide policy, and nothing more.
//!
//! Everything borrows from the body where the body spells it without escapes; [`Judged::into_owned`] makes a copy of
//! these few words that outlives it.

use std::borrow::Cow;
use std::collections::HashSet;

/// The body of one POST.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever decides must decide about every case")]
pub enum Judged<'a> {
    /// One message.
    One(Message<'a>),
    /// An array of messages, which only MCP 2025-03-26 allows; never empty.
    Batch(Vec<Message<'a>>),
}

/// One JSON-RPC message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever decides must decide about every case")]
pub enum Message<'a> {
    /// Asks for an answer.
    Request {
        /// Names the request in its answer.
        id: Id<'a>,
        /// What is asked for.
        call: Call<'a>,
    },
    /// Asks for none. It is called like a request, so policy holds for it as well.
    Notification {
        /// What is notified.
        call: Call<'a>,
    },
    /// Answers a request of the server (revisions before 2026-07-28 only).
    Response {
        /// The server's id; absent or null where the client could not read the request.
        id: Option<Id<'a>>,
    },
}

/// What a request or notification calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// The method, without control characters.
    pub method: Cow<'a, str>,
    /// What the method is applied to.
    pub target: Target<'a>,
    /// The members of `params._meta` that say which revision of MCP is spoken.
    pub meta: Meta<'a>,
}

/// What a method is applied to; names and URIs are unescaped and have no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever decides must decide about every case")]
pub enum Target<'a> {
    /// Nothing in particular: lists, `initialize`, methods that MCP does not know.
    None,
    /// A tool, by `params.name`.
    Tool(Cow<'a, str>),
    /// A prompt, by `params.name`, or by `params.ref.name` where its arguments are completed.
    Prompt(Cow<'a, str>),
    /// A resource, by `params.uri`.
    Resource(Cow<'a, str>),
    /// A template of resources that is completed, by `params.ref.uri`.
    Template(Cow<'a, str>),
    /// The resources whose changes are listened to, by `params.notifications.resourceSubscriptions`.
    Subscriptions(Vec<Cow<'a, str>>),
    /// A task, by `params.taskId`.
    Task(Cow<'a, str>),
}

/// The members of `params._meta` that make a request one of MCP 2026-07-28.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta<'a> {
    /// `io.modelcontextprotocol/protocolVersion`.
    pub version: Member<'a>,
    /// `io.modelcontextprotocol/clientCapabilities`, if it is there and an object.
    pub capabilities: Option<Capabilities>,
}

/// What a client says of itself that servers may ask of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the judge builds it")]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of its own on the wire")]
pub struct Capabilities {
    /// Forms for its user (`elicitation`, which means forms where it says no more).
    pub elicits_forms: bool,
    /// URLs for its user (`elicitation.url`).
    pub elicits_urls: bool,
    /// Its model (`sampling`).
    pub samples: bool,
    /// Its model, with tools (`sampling.tools`).
    pub samples_with_tools: bool,
    /// Its roots (`roots`).
    pub roots: bool,
}

/// A member that should be a string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever decides must decide about every case")]
pub enum Member<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// It is a string.
    Text(Cow<'a, str>),
    /// It is something else.
    Other,
}

/// The id of a request: a JSON string or number, kept as it was written so that it is echoed byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id<'a>(Cow<'a, str>);

impl<'a> Id<'a> {
    /// Takes the JSON text of the id, which the judge has found to be one string or number.
    pub(super) const fn from_raw(raw: &'a str) -> Self {
        Self(Cow::Borrowed(raw))
    }

    /// The JSON text of the id, quotes and escapes included.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// A copy that outlives the body.
    #[must_use]
    pub fn into_owned(self) -> Id<'static> {
        Id(own(self.0))
    }
}

impl<'a> Judged<'a> {
    /// The messages, in order.
    #[must_use]
    pub fn messages(&self) -> &[Message<'a>] {
        match self {
            Self::One(message) => std::slice::from_ref(message),
            Self::Batch(messages) => messages,
        }
    }

    /// The id that an error about the whole body echoes: that of a single request.
    #[must_use]
    pub fn id(&self) -> Option<&Id<'a>> {
        match self {
            Self::One(Message::Request { id, .. }) => Some(id),
            Self::One(_) | Self::Batch(_) => None,
        }
    }

    /// A copy that outlives the body.
    #[must_use]
    pub fn into_owned(self) -> Judged<'static> {
        match self {
            Self::One(message) => Judged::One(message.into_owned()),
            Self::Batch(messages) => Judged::Batch(messages.into_iter().map(Message::into_owned).collect()),
        }
    }
}

/// Whether any reader takes the ids of two requests for the same: strings as they are unescaped, numbers as a double.
pub(super) fn has_repeated_id(messages: &[Message<'_>]) -> bool {
    let mut seen = HashSet::new();
    let asked = messages.iter().filter_map(|message| match message {
        Message::Request { id, .. } => Some(id),
        Message::Notification { .. } | Message::Response { .. } => None,
    });
    asked.map(Id::raw).any(|id| {
        let read = match serde_json::from_str(id) {
            Ok(serde_json::Value::Number(number)) => number.as_f64().map(|number| (number + 0.0).to_string()),
            Ok(serde_json::Value::String(text)) => Some(format!("{text:?}")),
            _ => None,
        };
        !seen.insert(read.unwrap_or_else(|| id.to_owned()))
    })
}

impl<'a> Message<'a> {
    /// What is called; `None` for a response.
    #[must_use]
    pub const fn call(&self) -> Option<&Call<'a>> {
        match self {
            Self::Request { call, .. } | Self::Notification { call } => Some(call),
            Self::Response { .. } => None,
        }
    }

    /// A copy that outlives the body.
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Request { id, call } => Message::Request { id: id.into_owned(), call: call.into_owned() },
            Self::Notification { call } => Message::Notification { call: call.into_owned() },
            Self::Response { id } => Message::Response { id: id.map(Id::into_owned) },
        }
    }
}

impl Call<'_> {
    fn into_owned(self) -> Call<'static> {
        let meta = Meta { version: self.meta.version.into_owned(), capabilities: self.meta.capabilities };
        Call { method: own(self.method), target: self.target.into_owned(), meta }
    }
}

impl Target<'_> {
    fn into_owned(self) -> Target<'static> {
        match self {
            Self::None => Target::None,
            Self::Tool(name) => Target::Tool(own(name)),
            Self::Prompt(name) => Target::Prompt(own(name)),
            Self::Resource(uri) => Target::Resource(own(uri)),
            Self::Template(uri) => Target::Template(own(uri)),
            Self::Subscriptions(uris) => Target::Subscriptions(uris.into_iter().map(own).collect()),
            Self::Task(id) => Target::Task(own(id)),
        }
    }
}

impl Member<'_> {
    fn into_owned(self) -> Member<'static> {
        match self {
            Self::Absent => Member::Absent,
            Self::Text(text) => Member::Text(own(text)),
            Self::Other => Member::Other,
        }
    }
}

fn own(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}
