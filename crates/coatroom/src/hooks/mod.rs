//! What a program that embeds a server learns of sign-ins, grants, tokens and connections, and where it has a say.
//!
//! One hook decides: [`Hooks::signing_in`], before a sign-in counts. The others are told what has happened. They delay nothing and can fail nothing:
//! events wait in a bounded line in memory, in their order, and one that does not fit is dropped and logged. What must not be lost stands in the
//! audit log (`coatroom::audit`). No event has a secret in it. Each replica tells what it did itself.

mod events;
mod line;

pub use events::{
    ConnectionEvent, GrantEnded, GrantMade, RefreshKind, SignIn, SignInPurpose, TokensIssued, TokensRefreshed,
};
pub(crate) use line::{Event, HookLine};

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;

/// What an embedding program does at sign-ins, and what it is told. Every method has a default that does nothing.
#[async_trait]
pub trait Hooks: Send + Sync + 'static {
    /// Somebody has signed in, at a provider or here, and may enter as far as allowlists go; nothing was written yet. The hook may refuse them,
    /// and change what is known of `sign_in.user`: their roles, permissions, groups, claims, names. Their `subject` stays what it is. At
    /// every refresh it is asked again, with what the provider said last; then a refusal ends the grant.
    ///
    /// It may be asked more than once for one sign-in or refresh.
    ///
    /// # Errors
    /// [`SignInRefusal::Refused`] shows a page, and the app is told `access_denied`. [`SignInRefusal::Unavailable`], a panic, and no answer within
    /// the [deadline](Self::deadline) are an outage: nobody enters, the answer is 503, and no grant ends.
    async fn signing_in(&self, sign_in: &mut SignIn) -> Result<(), SignInRefusal> {
        let _ = sign_in;
        Ok(())
    }

    /// A person agreed that an app acts for them, and signed in. The app has a code, and no token yet.
    async fn grant_made(&self, event: &GrantMade) {
        let _ = event;
    }

    /// An app redeemed its code.
    async fn tokens_issued(&self, event: &TokensIssued) {
        let _ = event;
    }

    /// An app refreshed its tokens.
    async fn tokens_refreshed(&self, event: &TokensRefreshed) {
        let _ = event;
    }

    /// A grant was ended. One that runs out ends without an event.
    async fn grant_ended(&self, event: &GrantEnded) {
        let _ = event;
    }

    /// A provider was connected within a grant: the one of the sign-in, or a further one.
    async fn connection_made(&self, event: &ConnectionEvent) {
        let _ = event;
    }

    /// An upstream token was renewed.
    async fn connection_renewed(&self, event: &ConnectionEvent) {
        let _ = event;
    }

    /// A provider ended a credential: its user must sign in or connect again.
    async fn connection_dead(&self, event: &ConnectionEvent) {
        let _ = event;
    }

    /// How long one call of a hook may take. Default 5 s.
    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// Why somebody does not enter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInRefusal {
    /// They may not. The text is shown to them, as plain text of at most 300 characters; it may be empty.
    #[error("the hook refused the sign-in")]
    Refused(String),
    /// Nobody can tell at the moment.
    #[error("the hook cannot tell who may enter")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl SignInRefusal {
    /// A refusal with a text for the person.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// An outage.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}
