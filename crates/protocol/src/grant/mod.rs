//! The life of a grant: a user's agreement with one client for one resource.
//!
//! The grant is the family of everything that is issued under it. Its state says which code or refresh token is good
//! now; each rule here takes the grant as it was read, what a client presented, and the time, and returns a verdict
//! that the caller applies with one compare-and-swap.

mod authorize;
mod code;
mod pkce;
mod record;
mod refresh;
mod resources;
mod scopes;
mod tickets;

pub use authorize::{
    AuthorizationRequest, AuthorizeRefusal, Prompt, ReturnPath, asking_client, check_form, check_request,
    return_path,
};
pub use code::{CodeRedemption, CodeRefusal, check_code};
pub use pkce::{CodeChallenge, PkceRefusal, check_verifier_form};
pub use record::{
    ActiveGrant, AwaitingCode, Grant, GrantState, PreviousRefresh, RefreshState, RevokedReason,
};
pub use refresh::{
    PresentedRefresh, RefreshRefusal, RefreshRules, RefreshVerdict, SuccessorUse, decide_refresh,
};
pub use resources::{ProtectedResource, Resources, TargetRefusal};
pub use scopes::{ScopeNarrowing, narrow_scopes};
pub use tickets::{
    CodeParts, RefreshParts, TicketRefusal, access_token, authorization_code, derived_access_secret,
    parse_code, parse_refresh_token, refresh_token, successor_secret,
};
