//! What a client says when it registers, and what of it is taken over (RFC 7591 §2).
//!
//! Anyone may register, so nothing is believed: URIs are checked, names are cleaned, and grants that need an operator's
//! trust are left out. What shipped clients send beside the norm is cut to what is supported, not refused, since a
//! client whose registration fails never starts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::app_uris::AppUris;
use super::client_id::MAX_CLIENT_ID_LENGTH;
use super::display::{is_https_of_named_host, shown_link, shown_text};
use super::record::ClientLinks;
use super::redirect_uri::{RedirectUri, RedirectUriKind, RedirectUriRefusal};
use crate::errors::{ErrorCode, OAuthError};
use crate::words::{JsonRefusal, OFFLINE_ACCESS, Scopes, parse_object};

/// The body of a registration request: a JSON object whose members are not checked yet.
#[derive(Debug, Clone)]
pub struct RegistrationRequest(pub(super) Map<String, Value>);

/// What is registered of a client. The short names are the stored form in client ids: they never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMetadata {
    #[serde(rename = "r")]
    pub(super) redirect_uris: Vec<RedirectUri>,
    #[serde(rename = "m")]
    pub(super) method: AuthenticationMethod,
    #[serde(rename = "a")]
    pub(super) application_type: ApplicationType,
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) may_refresh: bool,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(flatten)]
    pub(super) links: ClientLinks,
}

/// A method of client authentication that can be registered (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AuthenticationMethod {
    /// A public client.
    #[serde(rename = "n")]
    None,
    /// The secret in the `Authorization` header.
    #[serde(rename = "b")]
    Basic,
    /// The secret in the body.
    #[serde(rename = "p")]
    Post,
}

