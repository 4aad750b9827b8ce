//! The checks of an authorization request, in their order (OAuth 2.1 §4.1.1 and §4.1.2.1, RFC 8707, RFC 7636).
//!
//! 1. `client_id`: present once. The caller looks the client up.
//! 2. `redirect_uri`: registered. Up to here a fault is shown on a page: nothing proves where an answer belongs.
//! 3. `state`, then no other parameter repeated. From here on a fault may be redirected.
//! 4. No request objects; `response_type=code`; no other response mode than `query`.
//! 5. `resource`, PKCE, `scope`, `prompt`.

use serde::{Deserialize, Serialize};

use super::pkce::{CodeChallenge, PkceRefusal};
use super::resources::{ProtectedResource, Resources, TargetRefusal};
use crate::client::{Client, RedirectPrefixes, RedirectRefusal, RedirectUri};
use crate::errors::{ErrorCode, OAuthError};
use crate::words::{ClientId, OFFLINE_ACCESS, Params, ParamsRefusal, ScopeRefusal, Scopes};

/// Who asks, and where the answer goes: what must be known before an error may be redirected.
#[derive(Debug, Clone)]
pub struct ReturnPath {
    /// The redirect URI as it was asked for, found registered.
    pub redirect_uri: RedirectUri,
    /// The client's `state`, to be echoed unchanged.
    pub state: Option<String>,
}

/// An authorization request that passed every check.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest<'a> {
    /// The resource that the grant will be good at.
    pub resource: &'a ProtectedResource,
    /// The scopes that a person will be asked to agree to; never empty unless the resource has no default scopes.
    pub scopes: Scopes,
    /// Whether tokens for later were asked for.
    pub offline: bool,
    /// The PKCE challenge.
    pub challenge: CodeChallenge,
    /// What the client wants the person to be asked.
    pub prompt: Prompt,
}

/// What a client wants the person to be asked (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Nothing special.
    #[default]
    AsNeeded,
    /// Nothing at all. Nothing is approved without a click here, so this is always refused.
    None,
    /// To sign in anew.
    Login,
    /// To choose an account.
    SelectAccount,
}

