//! Asking the identity provider again who a grant's user is, where an allowlist decides who may go on: once for each refresh
//! token, however many present it at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coatroom_protocol::words::GrantId;

use super::renew::{Flight, Held, take_off};
use super::{ConnectionError, Connections, OpenGrant, SETTLING};
use crate::error::Error;
use crate::providers::{Provider, ProviderError, Standing};
use crate::user::User;

/// The questions that are under way or were answered lately, by grant and generation of its refresh token.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<HashMap<(GrantId, u32), Question>>);

#[derive(Debug)]
struct Question {
    /// By the clock that never goes back.
    since: Duration,
    flight: Flight<Standing>,
}

impl Connections {
    /// What the identity provider says now of the user of a grant, whom it described as `known` before.
    ///
    /// # Errors
    /// See [`ConnectionError`].
    pub(crate) async fn user_now(
        &self,
        grant: &OpenGrant,
        known: &User,
        generation: u32,
    ) -> Result<Standing, ConnectionError> {
        let now = self.parts.clock.elapsed();
        let flight = {
            let mut questions = self.questions.0.lock().unwrap_or_else(PoisonError::into_inner);
            // An outage is no answer, nor is silence.
            let counts = |question: &Question| match question.flight.peek() {
                None => true,
                Some(Err(_) | Ok(Standing::Withheld)) => false,
                Some(Ok(_)) => now.saturating_sub(question.since) < SETTLING,
            };
            questions.retain(|_, question| counts(question));
            let start = || {
                let (this, grant, known) = (self.clone(), grant.clone(), known.clone());
                let provider = &grant.subject.provider;
                let span =
                    tracing::info_span!("vault.readmit", provider.name = %provider, grant.id = %grant.id);
                let flight = take_off(span, async move { this.ask_again(&grant, &known).await });
                Question { since: now, flight }
            };
            questions.entry((grant.id, generation)).or_insert_with(start).flight.clone()
        };
        flight.await
    }

    async fn ask_again(&self, grant: &OpenGrant, known: &User) -> Result<Standing, ConnectionError> {
        let provider = &grant.subject.provider;
        let engine = Arc::clone(self.parts.engine(provider)?);
        let mut seen = self.parts.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
        let mut held = self.fresh(grant, provider, &seen).await?;
        let mut said = ask(&engine, known, &held).await;
        // An access token may end before its time, and some of what matters may stand in ID tokens alone.
        let asks_more = match &said {
            Ok(Standing::Partly(_)) => true,
            Ok(_) => false,
            Err(error) => error.is_dead(),
        };
        if asks_more && seen.value.renewable && !held.is_new {
            held = self.flight(grant, provider, &seen).await?;
            if !held.is_new {
                // Somebody else renewed it meanwhile, and has the ID token.
                seen = self.parts.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
                held = self.flight(grant, provider, &seen).await?;
            }
            said = ask(&engine, known, &held).await;
        }
        match said {
            Ok(standing) => Ok(standing),
            Err(error) if error.is_dead() => Err(self.parts.bury(seen, &error).await),
            Err(error) => {
                Err(Error::Unavailable { what: "the identity provider", source: Box::new(error) }.into())
            }
        }
    }
}

async fn ask(engine: &Provider, known: &User, held: &Held) -> Result<Standing, ProviderError> {
    engine.ask_again(known, (&held.tokens, held.id_token.as_ref())).await
}
