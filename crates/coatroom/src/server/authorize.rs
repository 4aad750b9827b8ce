//! `GET /authorize`: checks the request and asks the person (OAuth 2.1 §4.1.1).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::client::{Client, ClientOrigin, ClientUrl, RedirectRefusal, RedirectUri};
use coatroom_protocol::errors::{ErrorCode, OAuthError, Shown};
use coatroom_protocol::grant::{
    AuthorizationRequest, AuthorizeRefusal, Prompt, ReturnPath, asking_client, check_form, check_request,
    return_path,
};
use coatroom_protocol::words::{ClientId, FlowId, Params, ScopeCatalogue, Scopes};
use http::header::{HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode, Uri};

use super::App;
use super::cookies;
use super::flow::{self, Browser, Flow, Stage, fits};
use super::logos;
use super::session::Session;
use super::visit::{Stop, Visit};
use crate::allowance::ClientAddress;
use crate::client_documents::DocumentFailure;
use crate::context::{ClientRefusal, FoundClient, SignInAt};
use crate::entropy::draw;
use crate::error::Error;
use crate::pages::{
    AskedScope, AskingClient, ClientProof, ConsentPage, McpServer, OfferedProvider, SignedIn, Trouble,
    UsedAccount,
};
use crate::records::{self, GrantRecord};

/// Answers `GET /authorize`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    address: Option<Extension<ClientAddress>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let params = Params::parse(query);
    let ui_locales = params.as_ref().ok().and_then(|params| params.one("ui_locales").ok().flatten());
    let visit = Visit::new(&app, &headers, ui_locales);
    let params = match params {
        Ok(params) => params,
        Err(refusal) => return visit.stop(&AuthorizeRefusal::Unreadable(refusal).into()),
    };
    match ask(&app, &visit, &params, address.map(|Extension(address)| address)).await {
        Ok(response) => response,
        Err(stop) => visit.stopped(stop),
    }
}

async fn ask(
    app: &App,
    visit: &Visit<'_>,
    params: &Params,
    address: Option<ClientAddress>,
) -> Result<Response, Stop> {
    let context = &app.context;
    let client_id = asking_client(params).map_err(Stop::from_refusal)?;
    may_fetch(app, params, &client_id, address)?;
    let found = context.asking_client(&client_id).await.map_err(|refusal| no_client(&client_id, refusal))?;
    let client = &found.client;
    let back = return_path(params, client, &context.redirect_prefixes).map_err(|refusal| match refusal {
        AuthorizeRefusal::Redirect(RedirectRefusal::NotRegistered) => {
            Stop::Trouble(Trouble::UnregisteredRedirect)
        }
        refusal => Stop::from_refusal(refusal),
    })?;
    // A client id outlives the lists of schemes and hosts under which it was registered.
    let is_listed = RedirectUri::parse(back.redirect_uri.as_str(), &context.app_uris)
        .is_ok_and(|uri| context.redirect_hosts.permit(&uri));
    if !is_listed && !client.is_trusted() {
        return Err(Stop::Trouble(Trouble::UnregisteredRedirect));
    }
    let session = Session::of(context, &visit.jar).await?;
    let request = check_request(params, client, &context.resources).map_err(OAuthError::from);
    let request = request.and_then(|request| refuse_silence(request, session.is_some()));
    match request {
        Ok(request) => {
            let asked = Asked { found: &found, client, back: &back, request: &request };
            consent_page(app, visit, &asked, session.as_ref()).await
        }
        Err(error) => Ok(refuse(app, visit, client, &back, &error)),
    }
}

/// Whether a document may be fetched for this request, if it takes a fetch to know the client: strangers make us fetch by
/// requests that lead to a page, and not too often.
fn may_fetch(
    app: &App,
    params: &Params,
    client_id: &ClientId,
    address: Option<ClientAddress>,
) -> Result<(), Stop> {
    let documents = &app.context.client_documents;
    let Ok(url) = ClientUrl::parse(client_id.as_str()) else { return Ok(()) };
    if documents.are_off() || documents.permit(&url).is_err() || documents.fresh(&url).is_some() {
        return Ok(());
    }
    check_form(params, &app.context.resources)
        .map_err(|refusal| Stop::Refused(OAuthError::page(ErrorCode::InvalidRequest, refusal.to_string())))?;
    let now = app.context.clock.elapsed();
    app.limits.may_fetch(address, now).map_err(|_| Stop::Trouble(Trouble::DocumentsBusy))
}

