//! The server around what its requests share.

use std::sync::Arc;

use super::theme::Pages;
use super::{BuildError, Coatroom, Places, Protection};
use crate::context::Context;
use crate::guard::{CallLimits, OwnTokens, Remembered, SessionLimits, Sessions};
use crate::outbound::Outbound;

/// What a server has beside what its requests share.
#[derive(Debug)]
pub(super) struct AssembledParts {
    pub(super) pages: Pages,
    pub(super) places: Places,
    pub(super) outbound: Outbound,
}

/// The server around what its requests share, once each of its guards could be made.
pub(super) fn assembled(
    context: Arc<Context>,
    parts: AssembledParts,
    protections: Vec<Protection>,
) -> Result<Coatroom, BuildError> {
    let AssembledParts { pages, places, outbound } = parts;
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
    let sessions = sessions_of(&context, SessionLimits::default());
    let coatroom = Coatroom { context, verify, protected, limits, places, sessions, outbound, pages };
    let guards = coatroom.protected.keys().map(|path| coatroom.try_guard(path, &coatroom.sessions, None));
    let mut problems: Vec<String> =
        guards.filter_map(Result::err).flat_map(|BuildError { problems }| problems).collect();
    problems.sort_unstable();
    problems.dedup();
    if problems.is_empty() { Ok(coatroom) } else { Err(BuildError { problems }) }
}

pub(super) fn sessions_of(context: &Context, limits: SessionLimits) -> Arc<Sessions> {
    let (keys, clock, entropy) = (&context.keys, &context.clock, &context.entropy);
    Arc::new(Sessions::following(Arc::clone(keys), Arc::clone(clock), Arc::clone(entropy), limits))
}

/// How many verified tokens are remembered at the most.
pub(super) const REMEMBERED_TOKENS: usize = 65_536;
