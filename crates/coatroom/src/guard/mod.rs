//! The resource server: what protects an MCP endpoint, and what a handler behind it knows of who is calling.
//!
//! A request passes in this order, and the first refusal answers it (layer.rs says it in code):
//!
//! 1. header block within its limit, else 431
//! 2. `Host` is ours, `Origin` is absent or allowed, else 403; a browser's preflight is answered here, without a token
//! 3. `Authorization`, where rules say who must have signed in not before step 5: malformed 400, absent 401, verified or 401 `invalid_token`, nobody can tell 503; no token in the
//!    query, else 400. All of this before anything of the body is looked at, so that both eras get the same challenge.
//!    Too many calls from the address, of the user or by the client, or too many bad tokens from the address: 429
//! 4. GET, HEAD and DELETE: a known revision of MCP that has them, then step 7; other methods but POST 405
//! 5. POST: plain JSON (415), within the limit (413), judged (400), headers and body agree (400); a call that is made again
//!    after its user was sent to connect something is restored to what it was (400 if its state is not good)
//! 6. the manifest: 403 with all scopes of the operation where scopes would help, 403 without a challenge where not
//! 7. legacy sessions belong to the caller, else 404; on the modern wire they are ignored
//! 8. credentials and whatever only the gateway may say are removed; the bytes that were judged are forwarded
//! 9. the answer streams through untouched and ends with its grant; of lists, what the caller may not use is taken out; event
//!    ids are bound to their session; on the modern wire a server asks for no input that was not declared
//!
//! A handler finds in the request's extensions: [`Caller`] (unless the call is anonymous), [`Era`], and for a POST
//! `Arc<Judged<'static>>`. It may answer with a [`CallerError`], or with a [`GuardAnswer`] in the extensions of its response.
//!
//! [`Era`]: coatroom_protocol::access::Era

mod answer;
mod assertion;
mod bodies;
mod call;
mod caller;
mod connect;
mod ending;
mod events;
mod extract;
mod grant_data;
mod handled;
mod headers;
mod held;
mod layer;
mod learned;
mod limits;
mod modes;
mod origin;
mod own_tokens;
mod remembered;
mod remote;
mod respond;
#[cfg(feature = "rmcp")]
mod rmcp;
mod roles;
mod sessions;
mod settings;
mod upstream_http;
mod verify;

pub use coatroom_protocol::access::Authentication;

pub use assertion::Assertions;
pub use call::{CallerError, CallerErrorKind, GuardAnswer};
pub use caller::{Caller, CallerClient, CallerParts, NoCredentials, UpstreamCredentials, UpstreamError};
#[cfg(feature = "server")]
pub(crate) use connect::Connecting;
pub use grant_data::{DataError, GrantData, KeptData, NoData};
pub use layer::{Guard, GuardLayer};
pub use limits::CallLimits;
pub(crate) use own_tokens::OwnTokens;
pub use remembered::Remembered;
pub use remote::RemoteTokens;
#[cfg(feature = "rmcp")]
pub use rmcp::{CallerOf, MaybeCaller};
pub use sessions::{Session, SessionError, SessionLimits, SessionOwner, Sessions};
pub use settings::{GuardBuilder, GuardConfigError, Lists};
pub use upstream_http::{UpstreamAnswer, UpstreamHttp, UpstreamRequest};
pub use verify::{VerifyError, VerifyToken};
