//! What the client may ask of `/authorize`, in the order of the checks.
//!
//! RFC 6749 §4.1.1, RFC 7636 §4.3 and OpenID Connect Core §3.1.2.1 (`prompt`). Client and redirect URI come first: until
//! both are known to be good, an error is shown to the person and never redirected.

use coatroom::protocol::errors::{ErrorCode, OAuthError};
use coatroom::protocol::words::{Params, ParamsRefusal, Scopes, from_base64url};

use crate::demo::{CLIENT_ID, SCOPES};

/// A well-formed authorization request of the provider's one client.
#[derive(Debug, Clone)]
pub(super) struct AuthorizationRequest {
    /// What is asked for; every scope is known.
    pub(super) scopes: Scopes,
    /// The client's own value, returned as it came.
    pub(super) state: String,
    /// The S256 challenge.
    pub(super) challenge: String,
    /// How much of the page the client wants to be shown.
    pub(super) prompt: Prompt,
}

/// How much of the page the client wants to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    /// What is needed: the remembered account if there is one.
    Needed,
    /// The choice of accounts, whoever is remembered.
    Choose,
    /// No page at all.
    Nothing,
}

/// Why an authorization request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestRefusal {
    /// The parameters cannot be read, or one is repeated.
    #[error(transparent)]
    Params(#[from] ParamsRefusal),
    /// A client other than the gateway.
    #[error("the only client of this provider is {CLIENT_ID}")]
    Client,
    /// An address other than the gateway's callback.
    #[error("redirect_uri is not the one that is registered for this client")]
    RedirectUri,
    /// A missing or overlong state.
    #[error("state must have 1 to {MOST_STATE_BYTES} characters")]
    State,
    /// Another response type than `code`.
    #[error("response_type must be code")]
    ResponseType,
    /// PKCE is missing, or not S256.
    #[error("PKCE with code_challenge_method S256 is required")]
    Pkce,
    /// A scope that does not exist here.
    #[error("the scopes of this provider are repos:read and repos:write")]
    Scope,
    /// A prompt that does not exist, or `none` beside others.
    #[error("prompt is none, or any of login, select_account and consent")]
    Prompt,
}

impl AuthorizationRequest {
    /// Reads the request from the parameters of the page's address, or of the form on the page.
    ///
    /// # Errors
    /// [`RequestRefusal`]; its [`OAuthError`] says where it may be shown.
    pub(super) fn parse(params: &Params, redirect_uri: &str) -> Result<Self, RequestRefusal> {
        params.check_repeats()?;
        if params.one("client_id")? != Some(CLIENT_ID) {
            return Err(RequestRefusal::Client);
        }
        if params.one("redirect_uri")? != Some(redirect_uri) {
            return Err(RequestRefusal::RedirectUri);
        }
        let state = params.one("state")?.filter(|state| state.len() <= MOST_STATE_BYTES);
        let state = state.ok_or(RequestRefusal::State)?.to_owned();
        if params.one("response_type")? != Some("code") {
            return Err(RequestRefusal::ResponseType);
        }
        Ok(Self {
            state,
            challenge: challenge(params)?,
            scopes: scopes(params.one("scope")?)?,
            prompt: prompt(params.one("prompt")?)?,
        })
    }

