//! What goes through a client's hands while its user connects a further provider: the link, and the state of the call.
//!
//! Both are sealed, and nothing is kept for them. A link names a grant and a provider; whoever opens it must still be signed
//! in as that grant's user. A state opens for the same grant at the same resource alone.

use coatroom_protocol::access::retry::{RequestState, StateRefusal};
use coatroom_protocol::words::{GrantId, ProviderName, Resource, Timestamp, base64url, sha256};
use serde::{Deserialize, Serialize};

use super::Context;
use crate::entropy::NoEntropy;

/// Where a user connects a provider within a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectLink {
    /// The grant: one user's agreement with one client.
    #[serde(rename = "g")]
    pub(crate) grant: GrantId,
    /// The provider to connect.
    #[serde(rename = "p")]
    pub(crate) provider: ProviderName,
    /// From when on the link opens nothing.
    #[serde(rename = "e")]
    pub(crate) ends_at: Timestamp,
}

impl ConnectLink {
    /// A link for a provider that is not connected, good for as long as an authorization may take.
    pub(crate) fn new(context: &Context, grant: GrantId, provider: ProviderName) -> Self {
        Self { grant, provider, ends_at: context.clock.now().plus(context.settings.flow_life) }
    }

    /// The last part of the link's address. It says nothing of anybody to who cannot open it.
    pub(crate) fn seal(&self, context: &Context) -> Result<String, NoEntropy> {
        let bound_to = [context.issuer.as_str().as_bytes()];
        context.keys().sealing.seal_text(context.entropy.as_ref(), LINK, &bound_to, self)
    }

    /// Opens the last part of a link's address; `None` when it is not ours, was changed, or is too old.
    #[cfg(feature = "server")]
    pub(crate) fn open(context: &Context, text: &str) -> Option<Self> {
        let bound_to = [context.issuer.as_str().as_bytes()];
        let link: Self = context.keys().sealing.open_text(LINK, &bound_to, text)?;
        (!context.clock.at_least().has_reached(link.ends_at)).then_some(link)
    }
}

/// The address of a link with this last part.
pub(crate) fn link_address(context: &Context, sealed: &str) -> String {
    context.issuer.url(&format!("{CONNECT}/{sealed}"))
}

/// Whose call it is, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallOf<'a> {
    /// The grant.
    pub(crate) grant: &'a GrantId,
    /// The resource.
    pub(crate) resource: &'a Resource,
}

impl CallOf<'_> {
    fn bound<T>(self, context: &Context, work: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (issuer, resource) = (context.issuer.as_str().as_bytes(), self.resource.as_str().as_bytes());
        work(&[issuer, resource, self.grant.as_bytes()])
    }

    /// Seals what the client echoes when it makes the call with this digest again.
    pub(crate) fn seal_state(self, context: &Context, digest: &[u8; 32]) -> Result<String, NoEntropy> {
        let state = RequestState {
            call: base64url(digest),
            ends_at: context.clock.now().plus(context.settings.flow_life * STATE_OUTLIVES_LINK),
        };
        let sealed = self.bound(context, |bound_to| {
            context.keys().sealing.seal_text(context.entropy.as_ref(), STATE, bound_to, &state)
        })?;
        Ok(format!("{}{sealed}", state_prefix(self.resource)))
    }

    /// Opens and checks a state that begins as ours do.
    pub(crate) fn check_state(
        self,
        context: &Context,
        state: &str,
        digest: &[u8; 32],
    ) -> Result<(), StateRefusal> {
        let sealed = state.strip_prefix(&state_prefix(self.resource)).ok_or(StateRefusal::Forged)?;
        let opened =
            self.bound(context, |bound_to| context.keys().sealing.open_text(STATE, bound_to, sealed));
        let state: RequestState = opened.ok_or(StateRefusal::Forged)?;
        state.check(&base64url(digest), context.clock.at_least())
    }
}

/// How the states of a resource begin, so that those of a server behind it, another Coatroom perhaps, are left alone.
pub(crate) fn state_prefix(resource: &Resource) -> String {
    let digest = sha256(resource.as_str().as_bytes());
    format!("{STATE_MARK}{}_", base64url(digest.first_chunk::<6>().unwrap_or(&[0; 6])))
}

/// How each of our states begins, whatever the resource.
pub(crate) const STATE_MARK: &str = "coat_rs_";

const LINK: &str = "connect link";
const STATE: &str = "request state";
const CONNECT: &str = "/connect";

/// A link may be opened in its last second, and connecting may take as long again.
const STATE_OUTLIVES_LINK: u32 = 2;
