//! A person's browser: it keeps cookies, reads our pages, presses buttons and follows `Refresh`.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use http::{HeaderValue, Request};

use super::client::{Answer, Client, form, send};
use super::idp::Idp;
use super::world::ISSUER;

/// Clones are copies of the browser's whole state, as a thief or a second window would have it.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    app: Router,
    issuer: &'static str,
    /// Its `Accept-Language`.
    speaks: Option<&'static str>,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(app: &Router) -> Self {
        Self::at(app, ISSUER)
    }

    /// The browser of a person who uses the server of this public URL.
    pub(crate) fn at(app: &Router, issuer: &'static str) -> Self {
        Self { app: app.clone(), issuer, speaks: None, cookies: BTreeMap::new() }
    }

    /// The browser of a person who wants pages in these languages.
    pub(crate) fn speaking(app: &Router, languages: &'static str) -> Self {
        Self { speaks: Some(languages), ..Self::new(app) }
    }

    pub(crate) async fn open(&mut self, address: &str) -> Answer {
        let path = address.strip_prefix(self.issuer).unwrap_or(address);
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Opens an authorization request, which must lead to the consent page.
    pub(crate) async fn ask(&mut self, address: &str) -> Consent {
        let page = self.open(address).await;
        assert_eq!(page.status, 200, "{page:?}");
        Consent { flow: attribute(&page.body, r#"name="flow" value=""#).unwrap(), page }
    }

    /// Presses a button of the consent page, every optional scope ticked.
    pub(crate) async fn press(&mut self, consent: &Consent, choice: &str) -> Answer {
        let scopes = consent.scopes();
        let mut fields = vec![("flow", consent.flow.as_str()), ("choice", choice)];
        fields.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        self.post_consent(&fields, &[("origin", self.issuer)]).await
    }

    pub(crate) async fn post_consent(&mut self, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        self.post("/consent", fields, headers).await
    }

    /// Presses a button of a page where an account is connected.
    pub(crate) async fn press_connect(&mut self, page: &Answer, choice: &str) -> Answer {
        let flow =
            attribute(&page.body, r#"name="flow" value=""#).unwrap_or_else(|| panic!("no form: {page:?}"));
        self.post("/connect", &[("flow", &flow), ("choice", choice)], &[("origin", ISSUER)]).await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form(fields))).unwrap()).await
    }

    /// Goes the whole way as `user`, and returns where the client's answer is.
    pub(crate) async fn allow(&mut self, idp: &Idp, address: &str, user: &str) -> String {
        let consent = self.ask(address).await;
        let callback = self.approve(idp, &consent, user).await;
        refresh_of(&self.open(&callback).await)
    }

    /// Approves and signs in, and returns the callback without opening it.
    pub(crate) async fn approve(&mut self, idp: &Idp, consent: &Consent, user: &str) -> String {
        let handed = self.press(consent, "demo").await;
        idp.sign_in(&refresh_of(&handed), user)
    }

    /// The same, up to the code.
    pub(crate) async fn code(&mut self, idp: &Idp, client: &Client, user: &str) -> String {
        let address = self.allow(idp, &client.authorize_url(&[]), user).await;
        client.answered(&address)["code"].clone()
    }

    async fn send(&mut self, mut request: Request<Body>) -> Answer {
        let mut jar: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // Browsers send cookies in an order of their own: here by part, so that those of one flow are not together.
        jar.sort_by_key(|cookie| cookie.split('=').next().unwrap().chars().rev().collect::<String>());
        if !jar.is_empty() {
            request.headers_mut().insert(COOKIE, jar.join("; ").parse().unwrap());
        }
        if let Some(languages) = self.speaks {
            request.headers_mut().insert(ACCEPT_LANGUAGE, HeaderValue::from_static(languages));
        }
        let answer = send(&self.app, request).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{cookie}");
            for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            if cookie.contains("; Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// The names of the cookies that keep approved flows.
    pub(crate) fn flow_cookies(&self) -> Vec<&str> {
        self.cookies.keys().map(String::as_str).filter(|name| name.contains("-flow.")).collect()
    }
}

/// The consent page, as a browser has it open.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub(crate) flow: String,
    pub(crate) page: Answer,
}

impl Consent {
    /// The values of its buttons.
    pub(crate) fn buttons(&self) -> Vec<String> {
        self.page.body.split(r#"name="choice" value=""#).skip(1).map(up_to_quote).collect()
    }

    /// The scopes that have a box to untick.
    pub(crate) fn scopes(&self) -> Vec<String> {
        self.page.body.split(r#"name="scope" value=""#).skip(1).map(up_to_quote).collect()
    }
}

/// Where a page sends the browser on.
pub(crate) fn refresh_of(page: &Answer) -> String {
    assert_eq!(page.status, 200, "{page:?}");
    let refresh = page.header("refresh").unwrap_or_else(|| panic!("no Refresh in {page:?}"));
    refresh.strip_prefix("0;url=").unwrap().to_owned()
}

/// The link of an error page that takes the error to the client.
pub(crate) fn way_back_of(page: &Answer) -> Option<String> {
    attribute(&page.body, r#"<a class="button" href=""#)
        .map(|href| href.replace("&#38;", "&").replace("&amp;", "&"))
}

pub(crate) fn attribute(html: &str, start: &str) -> Option<String> {
    html.split_once(start).map(|(_, rest)| up_to_quote(rest))
}

fn up_to_quote(text: &str) -> String {
    text.split('"').next().unwrap().to_owned()
}
