//! A person without Chromium: follows redirects and `Refresh`, submits forms, keeps cookies.
//!
//! It sends what a browser sends (`Origin`, `Sec-Fetch-*`) and nothing that a script could add, so a journey that it
//! finishes works without scripts. Tests with hundreds of users use it; what people see is tested with
//! [`crate::Browser`].

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use url::Url;

use crate::evidence::{self, Secret};

/// One person's browser.
#[derive(Debug, Clone)]
pub struct FormBrowser {
    http: reqwest::Client,
}

/// A page as it arrived.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it came from.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its HTML.
    pub html: String,
}

/// A form on a page, filled in and ready to be sent by one of its buttons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it goes.
    pub action: Url,
    /// `GET` or `POST`.
    pub method: Method,
    /// Its hidden and filled-in fields, and the button's own.
    pub fields: Vec<(String, String)>,
}

impl Default for FormBrowser {
    fn default() -> Self {
        Self::new()
    }
}

impl FormBrowser {
    /// A person who has never been here before.
    #[must_use]
    pub fn new() -> Self {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none()).build();
        Self { http: http.expect("an HTTP client") }
    }

    /// Opens an address and follows where it leads.
    pub async fn open(&self, url: &str) -> Page {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let request = self.http.get(url.clone()).header("sec-fetch-site", "none");
        self.follow(url, request).await
    }

    /// Opens an address and stays at the first answer.
    pub async fn open_only(&self, url: &str) -> Page {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let request = self.http.get(url.clone()).header("sec-fetch-site", "none");
        arrive(url, request).await
    }

    /// Presses the button whose text contains `label` and follows where it leads.
    pub async fn press(&self, page: &Page, label: &str) -> Page {
        self.send(page, page.form(label)).await
    }

    /// Fills in fields, presses the button whose text contains `label`, and follows where it leads.
    pub async fn fill(&self, page: &Page, label: &str, values: &[(&str, &str)]) -> Page {
        let mut form = page.form(label);
        for (name, value) in values {
            let field = form.fields.iter_mut().find(|(field, _)| field == name);
            let (_, filled) = field.unwrap_or_else(|| panic!("no field {name:?} at {}", page.url));
            *filled = (*value).to_owned();
        }
        self.send(page, form).await
    }

    /// Sends a form and follows where it leads.
    pub async fn send(&self, page: &Page, form: Form) -> Page {
        let request = self.request(page, &form);
        self.follow(form.action, request).await
    }

    /// Sends a form and stays at the first answer.
    pub async fn send_only(&self, page: &Page, form: Form) -> Page {
        let request = self.request(page, &form);
        arrive(form.action, request).await
    }

    /// As [`open_only`](Self::open_only), where the program may be killed at any moment: `None` when no whole answer came.
    pub async fn try_open_only(&self, url: &str) -> Option<Page> {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let request = self.http.get(url.clone()).header("sec-fetch-site", "none");
        try_arrive(request).await.ok()
    }

    /// As [`send_only`](Self::send_only), where the program may be killed at any moment.
    pub async fn try_send_only(&self, page: &Page, form: &Form) -> Option<Page> {
        try_arrive(self.request(page, form)).await.ok()
    }

    /// Approves and signs in at the demo's own provider as `account`; ends when the client has its answer.
    pub async fn approve(&self, authorize: &str, account: &str) -> Page {
        let consent = self.open(authorize).await;
        assert_eq!(consent.status, 200, "the consent page: {}", consent.html);
        let provider = self.press(&consent, "Continue").await;
        assert_eq!(provider.status, 200, "the provider's page: {}", provider.html);
        let end = self.press(&provider, account).await;
        assert_eq!(end.status, 200, "the end of the journey, at {}: {}", end.url, end.html);
        end
    }

    fn request(&self, page: &Page, form: &Form) -> reqwest::RequestBuilder {
        if form.method == Method::GET {
            let mut url = form.action.clone();
            url.query_pairs_mut().clear().extend_pairs(&form.fields);
            return self.http.get(url).header("sec-fetch-site", "same-origin");
        }
        let site = if page.url.origin() == form.action.origin() { "same-origin" } else { "cross-site" };
        self.http
            .post(form.action.clone())
            .header("origin", page.url.origin().ascii_serialization())
            .header("sec-fetch-site", site)
            .form(&form.fields)
    }

    async fn follow(&self, url: Url, request: reqwest::RequestBuilder) -> Page {
        let mut page = arrive(url, request).await;
        for _ in 0..10 {
            let Some(next) = page.leads_to() else { return page };
            let site = if next.origin() == page.url.origin() { "same-origin" } else { "cross-site" };
            page = arrive(next.clone(), self.http.get(next).header("sec-fetch-site", site)).await;
        }
        panic!("ten redirects and no end: {}", page.url);
    }
}

impl Page {
    /// Where a browser goes from here by itself: `Location`, or a `Refresh` of zero seconds.
    #[must_use]
    pub fn leads_to(&self) -> Option<Url> {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        if self.status.is_redirection() {
            return text("location").and_then(|target| self.url.join(target).ok());
        }
        let (seconds, target) = text("refresh")?.split_once(';')?;
        assert_eq!(seconds.trim(), "0", "a hand-over does not wait");
        let target = target.trim();
        self.url
            .join(target.strip_prefix("url=").or_else(|| target.strip_prefix("URL=")).unwrap_or(target))
            .ok()
    }

