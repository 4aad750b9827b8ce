//! How a client proves who it is at the token and revocation endpoints (OAuth 2.1 §2.4).
//!
//! Reading what a request presents comes first, since it names the client to look up; checking it against that client
//! comes second. A signed assertion (`private_key_jwt`) is then verified by [`check_assertion`](super::check_assertion),
//! since its keys may have to be fetched.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use super::assertion::{AssertionRefusal, CLIENT_ASSERTION_TYPE, claimed_client};
use super::record::{Client, ClientAuthentication, ClientKeys, ExpectedSecret};
use crate::errors::{ErrorCode, OAuthError};
use crate::words::{ClientAssertion, ClientId, ClientSecret, Params, ParamsRefusal};

/// What a request says of its client: which one it is, and the secret it presents.
#[derive(Debug, Clone)]
pub struct PresentedClient {
    id: ClientId,
    secret: Presented,
}

#[derive(Debug, Clone)]
enum Presented {
    Nothing,
    /// The two readings of a secret in the header: as it is, and form-decoded if that differs.
    Basic(ClientSecret, Option<ClientSecret>),
    Post(ClientSecret),
    Signed(ClientAssertion),
}

/// An assertion that is still to be verified, and the keys for it.
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is proven before the assertion is verified"]
pub struct SignedProof<'a> {
    /// What the client signed.
    pub assertion: &'a ClientAssertion,
    /// What it is to be verified with.
    pub keys: &'a ClientKeys,
}

