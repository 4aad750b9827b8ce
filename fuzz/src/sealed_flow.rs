//! The sealed flow: what the server did not seal for this browser, this stage and this provider opens nothing, whatever was
//! done to it on the way.
//!
//! An input is three lines: the door (`consent` or `callback/NAME`), the `Cookie` header, and the form or the query. Names in
//! braces stand for what the server really gave to its browser: `{browser}`, `{flow}` in the consent form, `{first}` and
//! `{second}` for the two cookies that keep the approved flow, `{at}` and `{state}` in their names. `{flow^17}` stands for the
//! same with its 17th bit flipped.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use coatroom::clock::ManualClock;
use coatroom::entropy::SeededEntropy;
use coatroom::outbound::Outbound;
use coatroom::protocol::client::{AppUris, Client, RedirectUri};
use coatroom::protocol::words::{ClientSecret, ProviderName, Timestamp};
use coatroom::providers::{Provider, ProviderConfig, ProviderKind};
use coatroom::store::MemoryStore;
use coatroom::vault::KeyRing;
use coatroom::{Coatroom, Protection};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, Request};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use url::{Url, form_urlencoded};

/// Checks one attempt to bring back a flow. Accepted is what opens.
///
/// # Panics
/// When something opens that the server did not seal, or does not open although it did.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let text = WORLD.filled(text);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (door, cookies, fields) = (line(), line(), line());
    let request = match door.strip_prefix("callback/") {
        None if door == "consent" => Request::post("/consent")
            .header("origin", ISSUER)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(COOKIE, cookies)
            .body(Body::from(fields.to_owned())),
        Some(provider) => {
            Request::get(format!("/callback/{provider}?{fields}")).header(COOKIE, cookies).body(Body::empty())
        }
        None => return false,
    };
    // What is no HTTP never reaches a server.
    let Ok(request) = request else { return false };
    let answer = WORLD.send(request);
    assert!(answer.status < 500, "{}: {}", answer.status, answer.body);
    let opened = answer.headers.contains_key("refresh") || answer.body.contains("portal.example");
    if opened {
        let genuine = if door == "consent" {
            WORLD.is_asked(cookies, fields)
        } else {
            door == "callback/demo" && WORLD.is_approved(cookies, fields)
        };
        assert!(genuine, "a flow opened that was not sealed for this:\n{text}");
    }
    opened
}

