//! What is looked at in the answers that pass: lists are filtered and learned from, and a server asks for no input that its
//! client did not declare.
//!
//! Most answers are not looked at at all, and stream through as they come. Of those that are, an answer in JSON is held until
//! it is complete, or too large to be what is looked for; event streams are [`super::events`]. What must be filtered
//! and cannot be, is refused.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use coatroom_protocol::access::{
    Authentication, Capabilities, Era, Holder, INPUT_REQUIRED, Id, InputRefusal, Judged, LARGEST_LIST,
    LearnedTools, ListKind, ListRefusal, ListsAsked, Manifest, Message, Reach, RpcError,
    check_input_required, discovered_versions,
};
use coatroom_protocol::words::{Scopes, Subject};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use memchr::memmem;

use super::caller::Caller;
use super::ending::CallEnded;
use super::headers::media_type;
use super::learned::Learned;
use super::respond::Refusal;
use super::settings::{Lists, Settings};

/// Finds the word by which a server asks for input.
static ASKS_FOR_INPUT: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(INPUT_REQUIRED.as_bytes()));

/// What is looked at in the answers to one request.
pub(super) struct Inspection {
    era: Era,
    /// What was asked; nothing where a stream is opened.
    judged: Option<Arc<Judged<'static>>>,
    /// On the modern wire: which input the server may ask for.
    declared: Option<Capabilities>,
    filter: Option<Filter>,
    learning: Option<Learning>,
}

/// What this caller sees of lists.
struct Filter {
    asked: ListsAsked,
    manifest: Arc<Manifest>,
    scopes: Scopes,
    roles: Vec<String>,
    permissions: Vec<String>,
    signed_in: bool,
    reach: Reach,
}

/// Where it is noted what the server says about itself.
struct Learning {
    learned: Arc<Learned>,
    caller: Option<Subject>,
    versions: bool,
}

/// Why an answer is not passed on.
#[derive(Debug)]
pub(super) enum AnswerRefusal {
    /// A list that cannot be filtered.
    List(ListRefusal),
    /// Input that the server may not ask for.
    Input(InputRefusal),
    /// It broke off.
    Broken,
}

impl Inspection {
    /// What is looked at in the answer to a POST; `None` when nothing is.
    pub(super) fn of_post(
        settings: &Settings,
        caller: Option<&Caller>,
        era: Era,
        judged: &Arc<Judged<'static>>,
    ) -> Option<Self> {
        let call = match judged.as_ref() {
            Judged::One(Message::Request { call, .. }) => Some(call),
            Judged::One(_) | Judged::Batch(_) => None,
        };
        let modern = call.filter(|_| era == Era::Modern);
        let declared = modern.and_then(|call| {
            let declared = call.meta.capabilities.unwrap_or_default();
            let asks_freely = declared == EVERYTHING && MAY_ASK.contains(&call.method.as_ref());
            (!asks_freely).then_some(declared)
        });
        let mut calls = judged.messages().iter().filter_map(Message::call);
        let lists_tools = calls.any(|call| ListKind::of_method(&call.method) == Some(ListKind::Tools));
        let versions = modern.is_some_and(|call| call.method == "server/discover");
        let learning = (lists_tools || versions).then(|| Learning {
            learned: Arc::clone(&settings.learned),
            caller: caller.map(|caller| caller.user().subject.clone()),
            versions,
        });
        let asked = ListsAsked::of(judged, |kind| settings.filters(kind));
        let filter = asked.map(|asked| Filter::new(settings, caller, asked));
        let looks = declared.is_some() || filter.is_some() || learning.is_some();
        looks.then(|| Self { era, judged: Some(Arc::clone(judged)), declared, filter, learning })
    }

    /// What is looked at in a stream of the legacy wire, which may send the answers of an earlier one again.
    pub(super) fn of_stream(settings: &Settings, caller: Option<&Caller>) -> Option<Self> {
        let asked = ListsAsked::any(|kind| settings.filters(kind))?;
        let filter = Some(Filter::new(settings, caller, asked));
        Some(Self { era: Era::Legacy, judged: None, declared: None, filter, learning: None })
    }

    /// Looks at one complete message or batch; what it is to be replaced with, if anything.
    pub(super) fn look(&self, text: &str) -> Result<Option<String>, AnswerRefusal> {
        if let (Some(declared), Some(Judged::One(Message::Request { call, .. }))) =
            (self.declared, self.judged.as_deref())
        {
            check_input_required(&call.method, declared, text).map_err(AnswerRefusal::Input)?;
        }
        if let Some(learning) = &self.learning {
            learning.note(text);
        }
        let Some(filter) = &self.filter else { return Ok(None) };
        let Filter { scopes, roles, permissions, signed_in, .. } = filter;
        let holder = Holder { scopes, roles, permissions, signed_in: *signed_in };
        let shows = |kind, name: &str| filter.manifest.shows(kind, name, &holder, filter.reach);
        filter.asked.filter(self.era, text, shows).map_err(AnswerRefusal::List)
    }

