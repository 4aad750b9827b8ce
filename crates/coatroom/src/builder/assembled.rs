//! The server around what its requests share.

use std::sync::Arc;

use super::theme::Pages;
use super::{Coatroom, Places, Protection};
use crate::context::Context;
use crate::guard::{CallLimits, OwnTokens, Remembered};

/// The server around what its requests share.
pub(super) fn assembled(
    context: Arc<Context>,
    pages: Pages,
    protections: Vec<Protection>,
    places: Places,
) -> Coatroom {
    let limits = CallLimits::new(&context.settings, Arc::clone(&context.clock));
    let own = Arc::new(OwnTokens::new(Arc::clone(&context)));
    let (clock, remembered) = (Arc::clone(&context.clock), context.settings.remembered);
    let verify = Arc::new(Remembered::new(own, clock, remembered, REMEMBERED_TOKENS));
    let forgetting = Arc::downgrade(&verify);
    context.revocations.on_revoked(move |grant| {
        if let Some(remembered) = forgetting.upgrade() {
            remembered.forget(*grant);
        }
    });
    let protected = protections.into_iter().map(|it| (it.path.clone(), it)).collect();
    let (protected, limits, places) = (Arc::new(protected), Arc::new(limits), Arc::new(places));
    Coatroom { context, verify, protected, limits, places, pages }
}

/// How many verified tokens are remembered at the most.
pub(super) const REMEMBERED_TOKENS: usize = 65_536;
