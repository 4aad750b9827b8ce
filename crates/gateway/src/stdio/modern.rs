//! One call of a client of MCP 2026-07-28, whatever its server speaks.
//!
//! An older server that asks something in the middle of a call keeps it: the client is answered with a result that asks for input, and
//! when it calls again, the same call goes on.

use std::sync::Arc;
use std::time::Duration;

use coatroom::entropy::{SystemEntropy, draw};
use coatroom::protocol::access::{Capabilities, RpcError, check_input_required};
use coatroom::protocol::bridge::asking::{essence, input_required};
use coatroom::protocol::bridge::envelope::{answer, refusal, with_id};
use coatroom::protocol::bridge::{Asked, Envelope, Kind, Retried, UrlElicitation, Welcome, calls, results};
use coatroom::protocol::words::base64url;
use tokio::sync::mpsc;

use super::link::{About, Calling, Event, Link};
use super::outbox::Resumed;
use super::process::Gone;
use super::seat::{Busy, Seat};

/// A call on its way.
pub(super) struct ModernCall {
    seat: Arc<Seat>,
    calling: Calling,
    method: String,
    /// What the client said that it can be asked for.
    declared: Capabilities,
    /// The request as it came last, and where its answer goes.
    asked: Resumed,
    /// How many questions the server has asked.
    questions: usize,
    _busy: Busy,
}

/// What becomes of a call after an event.
enum Next {
    GoOn,
    Done,
}

/// Sends a request to a server.
///
/// # Errors
/// [`Gone`] when the server did not get it, so that another may.
pub(super) async fn send(
    seat: &Seat,
    link: &Arc<Link>,
    (method, text): (&str, &str),
    log_level: Option<String>,
) -> Result<Option<Calling>, Gone> {
    let is_modern = link.welcome().is_some_and(Welcome::is_modern);
    // On stdio an older server does not say which call it asks or logs about.
    let is_known = is_modern || !is_shared(seat);
    let about = About {
        client_id: None,
        may_be_asked: !is_modern && is_known && ASKING.contains(&method),
        log_level: log_level.filter(|_| is_known),
    };
    let write =
        |number| if is_modern { calls::unchanged(text, number) } else { calls::to_legacy(text, number) };
    link.call(about, write).await
}

/// The answer that needs no server: what an older one said when it was met.
pub(super) fn discovered(link: &Link, id: &str, method: &str) -> Option<String> {
    let welcome = link.welcome().filter(|welcome| method == "server/discover" && !welcome.is_modern())?;
    Some(answer(id, &results::completed(&welcome.to_discover(), method, welcome)?))
}