/// Why an authorization request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeRefusal {
    /// No `client_id`.
    #[error("client_id is missing")]
    ClientMissing,
    /// The parameters cannot be read, or one that decides where errors go is repeated.
    #[error(transparent)]
    Unreadable(ParamsRefusal),
    /// The redirect URI cannot be used.
    #[error(transparent)]
    Redirect(#[from] RedirectRefusal),
    /// A parameter is repeated.
    #[error(transparent)]
    Repeated(ParamsRefusal),
    /// A request object (OpenID Connect Core §6.1).
    #[error("request objects are not supported")]
    RequestObject,
    /// A reference to a request object (OpenID Connect Core §6.2). It is never fetched.
    #[error("request object references are not supported")]
    RequestReference,
    /// No `response_type`.
    #[error("response_type is missing")]
    ResponseTypeMissing,
    /// Another response type.
    #[error("response_type must be code")]
    ResponseType,
    /// Another response mode.
    #[error("response_mode must be query")]
    ResponseMode,
    /// The resource.
    #[error(transparent)]
    Target(#[from] TargetRefusal),
    /// PKCE.
    #[error(transparent)]
    Pkce(#[from] PkceRefusal),
    /// The scope parameter is malformed.
    #[error(transparent)]
    ScopeForm(#[from] ScopeRefusal),
    /// None of the scopes exists here or may be granted to this client.
    #[error("none of the requested scopes exists at this resource for this client")]
    ScopeUnknown,
    /// An unknown prompt, or `none` together with another.
    #[error("prompt must be none, login, consent or select_account; none stands alone")]
    Prompt,
}

impl From<AuthorizeRefusal> for OAuthError {
    fn from(refusal: AuthorizeRefusal) -> Self {
        use AuthorizeRefusal as R;
        let code = match &refusal {
            R::ClientMissing | R::Unreadable(_) => {
                return Self::page(ErrorCode::InvalidRequest, refusal.to_string());
            }
            R::Redirect(redirect) => return (*redirect).into(),
            R::Repeated(_) | R::ResponseTypeMissing | R::ResponseMode | R::Pkce(_) | R::Prompt => {
                ErrorCode::InvalidRequest
            }
            R::RequestObject => ErrorCode::RequestNotSupported,
            R::RequestReference => ErrorCode::RequestUriNotSupported,
            R::ResponseType => ErrorCode::UnsupportedResponseType,
            R::Target(_) => ErrorCode::InvalidTarget,
            R::ScopeForm(_) | R::ScopeUnknown => ErrorCode::InvalidScope,
        };
        Self::redirect(code, refusal.to_string())
    }
}

/// Step 1: which client asks.
///
/// # Errors
/// When `client_id` is missing or repeated; shown on a page.
pub fn asking_client(params: &Params) -> Result<ClientId, AuthorizeRefusal> {
    let id = params.one("client_id").map_err(AuthorizeRefusal::Unreadable)?;
    id.map(ClientId::new).ok_or(AuthorizeRefusal::ClientMissing)
}

/// Steps 2 and 3: where the answer goes. `prefixes` is the operator's list of sites where a segment of it is free.
///
/// # Errors
/// When the redirect URI is missing, repeated or not registered; shown on a page.
pub fn return_path(
    params: &Params,
    client: &Client,
    prefixes: &RedirectPrefixes,
) -> Result<ReturnPath, AuthorizeRefusal> {
    let asked = params.one("redirect_uri").map_err(AuthorizeRefusal::Unreadable)?;
    let redirect_uri = client.redirect_uri(asked, prefixes)?;
    // A repeated state cannot be echoed; the refusal that follows is sent without one.
    let state = params.one("state").ok().flatten().map(str::to_owned);
    Ok(ReturnPath { redirect_uri, state })
}

/// The checks that need no client: what a request must pass before anything is fetched on its behalf.
///
/// # Errors
/// See [`AuthorizeRefusal`]. Nothing is known of the client yet, so all of them are shown on a page.
pub fn check_form(params: &Params, resources: &Resources) -> Result<(), AuthorizeRefusal> {
    if let Some(uri) = params.one("redirect_uri").map_err(AuthorizeRefusal::Unreadable)? {
        RedirectUri::try_from(uri.to_owned()).map_err(|_| RedirectRefusal::NotRegistered)?;
    }
    AskedForm::read(params, resources).map(|_| ())
}

/// Steps 3 to 5: what is asked for.
///
/// # Errors
/// See [`AuthorizeRefusal`]; all of them may be redirected.
pub fn check_request<'a>(
    params: &Params,
    client: &Client,
    resources: &'a Resources,
) -> Result<AuthorizationRequest<'a>, AuthorizeRefusal> {
    let AskedForm { resource, challenge, scopes: asked, prompt } = AskedForm::read(params, resources)?;
    let offline =
        asked.as_ref().is_some_and(|asked| asked.iter().any(|scope| scope.as_str() == OFFLINE_ACCESS));
    let scopes = scopes_to_ask(asked.as_ref(), client, resource)?;
    Ok(AuthorizationRequest { resource, scopes, offline, challenge, prompt })
}

/// What a request asks for, whoever sends it.
struct AskedForm<'a> {
    resource: &'a ProtectedResource,
    challenge: CodeChallenge,
    scopes: Option<Scopes>,
    prompt: Prompt,
}

impl<'a> AskedForm<'a> {
    fn read(params: &Params, resources: &'a Resources) -> Result<Self, AuthorizeRefusal> {
        params.check_repeats().map_err(AuthorizeRefusal::Repeated)?;
        let one = |name| params.one(name).map_err(AuthorizeRefusal::Repeated);
        if one("request")?.is_some() {
            return Err(AuthorizeRefusal::RequestObject);
        }
        if one("request_uri")?.is_some() {
            return Err(AuthorizeRefusal::RequestReference);
        }
        match one("response_type")? {
            Some("code") => {}
            Some(_) => return Err(AuthorizeRefusal::ResponseType),
            None => return Err(AuthorizeRefusal::ResponseTypeMissing),
        }
        if one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(AuthorizeRefusal::ResponseMode);
        }
        let resource = resources.find(params.many("resource"))?;
        let challenge = CodeChallenge::check(one("code_challenge")?, one("code_challenge_method")?)?;
        let scopes = one("scope")?.map(str::parse::<Scopes>).transpose()?;
        let prompt = match prompt(one("prompt")?)? {
            // A sign-in that may be zero seconds old is a new one (OpenID Connect Core §3.1.2.1).
            Prompt::AsNeeded | Prompt::SelectAccount if one("max_age")? == Some("0") => Prompt::Login,
            prompt => prompt,
        };
        Ok(Self { resource, challenge, scopes, prompt })
    }
}

