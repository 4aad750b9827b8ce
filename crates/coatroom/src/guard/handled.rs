//! What a handler asks the guard to answer, in the words that the client understands.

use std::sync::Arc;

use axum::body::Body;
use coatroom_protocol::access::{Holder, Id, Verdict};
use coatroom_protocol::words::Scopes;
use http::Response;

use super::call::{Call, GuardAnswer};
use super::caller::Caller;
use super::connect::Asked;
use super::held;
use super::respond::Refusal;
use super::settings::Settings;

impl Settings {
    /// What a handler answered, or what it asked the guard to answer instead.
    pub(super) async fn handled(
        &self,
        call: Option<&Arc<Call>>,
        caller: Option<&Caller>,
        asked: Option<&Asked>,
        mut response: Response<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let answer = match (response.extensions_mut().remove::<GuardAnswer>(), call, asked) {
            (Some(answer), ..) => answer,
            (None, Some(call), Some(_)) => match Box::pin(held::until_first_message(call, response)).await {
                Ok(response) => return Ok(response),
                Err(answer) => answer,
            },
            (None, ..) => return Ok(response),
        };
        let id = || asked.and_then(|asked| asked.judged.id().cloned().map(Id::into_owned));
        let refusal = match answer {
            GuardAnswer::SignIn if caller.is_none() => Refusal::NoToken(self.challenger.baseline.clone()),
            GuardAnswer::SignIn | GuardAnswer::SignInEnded => Refusal::BadToken,
            GuardAnswer::Connect(needed) => return self.lead_there(caller, asked, &needed),
            // Nobody who has not signed in has granted anything.
            GuardAnswer::Scopes(scopes) if caller.is_none() => Refusal::NoToken(scopes),
            GuardAnswer::Scopes(scopes) => Refusal::Scopes(self.all_of(scopes, caller, asked), id()),
            GuardAnswer::Denied(words) => Refusal::DeniedBy(words, id()),
            GuardAnswer::Unavailable => Refusal::Unavailable,
        };
        let Some(asked) = asked else { return Err(refusal) };
        Err(self.challenger.told_to(asked.reads_results, (asked.era, &asked.judged), refusal))
    }

    /// These scopes, and those that the manifest asks for: a challenge names everything that its operation needs (RS-05).
    fn all_of(&self, scopes: Scopes, caller: Option<&Caller>, asked: Option<&Asked>) -> Scopes {
        let Some(asked) = asked else { return scopes };
        let (none, roles) = (Scopes::none(), self.roles_of(caller));
        let (permissions, signed_in) = (caller.map_or(&[][..], Caller::permissions), caller.is_some());
        let holder = Holder { scopes: &none, roles: &roles, permissions, signed_in };
        match self.manifest.decide(&asked.judged, &holder) {
            Verdict::NeedsScopes(by_rule) => by_rule.union(&scopes),
            Verdict::Permit | Verdict::Denied(_) => scopes,
        }
    }
}
