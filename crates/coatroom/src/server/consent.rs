//! `POST /consent`: what the person decided, and the way to the provider.
//!
//! What is approved is what the sealed flow says. The form can choose a provider and drop scopes that are optional; it can
//! neither add nor change anything. Only now does the browser get what ties it to the upstream leg.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use coatroom_protocol::errors::ErrorCode;
use coatroom_protocol::grant::Prompt;
use coatroom_protocol::words::{GrantId, Params, ProviderName, Scopes};
use http::HeaderMap;

use super::App;
use super::authorize::optional_scopes;
use super::body;
use super::flow::{self, Browser, Flow, Stage, UpstreamSecrets};
use super::hand_over::{self, Answer};
use super::upstream_leg::depart;
use super::visit::{Stop, Visit};
use crate::pages::{CHOICE_FIELD, Choice, FLOW_FIELD, SCOPE_FIELD, Trouble};
use crate::providers::UpstreamPrompt;

/// Answers `POST /consent`.
pub(super) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let mut visit = Visit::new(&app, &headers, None);
    let form = body::form(&headers, body, app.context.settings.oauth_body_limit).await;
    visit.go_on_in(language_of(&app, &visit, form.as_ref().ok()));
    match decide(&app, &visit, form.as_ref().ok()).await {
        Ok(response) => response,
        Err(stop) => visit.stopped(stop),
    }
}

fn language_of(app: &App, visit: &Visit<'_>, form: Option<&Params>) -> Option<String> {
    let sealed = form?.one(FLOW_FIELD).ok()??;
    flow::language_of(&app.context, Stage::Asked, &Browser::of(&visit.jar)?, sealed)
}

async fn decide(app: &App, visit: &Visit<'_>, form: Option<&Params>) -> Result<Response, Stop> {
    if !visit.is_same_origin() {
        return Err(Stop::Trouble(Trouble::NoCookie));
    }
    let browser = Browser::of(&visit.jar).ok_or(Stop::Trouble(Trouble::NoCookie))?;
    let form = form.ok_or(Stop::Trouble(Trouble::Expired))?;
    let one = |name| form.one(name).ok().flatten().ok_or(Stop::Trouble(Trouble::Expired));
    let flow: Option<Flow> = flow::open(&app.context, Stage::Asked, &browser, one(FLOW_FIELD)?);
    let flow = flow.ok_or(Stop::Trouble(Trouble::Expired))?;
    let (provider, other_account) = match Choice::parse(one(CHOICE_FIELD)?) {
        None => return Err(Stop::Trouble(Trouble::Expired)),
        Some(Choice::Deny) => {
            return hand_over::to_client(app, visit, &flow, Answer::Error(ErrorCode::AccessDenied));
        }
        Some(Choice::Continue(provider)) => (provider, false),
        Some(Choice::OtherAccount(provider)) => (provider, true),
    };
    let approval = Approval::new(flow.clone(), form, provider, other_account);
    let approved = approve(app, visit, &browser, approval).await;
    Ok(approved.unwrap_or_else(|stop| hand_over::stopped(app, visit, &flow, stop)))
}

/// What the person agreed to.
struct Approval {
    flow: Flow,
    kept: Scopes,
    provider: ProviderName,
    other_account: bool,
}

impl Approval {
    fn new(flow: Flow, form: &Params, provider: ProviderName, other_account: bool) -> Self {
        let kept = form.many(SCOPE_FIELD).filter_map(|scope| scope.parse().ok()).collect();
        Self { flow, kept, provider, other_account }
    }
}

async fn approve(
    app: &App,
    visit: &Visit<'_>,
    browser: &Browser,
    approval: Approval,
) -> Result<Response, Stop> {
    let context = &app.context;
    let Approval { mut flow, kept, provider, other_account } = approval;
    let resource = context.resources.get(&flow.resource).ok_or(Stop::Trouble(Trouble::Expired))?;
    let place = context.sign_in_at(&provider).filter(|place| resource.offers(place.name()));
    let place = place.ok_or(Stop::Trouble(Trouble::Expired))?;
    let dropped = optional_scopes(&flow.scopes, &resource.scopes).difference(&kept);
    let asked = std::mem::replace(&mut flow.scopes, Scopes::none());
    flow.scopes = asked.difference(&dropped);
    tracing::info!(
        grant.id = %GrantId::of_flow(&flow.id),
        client = %flow.client,
        asked = %asked,
        agreed = %flow.scopes,
        "a person agreed to scopes"
    );
    flow.upstream = Some(UpstreamSecrets::draw(context)?);
    let prompt = match (other_account, flow.prompt) {
        (true, _) | (_, Prompt::SelectAccount) => Some(UpstreamPrompt::SelectAccount),
        (false, Prompt::Login) => Some(UpstreamPrompt::Login),
        (false, Prompt::AsNeeded | Prompt::None) => None,
    };
    depart(app, visit, browser, &flow, (place, prompt)).await
}