    /// Whether these bytes may be of an answer that matters.
    pub(super) fn wants(&self, bytes: &[u8]) -> bool {
        self.is_about_lists() || ASKS_FOR_INPUT.find(bytes).is_some()
    }

    /// Whether answers that were not looked at must not pass.
    pub(super) const fn must_look(&self) -> bool {
        self.filter.is_some()
    }

    /// The largest answer that is looked at.
    pub(super) const fn limit(&self) -> usize {
        if self.is_about_lists() { LARGEST_LIST } else { LARGEST_INPUT }
    }

    /// The error that takes the place of an answer.
    pub(super) fn error(&self, refusal: AnswerRefusal) -> String {
        let error = refusal.into_error();
        tracing::info!(reason = %error.message, "an answer of the server was not passed on");
        error.to_json(self.id())
    }

    /// What an error echoes.
    fn id(&self) -> Option<&Id<'static>> {
        self.judged.as_deref().and_then(Judged::id)
    }

    const fn is_about_lists(&self) -> bool {
        self.filter.is_some() || self.learning.is_some()
    }

    /// Looks at an answer in JSON, or refuses one in another form.
    pub(super) async fn hold(self, response: Response<Body>) -> Result<Response<Body>, Refusal> {
        let refused = |refusal| Refusal::Answer(refusal, self.id().cloned());
        let form = Form::of(response.headers());
        if form != Form::Json {
            let harmless = !response.status().is_success()
                || matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
            return if harmless || !self.must_look() {
                Ok(response)
            } else {
                Err(refused(AnswerRefusal::List(ListRefusal::NotUnderstood)))
            };
        }
        let (mut parts, body) = response.into_parts();
        let held = match Held::read(body, self.limit()).await {
            Ok(held) => held,
            Err(error) if has_ended(&error) => return Err(Refusal::BadToken),
            Err(_) => return Err(refused(AnswerRefusal::Broken)),
        };
        if held.rest.is_some() {
            return if self.must_look() {
                Err(refused(AnswerRefusal::List(ListRefusal::TooLarge)))
            } else {
                Ok(Response::from_parts(parts, held.into_body()))
            };
        }
        if held.size == 0 || !held.is_wanted(&self) {
            return Ok(Response::from_parts(parts, held.into_body()));
        }
        let whole = held.whole();
        // As servers refuse to open a stream: without a type, and with nothing in it that could be a list.
        if !parts.status.is_success() && is_in_words(&whole) {
            return Ok(Response::from_parts(parts, Body::from(whole)));
        }
        let looked = match std::str::from_utf8(&whole) {
            Ok(text) => self.look(text),
            Err(_) if self.must_look() => Err(AnswerRefusal::List(ListRefusal::NotUnderstood)),
            Err(_) => Ok(None),
        };
        let body = match looked.map_err(refused)? {
            Some(text) => {
                for name in SAYS_BYTES {
                    parts.headers.remove(name);
                }
                Body::from(text)
            }
            None => Body::from(whole),
        };
        Ok(Response::from_parts(parts, body))
    }
}

impl Settings {
    fn filters(&self, kind: ListKind) -> bool {
        self.lists != Lists::All && self.manifest.has_rules(kind)
    }
}

impl Filter {
    fn new(settings: &Settings, caller: Option<&Caller>, asked: ListsAsked) -> Self {
        let reach = match (settings.lists, caller, settings.authentication) {
            (Lists::Reachable, Some(_), _) => Reach::MoreScopes,
            (Lists::Reachable, None, Authentication::Optional | Authentication::Required) => Reach::SigningIn,
            (Lists::Reachable, None, Authentication::Off) if settings.body_says => Reach::SigningIn,
            (Lists::Usable | Lists::All, ..) | (Lists::Reachable, None, Authentication::Off) => Reach::Now,
        };
        let scopes = caller.map_or_else(Scopes::none, |caller| settings.catalogue.expand(caller.scopes()));
        let (roles, manifest) = (settings.roles_of(caller), Arc::clone(&settings.manifest));
        let permissions = caller.map(Caller::permissions).unwrap_or_default().to_vec();
        Self { asked, manifest, scopes, roles, permissions, signed_in: caller.is_some(), reach }
    }
}

