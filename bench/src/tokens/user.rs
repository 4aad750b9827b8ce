//! One user, with a client and a browser: what either sends, and what has to come back.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use coatroom_e2e::Page;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

use super::wire::{Answer, Wire};

/// A server as its clients know it: what it says of itself, and who is registered there.
#[derive(Debug)]
pub(super) struct Site {
    origin: String,
    authorize: Url,
    /// The path of the token endpoint.
    token: String,
    client: String,
    secret: Option<String>,
    scope: &'static str,
    /// What is on the button that agrees, where there is one.
    agree: &'static str,
}

impl Site {
    /// Reads what the server says of itself, and registers there.
    pub(super) async fn find(
        address: SocketAddr,
        discovery: &str,
        scope: &'static str,
        agree: &'static str,
    ) -> Result<Self> {
        let mut wire = Wire::new(address);
        let answer = wire.ask(&format!("GET {discovery}"), "", "").await?;
        ensure!(answer.status == StatusCode::OK, "discovery: {}", answer.text());
        let metadata: Value = serde_json::from_slice(&answer.body)?;
        let url = |name: &str| -> Result<Url> {
            Ok(Url::parse(metadata[name].as_str().with_context(|| format!("no {name}"))?)?)
        };
        let offers_none = metadata["token_endpoint_auth_methods_supported"]
            .as_array()
            .is_some_and(|methods| methods.contains(&json!("none")));
        let asked = json!({
            "client_name": "Load",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": if offers_none { "none" } else { "client_secret_post" },
            "application_type": "native",
            "scope": scope,
        });
        let start = format!("POST {}", url("registration_endpoint")?.path());
        let answer = wire.ask(&start, "content-type: application/json\r\n", &asked.to_string()).await?;
        ensure!(answer.status.is_success(), "registration: {} {}", answer.status, answer.text());
        let registered: Value = serde_json::from_slice(&answer.body)?;
        Ok(Self {
            origin: format!("http://localhost:{}", address.port()),
            authorize: url("authorization_endpoint")?,
            token: url("token_endpoint")?.path().to_owned(),
            client: registered["client_id"].as_str().context("no client id")?.to_owned(),
            secret: registered["client_secret"].as_str().map(str::to_owned),
            scope,
            agree,
        })
    }
}

/// One user.
pub(super) struct User {
    name: String,
    cookies: Vec<(String, String)>,
    server: Wire,
    provider: Wire,
    provider_port: u16,
    refresh_token: String,
    begun: u64,
}

impl User {
    /// Somebody whom the provider at this port knows.
    pub(super) fn new(number: usize, server: SocketAddr, provider_port: u16) -> Self {
        let provider = SocketAddr::from(([127, 0, 0, 1], provider_port));
        Self {
            name: format!("user-{number}"),
            cookies: Vec::new(),
            server: Wire::new(server),
            provider: Wire::new(provider),
            provider_port,
            refresh_token: String::new(),
            begun: 0,
        }
    }

    /// Opens new connections from now on.
    pub(super) fn reconnect(&mut self) {
        self.server.close();
        self.provider.close();
    }