/// What a person reads when there is no client to speak of.
fn no_client(id: &ClientId, refusal: ClientRefusal) -> Stop {
    let failure = match refusal {
        ClientRefusal::Unknown => return Stop::Trouble(Trouble::UnknownClient),
        ClientRefusal::Blocked => return Stop::Trouble(Trouble::BlockedClient),
        ClientRefusal::Inside(error) => return Stop::Inside(error),
        ClientRefusal::Document(failure) => failure,
    };
    tracing::debug!(client.id = ?id.as_str(), reason = %failure, "a client is not described");
    let reason = failure.to_string();
    let host = ClientUrl::parse(id.as_str()).map(|url| url.host().to_owned()).unwrap_or_default();
    match failure {
        DocumentFailure::Off => Stop::Trouble(Trouble::DocumentsOff),
        DocumentFailure::Url(refusal) => {
            Stop::Refused(OAuthError::page(ErrorCode::InvalidRequest, refusal.to_string()))
        }
        DocumentFailure::Busy(_) => Stop::Trouble(Trouble::DocumentsBusy),
        DocumentFailure::Host => Stop::AboutDocument(|host| Trouble::DocumentHost { host }, host, reason),
        DocumentFailure::Unreachable => {
            Stop::AboutDocument(|host| Trouble::DocumentUnreachable { host }, host, reason)
        }
        DocumentFailure::Refused(_) | DocumentFailure::Keys => {
            Stop::AboutDocument(|host| Trouble::DocumentRefused { host }, host, reason)
        }
    }
}

/// Nothing is approved without a click, so `prompt=none` never succeeds (OpenID Connect Core §3.1.2.6).
fn refuse_silence(
    request: AuthorizationRequest<'_>,
    signed_in: bool,
) -> Result<AuthorizationRequest<'_>, OAuthError> {
    match (request.prompt, signed_in) {
        (Prompt::None, false) => Err(OAuthError::redirect(ErrorCode::LoginRequired, "nobody is signed in")),
        (Prompt::None, true) => {
            Err(OAuthError::redirect(ErrorCode::ConsentRequired, "consent is always asked for on a page"))
        }
        _ => Ok(request),
    }
}

/// An error that may be redirected goes at once to this computer and to configured clients. To anybody else a person must go by
/// their own click, or a stranger could use us to send people anywhere (OAuth 2.1 §7.12.2).
fn refuse(app: &App, visit: &Visit<'_>, client: &Client, back: &ReturnPath, error: &OAuthError) -> Response {
    tracing::debug!(outcome = error.code().as_str(), reason = error.description(), "authorization refused");
    let address = error_address(app, back, error);
    let at_once =
        error.shown() == Shown::ByRedirect && (client.is_trusted() || back.redirect_uri.is_loopback());
    match HeaderValue::try_from(&address) {
        Ok(location) if at_once => {
            let mut response = StatusCode::FOUND.into_response();
            response.headers_mut().insert(LOCATION, location);
            super::visit::keep_private(response.headers_mut());
            response
        }
        _ => visit.stop_with_way_back(error, &address),
    }
}

fn error_address(app: &App, back: &ReturnPath, error: &OAuthError) -> String {
    let mut params = vec![("error", error.code().as_str()), ("error_description", error.description())];
    params.extend(back.state.as_deref().map(|state| ("state", state)));
    params.push(("iss", app.context.issuer.as_str()));
    back.redirect_uri.with_params(&params)
}

/// A request that passed every check.
struct Asked<'a> {
    found: &'a FoundClient,
    client: &'a Client,
    back: &'a ReturnPath,
    request: &'a AuthorizationRequest<'a>,
}

async fn consent_page(
    app: &App,
    visit: &Visit<'_>,
    asked: &Asked<'_>,
    session: Option<&Session>,
) -> Result<Response, Stop> {
    let context = &app.context;
    let (browser, browser_cookie) = Browser::of_or_new(context, &visit.jar)?;
    let flow = flow(app, visit, asked)?;
    let sealed = flow::seal(&flow, context, Stage::Asked, &browser)?;
    if !fits(&sealed) {
        return Err(Stop::Refused(OAuthError::page(
            ErrorCode::InvalidRequest,
            "state and redirect_uri are too long: together at most about 3,500 characters",
        )));
    }
    let resource = asked.request.resource;
    let session = session.filter(|session| resource.offers(&session.subject.provider));
    let granted = granted_before(app, &flow, session).await?;
    let logo = match &asked.client.links.logo_uri {
        // Other clients did not say by whose word they have one.
        Some(address) if asked.found.document.is_some() => {
            context.client_documents.logo(address).await.map(|logo| logos::path_of(&logo.name))
        }
        _ => None,
    };
    let shown = PageOnly { sealed: &sealed, session, granted: &granted, logo: logo.as_deref() };
    let mut response = render(app, visit, asked, &shown)?;
    cookies::add(response.headers_mut(), browser_cookie);
    Ok(response)
}

/// What only the page knows.
struct PageOnly<'a> {
    sealed: &'a str,
    session: Option<&'a Session>,
    granted: &'a Scopes,
    logo: Option<&'a str>,
}

