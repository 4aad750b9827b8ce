//! Signs what MCP servers may verify by themselves about a call (ARCHITECTURE.md, "Keys").

use std::sync::Arc;

use coatroom_protocol::access::Assertion;
use coatroom_protocol::words::base64url;

use super::caller::Caller;
use crate::context::Context;
use crate::entropy::draw;
use crate::error::Error;

/// Makes the assertions for one MCP server.
#[derive(Debug, Clone)]
pub struct Assertions {
    context: Arc<Context>,
    audience: String,
}

impl Assertions {
    pub(crate) const fn new(context: Arc<Context>, audience: String) -> Self {
        Self { context, audience }
    }

    /// A signed JWT about one call, good for a minute at the one server. It is no access token, and verifiable by
    /// `/jwks.json`.
    ///
    /// # Errors
    /// When there is no key, or there are no random bytes.
    pub fn sign(&self, caller: &Caller) -> Result<String, Error> {
        let keys = self.context.keys();
        let missing = || Error::Corrupt { what: "key ring", reason: "it has no signing key".to_owned() };
        let key = keys.signing.first().ok_or_else(missing)?;
        let user = caller.user();
        let assertion = Assertion {
            issuer: &self.context.issuer,
            audience: &self.audience,
            subject: &user.subject,
            client: &caller.client().id,
            scopes: caller.scopes(),
            email: user.email.as_deref().filter(|_| user.email_verified),
            now: self.context.clock.now(),
            id: draw(self.context.entropy.as_ref())?,
        };
        let input = assertion.signing_input(key.id());
        let signature = key.sign(input.as_bytes())?;
        Ok(format!("{input}.{}", base64url(&signature)))
    }
}
