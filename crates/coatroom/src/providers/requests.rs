//! Makes the requests that go to a provider.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coatroom_protocol::words::ClientSecret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, request};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::config::{ClientAuth, TokenBody};
use super::error::ProviderError;
use super::tokens::UpstreamToken;

/// Who we are at the provider.
#[derive(Debug)]
pub(super) struct Registration {
    pub id: String,
    pub secret: Option<ClientSecret>,
}

/// How a request to the token or revocation endpoint is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'a> {
    pub auth: ClientAuth,
    pub body: TokenBody,
    pub headers: &'a [(HeaderName, HeaderValue)],
}

impl Registration {
    /// A request to the provider's token or revocation endpoint, authenticated as `style` says (RFC 6749 §2.3.1) with
    /// `secret`. Without one we only say who we are.
    pub(super) fn post(
        &self,
        url: &Url,
        style: Style<'_>,
        secret: Option<&ClientSecret>,
        pairs: &[(&str, &str)],
    ) -> Result<Request<Bytes>, ProviderError> {
        let mut pairs = pairs.to_vec();
        let mut builder = builder(Method::POST, url, style.headers);
        match (secret, style.auth) {
            (Some(secret), ClientAuth::Basic) => {
                builder =
                    builder.header(AUTHORIZATION, basic(&encoded(&self.id), &encoded(secret.expose()))?);
            }
            (Some(secret), ClientAuth::Body) => {
                pairs.extend([("client_id", self.id.as_str()), ("client_secret", secret.expose())]);
            }
            (None, _) => pairs.push(("client_id", &self.id)),
        }
        let (content_type, body) = match style.body {
            TokenBody::Form => {
                let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
                ("application/x-www-form-urlencoded", form)
            }
            TokenBody::Json => {
                let members = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
                ("application/json", Value::Object(members.collect()).to_string())
            }
        };
        finish(builder.header(CONTENT_TYPE, content_type), Bytes::from(body))
    }

    /// Deletes `token` below our registration, as GitHub wants it.
    pub(super) fn delete(&self, url: &Url, token: &UpstreamToken) -> Result<Request<Bytes>, ProviderError> {
        let secret = self.secret.as_ref().map_or("", ClientSecret::expose);
        let body = serde_json::json!({ "access_token": token.expose() }).to_string();
        let builder = builder(Method::DELETE, url, &[])
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, basic(&self.id, secret)?);
        finish(builder, Bytes::from(body))
    }
}

/// Asks for a public JSON document.
pub(crate) fn get(url: &Url) -> Result<Request<Bytes>, ProviderError> {
    finish(builder(Method::GET, url, &[]), Bytes::new())
}

/// Asks for something on behalf of a user; with a GraphQL query, if there is one.
pub(super) fn ask(
    url: &Url,
    token: &UpstreamToken,
    headers: &[(HeaderName, HeaderValue)],
    query: Option<&str>,
) -> Result<Request<Bytes>, ProviderError> {
    let method = if query.is_some() { Method::POST } else { Method::GET };
    let mut builder = builder(method, url, headers);
    builder = builder.header(AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose()))?);
    let Some(query) = query else { return finish(builder, Bytes::new()) };
    let body = serde_json::json!({ "query": query }).to_string();
    finish(builder.header(CONTENT_TYPE, "application/json"), Bytes::from(body))
}

/// The headers go in the place of ours of the same name.
fn builder(method: Method, url: &Url, headers: &[(HeaderName, HeaderValue)]) -> request::Builder {
    let mut builder = Request::builder().method(method).uri(url.as_str());
    if !headers.iter().any(|(name, _)| name == ACCEPT) {
        builder = builder.header(ACCEPT, "application/json");
    }
    headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value))
}

fn finish(builder: request::Builder, body: Bytes) -> Result<Request<Bytes>, ProviderError> {
    builder.body(body).map_err(|_| ProviderError::misconfigured("a URL of the provider cannot be called"))
}

/// The Basic credentials of an id and a secret. At a token endpoint both are form-encoded first.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, ProviderError> {
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn sensitive(text: &str) -> Result<HeaderValue, ProviderError> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| ProviderError::bad_answer("the token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(secret: Option<&str>, auth: ClientAuth) -> (Option<String>, String) {
        let url = Url::parse("https://idp.example/token").unwrap();
        let secret = secret.map(ClientSecret::new);
        let registration = Registration { id: "id:1".to_owned(), secret: None };
        let style = Style { auth, body: TokenBody::Form, headers: &[] };
        let request = registration.post(&url, style, secret.as_ref(), &[("code", "a b")]).unwrap();
        let header = request.headers().get(AUTHORIZATION).map(|value| {
            assert!(value.is_sensitive());
            value.to_str().unwrap().to_owned()
        });
        (header, String::from_utf8(request.body().to_vec()).unwrap())
    }

    #[test]
    fn basic_credentials_are_form_encoded_first() {
        let (header, body) = form(Some("s+%"), ClientAuth::Basic);
        assert_eq!(header.unwrap(), format!("Basic {}", STANDARD.encode("id%3A1:s%2B%25")));
        assert_eq!(body, "code=a+b");
    }

    #[test]
    fn a_secret_goes_into_the_header_or_the_body_and_never_into_both() {
        let (header, body) = form(Some("s"), ClientAuth::Body);
        assert_eq!(header, None);
        assert_eq!(body, "code=a+b&client_id=id%3A1&client_secret=s");
    }

    #[test]
    fn a_public_client_says_who_it_is() {
        for auth in [ClientAuth::Basic, ClientAuth::Body] {
            assert_eq!(form(None, auth), (None, "code=a+b&client_id=id%3A1".to_owned()));
        }
    }

    #[test]
    fn a_token_that_would_break_a_header_is_refused() {
        let url = Url::parse("https://idp.example/user").unwrap();
        let error = ask(&url, &UpstreamToken::new("a\r\nX: y"), &[], None).unwrap_err();
        assert_eq!(error.outcome(), "bad_answer");
    }
}
