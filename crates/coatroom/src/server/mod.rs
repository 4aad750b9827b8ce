//! The authorization server: one file per URL.
//!
//! | URL | file |
//! |---|---|
//! | `/.well-known/*`, `/jwks.json` | `metadata` |
//! | `POST /register` | `register` |
//! | `GET /authorize` | `authorize` |
//! | `POST /consent` | `consent` |
//! | `GET /callback/{provider}`, `POST` of a provider that posts | `callback` |
//! | `GET /connect/{link}`, `POST /connect` | `connect` |
//! | `/account`, `POST /account/*` | `account` |
//! | `/sign-in/{flow}`, `/password/{link}`: local accounts | `here` |
//! | `POST /token` | `token` |
//! | `POST /revoke` | `revoke` |
//! | `POST /introspect` | `introspect` |
//! | `GET /assets/logos/{name}` | `logos` |
//! | `GET /` | `landing` |

mod account;
mod authenticate;
mod authorize;
mod body;
mod callback;
mod connect;
mod consent;
mod cookies;
mod cors;
mod entering;
mod flow;
mod hand_over;
mod here;
mod introspect;
mod landing;
mod letters;
mod limits;
mod logos;
mod metadata;
mod ready;
mod register;
mod respond;
mod revoke;
mod session;
mod token;
mod upstream_leg;
mod visit;

pub(crate) use letters::Letters;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use coatroom_protocol::discovery::path;
use coatroom_protocol::words::{ProviderName, Resource};
use http::{HeaderMap, Uri};

use self::limits::{Door, Limits, limit};
use self::ready::ready;
use crate::context::Context;
use crate::pages::{
    ACCOUNT_PATH, CONNECT_PATH, CONSENT_PATH, END_PATH, ENTER_PATH, McpServer, PASSWORD_PATH, Pages,
    SIGN_IN_PATH, SIGN_OUT_PATH,
};

/// What every endpoint shares.
#[derive(Debug)]
struct App {
    context: Arc<Context>,
    pages: Pages,
    limits: Limits,
}

impl App {
    /// Where a provider sends people back to.
    fn callback_url(&self, provider: &ProviderName) -> String {
        self.context.issuer.url(&format!("/callback/{provider}"))
    }

    /// The MCP server of a grant, as people know it. One that is not served any more is called by its address.
    fn mcp_server<'a>(&'a self, resource: &'a Resource) -> McpServer<'a> {
        let url = resource.as_str();
        let name = self.context.resources.get(resource).map_or(url, |resource| resource.name.as_str());
        McpServer { name, url }
    }
}

/// The callback of a provider whose own page posts what it says.
fn posted_callback(provider: &ProviderName) -> MethodRouter<Arc<App>> {
    let (asked, posted) = (provider.clone(), provider.clone());
    let get = get(async move |app: State<Arc<App>>, uri: Uri, headers: HeaderMap| {
        callback::get(app, Path(asked.to_string()), uri, headers).await
    });
    get.post(async move |State(app): State<Arc<App>>, headers: HeaderMap, body: Body| {
        callback::post(&app, &posted, headers, body).await
    })
}

/// The routes of the authorization server.
pub(crate) fn routes(context: Arc<Context>, pages: Pages) -> Router {
    let metadata = metadata::routes(&context);
    let issues_tokens = context.issues_tokens;
    let introspection = !context.asking_servers.is_empty();
    let registration = context.registration;
    let limits = Limits::new(&context.settings);
    let app = Arc::new(App { context, pages, limits });
    let limited = |door| from_fn_with_state((Arc::clone(&app), door), limit);
    let ready = |door| from_fn_with_state((Arc::clone(&app), door), ready);
    let mut for_clients = Router::new()
        .route(path::TOKEN, post(token::post))
        .route(path::REVOKE, post(revoke::post))
        .layer(ready(Door::Tokens))
        .layer(limited(Door::Tokens));
    if registration {
        let register = Router::new().route(path::REGISTER, post(register::post));
        let register = register.layer(ready(Door::Registration)).layer(limited(Door::Registration));
        for_clients = for_clients.merge(register);
    }
    if introspection {
        let introspect = Router::new().route(path::INTROSPECT, post(introspect::post));
        let introspect = introspect.layer(ready(Door::Introspection)).layer(limited(Door::Introspection));
        for_clients = for_clients.merge(introspect);
    }
    let for_clients = for_clients.method_not_allowed_fallback(respond::wrong_method);
    let mut for_people = Router::new()
        .route(path::AUTHORIZE, get(authorize::get))
        .route(CONSENT_PATH, post(consent::post))
        .route("/callback/{provider}", get(callback::get))
        .route(&format!("{CONNECT_PATH}/{{link}}"), get(connect::get))
        .route(CONNECT_PATH, post(connect::post))
        .route(ACCOUNT_PATH, get(account::get))
        .route(END_PATH, post(account::end))
        .route(SIGN_IN_PATH, post(account::sign_in))
        .route(SIGN_OUT_PATH, post(account::sign_out));
    for provider in app.context.providers.iter().filter(|provider| provider.posts_callbacks()) {
        for_people =
            for_people.route(&format!("/callback/{}", provider.name()), posted_callback(provider.name()));
    }
    if app.context.accounts.is_some() {
        for_people = for_people
            .route(&format!("{ENTER_PATH}/{{flow}}"), get(here::get).post(here::post))
            .route(&format!("{ENTER_PATH}/{{flow}}/code"), post(here::post_code))
            .route(&format!("{PASSWORD_PATH}/{{link}}"), get(here::get_password).post(here::post_password));
    }
    let for_people = for_people
        .layer(ready(Door::Pages))
        .layer(limited(Door::Pages))
        .method_not_allowed_fallback(landing::wrong_method);
    let mut for_everybody = Router::new().route("/", get(landing::get));
    for asset in app.pages.assets() {
        let answered = asset.clone();
        for_everybody = for_everybody.route(&asset.path, get(async move || answered.respond()));
    }
    let for_everybody = for_everybody
        .route(logos::PATH, get(logos::get))
        .method_not_allowed_fallback(landing::wrong_method)
        .fallback(landing::not_found)
        .layer(limited(Door::Everybody));
    let documents = metadata.layer(limited(Door::Everybody)).layer(cors::reading());
    // Where all tokens are those of remote issuers there is no authorization server here.
    let ours =
        if issues_tokens { for_people.merge(for_clients.layer(cors::posting())) } else { Router::new() };
    Router::new().merge(ours).merge(for_everybody).with_state(app).merge(documents)
}
