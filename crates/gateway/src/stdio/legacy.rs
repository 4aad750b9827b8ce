//! One call of a client with a session (MCP 2025-11-25 and before), whatever its server speaks.
//!
//! A server of MCP 2026-07-28 that asks for input has its requests sent to the client, and is called again with the answers.

use std::sync::Arc;
use std::time::Duration;

use coatroom::entropy::{SystemEntropy, draw};
use coatroom::protocol::bridge::asking::InputRequired;
use coatroom::protocol::bridge::calls::with_input;
use coatroom::protocol::bridge::envelope::{answer, refusal, with_id};
use coatroom::protocol::bridge::{Asked, Envelope, ModernClient, Welcome, calls, handshake};
use coatroom::protocol::words::base64url;

use super::link::{About, Calling, Event, Link};
use super::modern::ended;
use super::outbox::Resumed;
use super::process::Gone;
use super::seat::{Busy, Seat};

/// A call on its way.
pub(super) struct LegacyCall {
    seat: Arc<Seat>,
    calling: Calling,
    /// The request, and where its answer goes.
    asked: Resumed,
    is_modern: bool,
    _busy: Busy,
}

/// Sends a request to a server.
///
/// # Errors
/// [`Gone`] when the server did not get it, so that another may.
pub(super) async fn send(
    seat: &Seat,
    link: &Arc<Link>,
    (id, text): (&str, &str),
) -> Result<Option<Calling>, Gone> {
    let is_modern = link.welcome().is_some_and(Welcome::is_modern);
    // A client that said nothing else gets whatever the server logs.
    let log_level =
        if is_modern { seat.hub.log_level() } else { None }.unwrap_or_else(|| "\"debug\"".to_owned());
    let about =
        About { client_id: Some(id.to_owned()), may_be_asked: !is_modern, log_level: Some(log_level) };
    if !is_modern {
        // A client that asks before it said so has said so by that.
        let words = seat.hub.initialized().unwrap_or_else(handshake::initialized);
        seat.hub.set_initialized(&words);
        link.initialized(Some(words)).await?;
        return link.call(about, |number| calls::unchanged(text, number)).await;
    }
    let client = ModernClient { log_level: seat.hub.log_level(), ..seat.hello.client() };
    link.call(about, |number| calls::to_modern(text, number, &client)).await
}

/// The answer to what a server of MCP 2026-07-28 has no request for; `None` where it has. `id` is the client's.
pub(super) fn answered_here(
    seat: &Seat,
    link: &Link,
    method: &str,
    (id, text): (&str, &str),
) -> Option<String> {
    if !link.welcome().is_some_and(Welcome::is_modern) {
        return None;
    }
    let message = Envelope::read(text)?;
    let is_done = match method {
        "ping" => true,
        "logging/setLevel" => {
            seat.hub.set_log_level(message.param("level").map(str::to_owned));
            true
        }
        "resources/subscribe" | "resources/unsubscribe" => {
            let uri: String = serde_json::from_str(message.param("uri")?).ok()?;
            seat.hub.subscribe(&uri, method == "resources/subscribe")
        }
        _ => return None,
    };
    let refused = || refusal(id, INVALID_PARAMS, "too many subscriptions, or too long a URI");
    Some(if is_done { answer(id, "{}") } else { refused() })
}

impl LegacyCall {
    pub(super) fn new(seat: &Arc<Seat>, mut calling: Calling, asked: Resumed) -> Self {
        // In these revisions closing a stream takes nothing back.
        calling.leave_running();
        let is_modern = calling.link.welcome().is_some_and(Welcome::is_modern);
        Self { _busy: seat.busy(), seat: Arc::clone(seat), calling, asked, is_modern }
    }

    /// Waits for the answer, and tells the client.
    pub(super) async fn run(mut self) {
        while let Some(text) = self.seat.hub.take_held(&self.calling.link) {
            self.ask(&text).await;
        }
        loop {
            match self.calling.next().await {
                Some(Event::Told(text)) => drop(self.asked.outbox.say(text).await),
                Some(Event::Asked(text)) => self.ask(&text).await,
                Some(Event::Answered(text)) => {
                    match InputRequired::of_answer(&text).filter(|_| self.is_modern) {
                        None => return self.answer(&text).await,
                        Some(input) => {
                            if let Err(why) = self.provide(input).await {
                                let refused = refusal(&self.asked.id, INTERNAL, &why);
                                return self.asked.outbox.answer(refused).await;
                            }
                        }
                    }
                }
                None if self.calling.link.is_gone() => {
                    return self.asked.outbox.answer(ended(&self.calling.link, &self.asked.id)).await;
                }
                // Its client took it back, and expects no answer.
                None => return,
            }
        }
    }

