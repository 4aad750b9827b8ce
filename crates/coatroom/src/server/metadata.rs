//! The discovery documents: authorization server metadata in every form that clients try (RFC 8414, OpenID Connect Discovery),
//! the metadata of each protected resource (RFC 9728), and the public keys (RFC 7517).
//!
//! All are built from the configuration alone; no header of a request changes them. The authorization server's has two forms:
//! whether clients are described by documents depends on whether the network lets us out. The keys are those of the moment.
//! Each may be kept for minutes, and is known by its tag afterwards.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Router, body::Bytes};
use coatroom_protocol::client::ClientAuthentication;
use coatroom_protocol::discovery::{
    AuthorizationServer, METADATA_PATHS, ProtectedResource, is_current, metadata_path, path,
};
use coatroom_protocol::words::{Resource, Scopes, base64url, sha256};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::respond::{Failure, not_found, wrong_method};
use crate::context::Context;
use crate::error::Error;
use crate::vault::SigningKey;

/// The routes of every document.
pub(super) fn routes(context: &Arc<Context>) -> Router {
    let mut router = if context.issues_tokens { own(context) } else { relayed(context) };
    let documents = resources(context);
    for (path, document) in &documents {
        // The root form speaks for the only resource; of several, none lives at the root.
        if documents.len() == 1 && *path != metadata_path("/") {
            router = router.route(&metadata_path("/"), document.route());
        }
        router = router.route(path, document.route());
    }
    // A form that is not served: clients go on to the next one on a clean 404.
    router = router.route("/.well-known/{*rest}", get(not_found));
    let context = Arc::clone(context);
    let keys = get(async move |headers: HeaderMap| keys(&context).answer(&headers));
    router.route(path::JWKS, keys).method_not_allowed_fallback(wrong_method)
}

/// The metadata of our own authorization server.
fn own(context: &Arc<Context>) -> Router {
    let [without, with] = [false, true].map(|taken| Document::new(&authorization_server(context, taken)));
    let mut router = Router::new();
    for path in METADATA_PATHS {
        let (context, without, with) = (Arc::clone(context), without.clone(), with.clone());
        let answer = async move |headers: HeaderMap| {
            let document = if context.client_documents.are_taken().await { with } else { without };
            document.answer(&headers)
        };
        router = router.route(path, get(answer));
    }
    router
}

/// Where we issue no tokens, clients of MCP 2025-03-26 look for the metadata here all the same: it is the issuer's own
/// document, in its own name, while there is one issuer (docs/decisions/0032).
fn relayed(context: &Arc<Context>) -> Router {
    let mut issuers = context.remote.iter().map(|resource| &resource.issuer);
    let first = issuers.next();
    let Some(only) = first.filter(|first| issuers.all(|other| other.name() == first.name())) else {
        return Router::new();
    };
    let only = only.clone();
    let [path, _] = METADATA_PATHS;
    let answer = async move |headers: HeaderMap| match only.metadata().await {
        Ok(document) => Document::new(&*document).answer(&headers),
        Err(error) => {
            let source = Box::new(error);
            Failure::Inside(Error::Unavailable { what: "the metadata of the issuer", source }).into_response()
        }
    };
    Router::new().route(path, get(answer))
}

/// The metadata of every resource that has an authorization server, by its path.
fn resources(context: &Context) -> Vec<(String, Document)> {
    let document = |id: &Resource, issuer: &str, baseline: &Scopes, name: &str| {
        let document = ProtectedResource {
            resource: id,
            authorization_servers: &[issuer],
            baseline_scopes: baseline,
            name: Some(name),
        };
        (metadata_path(id.path()), Document::new(&document.metadata()))
    };
    let ours = context.resources.iter().filter(|_| context.issues_tokens).map(|resource| {
        document(&resource.id, context.issuer.as_str(), &resource.scopes.defaults(), &resource.name)
    });
    let remote = context
        .remote
        .iter()
        .map(|resource| document(&resource.id, resource.issuer.issuer(), &resource.baseline, &resource.name));
    ours.chain(remote).collect()
}

/// The public keys: the one that signs, those that will, and those that did.
fn keys(context: &Arc<Context>) -> Document {
    // Whoever asks for nothing else must not be told yesterday's keys.
    context.start_background();
    let keys: Vec<_> = context.keys().signing.iter().map(SigningKey::public_jwk).collect();
    Document::new(&serde_json::json!({ "keys": keys }))
}

fn authorization_server(context: &Context, documents: bool) -> impl Serialize {
    let scopes =
        context.resources.iter().fold(Scopes::none(), |all, resource| all.union(&resource.scopes.all()));
    let resources: Vec<_> = context.resources.iter().map(|resource| resource.id.clone()).collect();
    let has_keys = |client: &coatroom_protocol::client::Client| {
        matches!(client.authentication, ClientAuthentication::Keys(_))
    };
    AuthorizationServer {
        issuer: &context.issuer,
        scopes: &scopes,
        resources: &resources,
        registration: context.registration,
        introspection: !context.asking_servers.is_empty(),
        client_documents: documents,
        assertions: documents || context.configured_clients.values().any(has_keys),
    }
    .metadata()
}

/// A document that is the same for everybody.
#[derive(Clone)]
struct Document {
    body: Bytes,
    etag: HeaderValue,
}

impl Document {
    fn new(document: &impl Serialize) -> Self {
        let body = Bytes::from(serde_json::to_vec(document).unwrap_or_default());
        let digest = base64url(&sha256(&body));
        let etag = HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { body, etag }
    }

    fn route(&self) -> axum::routing::MethodRouter {
        let document = self.clone();
        get(async move |headers: HeaderMap| document.answer(&headers))
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers.get_all(IF_NONE_MATCH).iter().map(HeaderValue::as_bytes);
        let mut response = if is_current(known, self.etag.to_str().unwrap_or_default()) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = self.body.clone().into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        };
        response.headers_mut().insert(ETAG, self.etag.clone());
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(MAY_BE_KEPT));
        response
    }
}

/// For how long: less than half of the ten minutes for which a new key is published before it signs.
const MAY_BE_KEPT: &str = "public, max-age=300";