impl Learning {
    fn note(&self, text: &str) {
        if self.versions {
            if let Some(versions) = discovered_versions(text) {
                self.learned.discover(versions);
            }
        } else if let Some(tools) = LearnedTools::read(text) {
            self.learned.learn(self.caller.as_ref(), tools);
        }
    }
}

impl AnswerRefusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Input(refusal) => StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_GATEWAY),
            Self::List(_) | Self::Broken => StatusCode::BAD_GATEWAY,
        }
    }

    pub(super) fn into_error(self) -> RpcError {
        match self {
            Self::List(refusal) => refusal.into(),
            Self::Input(refusal) => refusal.into(),
            Self::Broken => RpcError::new(
                coatroom_protocol::access::RpcCode::InternalError,
                "the server's answer broke off",
            ),
        }
    }
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Other,
}

impl Form {
    /// An answer that does not say what it is, is JSON to some clients.
    fn of(headers: &HeaderMap) -> Self {
        let encoded = headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity");
        let essence = media_type(headers);
        let is_json = !headers.contains_key(CONTENT_TYPE)
            || essence.eq_ignore_ascii_case("application/json")
            || essence.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
        if is_json && !encoded { Self::Json } else { Self::Other }
    }
}

/// Whether this is no JSON object or array, for any reader: not even behind spaces or a byte order mark.
fn is_in_words(bytes: &[u8]) -> bool {
    let mut bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).iter();
    bytes.find(|byte| !byte.is_ascii_whitespace()).is_some_and(u8::is_ascii_alphanumeric)
}

fn has_ended(error: &axum::Error) -> bool {
    let first: Option<&(dyn std::error::Error + 'static)> = Some(error);
    std::iter::successors(first, |error| error.source()).any(<dyn std::error::Error>::is::<CallEnded>)
}

/// The beginning of a body, as it came, and what is left of it.
struct Held {
    frames: VecDeque<Bytes>,
    size: usize,
    rest: Option<Body>,
}

impl Held {
    /// Reads a body to its end, or until there is more of it than `limit`.
    async fn read(mut body: Body, limit: usize) -> Result<Self, axum::Error> {
        let (mut frames, mut size) = (VecDeque::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            size += data.len();
            frames.push_back(data);
            if size > limit {
                return Ok(Self { frames, size, rest: Some(body) });
            }
        }
        Ok(Self { frames, size, rest: None })
    }

    /// Looks for what matters without putting the frames together; across their borders too.
    fn is_wanted(&self, inspection: &Inspection) -> bool {
        let mut border: Vec<u8> = Vec::new();
        for frame in &self.frames {
            if inspection.wants(frame) {
                return true;
            }
            if self.frames.len() > 1 {
                border.extend(frame.iter().take(INPUT_REQUIRED.len()));
                if inspection.wants(&border) {
                    return true;
                }
                border.extend(
                    frame
                        .iter()
                        .skip(frame.len().saturating_sub(INPUT_REQUIRED.len()).max(INPUT_REQUIRED.len())),
                );
                let surplus = border.len().saturating_sub(INPUT_REQUIRED.len());
                border.drain(..surplus);
            }
        }
        false
    }

    /// All of it in one; without a copy where it came in one.
    fn whole(mut self) -> Bytes {
        match (self.frames.pop_front(), self.frames.is_empty()) {
            (Some(only), true) => only,
            (None, _) => Bytes::new(),
            (Some(first), false) => {
                let mut whole = Vec::with_capacity(self.size);
                whole.extend_from_slice(&first);
                self.frames.iter().for_each(|frame| whole.extend_from_slice(frame));
                whole.into()
            }
        }
    }

    fn into_body(self) -> Body {
        match (self.rest, self.frames.len()) {
            (None, 0) => Body::empty(),
            (None, 1) => Body::from(self.frames.into_iter().next().unwrap_or_default()),
            (rest, _) => Body::new(Resumed { frames: self.frames, rest: rest.unwrap_or_default() }),
        }
    }
}

/// What was held, and then the rest.
pub(super) struct Resumed {
    pub(super) frames: VecDeque<Bytes>,
    pub(super) rest: Body,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A client that declared this much is asked for nothing else.
const EVERYTHING: Capabilities = Capabilities {
    elicits_forms: true,
    elicits_urls: true,
    samples: true,
    samples_with_tools: true,
    roots: true,
};

/// The methods whose answers may ask for input.
const MAY_ASK: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// What asks for input is small. A larger answer is something else, and is not held.
const LARGEST_INPUT: usize = 64 * 1024;

/// Headers that are about the bytes of a body.
const SAYS_BYTES: [HeaderName; 5] = [
    CONTENT_LENGTH,
    ETAG,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];
