//! `POST /connect`: what the person decided, and the way to a provider.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use coatroom_protocol::words::Params;
use http::HeaderMap;

use super::{Errand, Leg, Ready, Standing, ended, page, standing};
use crate::context::SignInAt;
use crate::pages::{CHOICE_FIELD, ConnectChoice, ConnectEnd, FLOW_FIELD, Trouble};
use crate::providers::UpstreamPrompt;
use crate::server::flow::{self, Browser, Stage, UpstreamSecrets};
use crate::server::upstream_leg::depart;
use crate::server::visit::{Stop, Visit};
use crate::server::{App, body};

/// Answers `POST /connect`.
pub(in crate::server) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let form = body::form(&headers, body, app.context.settings.oauth_body_limit).await;
    decide(&app, &visit, form.as_ref().ok()).await.unwrap_or_else(|stop| visit.stopped(stop))
}

async fn decide(app: &App, visit: &Visit<'_>, form: Option<&Params>) -> Result<Response, Stop> {
    if !visit.is_same_origin() {
        return Err(Stop::Trouble(Trouble::NoCookie));
    }
    let browser = Browser::of(&visit.jar).ok_or(Stop::Trouble(Trouble::NoCookie))?;
    let form = form.ok_or(Stop::Trouble(Trouble::Expired))?;
    let one = |name| form.one(name).ok().flatten().ok_or(Stop::Trouble(Trouble::Expired));
    let sealed = one(FLOW_FIELD)?;
    let errand: Option<Errand> = flow::open(&app.context, Stage::ConnectAsked, &browser, sealed);
    let errand = errand.ok_or(Stop::Trouble(Trouble::Expired))?;
    let choice = ConnectChoice::parse(one(CHOICE_FIELD)?).ok_or(Stop::Trouble(Trouble::Expired))?;
    let standing = standing(app, visit, &errand.grant, &errand.provider).await?;
    match (&standing, choice) {
        (Standing::Ready(ready), ConnectChoice::Connect) => {
            let Ready { provider, .. } = ready.as_ref();
            leave(
                app,
                visit,
                Departure {
                    browser,
                    errand,
                    leg: Leg::Connect,
                    place: SignInAt::Provider(provider),
                    prompt: None,
                },
            )
            .await
        }
        (Standing::Ready(ready), ConnectChoice::Cancel) => {
            Ok(ended(app, visit, &errand, &ready.record, ConnectEnd::Cancelled))
        }
        (Standing::Stranger { identity, .. }, ConnectChoice::SignIn | ConnectChoice::OtherAccount) => {
            let prompt = (choice == ConnectChoice::OtherAccount).then_some(UpstreamPrompt::SelectAccount);
            leave(app, visit, Departure { browser, errand, leg: Leg::SignIn, place: *identity, prompt }).await
        }
        // The page was old, and things stand otherwise by now: here is how.
        _ => Ok(page(app, visit, &errand, (sealed, &standing))),
    }
}

/// A person who leaves for a provider.
struct Departure<'a> {
    browser: Browser,
    errand: Errand,
    leg: Leg,
    place: SignInAt<'a>,
    prompt: Option<UpstreamPrompt>,
}

async fn leave(app: &App, visit: &Visit<'_>, departure: Departure<'_>) -> Result<Response, Stop> {
    let Departure { browser, mut errand, leg, place, prompt } = departure;
    errand.leg = Some(leg);
    errand.upstream = Some(UpstreamSecrets::draw(&app.context)?);
    depart(app, visit, &browser, &errand, (place, prompt)).await
}