/// The public keys that a client declares.
#[derive(Debug, Clone, Copy)]
pub(super) enum DeclaredKeys<'a> {
    /// `jwks`: a set without private members.
    Set(&'a Value),
    /// `jwks_uri`, as it is written.
    At(&'a str),
}

/// Where a client runs (OpenID Connect Registration §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "the norm knows these two")]
pub enum ApplicationType {
    /// On a site: every redirect URI is https and leads to another machine.
    #[serde(rename = "w")]
    Web,
    /// On the user's machine.
    #[serde(rename = "n")]
    Native,
}

/// Why a client cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationRefusal {
    /// The body is not one JSON object.
    #[error(transparent)]
    Body(#[from] JsonRefusal),
    /// A member of the wrong type.
    #[error("{name} must be {expected}")]
    Member {
        /// The member.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// No redirect URI.
    #[error("redirect_uris must list at least one URI")]
    NoRedirectUri,
    /// Too many redirect URIs.
    #[error("redirect_uris has at most {MAX_REDIRECT_URIS} entries")]
    TooManyRedirectUris,
    /// A redirect URI that may not be registered.
    #[error("redirect_uris: {0}")]
    RedirectUri(#[from] RedirectUriRefusal),
    /// A redirect URI on a site that is not on the operator's list.
    #[error(
        "redirect_uris: {host} is not among the hosts that the operator of this server lets answers be sent to"
    )]
    RedirectHost {
        /// The host.
        host: String,
    },
    /// A web application that wants its users' machines to receive codes.
    #[error("a client with application_type web has only https redirect URIs that lead to another machine")]
    NotWeb,
    /// Another application type than web and native.
    #[error("application_type must be web or native")]
    ApplicationType,
    /// The implicit or the password grant, or no authorization code grant.
    #[error("grant_types must contain authorization_code, and neither implicit nor password")]
    GrantTypes,
    /// A response type that puts a token into the browser, or no code.
    #[error("response_types must contain code, and none with token")]
    ResponseTypes,
    /// A method of client authentication that cannot be registered.
    #[error("token_endpoint_auth_method must be none, client_secret_basic or client_secret_post")]
    AuthenticationMethod,
    /// Both a key set and the address of one.
    #[error("jwks and jwks_uri cannot be used together")]
    TwoKeySets,
    /// A key set with a private or symmetric key, or none at all.
    #[error("jwks must be a set of public keys")]
    PrivateKey,
    /// An address of a key set that is not https, or has no host name.
    #[error("jwks_uri must be an https URL with a host name")]
    KeySetAddress,
    /// Tokens that are bound to a key of the client, which are not issued here.
    #[error("{name} must be absent or false: this server issues bearer tokens only")]
    BoundTokens {
        /// The member.
        name: &'static str,
    },
    /// A link that runs or reads something on the user's machine.
    #[error("{name} must be an https URL")]
    Link {
        /// The member.
        name: &'static str,
    },
    /// A scope that cannot be one.
    #[error("scope must be a list of scopes separated by spaces")]
    Scope,
    /// What must be kept is too long for a client id.
    #[error("redirect_uris are too long: they must fit a client_id of {MAX_CLIENT_ID_LENGTH} characters")]
    TooLong,
}

impl RegistrationRequest {
    /// Reads the body of a registration request.
    ///
    /// # Errors
    /// [`RegistrationRefusal::Body`] when it is not one JSON object, or repeats a member at any depth.
    pub fn parse(body: &[u8]) -> Result<Self, RegistrationRefusal> {
        Ok(Self(parse_object(body)?))
    }

    /// Checks the members, and takes over what is supported. Unknown members are ignored; `null` counts as absent.
    ///
    /// # Errors
    /// See [`RegistrationRefusal`]; `apps` says which private-use schemes are let through.
    pub fn check(&self, apps: &AppUris) -> Result<ClientMetadata, RegistrationRefusal> {
        self.check_response_types()?;
        self.check_binding()?;
        // No registered method uses keys, so none are taken over or fetched.
        if let Some(DeclaredKeys::At(address)) = self.keys()?
            && !is_https_of_named_host(address)
        {
            return Err(RegistrationRefusal::KeySetAddress);
        }
        let redirect_uris = self.redirect_uris(apps)?;
        let application_type = self.application_type(&redirect_uris)?;
        let may_refresh = self.asks_refresh_tokens()? | self.asks_offline_access()?;
        Ok(ClientMetadata {
            redirect_uris,
            method: self.method()?,
            application_type,
            may_refresh,
            name: self.text("client_name")?.and_then(|name| shown_text(name, MAX_NAME_CHARS)),
            links: ClientLinks {
                client_uri: self.link("client_uri")?,
                logo_uri: self.link("logo_uri")?,
                tos_uri: self.link("tos_uri")?,
                policy_uri: self.link("policy_uri")?,
            },
        })
    }

    fn redirect_uris(&self, apps: &AppUris) -> Result<Vec<RedirectUri>, RegistrationRefusal> {
        let texts = self.list("redirect_uris")?.unwrap_or_default();
        if texts.is_empty() {
            return Err(RegistrationRefusal::NoRedirectUri);
        }
        if texts.len() > MAX_REDIRECT_URIS {
            return Err(RegistrationRefusal::TooManyRedirectUris);
        }
        let mut uris = Vec::new();
        for text in texts {
            let uri = RedirectUri::parse(text, apps)?;
            if !uris.contains(&uri) {
                uris.push(uri);
            }
        }
        Ok(uris)
    }

    /// The declared application type if the redirect URIs agree with it, else the one that they imply: most clients
    /// leave it out, and the norm's default, web, would lock them out.
    ///
    /// A private-use URI that the operator's list let through makes a client native whatever it declares: Cursor
    /// registers one, an https one and a loopback one together, as `web`.
    fn application_type(&self, uris: &[RedirectUri]) -> Result<ApplicationType, RegistrationRefusal> {
        let has_app = uris.iter().any(|uri| uri.kind() == RedirectUriKind::App);
        let has_loopback = uris.iter().any(RedirectUri::has_loopback_host);
        match self.text("application_type")? {
            Some("web") if has_loopback && !has_app => Err(RegistrationRefusal::NotWeb),
            Some("native") => Ok(ApplicationType::Native),
            Some("web") | None if has_app || has_loopback => Ok(ApplicationType::Native),
            Some("web") | None => Ok(ApplicationType::Web),
            Some(_) => Err(RegistrationRefusal::ApplicationType),
        }
    }

    /// Whether the grant types contain `refresh_token`. Other known and unknown grants are left out of the registration:
    /// they need a client that the operator trusts.
    fn asks_refresh_tokens(&self) -> Result<bool, RegistrationRefusal> {
        let asked = self.list("grant_types")?.unwrap_or_default();
        let has_code = asked.is_empty() || asked.contains(&"authorization_code");
        if !has_code || asked.contains(&"implicit") || asked.contains(&"password") {
            return Err(RegistrationRefusal::GrantTypes);
        }
        Ok(asked.contains(&"refresh_token"))
    }

    /// Other response types than `code` are left out of the registration, except those that must never be asked for.
    fn check_response_types(&self) -> Result<(), RegistrationRefusal> {
        let asked = self.list("response_types")?.unwrap_or_default();
        let has_code = asked.is_empty() || asked.contains(&"code");
        let has_token = asked.iter().any(|asked| asked.split(' ').any(|word| word == "token"));
        if has_code && !has_token { Ok(()) } else { Err(RegistrationRefusal::ResponseTypes) }
    }

    /// The method, by default the norm's `client_secret_basic`; the answer says so and carries the secret.
    fn method(&self) -> Result<AuthenticationMethod, RegistrationRefusal> {
        match self.text("token_endpoint_auth_method")? {
            Some("none") => Ok(AuthenticationMethod::None),
            None | Some("client_secret_basic") => Ok(AuthenticationMethod::Basic),
            Some("client_secret_post") => Ok(AuthenticationMethod::Post),
            Some(_) => Err(RegistrationRefusal::AuthenticationMethod),
        }
    }

    /// The key set or its address. Refuses what no client should send.
    pub(super) fn keys(&self) -> Result<Option<DeclaredKeys<'_>>, RegistrationRefusal> {
        let address = self.text("jwks_uri")?;
        let Some(set) = self.member("jwks") else { return Ok(address.map(DeclaredKeys::At)) };
        if address.is_some() {
            return Err(RegistrationRefusal::TwoKeySets);
        }
        let keys = set.get("keys").and_then(Value::as_array).ok_or(RegistrationRefusal::PrivateKey)?;
        let is_public = |key: &Value| {
            key.as_object()
                .is_some_and(|key| !SECRET_KEY_MEMBERS.iter().any(|member| key.contains_key(*member)))
        };
        if !keys.iter().all(is_public) {
            return Err(RegistrationRefusal::PrivateKey);
        }
        Ok(Some(DeclaredKeys::Set(set)))
    }

    /// Refuses a client that relies on tokens which nobody else can use (RFC 9449 §5.2, RFC 8705 §3.4): it would get
    /// tokens that anybody can use, and need not notice (docs/decisions/0021).
    fn check_binding(&self) -> Result<(), RegistrationRefusal> {
        for name in ["dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"] {
            if self.member(name).is_some_and(|value| value != &Value::Bool(false)) {
                return Err(RegistrationRefusal::BoundTokens { name });
            }
        }
        Ok(())
    }

    /// Whether `scope` names `offline_access`. The rest of it is checked and not kept: clients register the scopes of
    /// their first challenge, and must be able to ask for more later (docs/decisions/0002).
    pub(super) fn asks_offline_access(&self) -> Result<bool, RegistrationRefusal> {
        let Some(text) = self.text("scope")? else { return Ok(false) };
        let scopes: Scopes = text.parse().map_err(|_| RegistrationRefusal::Scope)?;
        Ok(scopes.iter().any(|scope| scope.as_str() == OFFLINE_ACCESS))
    }

    pub(super) fn link(&self, name: &'static str) -> Result<Option<String>, RegistrationRefusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        shown_link(text, MAX_LINK_LENGTH).map_err(|_| RegistrationRefusal::Link { name })
    }

    pub(super) fn member(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, RegistrationRefusal> {
        let Some(value) = self.member(name) else { return Ok(None) };
        let text = value.as_str().ok_or(RegistrationRefusal::Member { name, expected: "a string" })?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    pub(super) fn list(&self, name: &'static str) -> Result<Option<Vec<&str>>, RegistrationRefusal> {
        let Some(value) = self.member(name) else { return Ok(None) };
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        texts.map(Some).ok_or(RegistrationRefusal::Member { name, expected: "an array of strings" })
    }
}

impl AuthenticationMethod {
    /// The method as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

impl ApplicationType {
    /// The type as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
        }
    }
}

impl From<RegistrationRefusal> for OAuthError {
    fn from(refusal: RegistrationRefusal) -> Self {
        let code = match &refusal {
            RegistrationRefusal::NoRedirectUri
            | RegistrationRefusal::TooManyRedirectUris
            | RegistrationRefusal::RedirectUri(_)
            | RegistrationRefusal::RedirectHost { .. }
            | RegistrationRefusal::Member { name: "redirect_uris", .. }
            | RegistrationRefusal::NotWeb => ErrorCode::InvalidRedirectUri,
            RegistrationRefusal::Body(_)
            | RegistrationRefusal::Member { .. }
            | RegistrationRefusal::ApplicationType
            | RegistrationRefusal::GrantTypes
            | RegistrationRefusal::ResponseTypes
            | RegistrationRefusal::AuthenticationMethod
            | RegistrationRefusal::TwoKeySets
            | RegistrationRefusal::PrivateKey
            | RegistrationRefusal::KeySetAddress
            | RegistrationRefusal::BoundTokens { .. }
            | RegistrationRefusal::Link { .. }
            | RegistrationRefusal::Scope
            | RegistrationRefusal::TooLong => ErrorCode::InvalidClientMetadata,
        };
        Self::json(code, refusal.to_string())
    }
}

/// The most redirect URIs that a client may register.
pub const MAX_REDIRECT_URIS: usize = 16;

/// The most characters of a name that are kept.
pub(super) const MAX_NAME_CHARS: usize = 80;

/// The most characters that a link may have to be kept.
const MAX_LINK_LENGTH: usize = 200;

/// The members of private and symmetric keys (RFC 7518 §6).
const SECRET_KEY_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(body: &Value) -> Result<ClientMetadata, RegistrationRefusal> {
        RegistrationRequest::parse(body.to_string().as_bytes())?.check(&AppUris::shipped())
    }

    /// Registers one https redirect URI and `members`.
    fn with(members: &Value) -> Result<ClientMetadata, RegistrationRefusal> {
        let mut body = json!({ "redirect_uris": ["https://h.example/cb"] });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        check(&body)
    }

    fn code(refusal: RegistrationRefusal) -> ErrorCode {
        OAuthError::from(refusal).code()
    }

    #[test]
    fn the_norms_defaults_hold_for_what_is_left_out() {
        let metadata = with(&json!({})).unwrap();
        assert_eq!(metadata.method, AuthenticationMethod::Basic);
        assert_eq!(metadata.application_type, ApplicationType::Web);
        assert!(!metadata.may_refresh);
        assert_eq!(metadata.name, None);
        assert_eq!(with(&json!({ "token_endpoint_auth_method": null, "grant_types": [] })), with(&json!({})));
    }

    #[test]
    fn a_client_that_relies_on_bound_tokens_is_refused_and_told_why() {
        for name in ["dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"] {
            for value in [json!(true), json!("true"), json!(1)] {
                let refusal = with(&json!({ name: value })).unwrap_err();
                assert!(refusal.to_string().contains(name), "{refusal}");
                assert_eq!(code(refusal), ErrorCode::InvalidClientMetadata);
            }
            for value in [json!(false), json!(null)] {
                assert_eq!(with(&json!({ name: value })), with(&json!({})));
            }
        }
    }

    #[test]
    fn redirect_uris_are_required_and_counted() {
        for body in [json!({}), json!({ "redirect_uris": [] }), json!({ "redirect_uris": null })] {
            assert_eq!(check(&body), Err(RegistrationRefusal::NoRedirectUri));
        }
        for body in [json!({ "redirect_uris": "https://h.example/" }), json!({ "redirect_uris": [1] })] {
            assert_eq!(code(check(&body).unwrap_err()), ErrorCode::InvalidRedirectUri);
        }
        let many: Vec<_> = (0..17).map(|n| format!("https://h.example/{n}")).collect();
        assert_eq!(check(&json!({ "redirect_uris": many })), Err(RegistrationRefusal::TooManyRedirectUris));
        let twice = check(&json!({ "redirect_uris": ["https://h.example/", "https://h.example/"] })).unwrap();
        assert_eq!(twice.redirect_uris.len(), 1);
    }

    #[test]
    fn one_bad_redirect_uri_refuses_the_set_with_its_own_code() {
        for bad in ["http://evil.example/cb", "/cb", "https://x.example/cb#f", "javascript:x", "myapp:/cb"] {
            let refusal = check(&json!({ "redirect_uris": ["https://h.example/cb", bad] })).unwrap_err();
            assert_eq!(code(refusal), ErrorCode::InvalidRedirectUri, "{bad}");
        }
    }

    #[test]
    fn the_application_type_agrees_with_the_redirect_uris() {
        let kind = |declared: Option<&str>, uris: &[&str]| {
            let metadata = check(&json!({ "redirect_uris": uris, "application_type": declared }))?;
            Ok::<_, RegistrationRefusal>(metadata.application_type)
        };
        let (https, loopback) = ("https://h.example/cb", "http://localhost:5/cb");
        let app = "cursor://anysphere.cursor-mcp/oauth/callback";
        assert_eq!(kind(Some("web"), &[https]), Ok(ApplicationType::Web));
        assert_eq!(kind(Some("web"), &[loopback]), Err(RegistrationRefusal::NotWeb));
        assert_eq!(kind(Some("web"), &["https://localhost/cb"]), Err(RegistrationRefusal::NotWeb));
        assert_eq!(kind(Some("native"), &[https]), Ok(ApplicationType::Native));
        assert_eq!(kind(Some("native"), &[loopback, app]), Ok(ApplicationType::Native));
        assert_eq!(kind(None, &[https]), Ok(ApplicationType::Web));
        assert_eq!(kind(None, &[loopback]), Ok(ApplicationType::Native));
        assert_eq!(kind(None, &[https, loopback]), Ok(ApplicationType::Native));
        assert_eq!(kind(Some("desktop"), &[https]), Err(RegistrationRefusal::ApplicationType));
    }

    #[test]
    fn cursors_three_uris_register_although_it_calls_itself_web() {
        let uris = [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ];
        let metadata = check(&json!({ "redirect_uris": uris, "application_type": "web" })).unwrap();
        assert_eq!(metadata.application_type, ApplicationType::Native);
        assert_eq!(metadata.redirect_uris.len(), 3);
    }

    #[test]
    fn tokens_in_the_browser_and_passwords_are_refused() {
        for grants in
            [json!(["implicit"]), json!(["authorization_code", "password"]), json!(["refresh_token"])]
        {
            assert_eq!(with(&json!({ "grant_types": grants })), Err(RegistrationRefusal::GrantTypes));
        }
        for types in
            [json!(["token"]), json!(["code", "id_token token"]), json!(["code token"]), json!(["id_token"])]
        {
            assert_eq!(with(&json!({ "response_types": types })), Err(RegistrationRefusal::ResponseTypes));
        }
    }

    #[test]
    fn what_chatgpt_sends_beyond_the_code_grant_is_cut_not_refused() {
        let metadata = with(&json!({
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
            "response_types": ["code", "id_token"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_method": "none",
        }));
        assert!(metadata.unwrap().may_refresh);
    }

    #[test]
    fn refresh_tokens_are_for_who_registers_them_or_offline_access() {
        assert!(
            with(&json!({ "grant_types": ["authorization_code", "refresh_token"] })).unwrap().may_refresh
        );
        assert!(with(&json!({ "scope": "read offline_access" })).unwrap().may_refresh);
        assert!(
            !with(&json!({ "grant_types": ["authorization_code", "client_credentials"] }))
                .unwrap()
                .may_refresh
        );
    }

    #[test]
    fn a_scope_is_checked_and_not_kept() {
        assert_eq!(with(&json!({ "scope": "read write" })), with(&json!({})));
    }

    #[test]
    fn an_unsupported_authentication_method_is_refused() {
        for method in ["tls_client_auth", "private_key_jwt", "client_secret_jwt", "None"] {
            let refusal = with(&json!({ "token_endpoint_auth_method": method })).unwrap_err();
            assert_eq!(refusal, RegistrationRefusal::AuthenticationMethod, "{method}");
            assert_eq!(code(refusal), ErrorCode::InvalidClientMetadata);
        }
    }

    #[test]
    fn key_sets_are_public_and_stand_alone() {
        let public = json!({ "keys": [{ "kty": "EC", "x": "a", "y": "b" }] });
        assert!(with(&json!({ "jwks": public })).is_ok());
        assert!(with(&json!({ "jwks_uri": "https://h.example/jwks.json" })).is_ok());
        assert_eq!(
            with(&json!({ "jwks": public, "jwks_uri": "https://h.example/jwks.json" })),
            Err(RegistrationRefusal::TwoKeySets)
        );
        for bad in [
            json!({ "keys": [{ "kty": "EC", "d": "x" }] }),
            json!({ "keys": [{ "kty": "oct", "k": "x" }] }),
            json!("x"),
        ] {
            assert_eq!(with(&json!({ "jwks": bad })), Err(RegistrationRefusal::PrivateKey));
        }
        for bad in ["http://h.example/jwks.json", "https://169.254.169.254/latest", "https://[::1]/"] {
            assert_eq!(with(&json!({ "jwks_uri": bad })), Err(RegistrationRefusal::KeySetAddress));
        }
    }

    #[test]
    fn names_are_cleaned_and_links_are_https_or_dropped() {
        let metadata = with(&json!({
            "client_name": "My\u{202e}App\n<script>",
            "client_name#ja": "\u{202e}",
            "client_uri": "http://localhost:3000",
            "tos_uri": "https://h.example/tos",
        }))
        .unwrap();
        assert_eq!(metadata.name.as_deref(), Some("MyApp <script>"));
        assert_eq!(metadata.links.client_uri, None);
        assert_eq!(metadata.links.tos_uri.as_deref(), Some("https://h.example/tos"));
        let refusal = with(&json!({ "logo_uri": "javascript:alert(1)" })).unwrap_err();
        assert_eq!(refusal, RegistrationRefusal::Link { name: "logo_uri" });
    }

    #[test]
    fn members_that_are_not_known_are_ignored_and_known_ones_have_their_type() {
        assert_eq!(with(&json!({ "foo": { "bar": [] }, "software_statement": "garbage" })), with(&json!({})));
        let refusal = with(&json!({ "client_name": 5 })).unwrap_err();
        assert_eq!(OAuthError::from(refusal).description(), "client_name must be a string");
        assert_eq!(with(&json!({ "scope": "a\"b" })), Err(RegistrationRefusal::Scope));
        assert_eq!(with(&json!({ "scope": " " })), with(&json!({})));
    }

    #[test]
    fn a_body_with_two_readings_is_refused() {
        let body = br#"{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}"#;
        let refusal = RegistrationRequest::parse(body).unwrap_err();
        assert_eq!(refusal, RegistrationRefusal::Body(JsonRefusal::Repeated));
        assert_eq!(code(refusal), ErrorCode::InvalidClientMetadata);
        assert!(RegistrationRequest::parse(b"redirect_uris=x").is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in any::<Vec<u8>>(), name in any::<String>(), uri in any::<String>(), scope in any::<String>()) {
            if let Ok(request) = RegistrationRequest::parse(&body) {
                let _ = request.check(&AppUris::shipped());
            }
            let _ = with(&json!({ "client_name": name, "client_uri": uri, "scope": scope }));
            let _ = check(&json!({ "redirect_uris": [uri], "jwks_uri": name }));
        }
    }
}