/// Why a client was not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationRefusal {
    /// A parameter stands more than once.
    #[error(transparent)]
    Params(#[from] ParamsRefusal),
    /// Credentials in the header and in the body.
    #[error("the request presents client credentials in more than one way")]
    TwoMechanisms,
    /// The header and the body name different clients.
    #[error("client_id differs from the client in the authorization header")]
    IdsDiffer,
    /// The header is not `Basic` with base64 of an id, a colon and a secret.
    #[error("the authorization header is not valid Basic authentication")]
    Header,
    /// No client is named.
    #[error("client_id is missing")]
    NoClient,
    /// `client_assertion_type` without an assertion, or an assertion of another type.
    #[error("client_assertion must come with client_assertion_type {CLIENT_ASSERTION_TYPE}")]
    AssertionType,
    /// The assertion proves nothing.
    #[error(transparent)]
    Assertion(#[from] AssertionRefusal),
    /// A public client that presents a secret.
    #[error("this client is public and has no secret")]
    NoSecretExpected,
    /// A confidential client that presents none.
    #[error("this client must authenticate")]
    NoSecret,
    /// The secret comes in a way that the client did not register.
    #[error("this client is registered for another authentication method")]
    OtherMethod,
    /// The secret is wrong.
    #[error("client authentication failed")]
    WrongSecret,
}

impl PresentedClient {
    /// Reads the `Authorization` header's value, if there is one, and the parameters of the body.
    ///
    /// A Basic header may carry id and secret form-encoded, as the norm says, or raw, as most clients do. An empty
    /// secret there counts as none (RFC 6749 §2.3.1). A header of another scheme, such as the bearer token that some
    /// programs add to whatever they send, is no attempt of a client to authenticate.
    ///
    /// # Errors
    /// [`AuthenticationRefusal`]; none of it depends on whether the client exists.
    pub fn read(authorization: Option<&str>, body: &Params) -> Result<Self, AuthenticationRefusal> {
        let authorization = authorization.filter(|header| is_basic(header));
        let body_id = body.one("client_id")?;
        let body_secret = body.one("client_secret")?;
        let (assertion, kind) = (body.one("client_assertion")?, body.one("client_assertion_type")?);
        let has_assertion = assertion.is_some() || kind.is_some();
        let ways = [authorization.is_some(), body_secret.is_some(), has_assertion];
        if ways.into_iter().filter(|&way| way).count() > 1 {
            return Err(AuthenticationRefusal::TwoMechanisms);
        }
        if has_assertion {
            let assertion = assertion.filter(|_| kind == Some(CLIENT_ASSERTION_TYPE));
            let assertion = ClientAssertion::new(assertion.ok_or(AuthenticationRefusal::AssertionType)?);
            // Who is meant may stand in the assertion alone (RFC 7521 §4.2).
            let id = body_id.map(ClientId::new).or_else(|| claimed_client(&assertion));
            let id = id.ok_or(AuthenticationRefusal::NoClient)?;
            return Ok(Self { id, secret: Presented::Signed(assertion) });
        }
        let Some(authorization) = authorization else {
            let id = ClientId::new(body_id.ok_or(AuthenticationRefusal::NoClient)?);
            let secret =
                body_secret.map_or(Presented::Nothing, |secret| Presented::Post(ClientSecret::new(secret)));
            return Ok(Self { id, secret });
        };
        let presented = read_basic(authorization).ok_or(AuthenticationRefusal::Header)?;
        if body_id.is_some_and(|body_id| body_id != presented.id.as_str()) {
            return Err(AuthenticationRefusal::IdsDiffer);
        }
        Ok(presented)
    }

    /// The client to look up. Nothing is proven yet.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.id
    }

    /// Whether the request presents this secret, in either way.
    ///
    /// # Security
    /// That the secret belongs to whom [`client_id`](Self::client_id) names is for the caller to know.
    #[must_use]
    pub fn presents(&self, expected: &ExpectedSecret) -> bool {
        match &self.secret {
            Presented::Nothing | Presented::Signed(_) => false,
            Presented::Basic(raw, decoded) => {
                expected.is(raw) | decoded.as_ref().is_some_and(|decoded| expected.is(decoded))
            }
            Presented::Post(secret) => expected.is(secret),
        }
    }

    /// Checks what is presented against the client that [`client_id`](Self::client_id) names.
    ///
    /// What remains is an assertion that is still to be verified; `None` when all is done.
    ///
    /// # Errors
    /// [`AuthenticationRefusal`], always `invalid_client` on the wire.
    ///
    /// # Security
    /// A public client is named here, never proven: only its code, refresh token or PKCE verifier binds a request to it.
    pub fn check<'a>(&'a self, client: &'a Client) -> Result<Option<SignedProof<'a>>, AuthenticationRefusal> {
        if client.id != self.id {
            return Err(AuthenticationRefusal::WrongSecret);
        }
        match (&client.authentication, &self.secret) {
            (ClientAuthentication::None, Presented::Nothing) => Ok(None),
            (ClientAuthentication::None, Presented::Basic(..) | Presented::Post(_)) => {
                Err(AuthenticationRefusal::NoSecretExpected)
            }
            (ClientAuthentication::Keys(keys), Presented::Nothing) if keys.optional => Ok(None),
            (ClientAuthentication::Keys(keys), Presented::Signed(assertion)) => {
                Ok(Some(SignedProof { assertion, keys }))
            }
            (ClientAuthentication::Secret { .. } | ClientAuthentication::Keys(_), Presented::Nothing) => {
                Err(AuthenticationRefusal::NoSecret)
            }
            (ClientAuthentication::Keys(_), _) | (_, Presented::Signed(_)) => {
                Err(AuthenticationRefusal::OtherMethod)
            }
            (ClientAuthentication::Secret { methods, expected }, Presented::Basic(raw, decoded)) => {
                let decoded_is_right = decoded.as_ref().is_some_and(|decoded| expected.is(decoded));
                verdict(methods.basic, expected.is(raw) | decoded_is_right)
            }
            (ClientAuthentication::Secret { methods, expected }, Presented::Post(secret)) => {
                verdict(methods.post, expected.is(secret))
            }
        }
    }
}

fn verdict<T>(is_registered: bool, is_right: bool) -> Result<Option<T>, AuthenticationRefusal> {
    match (is_registered, is_right) {
        (false, _) => Err(AuthenticationRefusal::OtherMethod),
        (true, false) => Err(AuthenticationRefusal::WrongSecret),
        (true, true) => Ok(None),
    }
}