fn flow(app: &App, visit: &Visit<'_>, asked: &Asked<'_>) -> Result<Flow, Stop> {
    let Asked { found, client, back, request } = asked;
    Ok(Flow {
        id: FlowId::from_bytes(draw(app.context.entropy.as_ref())?),
        started_at: app.context.clock.now(),
        client: client.id.hash(),
        client_name: client.name.clone(),
        client_fingerprint: found.document.as_ref().map(|known| known.document.fingerprint.clone()),
        redirect_uri: back.redirect_uri.as_str().to_owned(),
        state: back.state.clone(),
        resource: request.resource.id.clone(),
        scopes: request.scopes.clone(),
        refresh: client.may_refresh || request.offline,
        challenge: request.challenge.clone(),
        prompt: request.prompt,
        language: visit.language.tag().to_owned(),
        upstream: None,
    })
}

/// The scopes that the signed-in person agreed to earlier, for the same client and resource, as far as they matter for what is asked. A
/// client whose document has changed its redirect URIs, keys or name is not the same.
async fn granted_before(app: &App, flow: &Flow, session: Option<&Session>) -> Result<Scopes, Error> {
    let Some(session) = session else { return Ok(Scopes::none()) };
    let owner = session.subject.to_string();
    let is_same = |record: &GrantRecord| {
        let grant = &record.grant;
        let is_ours = grant.client == flow.client && grant.resource == flow.resource;
        is_ours && record.client_fingerprint == flow.client_fingerprint && grant.is_active()
    };
    let (mut granted, mut place) = (Scopes::none(), None);
    loop {
        let store = app.context.store.as_ref();
        let (page, next) = records::list_page::<GrantRecord>(store, &owner, place.as_deref()).await?;
        for seen in page.iter().filter(|seen| is_same(&seen.value)) {
            granted = granted.union(&seen.value.grant.scopes);
        }
        if next.is_none() || flow.scopes.is_subset(&granted) {
            return Ok(granted);
        }
        place = next;
    }
}

/// The scopes that a person may drop: those beyond the defaults, as long as something remains to agree to.
pub(super) fn optional_scopes(asked: &Scopes, catalogue: &ScopeCatalogue) -> Scopes {
    let beyond = asked.difference(&catalogue.defaults());
    if beyond.len() == asked.len() { Scopes::none() } else { beyond }
}

fn render(app: &App, visit: &Visit<'_>, asked: &Asked<'_>, shown: &PageOnly<'_>) -> Result<Response, Stop> {
    let Asked { client, back, request, .. } = asked;
    let catalogue = &request.resource.scopes;
    let optional = optional_scopes(&request.scopes, catalogue);
    let scopes: Vec<AskedScope<'_>> = request
        .scopes
        .iter()
        .map(|scope| AskedScope {
            scope,
            title: catalogue.title(scope),
            description: catalogue.find(scope).and_then(|entry| entry.description.as_deref()),
            optional: optional.contains(scope),
            granted_before: shown.granted.contains(scope),
        })
        .collect();
    let offered = app.context.sign_ins().filter(|place| request.resource.offers(place.name()));
    let providers: Vec<OfferedProvider<'_>> = offered.map(|place| offer(visit, place)).collect();
    let uses: Vec<UsedAccount<'_>> = request
        .resource
        .provider
        .as_ref()
        .and_then(|name| app.context.provider(name))
        .map(|provider| UsedAccount { provider: provider.label(), permissions: &[] })
        .into_iter()
        .collect();
    let signed_in = shown.session.filter(|_| request.prompt == Prompt::AsNeeded).and_then(|session| {
        let place = app.context.sign_in_at(&session.subject.provider)?;
        Some(SignedIn { person: &session.name, provider: offer(visit, place) })
    });
    let redirect = super::visit::address(back.redirect_uri.as_str())?;
    let url = ClientUrl::parse(client.id.as_str());
    let proof = match (client.origin, &url) {
        (ClientOrigin::Configured, _) => ClientProof::Configured,
        (ClientOrigin::Document, Ok(url)) => ClientProof::Document {
            host: url.authority(),
            url: url.as_str(),
            only_loopback: client.redirect_uris.iter().all(RedirectUri::is_loopback),
        },
        _ => ClientProof::Registered,
    };
    let page = ConsentPage {
        flow: shown.sealed,
        client: AskingClient { name: client.name.as_deref(), proof, logo: shown.logo },
        redirect: &redirect,
        server: McpServer { name: &request.resource.name, url: request.resource.id.as_str() },
        uses: &uses,
        scopes: &scopes,
        providers: &providers,
        signed_in,
    };
    Ok(app.pages.consent(visit.language, &page))
}

pub(super) fn offer<'a>(visit: &Visit<'a>, place: SignInAt<'a>) -> OfferedProvider<'a> {
    let here = matches!(place, SignInAt::Here(_));
    OfferedProvider { here, name: place.name(), title: visit.label(place) }
}
