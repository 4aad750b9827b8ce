//! An authorization server elsewhere that a test plays itself: it publishes keys, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::{json_answer, serve};
use crate::signer::Signer;

/// A running issuer with one key.
#[derive(Debug)]
pub struct KeyServer {
    /// Where it is.
    pub origin: String,
    /// Its key.
    pub key: Signer,
    fetches: Arc<AtomicUsize>,
}

impl KeyServer {
    /// Starts it on a free loopback port, with its keys at `path`.
    pub async fn start(path: &str) -> Self {
        let key = Signer::new("first");
        let fetches = Arc::<AtomicUsize>::default();
        let state = (json!({ "keys": [key.jwk()] }), Arc::clone(&fetches));
        let origin = serve(Router::new().route(path, get(keys)).with_state(state)).await;
        Self { origin, key, fetches }
    }

    /// How often its keys were fetched.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

async fn keys(State((keys, fetches)): State<(Value, Arc<AtomicUsize>)>) -> Response {
    fetches.fetch_add(1, Ordering::Relaxed);
    json_answer(StatusCode::OK, &keys)
}