fn is_basic(authorization: &str) -> bool {
    authorization.split(' ').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("Basic"))
}

/// Reads a Basic header. The client id is form-decoded: no id of this server changes by that.
fn read_basic(authorization: &str) -> Option<PresentedClient> {
    let (_, encoded) = authorization.split_once(' ')?;
    let credentials = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    let id = form_decoded(id).unwrap_or_else(|| id.to_owned());
    if id.is_empty() {
        return None;
    }
    let presented = if secret.is_empty() {
        Presented::Nothing
    } else {
        let decoded = form_decoded(secret).filter(|decoded| decoded != secret);
        Presented::Basic(ClientSecret::new(secret), decoded.map(ClientSecret::new))
    };
    Some(PresentedClient { id: ClientId::new(id), secret: presented })
}

/// Decodes one value of `application/x-www-form-urlencoded`; `None` if the result is not UTF-8.
fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

impl From<AuthenticationRefusal> for OAuthError {
    fn from(refusal: AuthenticationRefusal) -> Self {
        let code = match refusal {
            AuthenticationRefusal::Params(_)
            | AuthenticationRefusal::TwoMechanisms
            | AuthenticationRefusal::IdsDiffer => ErrorCode::InvalidRequest,
            AuthenticationRefusal::Header
            | AuthenticationRefusal::NoClient
            | AuthenticationRefusal::AssertionType
            | AuthenticationRefusal::Assertion(_)
            | AuthenticationRefusal::NoSecretExpected
            | AuthenticationRefusal::NoSecret
            | AuthenticationRefusal::OtherMethod
            | AuthenticationRefusal::WrongSecret => ErrorCode::InvalidClient,
        };
        Self::json(code, refusal.to_string())
    }
}