    /// The same request as the hidden fields of the form, ready to be parsed again.
    pub(super) fn fields(&self, redirect_uri: &str) -> Vec<(&'static str, String)> {
        vec![
            ("client_id", CLIENT_ID.to_owned()),
            ("redirect_uri", redirect_uri.to_owned()),
            ("response_type", "code".to_owned()),
            ("scope", self.scopes.to_string()),
            ("state", self.state.clone()),
            ("code_challenge", self.challenge.clone()),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }
}

impl From<RequestRefusal> for OAuthError {
    fn from(refusal: RequestRefusal) -> Self {
        let description = refusal.to_string();
        match refusal {
            RequestRefusal::Params(_) | RequestRefusal::RedirectUri => {
                Self::page(ErrorCode::InvalidRequest, description)
            }
            RequestRefusal::Client => Self::page(ErrorCode::InvalidClient, description),
            RequestRefusal::State | RequestRefusal::Pkce | RequestRefusal::Prompt => {
                Self::redirect(ErrorCode::InvalidRequest, description)
            }
            RequestRefusal::ResponseType => Self::redirect(ErrorCode::UnsupportedResponseType, description),
            RequestRefusal::Scope => Self::redirect(ErrorCode::InvalidScope, description),
        }
    }
}

/// A challenge is the base64url of a SHA-256: nothing else could ever match a verifier.
fn challenge(params: &Params) -> Result<String, RequestRefusal> {
    if params.one("code_challenge_method")? != Some("S256") {
        return Err(RequestRefusal::Pkce);
    }
    let challenge = params.one("code_challenge")?.ok_or(RequestRefusal::Pkce)?;
    let digest = from_base64url(challenge).filter(|digest| digest.len() == 32);
    digest.map(|_| challenge.to_owned()).ok_or(RequestRefusal::Pkce)
}

/// What is asked for; without a word, what is granted by default.
fn scopes(asked: Option<&str>) -> Result<Scopes, RequestRefusal> {
    let Some(asked) = asked else {
        let default = SCOPES.iter().filter(|scope| scope.default);
        return Ok(default.filter_map(|scope| scope.name.parse().ok()).collect());
    };
    let asked: Scopes = asked.parse().map_err(|_| RequestRefusal::Scope)?;
    let known = |name: &str| SCOPES.iter().any(|scope| scope.name == name);
    if asked.is_empty() || !asked.iter().all(|scope| known(scope.as_str())) {
        return Err(RequestRefusal::Scope);
    }
    Ok(asked)
}

fn prompt(asked: Option<&str>) -> Result<Prompt, RequestRefusal> {
    let Some(asked) = asked else { return Ok(Prompt::Needed) };
    if asked == "none" {
        return Ok(Prompt::Nothing);
    }
    let mut prompt = Prompt::Needed;
    for word in asked.split(' ') {
        match word {
            "login" | "select_account" => prompt = Prompt::Choose,
            "consent" => {}
            _ => return Err(RequestRefusal::Prompt),
        }
    }
    Ok(prompt)
}

const MOST_STATE_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const CALLBACK: &str = "http://localhost:8787/callback/demo";
    const GOOD: &str = "client_id=coatroom-demo&redirect_uri=http://localhost:8787/callback/demo\
        &response_type=code&state=s&code_challenge=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\
        &code_challenge_method=S256";

    fn parse(query: &str) -> Result<AuthorizationRequest, RequestRefusal> {
        AuthorizationRequest::parse(&Params::parse(query).unwrap(), CALLBACK)
    }

    #[test]
    fn without_a_scope_the_default_is_asked_for() {
        assert_eq!(parse(GOOD).unwrap().scopes.to_string(), "repos:read");
        assert_eq!(parse(&format!("{GOOD}&scope=admin")).unwrap_err(), RequestRefusal::Scope);
    }

    #[test]
    fn a_foreign_client_or_address_is_never_redirected() {
        for (from, to) in [
            ("coatroom-demo", "other"),
            ("8787/callback/demo", "8787/callback/demo/"),
            ("http://localhost", "https://evil.example"),
        ] {
            let refusal = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            let shown = OAuthError::from(refusal).shown();
            assert_eq!(shown, coatroom::protocol::errors::Shown::OnPage, "{to}");
        }
    }

    #[test]
    fn pkce_is_required_and_only_s256_counts() {
        assert_eq!(parse(&GOOD.replace("S256", "plain")).unwrap_err(), RequestRefusal::Pkce);
        assert_eq!(parse(&GOOD.replace("challenge=47", "challenge=4")).unwrap_err(), RequestRefusal::Pkce);
        assert_eq!(parse(&GOOD.replace("code_challenge=", "x=")).unwrap_err(), RequestRefusal::Pkce);
    }

    #[test]
    fn prompts_are_read_as_openid_connect_defines_them() {
        let prompt = |text: &str| parse(&format!("{GOOD}&prompt={text}")).map(|request| request.prompt);
        assert_eq!(prompt("none"), Ok(Prompt::Nothing));
        assert_eq!(prompt("login"), Ok(Prompt::Choose));
        assert_eq!(prompt("consent+select_account"), Ok(Prompt::Choose));
        assert_eq!(prompt("consent"), Ok(Prompt::Needed));
        assert_eq!(prompt("none+login"), Err(RequestRefusal::Prompt));
    }

    #[test]
    fn the_form_carries_the_whole_request() {
        let request = parse(&format!("{GOOD}&scope=repos:write+repos:read")).unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(request.fields(CALLBACK));
        let again = parse(&form.finish()).unwrap();
        assert_eq!((again.state, again.challenge), (request.state, request.challenge));
        assert_eq!(again.scopes, request.scopes);
    }
}
