//! Client metadata documents: what a client says of itself at the URL that is its id
//! (draft-ietf-oauth-client-id-metadata-document §4 and §5; MCP 2026-07-28, Client Registration).
//!
//! Fetching is not done here. What shipped clients write beside what is supported is cut, not refused; what would let
//! somebody else pass for the client, or tells of a secret that cannot be one, is refused. No refusal repeats what the
//! document says: anybody can make us fetch, and nobody may read the answer through us.

use serde_json::Value;

use super::app_uris::AppUris;
use super::display::shown_text;
use super::document_url::{ClientUrl, ClientUrlRefusal};
use super::metadata::{DeclaredKeys, MAX_NAME_CHARS, RegistrationRefusal, RegistrationRequest};
use super::record::{Client, ClientAuthentication, ClientKeys, ClientLinks, ClientOrigin, KeySource};
use super::redirect_uri::{RedirectUri, RedirectUriRefusal};
use crate::jws::{Algorithm, KeySet};
use crate::words::{ClientId, JsonRefusal, base64url, parse_object, sha256};

/// What came when a document was fetched.
#[derive(Debug, Clone, Copy)]
pub struct FetchedDocument<'a> {
    /// The status of the answer.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Its body, whole.
    pub body: &'a [u8],
}

/// What a document may say here.
#[derive(Debug, Clone, Copy)]
pub struct DocumentRules<'a> {
    /// The private-use schemes that are let through.
    pub apps: &'a AppUris,
    /// Whether redirect URIs must lead to the document's own host or to the user's machine.
    pub same_origin: bool,
}

/// A document that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDocument {
    /// The client that it describes.
    pub client: Client,
    /// What an earlier agreement rests on: redirect URIs, keys and name. A document that changes them is another one to a
    /// person.
    pub fingerprint: String,
}

/// Why a document describes no client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentRefusal {
    /// Another status than 200; redirects too.
    #[error("the answer has status {0}, not 200")]
    Status(u16),
    /// Larger than this many bytes.
    #[error("the answer is larger than {0} bytes, the most that is read here")]
    TooLarge(usize),
    /// A content encoding, which nobody asked for.
    #[error("the answer has a content encoding; it is asked for without")]
    Encoded,
    /// Another media type.
    #[error("the answer is not application/json or application/*+json")]
    MediaType,
    /// Not one JSON object.
    #[error(transparent)]
    Body(#[from] JsonRefusal),
    /// Another client's document.
    #[error("its client_id is not exactly the URL of the document")]
    OtherClient,
    /// No name.
    #[error("client_name is missing")]
    NoName,
    /// A secret, which would be known to everybody.
    #[error("it has a client secret, which a public document cannot keep")]
    Secret,
    /// An authentication method with a shared secret.
    #[error("token_endpoint_auth_method needs a shared secret, which a public document cannot keep")]
    SharedSecret,
    /// Another authentication method.
    #[error("token_endpoint_auth_method must be none or private_key_jwt")]
    AuthenticationMethod,
    /// `private_key_jwt` without keys that can be used.
    #[error("private_key_jwt needs jwks or jwks_uri with a key that can be used here")]
    NoKeys,
    /// An address of keys that may not be fetched.
    #[error("jwks_uri: {0}")]
    KeySetAddress(ClientUrlRefusal),
    /// An algorithm that is not accepted.
    #[error("token_endpoint_auth_signing_alg is not accepted here")]
    Algorithm,
    /// No authorization code grant.
    #[error("grant_types does not contain authorization_code")]
    NoCodeGrant,
    /// No response type `code`.
    #[error("response_types does not contain code")]
    NoCodeResponse,
    /// A redirect URI on another host, where that is not allowed.
    #[error("a redirect URI leads to another host than the document's, which this server does not allow")]
    ForeignRedirect,
    /// Another fault of its members.
    #[error(transparent)]
    Member(RegistrationRefusal),
}

/// Checks what was fetched from `url`. Unknown members are ignored; `null` counts as absent.
///
/// # Errors
/// See [`DocumentRefusal`].
pub fn check_document(
    url: &ClientUrl,
    fetched: &FetchedDocument<'_>,
    rules: &DocumentRules<'_>,
) -> Result<ClientDocument, DocumentRefusal> {
    if fetched.status != 200 {
        return Err(DocumentRefusal::Status(fetched.status));
    }
    if !fetched.content_type.is_some_and(is_json) {
        return Err(DocumentRefusal::MediaType);
    }
    let document = RegistrationRequest(parse_object(fetched.body)?);
    if document.text("client_id")? != Some(url.as_str()) {
        return Err(DocumentRefusal::OtherClient);
    }
    if document.0.iter().any(|(name, value)| name.starts_with("client_secret") && !value.is_null()) {
        return Err(DocumentRefusal::Secret);
    }
    let name = document.text("client_name")?.and_then(|name| shown_text(name, MAX_NAME_CHARS));
    let name = name.ok_or(DocumentRefusal::NoName)?;
    let may_refresh = check_grants(&document)? | document.asks_offline_access()?;
    let redirect_uris = redirect_uris(&document, rules.apps)?;
    if rules.same_origin && !redirect_uris.iter().all(|uri| is_at_home(uri, url)) {
        return Err(DocumentRefusal::ForeignRedirect);
    }
    let fingerprint = fingerprint(&document, &redirect_uris, &name);
    Ok(ClientDocument {
        client: Client {
            id: ClientId::new(url.as_str()),
            name: Some(name),
            redirect_uris,
            authentication: authentication(&document)?,
            may_refresh,
            scope_ceiling: None,
            origin: ClientOrigin::Document,
            links: ClientLinks {
                client_uri: document.link("client_uri")?,
                logo_uri: document.link("logo_uri")?,
                tos_uri: document.link("tos_uri")?,
                policy_uri: document.link("policy_uri")?,
            },
        },
        fingerprint,
    })
}

