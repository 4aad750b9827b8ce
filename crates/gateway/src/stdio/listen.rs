//! Clients that listen to changes, whichever way their server tells of them.

use std::sync::Arc;

use coatroom::protocol::bridge::envelope::with_id;
use coatroom::protocol::bridge::{Envelope, Filter, Kind, Outgoing, Welcome, calls, listening};
use futures_util::future::join_all;
use tokio::sync::watch;

use super::link::{About, Calling, Event, Link};
use super::outbox::Resumed;
use super::seat::Seat;

/// Answers `subscriptions/listen` of MCP 2026-07-28: a stream that lasts, whatever becomes of processes meanwhile.
pub(super) async fn for_client(seat: Arc<Seat>, asked: Resumed) {
    let filter = Filter::of_request(&asked.text);
    // Whoever only wants to hear of lists asks for them again when there is a process.
    let _busy = (!filter.uris.is_empty()).then(|| seat.busy());
    let mut links = seat.links();
    let mut is_acknowledged = false;
    loop {
        let link = links.borrow_and_update().clone().filter(|link| link.is_open());
        let heard = async {
            match link {
                Some(link) if link.welcome().is_some_and(Welcome::is_modern) => {
                    hear_modern(&asked, &link, &mut is_acknowledged).await
                }
                Some(link) => hear_legacy(&seat, &asked, (&link, &filter), &mut is_acknowledged).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            goes_on = heard => if !goes_on { return },
            () = asked.outbox.closed() => return,
            changed = links.changed() => if changed.is_err() { return },
            () = seat.given_up() => return asked.outbox.answer(listening::ended(&asked.id)).await,
        }
    }
}

/// Whether there is more to hear.
async fn hear_modern(asked: &Resumed, link: &Arc<Link>, is_acknowledged: &mut bool) -> bool {
    let calling = link.call(About::default(), |number| calls::unchanged(&asked.text, number)).await;
    let Ok(Some(mut calling)) = calling else { return wait_for_end(link).await };
    loop {
        match calling.next().await {
            Some(Event::Told(text)) => {
                let is_first = text.contains(listening::ACKNOWLEDGED);
                if is_first && std::mem::replace(is_acknowledged, true) {
                    continue;
                }
                if let Some(text) = listening::tagged(&text, &asked.id) {
                    asked.outbox.say_if_room(text);
                }
            }
            Some(Event::Answered(text)) => {
                let message = Envelope::read(&text);
                let is_error = message.is_some_and(|message| matches!(message.kind, Kind::Error { .. }));
                let refused = with_id(&text, &asked.id).filter(|_| is_error);
                asked.outbox.answer(refused.unwrap_or_else(|| listening::ended(&asked.id))).await;
                return false;
            }
            Some(Event::Asked(_)) => {}
            None if link.is_gone() => return true,
            None => {
                asked.outbox.answer(listening::ended(&asked.id)).await;
                return false;
            }
        }
    }
}

async fn hear_legacy(
    seat: &Arc<Seat>,
    asked: &Resumed,
    (link, filter): (&Arc<Link>, &Filter),
    is_acknowledged: &mut bool,
) -> bool {
    let Some(welcome) = link.welcome() else { return wait_for_end(link).await };
    let honoured = filter.clone().honoured(welcome);
    let mut heard = seat.hub.listen(&asked.id, honoured.clone());
    join_all(honoured.uris.iter().map(|uri| subscribe(link, uri))).await;
    if !std::mem::replace(is_acknowledged, true) {
        asked.outbox.say(listening::acknowledged(&asked.id, &honoured)).await;
    }
    while let Some(text) = heard.events.recv().await {
        asked.outbox.say(text).await;
    }
    true
}

/// Listens at a server of MCP 2026-07-28 on behalf of a session, whose client hears of changes without asking, until the process ends.
pub(super) async fn for_session(seat: Arc<Seat>, link: Arc<Link>) {
    let Some(welcome) = link.welcome().cloned() else { return };
    let mut subscriptions = seat.hub.subscriptions();
    let client = seat.hello.client();
    loop {
        let uris = subscriptions.borrow_and_update().clone();
        let filter = Filter::of_server(&welcome, uris);
        let hearing = async {
            if filter.is_empty() {
                return std::future::pending().await;
            }
            let write =
                |number| Some(Outgoing { text: listening::listen(number, &filter, &client)?, token: None });
            let Ok(Some(calling)) = link.call(About::default(), write).await else { return };
            hear_for_session(&seat, calling).await;
        };
        tokio::select! {
            () = hearing => return,
            () = link.process().ended() => return,
            changed = subscriptions.changed() => if changed.is_err() { return },
            () = retired(seat.links(), &link) => return,
        }
    }
}

async fn hear_for_session(seat: &Seat, mut calling: Calling) {
    while let Some(event) = calling.next().await {
        match event {
            Event::Told(text) if text.contains(listening::ACKNOWLEDGED) => {}
            Event::Told(text) => {
                if let Some(text) = listening::untagged(&text) {
                    seat.hub.say(text);
                }
            }
            Event::Asked(_) => {}
            Event::Answered(_) => return,
        }
    }
}

/// Completes when another process, or none, takes the place of this one.
async fn retired(mut links: watch::Receiver<Option<Arc<Link>>>, link: &Arc<Link>) {
    // It may not be in its place yet.
    let is_there = |now: &Option<Arc<Link>>| now.as_ref().is_some_and(|now| Arc::ptr_eq(now, link));
    if links.wait_for(is_there).await.is_ok() {
        let _ = links.wait_for(|now| !is_there(now)).await;
    }
}

/// Lets a server of an older revision tell of a resource. What it answers changes nothing.
pub(super) async fn subscribe(link: &Arc<Link>, uri: &str) {
    if let Ok(calling) = link.request("resources/subscribe", &params_of(uri)).await {
        calling.answer_soon().await;
    }
}

/// The params of a request about one resource.
pub(super) fn params_of(uri: &str) -> String {
    serde_json::json!({ "uri": uri }).to_string()
}

async fn wait_for_end(link: &Link) -> bool {
    link.process().ended().await;
    true
}