/// Lets an older server send log messages from a level on, as a request wants; the level is JSON text.
pub(super) async fn set_log_level(seat: &Seat, link: &Arc<Link>, level: &str) {
    if !link.welcome().is_some_and(|welcome| !welcome.is_modern() && welcome.has("logging")) {
        return;
    }
    if seat.hub.set_log_level(Some(level.to_owned())).as_deref() == Some(level) {
        return;
    }
    if let Ok(calling) = link.request("logging/setLevel", &format!(r#"{{"level":{level}}}"#)).await {
        calling.answer_soon().await;
    }
}

impl ModernCall {
    pub(super) fn new(
        seat: &Arc<Seat>,
        calling: Calling,
        (method, declared): (String, Capabilities),
        asked: Resumed,
    ) -> Self {
        Self { _busy: seat.busy(), seat: Arc::clone(seat), calling, method, declared, asked, questions: 0 }
    }

    /// Waits for the answer, and tells the client.
    pub(super) async fn run(mut self) {
        if ASKING.contains(&self.method.as_str()) && !self.is_modern() {
            while let Some(text) = self.seat.hub.take_held(&self.calling.link) {
                if let Next::Done = self.ask(text).await {
                    return;
                }
            }
        }
        loop {
            let event = tokio::select! {
                event = self.calling.next() => event,
                // The client takes the request back: that is what closing its stream means.
                () = self.asked.outbox.closed() => return,
            };
            let next = match event {
                // Nobody waits for a stranger who does not read.
                Some(Event::Told(text)) if is_shared(&self.seat) => {
                    self.asked.outbox.say_if_room(text);
                    Next::GoOn
                }
                Some(Event::Told(text)) => {
                    self.asked.outbox.say(text).await;
                    Next::GoOn
                }
                Some(Event::Asked(text)) => self.ask(text).await,
                Some(Event::Answered(text)) => {
                    self.answer(&text).await;
                    Next::Done
                }
                None => {
                    self.asked.outbox.answer(ended(&self.calling.link, &self.asked.id)).await;
                    Next::Done
                }
            };
            if let Next::Done = next {
                return;
            }
        }
    }

    fn is_modern(&self) -> bool {
        self.calling.link.welcome().is_some_and(Welcome::is_modern)
    }

    async fn answer(&self, text: &str) {
        let id = &self.asked.id;
        let answer = if self.is_modern() {
            with_id(text, id)
        } else if let Some(links) = UrlElicitation::of_answer(text) {
            Some(links.to_modern(id))
        } else {
            self.calling
                .link
                .welcome()
                .and_then(|welcome| results::to_modern(text, id, &self.method, welcome))
        };
        self.asked
            .outbox
            .answer(answer.unwrap_or_else(|| refusal(id, INTERNAL, "the server's answer cannot be read")))
            .await;
    }

    /// An older server asks something: the client is asked for it, and calls again with the answer.
    async fn ask(&mut self, text: String) -> Next {
        let Some(first) = self.question(&text) else { return Next::GoOn };
        let mut pending = vec![first];
        loop {
            let Some(state) = draw::<16>(&SystemEntropy::new()).ok().map(|bytes| base64url(&bytes)) else {
                return self.refuse(&pending, "there are no random numbers").await;
            };
            let question = input_required(&self.asked.id, &pending, Some(&state));
            if let Err(refusal) = check_input_required(&self.method, self.declared, &question) {
                self.asked
                    .outbox
                    .answer(
                        with_id(&RpcError::from(refusal).to_json(None), &self.asked.id).unwrap_or_default(),
                    )
                    .await;
                self.decline(&pending, "the client cannot be asked for this");
                return Next::Done;
            }
            // Only then is it there to be found.
            let (sender, mut resumed) = mpsc::channel(1);
            self.seat.hub.park(&state, sender);
            self.asked.outbox.answer(question).await;
            let woken = self.wait(&mut resumed, &mut pending).await;
            self.seat.hub.unpark(&state);
            // Whoever comes with the same state at the same time comes too late.
            resumed.close();
            while let Some(late) = resumed.recv().await {
                late.outbox.answer(refusal(&late.id, INVALID_PARAMS, NO_STATE)).await;
            }
            let answered = match woken {
                Woken::Resumed(asked) => {
                    self.calling.set_token(progress_token(&asked.text));
                    self.asked = asked;
                    None
                }
                Woken::Answered(text, asked) => {
                    self.asked = asked;
                    Some(text)
                }
                Woken::Ended(asked) => {
                    asked.outbox.answer(ended(&self.calling.link, &asked.id)).await;
                    return Next::Done;
                }
                Woken::NobodyCame => {
                    self.decline(&pending, "nobody answered");
                    return Next::Done;
                }
            };
            if let Some(text) = answered {
                self.answer(&text).await;
                return Next::Done;
            }
            let retried = Retried::of_request(&self.asked.text);
            pending.retain(|asked| match retried.response(&asked.key) {
                Some(response) => {
                    self.calling.link.tell_soon(answer(&asked.id, response));
                    false
                }
                None => true,
            });
            if pending.is_empty() {
                return Next::GoOn;
            }
        }
    }

    /// Waits until the client calls again. What the server says meanwhile is about a request that its client does not wait for; what it
    /// asks is asked with the rest.
    async fn wait(&mut self, resumed: &mut mpsc::Receiver<Resumed>, pending: &mut Vec<Asked>) -> Woken {
        let mut patience = std::pin::pin!(tokio::time::sleep(PARKED));
        let mut answered = None;
        let mut has_ended = false;
        loop {
            tokio::select! {
                event = self.calling.next(), if answered.is_none() && !has_ended => match event {
                    Some(Event::Asked(text)) => pending.extend(self.question(&text)),
                    Some(Event::Answered(text)) => answered = Some(text),
                    Some(Event::Told(_)) => {}
                    None => has_ended = true,
                },
                Some(again) = resumed.recv() => {
                    if essence(&again.text) != essence(&self.asked.text) {
                        let why = "this requestState belongs to another call";
                        again.outbox.answer(refusal(&again.id, INVALID_PARAMS, why)).await;
                        continue;
                    }
                    return match answered {
                        Some(text) => Woken::Answered(text, again),
                        None if has_ended => Woken::Ended(again),
                        None => Woken::Resumed(again),
                    };
                }
                () = &mut patience => return Woken::NobodyCame,
            }
        }
    }

    fn question(&mut self, text: &str) -> Option<Asked> {
        let message = Envelope::read(text)?;
        let Kind::Request { id, method } = &message.kind else { return None };
        self.questions += 1;
        Some(Asked {
            key: format!("question-{}", self.questions),
            id: (*id).to_owned(),
            method: method.clone(),
            params: message.params().unwrap_or("{}").to_owned(),
        })
    }

    async fn refuse(&self, pending: &[Asked], why: &str) -> Next {
        self.decline(pending, why);
        self.asked.outbox.answer(refusal(&self.asked.id, INTERNAL, why)).await;
        Next::Done
    }

    fn decline(&self, pending: &[Asked], why: &str) {
        for asked in pending {
            self.calling.link.tell_soon(refusal(&asked.id, METHOD_NOT_FOUND, why));
        }
    }
}

enum Woken {
    Resumed(Resumed),
    Answered(String, Resumed),
    Ended(Resumed),
    NobodyCame,
}

/// Whether its process serves people who are not told apart.
fn is_shared(seat: &Seat) -> bool {
    seat.key.grant.is_none()
}

fn progress_token(text: &str) -> Option<String> {
    Envelope::read(text)?.meta("progressToken").map(str::to_owned)
}

/// What a client hears whose server ended before it answered. Nobody knows how far it came, so it is for the client to call again.
pub(super) fn ended(link: &Link, id: &str) -> String {
    let last_words = link.process().last_words();
    let said = if last_words.is_empty() { String::new() } else { format!(". It wrote last:\n{last_words}") };
    let why = format!(
        "the MCP server's process ended before it answered; the call may have been carried out{said}"
    );
    refusal(id, SERVER_ERROR, &why)
}

/// The requests that may be answered by asking for input.
const ASKING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// How long a call waits for its client's input.
const PARKED: Duration = Duration::from_mins(10);

const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL: i32 = -32603;
pub(super) const NO_STATE: &str =
    "this requestState is not known, or has expired; make the call again without it";
pub(super) const SERVER_ERROR: i32 = -32000;
