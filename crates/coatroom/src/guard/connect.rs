//! Calls whose user must connect a further provider first: what a handler says, and what the client hears.
//!
//! Whatever stands behind the guard answers with [`GuardAnswer::Connect`](super::call::GuardAnswer::Connect), and the guard writes
//! the answer that this client understands (`coatroom_protocol::access::elicitation`). A call that the client makes again afterwards is checked and
//! restored here, before anything of it is judged.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::response::Response;
use coatroom_protocol::access::elicitation::{self, Reply, Speaker, Unconnected};
use coatroom_protocol::access::retry::{self, Action, StateRefusal};
use coatroom_protocol::access::{Era, Field, Id, Judged, Message, RpcCode, RpcError};
use coatroom_protocol::words::{ProviderName, base64url, sha256};
use http::{HeaderMap, StatusCode};
use memchr::memmem;

use super::caller::Caller;
use super::headers::{PROTOCOL_VERSION, field};
use super::respond::{Refusal, json, reads_results};
use super::settings::Settings;
use crate::context::{CallOf, ConnectLink, Context, STATE_MARK, link_address, state_prefix};
use crate::entropy::NoEntropy;

/// What leads users to the page where they connect a provider.
#[derive(Debug)]
pub(crate) struct Connecting {
    context: Arc<Context>,
    /// Whether users are expected to connect something here.
    pub(super) expected: bool,
}

impl Connecting {
    #[cfg(feature = "server")]
    pub(crate) const fn new(context: Arc<Context>, expected: bool) -> Self {
        Self { context, expected }
    }

    fn unconnected(&self, caller: &Caller, provider: &ProviderName) -> Result<Unconnected, NoEntropy> {
        let context = &self.context;
        let known = context.provider(provider);
        // Who signs in anew at the identity provider does so by the challenge of a 401, and never here.
        let link = known.filter(|_| *provider != caller.user().subject.provider);
        let link = link.map(|_| ConnectLink::new(context, caller.grant(), provider.clone()).seal(context));
        let link = link.transpose()?;
        let id = link.as_deref().map(|sealed| sha256(sealed.as_bytes())).unwrap_or_default();
        Ok(Unconnected {
            name: provider.to_string(),
            label: known.map_or_else(|| provider.to_string(), |provider| provider.label().to_owned()),
            link: link.map(|sealed| link_address(context, &sealed)),
            id: base64url(id.first_chunk::<16>().unwrap_or(&[0; 16])),
        })
    }
}

/// A call, as far as the answer to its client may need it.
pub(super) struct Asked {
    pub(super) era: Era,
    version: Option<String>,
    /// Whether the client declared URL mode when its session began.
    url_mode: bool,
    pub(super) judged: Arc<Judged<'static>>,
    pub(super) body: Bytes,
    /// Whether its client hears of a lack of scopes in the result of its tool.
    pub(super) reads_results: bool,
    /// What the client answered when it was asked before.
    answers: HashMap<String, Action>,
}