/// The scopes to put before a person: what is asked for and exists here, within the client's ceiling; the defaults
/// when nothing is asked for. Scopes of other resources are dropped in silence, because clients ask for everything
/// the authorization server lists; the token answer says what was granted.
fn scopes_to_ask(
    asked: Option<&Scopes>,
    client: &Client,
    resource: &ProtectedResource,
) -> Result<Scopes, AuthorizeRefusal> {
    let named = |asked: &&Scopes| asked.iter().any(|scope| scope.as_str() != OFFLINE_ACCESS);
    let Some(asked) = asked.filter(named) else {
        return Ok(client.within_ceiling(&resource.scopes.defaults()));
    };
    let known: Scopes = asked.iter().filter(|scope| resource.scopes.find(scope).is_some()).cloned().collect();
    let allowed = client.within_ceiling(&known);
    if allowed.is_empty() { Err(AuthorizeRefusal::ScopeUnknown) } else { Ok(allowed) }
}

fn prompt(text: Option<&str>) -> Result<Prompt, AuthorizeRefusal> {
    let mut prompt = Prompt::AsNeeded;
    let words: Vec<&str> = text.unwrap_or("").split(' ').filter(|word| !word.is_empty()).collect();
    for word in &words {
        prompt = match *word {
            "none" if words.len() == 1 => Prompt::None,
            "login" => Prompt::Login,
            "select_account" if prompt != Prompt::Login => Prompt::SelectAccount,
            // Consent is always asked for here.
            "consent" | "select_account" => prompt,
            _ => return Err(AuthorizeRefusal::Prompt),
        };
    }
    Ok(prompt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::AppUris;
    use crate::errors::Shown;
    use crate::words::{Resource, ScopeCatalogue, ScopeEntry};

    const GOOD: &str = "client_id=portal&redirect_uri=https://app.example/cb&response_type=code&state=s\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn client() -> Client {
        let uri = RedirectUri::parse("https://app.example/cb", &AppUris::none()).unwrap();
        Client::configured("portal", None, vec![uri]).unwrap()
    }

    fn resources() -> Resources {
        let scope = |name: &str, default| {
            (name.parse().unwrap(), ScopeEntry { title: name.to_owned(), default, ..ScopeEntry::default() })
        };
        let resource = ProtectedResource {
            id: Resource::parse("https://h.example/mcp").unwrap(),
            name: "Demo".to_owned(),
            provider: None,
            scopes: ScopeCatalogue::new([scope("read", true), scope("write", false)].into()).unwrap(),
        };
        Resources::new(vec![resource], None)
    }

    fn check(query: &str) -> Result<(Scopes, bool, Prompt), AuthorizeRefusal> {
        let params = Params::parse(query).unwrap();
        let resources = resources();
        let request = check_request(&params, &client(), &resources)?;
        Ok((request.scopes, request.offline, request.prompt))
    }

    #[test]
    fn the_form_is_checked_before_the_client_is_known() {
        let check = |query: &str| check_form(&Params::parse(query).unwrap(), &resources());
        assert_eq!(check(&GOOD.replace("portal", "https://client.example/c")), Ok(()));
        assert_eq!(
            check(&GOOD.replace("response_type=code", "x=y")),
            Err(AuthorizeRefusal::ResponseTypeMissing)
        );
        assert_eq!(
            check(&GOOD.replace("https://app.example/cb", "javascript:x")),
            Err(RedirectRefusal::NotRegistered.into())
        );
        assert!(matches!(check(&GOOD.replace("S256", "plain")), Err(AuthorizeRefusal::Pkce(_))));
        assert!(check(&format!("{GOOD}&resource=https://other.example/")).is_err());
        assert!(check(&format!("{GOOD}&state=t")).is_err());
    }

    #[test]
    fn a_plain_request_asks_for_the_default_scopes() {
        let (scopes, offline, prompt) = check(GOOD).unwrap();
        assert_eq!((scopes.to_string().as_str(), offline, prompt), ("read", false, Prompt::AsNeeded));
    }

    #[test]
    fn faults_of_client_and_redirect_uri_stay_on_a_page() {
        let params = |text: &str| Params::parse(text).unwrap();
        let back =
            |text: &str| return_path(&params(text), &client(), &RedirectPrefixes::default()).unwrap_err();
        for refusal in [
            asking_client(&params("")).unwrap_err(),
            asking_client(&params("client_id=a&client_id=a")).unwrap_err(),
            back("redirect_uri=https://evil.example/cb"),
            back("redirect_uri=https://app.example/cb&redirect_uri=x"),
        ] {
            assert_eq!(OAuthError::from(refusal.clone()).shown(), Shown::OnPage, "{refusal}");
        }
    }

    #[test]
    fn every_other_fault_has_its_code_and_may_be_redirected() {
        for (change, code) in [
            ("&state=t", "invalid_request"),
            ("&request=x", "request_not_supported"),
            ("&request_uri=https://x", "request_uri_not_supported"),
            ("&response_mode=fragment", "invalid_request"),
            ("&resource=https://other.example", "invalid_target"),
            ("&resource=relative", "invalid_target"),
            ("&resource=https://h.example/mcp&resource=https://h.example/x", "invalid_target"),
            ("&scope=unknown", "invalid_scope"),
            ("&scope=%22", "invalid_scope"),
            ("&prompt=none%20login", "invalid_request"),
            ("&prompt=never", "invalid_request"),
        ] {
            let error = OAuthError::from(check(&format!("{GOOD}{change}")).unwrap_err());
            assert_eq!((error.code().as_str(), error.shown()), (code, Shown::ByRedirect), "{change}");
        }
        let without = |name: &str| {
            let kept: Vec<&str> = GOOD.split('&').filter(|part| !part.starts_with(name)).collect();
            OAuthError::from(check(&kept.join("&")).unwrap_err()).code().as_str()
        };
        assert_eq!(without("response_type="), "invalid_request");
        assert_eq!(without("code_challenge="), "invalid_request");
        assert_eq!(without("code_challenge_method="), "invalid_request");
        assert_eq!(
            OAuthError::from(check(&GOOD.replace("type=code", "type=token")).unwrap_err()).code().as_str(),
            "unsupported_response_type"
        );
    }

    #[test]
    fn scopes_of_elsewhere_are_dropped_while_one_is_known() {
        let (scopes, offline, _) = check(&format!("{GOOD}&scope=write%20bogus%20offline_access")).unwrap();
        assert_eq!((scopes.to_string().as_str(), offline), ("write", true));
        let (scopes, offline, _) = check(&format!("{GOOD}&scope=offline_access")).unwrap();
        assert_eq!((scopes.to_string().as_str(), offline), ("read", true));
    }

    // `login_hint` names an account and proves nothing; there is no ID token for a nonce or an acr value to stand in.
    #[test]
    fn hints_of_openid_connect_are_taken_for_no_more_than_they_are() {
        for (params, expected) in [
            ("&max_age=0", Prompt::Login),
            ("&max_age=0&prompt=select_account", Prompt::Login),
            ("&max_age=0&prompt=none", Prompt::None),
            ("&max_age=3600", Prompt::AsNeeded),
            ("&max_age=x", Prompt::AsNeeded),
            (
                "&login_hint=alice@example.com&acr_values=loa3&nonce=n&ui_locales=de&id_token_hint=x",
                Prompt::AsNeeded,
            ),
        ] {
            assert_eq!(check(&format!("{GOOD}{params}")).unwrap().2, expected, "{params}");
        }
    }

    #[test]
    fn prompts_are_understood() {
        assert_eq!(check(&format!("{GOOD}&prompt=none")).unwrap().2, Prompt::None);
        assert_eq!(check(&format!("{GOOD}&prompt=consent%20login")).unwrap().2, Prompt::Login);
        assert_eq!(check(&format!("{GOOD}&prompt=select_account")).unwrap().2, Prompt::SelectAccount);
    }
}