/// Standard base64 (RFC 7617 §2), with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::app_uris::AppUris;
    use super::super::record::{KeySource, SecretMethods};
    use super::super::redirect_uri::RedirectUri;
    use super::*;

    const SECRET: &str = "p%3A+w:d";

    fn client(methods: Option<SecretMethods>) -> Client {
        let uris = vec![RedirectUri::parse("https://h.example/cb", &AppUris::none()).unwrap()];
        let secret = ClientSecret::new(SECRET);
        let mut client = Client::configured("portal", methods.map(|_| &secret), uris).unwrap();
        if let (Some(registered), ClientAuthentication::Secret { methods, .. }) =
            (methods, &mut client.authentication)
        {
            *methods = registered;
        }
        client
    }

    fn public() -> Client {
        client(None)
    }

    fn confidential() -> Client {
        client(Some(SecretMethods { basic: true, post: true }))
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64.encode(credentials))
    }

    fn presented(header: Option<&str>, body: &str) -> Result<PresentedClient, AuthenticationRefusal> {
        PresentedClient::read(header, &Params::parse(body).unwrap())
    }

    fn checked(client: &Client, header: Option<&str>, body: &str) -> Result<(), AuthenticationRefusal> {
        presented(header, body)?.check(client).map(|_| ())
    }

    fn encoded(text: &str) -> String {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    }

    #[test]
    fn a_public_client_names_itself_and_presents_nothing() {
        assert_eq!(checked(&public(), None, "client_id=portal"), Ok(()));
        assert_eq!(checked(&public(), Some(&basic("portal:")), ""), Ok(()));
        let refused = Err(AuthenticationRefusal::NoSecretExpected);
        assert_eq!(checked(&public(), None, "client_id=portal&client_secret=x"), refused);
        assert_eq!(checked(&public(), Some(&basic("portal:x")), ""), refused);
    }

    #[test]
    fn a_basic_header_is_read_raw_and_form_encoded() {
        assert_eq!(checked(&confidential(), Some(&basic(&format!("portal:{SECRET}"))), ""), Ok(()));
        let form = format!("portal:{}", encoded(SECRET));
        assert_eq!(checked(&confidential(), Some(&basic(&form)), "client_id=portal"), Ok(()));
        let unpadded = basic(&form).trim_end_matches('=').to_owned();
        assert_eq!(checked(&confidential(), Some(&unpadded), ""), Ok(()));
        assert_eq!(checked(&confidential(), Some(&basic(&form).replace("Basic", "basic")), ""), Ok(()));
    }

    #[test]
    fn a_body_secret_is_accepted_too() {
        let body = format!("client_id=portal&client_secret={}", encoded(SECRET));
        assert_eq!(checked(&confidential(), None, &body), Ok(()));
    }

    #[test]
    fn a_wrong_or_missing_secret_is_an_invalid_client() {
        let wrong = checked(&confidential(), Some(&basic("portal:wrong")), "").unwrap_err();
        assert_eq!(wrong, AuthenticationRefusal::WrongSecret);
        assert_eq!(OAuthError::from(wrong).code(), ErrorCode::InvalidClient);
        for (header, body) in [(None, "client_id=portal"), (Some(basic("portal:")), "")] {
            assert_eq!(
                checked(&confidential(), header.as_deref(), body),
                Err(AuthenticationRefusal::NoSecret)
            );
        }
        let other = presented(Some(&basic(&format!("other:{SECRET}"))), "").unwrap();
        assert_eq!(other.check(&confidential()).unwrap_err(), AuthenticationRefusal::WrongSecret);
    }

    #[test]
    fn a_method_that_is_not_registered_is_refused_even_with_the_right_secret() {
        let basic_only = client(Some(SecretMethods { basic: true, post: false }));
        let post_only = client(Some(SecretMethods { basic: false, post: true }));
        let body = format!("client_id=portal&client_secret={}", encoded(SECRET));
        let header = basic(&format!("portal:{SECRET}"));
        assert_eq!(checked(&basic_only, None, &body), Err(AuthenticationRefusal::OtherMethod));
        assert_eq!(checked(&post_only, Some(&header), ""), Err(AuthenticationRefusal::OtherMethod));
        assert_eq!(checked(&basic_only, Some(&header), ""), Ok(()));
        assert_eq!(checked(&post_only, None, &body), Ok(()));
    }

    #[test]
    fn two_mechanisms_at_once_are_an_invalid_request() {
        let header = basic(&format!("portal:{SECRET}"));
        for (header, body) in [
            (Some(header.as_str()), "client_secret=x"),
            (Some(&header), "client_assertion=x"),
            (None, "client_id=portal&client_secret=x&client_assertion=x"),
        ] {
            let refusal = presented(header, body).unwrap_err();
            assert_eq!(refusal, AuthenticationRefusal::TwoMechanisms);
            assert_eq!(OAuthError::from(refusal).code(), ErrorCode::InvalidRequest);
        }
        assert_eq!(
            presented(Some(&header), "client_id=other").unwrap_err(),
            AuthenticationRefusal::IdsDiffer
        );
        assert!(matches!(presented(None, "client_id=a&client_id=a"), Err(AuthenticationRefusal::Params(_))));
    }

    #[test]
    fn what_is_no_basic_header_or_names_no_client_is_an_invalid_client() {
        for header in ["Basic", "Basic !", "basic cG9ydGFs", "Basic Og==", "Basic /w=="] {
            let refusal = presented(Some(header), "client_id=portal").unwrap_err();
            assert_eq!(refusal, AuthenticationRefusal::Header, "{header}");
            assert_eq!(OAuthError::from(refusal).code(), ErrorCode::InvalidClient);
        }
        assert_eq!(presented(None, "grant_type=x").unwrap_err(), AuthenticationRefusal::NoClient);
    }

    #[test]
    fn a_header_of_another_scheme_is_no_attempt_to_authenticate() {
        for header in ["Bearer x", "DPoP x", "Basically x", ""] {
            let presented_here = presented(Some(header), "client_id=portal").unwrap();
            assert!(matches!(presented_here.secret, Presented::Nothing), "{header}");
            assert!(matches!(
                presented(Some(header), "client_id=portal&client_secret=x").unwrap().secret,
                Presented::Post(_)
            ));
            assert_eq!(presented(Some(header), "").unwrap_err(), AuthenticationRefusal::NoClient);
        }
    }

    #[test]
    fn an_assertion_comes_with_its_exact_type() {
        let kind = encoded(CLIENT_ASSERTION_TYPE);
        for body in [
            "client_id=a&client_assertion=x".to_owned(),
            format!("client_id=a&client_assertion_type={kind}"),
            "client_id=a&client_assertion=x&client_assertion_type=urn:x".to_owned(),
            format!("client_id=a&client_assertion=x&client_assertion_type={}", kind.to_uppercase()),
        ] {
            let refusal = presented(None, &body).unwrap_err();
            assert_eq!(refusal, AuthenticationRefusal::AssertionType, "{body}");
            assert_eq!(OAuthError::from(refusal).code(), ErrorCode::InvalidClient);
        }
        let nameless = presented(None, &format!("client_assertion=x&client_assertion_type={kind}"));
        assert_eq!(nameless.unwrap_err(), AuthenticationRefusal::NoClient);
    }

    #[test]
    fn who_has_keys_signs_and_who_has_none_does_not() {
        let set = serde_json::json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43) }] });
        let source = KeySource::Inline(crate::jws::KeySet::parse(&set).unwrap());
        let signing = public().with_keys(source.clone()).unwrap();
        let body = format!(
            "client_id=portal&client_assertion=x&client_assertion_type={}",
            encoded(CLIENT_ASSERTION_TYPE)
        );
        let request = presented(None, &body).unwrap();
        assert!(matches!(request.check(&signing), Ok(Some(proof)) if proof.assertion.expose() == "x"));
        for other in [public(), confidential()] {
            assert_eq!(request.check(&other).unwrap_err(), AuthenticationRefusal::OtherMethod);
        }
        assert_eq!(checked(&signing, None, "client_id=portal"), Err(AuthenticationRefusal::NoSecret));
        let secret = "client_id=portal&client_secret=x";
        assert_eq!(checked(&signing, None, secret), Err(AuthenticationRefusal::OtherMethod));
        let mut either = signing;
        if let ClientAuthentication::Keys(keys) = &mut either.authentication {
            keys.optional = true;
        }
        assert_eq!(checked(&either, None, "client_id=portal"), Ok(()));
        assert!(matches!(request.check(&either), Ok(Some(_))));
        assert_eq!(checked(&either, None, secret), Err(AuthenticationRefusal::OtherMethod));
        assert!(confidential().with_keys(source).is_err());
    }

    #[test]
    fn debug_never_shows_a_presented_secret() {
        let presented = presented(Some(&basic("portal:canary%20x")), "").unwrap();
        assert!(!format!("{presented:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn either_spelling_of_any_secret_is_recognised(secret in "\\PC{1,20}") {
            let uris = vec![RedirectUri::parse("https://h.example/cb", &AppUris::none()).unwrap()];
            let client = Client::configured("portal", Some(&ClientSecret::new(secret.as_str())), uris).unwrap();
            let raw = basic(&format!("portal:{secret}"));
            prop_assert_eq!(checked(&client, Some(&raw), ""), Ok(()));
            let form = basic(&format!("portal:{}", encoded(&secret)));
            prop_assert_eq!(checked(&client, Some(&form), ""), Ok(()));
        }

        #[test]
        fn no_header_makes_it_panic(header in any::<String>(), bytes in any::<Vec<u8>>()) {
            let _ = presented(Some(&header), "");
            let _ = presented(Some(&format!("Basic {}", BASE64.encode(bytes))), "client_id=x");
        }
    }
}