    /// The whole way of an authorization, from the link of the client to its tokens.
    pub(super) async fn grant(&mut self, site: &Site) -> Result<()> {
        let code = self.authorize(site).await?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", REDIRECT_URI),
        ];
        let refresh_token = self.tokens(site, &form).await?;
        self.refresh_token = refresh_token;
        Ok(())
    }

    /// Takes the next refresh token for the one that it has.
    pub(super) async fn refresh(&mut self, site: &Site) -> Result<()> {
        let presented = std::mem::take(&mut self.refresh_token);
        let form = [("grant_type", "refresh_token"), ("refresh_token", &presented)];
        let next = self.tokens(site, &form).await?;
        ensure!(next != presented, "the refresh token was not rotated");
        self.refresh_token = next;
        Ok(())
    }

    /// Asks the token endpoint, which must answer with both tokens; returns the refresh token.
    async fn tokens(&mut self, site: &Site, form: &[(&str, &str)]) -> Result<String> {
        let mut body = Serializer::new(String::with_capacity(512));
        body.extend_pairs(form).append_pair("client_id", &site.client);
        body.append_pair("resource", &format!("{}/mcp", site.origin));
        body.extend_pairs(site.secret.as_ref().map(|secret| ("client_secret", secret)));
        let start = format!("POST {}", site.token);
        let answer = self.server.ask(&start, FORM, &body.finish()).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "{:?} was refused: {} {}",
            form[0],
            answer.status,
            answer.text()
        );
        let said: Value = serde_json::from_slice(&answer.body)?;
        ensure!(
            said["access_token"].as_str().is_some_and(|token| !token.is_empty()),
            "no access token: {said}"
        );
        Ok(said["refresh_token"].as_str().with_context(|| format!("no refresh token: {said}"))?.to_owned())
    }

    /// Goes where it is sent, presses what agrees, and returns the code with which the client is called back.
    async fn authorize(&mut self, site: &Site) -> Result<String> {
        self.begun += 1;
        let state = format!("{}-{}-0123456789abcdef", self.name, self.begun);
        let mut url = site.authorize.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &site.client)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("state", &state)
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", &format!("{}/mcp", site.origin))
            .append_pair("scope", site.scope)
            .append_pair("login_hint", &self.name);
        let mut page = self.open(url).await?;
        for _ in 0..12 {
            page = match page.leads_to() {
                Some(next) if next.as_str().starts_with(REDIRECT_URI) => return code(&next, &state),
                Some(next) => self.open(next).await?,
                None if page.status == StatusCode::OK => self.press(&page, site.agree).await?,
                None => bail!("{} says {}: {}", page.url, page.status, page.html),
            };
        }
        bail!("no end at {}", page.url)
    }

    async fn open(&mut self, url: Url) -> Result<Page> {
        let lines = format!("accept: text/html\r\nsec-fetch-site: none\r\n{}", self.cookies_for(&url));
        let start = format!("GET {}", path(&url));
        let answer = self.at(&url).ask(&start, &lines, "").await?;
        self.arrived(url, answer)
    }

    async fn press(&mut self, page: &Page, label: &str) -> Result<Page> {
        let form = page.form(label);
        ensure!(form.method == Method::POST, "{} has a form that is not posted", page.url);
        let body = Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        let origin = page.url.origin().ascii_serialization();
        let lines = format!(
            "{FORM}accept: text/html\r\norigin: {origin}\r\nsec-fetch-site: same-origin\r\n{}",
            self.cookies_for(&form.action)
        );
        let start = format!("POST {}", path(&form.action));
        let answer = self.at(&form.action).ask(&start, &lines, &body).await?;
        self.arrived(form.action, answer)
    }

    fn at(&mut self, url: &Url) -> &mut Wire {
        if url.port() == Some(self.provider_port) { &mut self.provider } else { &mut self.server }
    }

    /// The line with the cookies, each server having its own.
    fn cookies_for(&self, url: &Url) -> String {
        if url.port() == Some(self.provider_port) {
            return format!("cookie: user={}\r\n", self.name);
        }
        if self.cookies.is_empty() {
            return String::new();
        }
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("cookie: {}\r\n", pairs.join("; "))
    }

    fn arrived(&mut self, url: Url, answer: Answer) -> Result<Page> {
        for line in answer.headers.get_all(header::SET_COOKIE) {
            keep(&mut self.cookies, line.to_str()?);
        }
        let html = answer.text();
        Ok(Page { url, status: answer.status, headers: answer.headers, html })
    }
}

/// Keeps a cookie, or forgets it when it has run out.
fn keep(cookies: &mut Vec<(String, String)>, line: &str) {
    let mut parts = line.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
    cookies.retain(|(known, _)| known != name);
    let has_run_out = parts.any(|part| {
        let part = part.to_ascii_lowercase();
        part == "max-age=0" || part.starts_with("expires=thu, 01 jan 1970")
    });
    if !has_run_out {
        cookies.push((name.to_owned(), value.to_owned()));
    }
}

/// The code of an answer that carries the state of the question.
fn code(answer: &Url, state: &str) -> Result<String> {
    let value = |name: &str| {
        answer.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };
    ensure!(value("state").as_deref() == Some(state), "another state came back: {answer}");
    value("code").with_context(|| format!("no code came back: {answer}"))
}

fn path(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
/// Never opened: the browser stops before it.
const REDIRECT_URI: &str = "http://127.0.0.1:1/callback";
/// Of RFC 7636, appendix B: making new ones would be work of the client alone.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_forgotten() {
        let mut cookies = Vec::new();
        keep(&mut cookies, "session=one; Path=/; HttpOnly");
        keep(&mut cookies, "other=x=y");
        keep(&mut cookies, "session=two; Max-Age=600");
        assert_eq!(
            cookies,
            [("other".to_owned(), "x=y".to_owned()), ("session".to_owned(), "two".to_owned())]
        );
        keep(&mut cookies, "session=; Max-Age=0");
        keep(&mut cookies, "other=; expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert!(cookies.is_empty());
    }

    #[test]
    fn a_code_counts_only_with_the_state_that_was_sent() {
        let answer = Url::parse("http://127.0.0.1:1/callback?code=abc&state=s").unwrap();
        assert_eq!(code(&answer, "s").unwrap(), "abc");
        assert!(code(&answer, "t").is_err());
        assert!(code(&Url::parse("http://127.0.0.1:1/callback?error=no&state=s").unwrap(), "s").is_err());
    }
}
