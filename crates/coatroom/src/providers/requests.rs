//! Makes the requests that go to a provider.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coatroom_protocol::words::ClientSecret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, request};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::error::ProviderError;
use super::preset::ClientAuth;
use super::tokens::UpstreamToken;

/// Who we are at the provider.
#[derive(Debug)]
pub(super) struct Registration {
    pub id: String,
    pub secret: Option<ClientSecret>,
}

impl Registration {
    /// A form for the provider's token or revocation endpoint, authenticated as `auth` says (RFC 6749 §2.3.1). Without a
    /// secret we only say who we are.
    pub(super) fn form(
        &self,
        url: &Url,
        auth: ClientAuth,
        pairs: &[(&str, &str)],
    ) -> Result<Request<Bytes>, ProviderError> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(pairs);
        let mut builder =
            builder(Method::POST, url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        match (&self.secret, auth) {
            (Some(secret), ClientAuth::Basic) => {
                builder =
                    builder.header(AUTHORIZATION, basic(&encoded(&self.id), &encoded(secret.expose()))?);
            }
            (Some(secret), ClientAuth::Body) => {
                form.append_pair("client_id", &self.id).append_pair("client_secret", secret.expose());
            }
            (None, _) => {
                form.append_pair("client_id", &self.id);
            }
        }
        finish(builder, Bytes::from(form.finish()))
    }

    /// Deletes `token` below our registration, as GitHub wants it.
    pub(super) fn delete(&self, url: &Url, token: &UpstreamToken) -> Result<Request<Bytes>, ProviderError> {
        let secret = self.secret.as_ref().map_or("", ClientSecret::expose);
        let body = serde_json::json!({ "access_token": token.expose() }).to_string();
        let builder = builder(Method::DELETE, url)
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, basic(&self.id, secret)?);
        finish(builder, Bytes::from(body))
    }
}

/// Asks for a JSON document, on behalf of a user if there is a token.
pub(crate) fn get(url: &Url, token: Option<&UpstreamToken>) -> Result<Request<Bytes>, ProviderError> {
    let mut builder = builder(Method::GET, url);
    if let Some(token) = token {
        builder = builder.header(AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose()))?);
    }
    finish(builder, Bytes::new())
}

fn builder(method: Method, url: &Url) -> request::Builder {
    Request::builder().method(method).uri(url.as_str()).header(ACCEPT, "application/json")
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

    fn registration(secret: Option<&str>) -> Registration {
        Registration { id: "id:1".to_owned(), secret: secret.map(ClientSecret::new) }
    }

    fn form(secret: Option<&str>, auth: ClientAuth) -> (Option<String>, String) {
        let url = Url::parse("https://idp.example/token").unwrap();
        let request = registration(secret).form(&url, auth, &[("code", "a b")]).unwrap();
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
        let error = get(&url, Some(&UpstreamToken::new("a\r\nX: y"))).unwrap_err();
        assert_eq!(error.outcome(), "bad_answer");
    }
}
