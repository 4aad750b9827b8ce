//! Who calls, and whether somebody must have signed in. Where rules say so, that is known only once the call was read.

use coatroom_protocol::access::{Authentication, Bearer};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};

use super::caller::Caller;
use super::headers::names_a_token;
use super::respond::Refusal;
use super::settings::Settings;
use super::verify::VerifyError;

/// Who a request says that it comes from.
pub(super) enum Presented {
    /// It has no credential at all.
    Nobody,
    /// It has a good token.
    Somebody(Caller),
    /// It has something else, or nobody can tell.
    Bad(Refusal),
}

impl Settings {
    /// Step 3, the first half.
    pub(super) async fn present(&self, uri: &Uri, headers: &HeaderMap) -> Presented {
        if self.authentication == Authentication::Off && !self.body_says {
            return Presented::Nobody;
        }
        let values = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let presented = match Bearer::read(values) {
            Err(refusal) => return Presented::Bad(Refusal::Bearer(refusal)),
            Ok(Bearer::Anonymous) => Presented::Nobody,
            Ok(Bearer::Token(token)) => match self.verify.verify(&token, &self.resource).await {
                // Whoever shows it as a bearer may have stolen it (RFC 9449 §7.2).
                Ok(caller) if caller.is_sender_constrained() => {
                    tracing::debug!("a token that is bound to a key came without its proof");
                    return Presented::Bad(Refusal::BadToken);
                }
                Ok(caller) => Presented::Somebody(caller),
                Err(VerifyError::Refused(reason)) => {
                    tracing::debug!(reason, "the token was refused");
                    return Presented::Bad(Refusal::BadToken);
                }
                Err(VerifyError::NotAllowed) => return Presented::Bad(Refusal::NotAllowed),
                Err(VerifyError::Unavailable(error)) => {
                    tracing::warn!(error = %error, "nobody could verify the token");
                    return Presented::Bad(Refusal::Unavailable);
                }
            },
        };
        // Who lacks a token hears of that first. Its value is never read: it would only be forwarded, and logged on the way.
        let lacks = matches!(presented, Presented::Nobody) && self.authentication == Authentication::Required;
        if names_a_token(uri.query().unwrap_or("")) && !lacks {
            return Presented::Bad(Refusal::TokenInQuery);
        }
        presented
    }

    /// Step 3, the second half: who calls, where this is needed. `None` is an anonymous call that is allowed.
    pub(super) fn admitted(
        &self,
        presented: Presented,
        needed: Authentication,
    ) -> Result<Option<Caller>, Refusal> {
        let caller = match (needed, presented) {
            (Authentication::Off, _) | (Authentication::Optional, Presented::Nobody) => return Ok(None),
            (Authentication::Required, Presented::Nobody) => {
                return Err(Refusal::NoToken(self.challenger.baseline.clone()));
            }
            (_, Presented::Bad(refusal)) => return Err(refusal),
            (_, Presented::Somebody(caller)) => caller,
        };
        self.limit(|limits| limits.called_by(&caller))?;
        Ok(Some(caller))
    }
}