    async fn answer(&self, text: &str) {
        self.remember(text);
        let answer = with_id(text, &self.asked.id);
        let unreadable = || refusal(&self.asked.id, INTERNAL, "the server's answer cannot be read");
        self.asked.outbox.answer(answer.unwrap_or_else(unreadable)).await;
    }

    /// What its next process has to be told again.
    fn remember(&self, answer: &str) {
        let (Some(asked), Some(answer)) = (Envelope::read(&self.asked.text), Envelope::read(answer)) else {
            return;
        };
        if answer.result().is_none() {
            return;
        }
        let uri = || serde_json::from_str::<String>(asked.param("uri")?).ok();
        match method_of(&asked) {
            "logging/setLevel" => drop(self.seat.hub.set_log_level(asked.param("level").map(str::to_owned))),
            "resources/subscribe" => drop(uri().map(|uri| self.seat.hub.subscribe(&uri, true))),
            "resources/unsubscribe" => drop(uri().map(|uri| self.seat.hub.subscribe(&uri, false))),
            _ => {}
        }
    }

    /// A server's own request reaches the client on the stream of this call, or on one that the session has.
    async fn ask(&self, text: &str) {
        let Some(asked) = self.seat.hub.ask(&self.calling.link, text) else { return };
        if !self.asked.outbox.say(asked.clone()).await && !self.seat.hub.say(asked) {
            self.seat.hub.asked(&self.calling.link, text);
        }
    }

    /// Asks the client for what a server of MCP 2026-07-28 wants to know, and calls that again.
    async fn provide(&mut self, input: InputRequired) -> Result<(), String> {
        let mut responses = Vec::new();
        for asked in &input.requests {
            let response = self.response_to(asked).await?;
            responses.push(format!("{}:{response}", serde_json::Value::from(asked.key.as_str())));
        }
        let responses = format!("{{{}}}", responses.join(","));
        let text = with_input(&self.asked.text, &responses, input.state.as_deref());
        let text = text.ok_or("the call cannot be made again")?;
        // Its process may have been replaced while a person thought about it.
        let mut links = self.seat.links();
        let is_there = |link: &Option<Arc<Link>>| link.as_ref().is_some_and(|link| link.is_open());
        let link = tokio::time::timeout(REPLACED, links.wait_for(is_there)).await;
        let link = link.ok().and_then(|link| link.ok().and_then(|link| link.clone()));
        let link = link.ok_or("the process has ended")?;
        let again = send(&self.seat, &link, (&self.asked.id, &text)).await;
        let mut again = again.map_err(|gone| gone.to_string())?.ok_or("the call cannot be made again")?;
        again.leave_running();
        self.calling = again;
        Ok(())
    }

    async fn response_to(&self, asked: &Asked) -> Result<String, String> {
        let fresh = draw::<16>(&SystemEntropy::new()).map_err(|error| error.to_string())?;
        let (question, answered) =
            self.seat.hub.ask_for_call(|number| asked.to_request(number, &base64url(&fresh)));
        if !self.asked.outbox.say(question.clone()).await && !self.seat.hub.say(question) {
            return Err(format!(
                "the server asks the client for {}, and there is no stream to ask on",
                asked.method
            ));
        }
        let answered = tokio::time::timeout(PATIENCE, answered).await;
        let text = answered.map_err(|_| "the client did not answer what the server asked")?;
        let text = text.map_err(|_| "the client did not answer what the server asked")?;
        let message = Envelope::read(&text);
        match message.as_ref().and_then(Envelope::result) {
            Some(result) => Ok(result.to_owned()),
            None => asked.without_answer().map(str::to_owned).ok_or_else(|| {
                let error =
                    message.and_then(|message| message.error().map(str::to_owned)).unwrap_or_default();
                format!("the client refused what the server asked it for: {error}")
            }),
        }
    }
}

fn method_of<'a>(message: &'a Envelope<'_>) -> &'a str {
    match &message.kind {
        coatroom::protocol::bridge::Kind::Request { method, .. } => method,
        _ => "",
    }
}

/// How long a client may take to answer what its user has to decide.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long another process may take to be there.
const REPLACED: Duration = Duration::from_secs(30);

const INTERNAL: i32 = -32603;
const INVALID_PARAMS: i32 = -32602;
