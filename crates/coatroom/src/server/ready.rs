//! Nobody is let in before it is known which clients are blocked (ARCHITECTURE.md, "Registration").

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::limits::Door;
use super::respond::Failure;
use super::visit::{Stop, Visit};

/// Waits for the first reading of the blocks, and starts the reading of what other replicas write. While the store is away
/// the answer is an outage.
pub(super) async fn ready(
    State((app, door)): State<(Arc<App>, Door)>,
    request: Request,
    next: Next,
) -> Response {
    let context = &app.context;
    context.start_background();
    match (context.blocks.know(context.store.as_ref()).await, door) {
        (Ok(()), _) => next.run(request).await,
        (Err(error), Door::Pages) => Visit::new(&app, request.headers(), None).stopped(Stop::Inside(error)),
        (Err(error), _) => Failure::Inside(error).into_response(),
    }
}