    /// The form with a button whose text contains `label`, filled in.
    ///
    /// # Panics
    /// When the page has no such button; the message shows the page.
    #[must_use]
    pub fn form(&self, label: &str) -> Form {
        let found = elements(&self.html, "form").into_iter().find_map(|(form, inside)| {
            let button =
                elements(inside, "button").into_iter().find(|(_, text)| plain(text).contains(label))?.0;
            let mut fields: Vec<_> = tags(inside, "input").into_iter().filter_map(field).collect();
            fields.extend(field(button));
            let action =
                attribute(button, "formaction").or_else(|| attribute(form, "action")).unwrap_or_default();
            let method = attribute(form, "method").unwrap_or_default();
            Some(Form {
                action: self.url.join(&action).expect("the form's address"),
                method: if method.eq_ignore_ascii_case("post") { Method::POST } else { Method::GET },
                fields,
            })
        });
        found.unwrap_or_else(|| {
            panic!("no button {label:?} at {} ({}):\n{}", self.url, self.status, self.html)
        })
    }

    /// What a person reads, roughly: the HTML without tags.
    #[must_use]
    pub fn text(&self) -> String {
        plain(&self.html)
    }
}

async fn arrive(url: Url, request: reqwest::RequestBuilder) -> Page {
    try_arrive(request).await.unwrap_or_else(|error| panic!("opening {url}: {error:?}"))
}

async fn try_arrive(request: reqwest::RequestBuilder) -> Result<Page, reqwest::Error> {
    let answer = request.header("accept", "text/html").send().await?;
    let (url, status, headers) = (answer.url().clone(), answer.status(), answer.headers().clone());
    let html = answer.text().await?;
    let cookies = headers.get_all("set-cookie").into_iter();
    evidence::browser(cookies.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned)), &url);
    for (_, flow) in tags(&html, "input").into_iter().filter_map(field).filter(|(name, _)| name == "flow") {
        evidence::secret(Secret::Carried, &flow);
    }
    evidence::answer(status, html.as_bytes());
    Ok(Page { url, status, headers, html })
}

/// Every `<name …>…</name>`, as its start tag and what is inside. Elements of one name do not nest on our pages.
fn elements<'a>(html: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let end = format!("</{name}>");
    let mut found = Vec::new();
    for tag in tags(html, name) {
        let after = &html[tag.as_ptr().addr() - html.as_ptr().addr() + tag.len()..];
        found.push((tag, after.split(&end).next().unwrap_or_default()));
    }
    found
}

/// Every start tag of a name.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("<{name}");
    let mut found = Vec::new();
    for (at, _) in html.match_indices(&start) {
        let tag = &html[at..];
        if tag[start.len()..].starts_with([' ', '>', '\n', '\t', '/']) {
            found.push(&tag[..tag.find('>').map_or(tag.len(), |end| end + 1)]);
        }
    }
    found
}

fn field(tag: &str) -> Option<(String, String)> {
    let unticked = attribute(tag, "type").is_some_and(|kind| kind == "checkbox") && !tag.contains(" checked");
    if unticked {
        return None;
    }
    Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let after = tag.split_once(&format!(" {name}=\"")).or_else(|| tag.split_once(&format!("\n{name}=\"")))?.1;
    Some(unescape(after.split('"').next()?))
}

fn plain(html: &str) -> String {
    let mut text = String::new();
    for (index, piece) in html.split('<').enumerate() {
        let shown = if index == 0 { piece } else { piece.split_once('>').map_or("", |(_, shown)| shown) };
        text.push_str(shown);
        text.push(' ');
    }
    unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#34;", "\""),
        ("&#38;", "&"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&amp;", "&"),
    ];
    named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Page {
        let url = Url::parse("http://localhost:1/authorize?x=1").unwrap();
        Page { url, status: StatusCode::OK, headers: HeaderMap::new(), html: html.to_owned() }
    }

    #[test]
    fn a_form_is_sent_with_its_hidden_fields_and_the_button_that_was_pressed() {
        let page = page(
            "<form method=\"post\" action=\"/consent\"><input type=\"hidden\" name=\"flow\" value=\"a&amp;b\">\
             <button name=\"choice\" value=\"demo\"><b>Continue</b> with Demo</button>\
             <button name=\"choice\" value=\"deny\">No</button></form>",
        );
        let form = page.form("Continue");
        assert_eq!(form.action.as_str(), "http://localhost:1/consent");
        assert_eq!(form.method, Method::POST);
        let expected =
            [("flow", "a&b"), ("choice", "demo")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form.fields, expected);
    }

    #[test]
    fn a_refresh_of_zero_seconds_is_followed() {
        let mut page = page("");
        page.headers.insert("refresh", "0;url=http://127.0.0.1:5/cb?code=1".parse().unwrap());
        assert_eq!(page.leads_to().unwrap().as_str(), "http://127.0.0.1:5/cb?code=1");
    }
}