/// A server, and what it gave to the one browser that came.
struct World {
    runtime: Runtime,
    app: Router,
    browser: String,
    flow: String,
    /// The cookies that keep the approved flow.
    parts: Vec<(String, String)>,
    state: String,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_800_000_000)));
        let entropy = Arc::new(SeededEntropy::new(1));
        let provider = |name: &str| {
            let name = ProviderName::parse(name).expect("a name");
            let mut config = ProviderConfig::new(name, ProviderKind::Demo, "our-id");
            config.client_secret = Some(ClientSecret::new("our-secret"));
            // Nobody listens there, and nobody is asked: every callback brings an error.
            config.base_url = Some("http://127.0.0.1:1".to_owned());
            config.deadline = Duration::from_millis(1);
            Provider::new(config, Arc::new(Outbound::new()), clock.clone()).expect("a provider")
        };
        let redirect = RedirectUri::parse(REDIRECT, &AppUris::none()).expect("a redirect URI");
        let app = Coatroom::builder(ISSUER)
            .provider(provider("demo"))
            .provider(provider("other"))
            .client(Client::configured("portal", None, vec![redirect]).expect("a client"))
            .resource(Protection::new("/mcp").with_name("Server"))
            .store(MemoryStore::new(clock.clone()))
            .keys(KeyRing::generate(entropy.as_ref(), Timestamp::from_unix(1_800_000_000)).expect("keys"))
            .clock(clock.clone())
            .entropy(entropy)
            .build()
            .expect("a server")
            .routes();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let empty = Self {
            runtime,
            app,
            browser: String::new(),
            flow: String::new(),
            parts: Vec::new(),
            state: String::new(),
        };
        empty.with_flows()
    }

    /// Asks twice: once to keep the form, and once, with a state so long that the flow needs two cookies, to approve it.
    fn with_flows(self) -> Self {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let ask = |state: &str, cookies: &str| {
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([
                    ("response_type", "code"),
                    ("client_id", "portal"),
                    ("redirect_uri", REDIRECT),
                    ("state", state),
                    ("code_challenge", challenge),
                    ("code_challenge_method", "S256"),
                ])
                .finish();
            let request = Request::get(format!("/authorize?{query}")).header(COOKIE, cookies);
            let page = self.send(request.body(Body::empty()).expect("a request"));
            let flow =
                page.body.split(r#"name="flow" value=""#).nth(1).and_then(|rest| rest.split('"').next());
            (flow.unwrap_or_else(|| panic!("no form in {}", page.body)).to_owned(), set(&page.headers))
        };
        let (flow, cookies) = ask("state", "");
        let browser = cookies[0].1.clone();
        let cookie = format!("{BROWSER}={browser}");
        let (long, _) = ask(&"x".repeat(3_000), &cookie);
        let request = Request::post("/consent")
            .header("origin", ISSUER)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(COOKIE, cookie)
            .body(Body::from(format!("choice=demo&flow={long}")));
        let handed = self.send(request.expect("a request"));
        let address =
            handed.headers["refresh"].to_str().expect("text").trim_start_matches("0;url=").to_owned();
        let state = Url::parse(&address).expect("an address");
        let state = state.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
        let parts = set(&handed.headers);
        assert_eq!(parts.len(), 2, "the approved flow needs two cookies");
        Self { browser, flow, parts, state, ..self }
    }

    fn send(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let answer = self.app.clone().oneshot(request).await.expect("an answer");
            let (parts, body) = answer.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
            let body = String::from_utf8_lossy(&body).into_owned();
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        })
    }

    /// Puts what the server gave in the place of its names.
    fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = placeholder(rest) {
            filled.push_str(before);
            match self.value(name) {
                Some(value) => filled.push_str(&value),
                None => filled.extend(["{", name, "}"]),
            }
            rest = after;
        }
        filled + rest
    }

    fn value(&self, name: &str) -> Option<String> {
        let (name, flipped) =
            name.split_once('^').map_or((name, None), |(name, bit)| (name, bit.parse::<usize>().ok()));
        let value = match name {
            "browser" => &self.browser,
            "flow" => &self.flow,
            "first" => &self.parts[0].1,
            "second" => &self.parts[1].1,
            "state" => &self.state,
            "at" => self.parts[0].0.rsplit('.').nth(2)?,
            _ => return None,
        };
        let mut bytes = value.as_bytes().to_vec();
        if let Some(bit) = flipped {
            let length = bytes.len();
            bytes[(bit / 7) % length] ^= 1 << (bit % 7);
        }
        String::from_utf8(bytes).ok()
    }

    fn is_asked(&self, cookies: &str, form: &str) -> bool {
        let flow = form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "flow");
        flow.is_some_and(|(_, flow)| flow == self.flow)
            && cookies.contains(&format!("{BROWSER}={}", self.browser))
    }

    fn is_approved(&self, cookies: &str, query: &str) -> bool {
        let state = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state");
        state.is_some_and(|(_, state)| state == self.state)
            && cookies.contains(&format!("{BROWSER}={}", self.browser))
            && self.parts.iter().all(|(_, part)| cookies.contains(part.as_str()))
    }
}

/// The text before the first name in braces, the name, and the text after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn set(headers: &HeaderMap) -> Vec<(String, String)> {
    let cookies = headers.get_all(SET_COOKIE).into_iter().filter_map(|cookie| cookie.to_str().ok());
    let pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const ISSUER: &str = "https://gate.example";
const REDIRECT: &str = "https://portal.example/cb";
const BROWSER: &str = "__Host-coatroom-browser";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("sealed_flow", check, 500);
    }

    #[test]
    fn no_flipped_bit_opens() {
        let browser = format!("{BROWSER}={{browser}}");
        let named =
            |part: &str, number: u8| format!("__Host-coatroom-flow.{{at}}.{{state}}.{number}={{{part}}}");
        let length = WORLD.flow.len() * 7;
        for bit in (0..length).step_by(3) {
            assert!(
                !check(format!("consent\n{browser}\nchoice=deny&flow={{flow^{bit}}}").as_bytes()),
                "bit {bit}"
            );
        }
        for bit in (0..2_000).step_by(7) {
            for (first, second) in
                [(format!("first^{bit}"), "second".to_owned()), ("first".to_owned(), format!("second^{bit}"))]
            {
                let cookies = [browser.clone(), named(&first, 0), named(&second, 1)].join("; ");
                let input = format!("callback/demo\n{cookies}\nerror=access_denied&state={{state}}");
                assert!(!check(input.as_bytes()), "bit {bit}");
            }
        }
    }
}