/// Whether a media type is JSON's own or one of its `+json` kin (RFC 6839 §3.1), whatever its parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || essence
            .strip_prefix("application/")
            .and_then(|subtype| subtype.strip_suffix("+json"))
            .is_some_and(|subtype| !subtype.is_empty() && !subtype.contains('/'))
}

/// Whether the client can use refresh tokens. Grants and response types beyond the code grant are left out: a document
/// lists what its client can do elsewhere too.
fn check_grants(document: &RegistrationRequest) -> Result<bool, DocumentRefusal> {
    let lists = |asked: &[&str], needed| asked.is_empty() || asked.contains(&needed);
    let grants = document.list("grant_types")?.unwrap_or_default();
    if !lists(&grants, "authorization_code") {
        return Err(DocumentRefusal::NoCodeGrant);
    }
    if !lists(&document.list("response_types")?.unwrap_or_default(), "code") {
        return Err(DocumentRefusal::NoCodeResponse);
    }
    Ok(grants.contains(&"refresh_token"))
}

/// The redirect URIs, by the rules of registration. A private-use scheme that is not let through is left out while
/// another URI remains: one document speaks for an app on every system.
fn redirect_uris(
    document: &RegistrationRequest,
    apps: &AppUris,
) -> Result<Vec<RedirectUri>, RegistrationRefusal> {
    let texts = document.list("redirect_uris")?.unwrap_or_default();
    if texts.is_empty() {
        return Err(RegistrationRefusal::NoRedirectUri);
    }
    if texts.len() > MAX_DOCUMENT_REDIRECT_URIS {
        return Err(RegistrationRefusal::TooManyRedirectUris);
    }
    let mut uris: Vec<RedirectUri> = Vec::new();
    for text in texts {
        match RedirectUri::parse(text, apps) {
            Ok(uri) if uris.contains(&uri) => {}
            Ok(uri) => uris.push(uri),
            Err(RedirectUriRefusal::SchemeNotListed) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    if uris.is_empty() { Err(RedirectUriRefusal::SchemeNotListed.into()) } else { Ok(uris) }
}

/// Whether a redirect URI leads to the document's own host or to the user's machine.
fn is_at_home(uri: &RedirectUri, document: &ClientUrl) -> bool {
    uri.is_loopback() || uri.authority() == document.authority()
}

/// How the client proves who it is: by nothing unless it says otherwise.
///
/// `token_endpoint_auth_method` names what the client prefers. ChatGPT's document adds a list, and who lists both `none`
/// and `private_key_jwt` may come with either.
fn authentication(document: &RegistrationRequest) -> Result<ClientAuthentication, DocumentRefusal> {
    let method = document.text("token_endpoint_auth_method")?;
    let listed = document.list("token_endpoint_auth_methods_supported")?.unwrap_or_default();
    match method {
        Some("client_secret_basic" | "client_secret_post" | "client_secret_jwt") => {
            return Err(DocumentRefusal::SharedSecret);
        }
        None | Some("none" | "private_key_jwt") => {}
        Some(_) => return Err(DocumentRefusal::AuthenticationMethod),
    }
    let says = |wanted| method == Some(wanted) || listed.contains(&wanted);
    let says_nothing = method.is_none() && listed.is_empty();
    let keys = document.keys()?;
    let (may_sign, may_be_public) = (says("private_key_jwt"), says("none") || says_nothing);
    match (may_sign, may_be_public, keys) {
        (true, optional, Some(keys)) => {
            let algorithm = document.text("token_endpoint_auth_signing_alg")?;
            let algorithm = algorithm.map(|name| Algorithm::parse(name).ok_or(DocumentRefusal::Algorithm));
            let keys = ClientKeys { source: key_source(keys)?, algorithm: algorithm.transpose()?, optional };
            Ok(ClientAuthentication::Keys(keys))
        }
        (_, true, _) => Ok(ClientAuthentication::None),
        (true, false, None) => Err(DocumentRefusal::NoKeys),
        (false, false, _) => Err(DocumentRefusal::AuthenticationMethod),
    }
}

fn key_source(keys: DeclaredKeys<'_>) -> Result<KeySource, DocumentRefusal> {
    match keys {
        DeclaredKeys::Set(set) => KeySet::parse(set).map(KeySource::Inline).ok_or(DocumentRefusal::NoKeys),
        DeclaredKeys::At(address) => {
            ClientUrl::parse(address).map(KeySource::At).map_err(DocumentRefusal::KeySetAddress)
        }
    }
}

fn fingerprint(document: &RegistrationRequest, redirect_uris: &[RedirectUri], name: &str) -> String {
    let mut uris: Vec<&str> = redirect_uris.iter().map(RedirectUri::as_str).collect();
    uris.sort_unstable();
    let member = |name| document.member(name).cloned().unwrap_or(Value::Null);
    let material = serde_json::json!([uris, name, member("jwks"), member("jwks_uri")]);
    base64url(&sha256(material.to_string().as_bytes()))
}

impl From<RegistrationRefusal> for DocumentRefusal {
    fn from(refusal: RegistrationRefusal) -> Self {
        Self::Member(refusal)
    }
}

/// The most redirect URIs that a document may list.
pub const MAX_DOCUMENT_REDIRECT_URIS: usize = 64;

#[cfg(test)]
mod tests;