impl Asked {
    pub(super) fn new(
        era: Era,
        headers: &HeaderMap,
        body: &Bytes,
        (judged, answers): (Judged<'static>, HashMap<String, Action>),
    ) -> Self {
        let version = match field(headers, &PROTOCOL_VERSION) {
            Field::Text(version) => Some(version.to_owned()),
            Field::Absent | Field::Malformed => None,
        };
        let (judged, body, reads_results) = (Arc::new(judged), body.clone(), reads_results(headers));
        Self { era, version, url_mode: false, judged, body, reads_results, answers }
    }

    /// The same in a session whose client declared URL mode, or did not.
    pub(super) fn in_session(self, url_mode: bool) -> Self {
        Self { url_mode, ..self }
    }

    /// Whether it is the handshake of a client that declares URL mode.
    pub(super) fn declares(asked: Option<&Self>) -> bool {
        asked.is_some_and(|asked| elicitation::declared_at_initialize(&asked.judged, &asked.body))
    }

    /// Whether its client declared URL mode, in the way of its era.
    fn may_open_links(&self) -> bool {
        let Judged::One(Message::Request { call, .. }) = self.judged.as_ref() else { return false };
        match self.era {
            Era::Modern => call.meta.capabilities.is_some_and(|declared| declared.elicits_urls),
            Era::Legacy => self.url_mode,
        }
    }
}

/// A call as it was first made, and what the client answered when it was asked.
pub(super) struct Restored {
    pub(super) body: Bytes,
    pub(super) answers: HashMap<String, Action>,
}

impl Settings {
    /// Restores a call that a client makes again upon a state of ours. `None` is any other call.
    pub(super) fn restore(
        &self,
        caller: Option<&Caller>,
        era: Era,
        (judged, body): (&Judged<'_>, &Bytes),
    ) -> Result<Option<Restored>, Refusal> {
        let again = match (era, &self.connecting, caller) {
            (Era::Modern, Some(connecting), Some(caller)) => retried(connecting, caller, body),
            _ => Ok(None),
        };
        again.map_err(|reason| {
            tracing::debug!(%reason, "a state was refused");
            Refusal::State(reason, judged.id().cloned().map(Id::into_owned))
        })
    }

    /// The answer to a call whose user must connect something first.
    pub(super) fn lead_there(
        &self,
        caller: Option<&Caller>,
        asked: Option<&Asked>,
        needed: &[ProviderName],
    ) -> Result<Response, Refusal> {
        let caller = caller.ok_or_else(|| Refusal::NoToken(self.challenger.baseline.clone()))?;
        lead_there(self.connecting.as_ref(), caller, asked, needed).map_err(|_| Refusal::Unavailable)
    }

    /// Whether a session of ours begins at a server that has none: its users have something to connect, and only a
    /// session can tell later that the client declared how it wants to hear of it.
    pub(super) fn remembers_url_mode(&self, caller: Option<&Caller>, response: &Response) -> bool {
        let expected = self.connecting.as_ref().is_some_and(|connecting| connecting.expected);
        expected && caller.is_some() && response.status().is_success()
    }
}

/// Finds what each of our states begins with.
static MAY_BE_OURS: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(STATE_MARK.as_bytes()));

/// `None` for a call that has no state of ours.
fn retried(connecting: &Connecting, caller: &Caller, body: &Bytes) -> Result<Option<Restored>, StateRefusal> {
    // Nearly every call ends here, unread.
    if MAY_BE_OURS.find(body).is_none() {
        return Ok(None);
    }
    let prefix = state_prefix(caller.resource());
    let text = std::str::from_utf8(body).ok().filter(|text| text.contains(&prefix));
    let Some((text, retry)) = text.and_then(|text| Some((text, retry::read(text)?))) else { return Ok(None) };
    if !retry.state.starts_with(&prefix) {
        return Ok(None);
    }
    let digest = retry::digest(text).ok_or(StateRefusal::OtherCall)?;
    let call = CallOf { grant: &caller.grant(), resource: caller.resource() };
    call.check_state(&connecting.context, &retry.state, &digest)?;
    let body = retry::original(text).map_or_else(|| body.clone(), Bytes::from);
    Ok(Some(Restored { body, answers: retry.answers }))
}

/// The answer to a call whose user has to connect these providers first.
pub(super) fn lead_there(
    connecting: Option<&Connecting>,
    caller: &Caller,
    asked: Option<&Asked>,
    needed: &[ProviderName],
) -> Result<Response, NoEntropy> {
    let Some(asked) = asked else { return Ok(not_asked()) };
    let plain = |provider: &ProviderName| Unconnected {
        name: provider.to_string(),
        label: provider.to_string(),
        link: None,
        id: String::new(),
    };
    let unconnected = needed.iter().map(|provider| match connecting {
        Some(connecting) => connecting.unconnected(caller, provider),
        None => Ok(plain(provider)),
    });
    let missing: Vec<Unconnected> = unconnected.collect::<Result<_, _>>()?;
    let said_no = |it: &&Unconnected| {
        matches!(asked.answers.get(&elicitation::key_of(&it.name)), Some(Action::Decline | Action::Cancel))
    };
    let declined: Vec<Unconnected> = missing.iter().filter(said_no).cloned().collect();
    let names: Vec<&str> = needed.iter().map(ProviderName::as_str).collect();
    tracing::debug!(
        grant.id = %caller.grant(),
        providers = names.join(" "),
        declined = !declined.is_empty(),
        "a call needs what its user has not connected"
    );
    let reply = if declined.is_empty() {
        let declared = asked.may_open_links();
        let speaker = Speaker { era: asked.era, version: asked.version.as_deref(), declared };
        let state = state(connecting, caller, asked).transpose()?;
        elicitation::ask(speaker, &asked.judged, &missing, state.as_deref())
    } else {
        elicitation::give_up(asked.era, &asked.judged, &declined)
    };
    Ok(reply.map_or_else(not_asked, |Reply { status, body }| {
        json(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body)
    }))
}

/// What the client echoes when it makes this call again; only MCP 2026-07-28 does.
fn state(
    connecting: Option<&Connecting>,
    caller: &Caller,
    asked: &Asked,
) -> Option<Result<String, NoEntropy>> {
    let connecting = connecting.filter(|_| asked.era == Era::Modern)?;
    let digest = retry::digest(std::str::from_utf8(&asked.body).ok()?)?;
    let call = CallOf { grant: &caller.grant(), resource: caller.resource() };
    Some(call.seal_state(&connecting.context, &digest))
}

/// For what waits for no answer: a notification, or a stream.
fn not_asked() -> Response {
    let error = RpcError::new(RpcCode::Refused, "the user has not connected what this needs");
    json(StatusCode::FORBIDDEN, error.to_json(None))
}
