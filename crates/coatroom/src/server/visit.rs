//! A person's request for a page: their language, their cookies, and how to stop with a page that explains.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Redirect, Response};
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::grant::AuthorizeRefusal;
use coatroom_protocol::words::{Params, base64url};
use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, HeaderValue, ORIGIN, REFERRER_POLICY, RETRY_AFTER};

use super::App;
use super::body;
use super::cookies::CookieJar;
use super::respond::log;
use crate::context::SignInAt;
use crate::entropy::{NoEntropy, draw};
use crate::error::Error;
use crate::pages::{ErrorPage, Language, Person, ReturnAddress, Said, Trouble};

/// A person's request for a page.
pub(super) struct Visit<'a> {
    app: &'a App,
    headers: &'a HeaderMap,
    /// The cookies that came with it.
    pub(super) jar: CookieJar<'a>,
    /// The language to answer in.
    pub(super) language: Language,
}

/// Why a person cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// A page has words for it.
    Trouble(Trouble<'static>),
    /// The same, at a provider of this label.
    AtProvider(fn(&str) -> Trouble<'_>, String),
    /// The same about what a client's document says, at a host, with the reason for its developer.
    AboutDocument(fn(&str) -> Trouble<'_>, String, String),
    /// Somebody signed in at a provider, by its label, and may not enter.
    NotAllowed {
        provider: String,
        person: String,
        /// What a hook says about it, or nothing.
        said: String,
    },
    /// The request is at fault.
    Refused(OAuthError),
    /// Something here is down.
    Inside(Error),
}

impl Stop {
    /// What the client of a good request may be told: that we or the provider failed, or that its user may not enter. Whoever else is at fault, such as a
    /// browser that comes back twice, has no answer to give to a client.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Trouble(_) | Self::AboutDocument(..) | Self::Refused(_) => None,
            Self::NotAllowed { .. } => Some(ErrorCode::AccessDenied),
            Self::Inside(_) => Some(ErrorCode::TemporarilyUnavailable),
            Self::AtProvider(trouble, label) => Some(match trouble(label) {
                Trouble::ProviderUnavailable { .. } => ErrorCode::TemporarilyUnavailable,
                _ => ErrorCode::ServerError,
            }),
        }
    }

    /// A refusal of the authorization request that stays on a page.
    pub(super) fn from_refusal(refusal: AuthorizeRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Inside(error)
    }
}

impl From<NoEntropy> for Stop {
    fn from(error: NoEntropy) -> Self {
        Self::Inside(error.into())
    }
}

impl<'a> Visit<'a> {
    pub(super) fn new(app: &'a App, headers: &'a HeaderMap, ui_locales: Option<&str>) -> Self {
        let jar = CookieJar::new(&app.context.issuer, headers);
        Self { app, headers, jar, language: language_for(headers, ui_locales) }
    }

    /// Goes on in the language in which the flow began that the browser brings back, if it can still be read.
    pub(super) fn go_on_in(&mut self, language: Option<String>) {
        if let Some(language) = language {
            self.language = language_for(self.headers, Some(&language));
        }
    }

    /// Whether a form was sent from a page of ours: `Origin` says so, or the browser itself does (Fetch Metadata).
    pub(super) fn is_same_origin(&self) -> bool {
        let fetched = self.headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        match self.headers.get(ORIGIN) {
            None => fetched,
            Some(origin) if origin == "null" => fetched,
            Some(origin) => origin == self.app.context.issuer.as_str(),
        }
    }

    /// A form that counts: from a page of ours, and readable.
    pub(super) async fn form(&self, body: Body) -> Result<Params, Stop> {
        if !self.is_same_origin() {
            return Err(Stop::Trouble(Trouble::NoCookie));
        }
        let form = body::form(self.headers, body, self.app.context.settings.oauth_body_limit).await;
        form.map_err(|_| Stop::Trouble(Trouble::Expired))
    }

    /// What people call the place where somebody signs in.
    pub(super) fn label<'b>(&self, place: SignInAt<'b>) -> &'b str
    where
        'a: 'b,
    {
        place.label().unwrap_or_else(|| self.app.pages.local_accounts(self.language))
    }

    /// The page for a stop.
    pub(super) fn stopped(&self, stop: Stop) -> Response {
        self.stopped_on_the_way(stop, None)
    }

    /// The same, with a link that takes the error to the client, where there is one to tell.
    pub(super) fn stopped_on_the_way(&self, stop: Stop, way_back: Option<&ReturnAddress>) -> Response {
        match stop {
            Stop::Trouble(trouble) => self.page(trouble, None, way_back),
            Stop::AtProvider(trouble, label) => self.page(trouble(&label), None, way_back),
            Stop::NotAllowed { provider, person, said } => {
                let (person, said) = (Person::new(&person), Said::new(&said));
                let trouble = Trouble::NotAllowed { provider: &provider, person, said };
                self.page(trouble, None, way_back)
            }
            Stop::AboutDocument(trouble, host, reason) => self.page(trouble(&host), Some(&reason), way_back),
            Stop::Refused(error) => self.page(Trouble::InvalidRequest, Some(error.description()), way_back),
            Stop::Inside(error) => {
                log(&error, "a page failed inside");
                self.page(Trouble::Unavailable, None, way_back)
            }
        }
    }

    /// The page for a fault of the authorization request.
    pub(super) fn stop(&self, error: &OAuthError) -> Response {
        self.page(Trouble::InvalidRequest, Some(error.description()), None)
    }

    /// The same page, with a link that takes the error to the client.
    pub(super) fn stop_with_way_back(&self, error: &OAuthError, address: &str) -> Response {
        let address = ReturnAddress::parse(address);
        self.page(Trouble::InvalidRequest, Some(error.description()), address.as_ref())
    }

    /// The page for an address that asks too often.
    pub(super) fn too_many(&self, wait: Duration) -> Response {
        let mut response = self.page(Trouble::TooManyRequests, None, None);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        response
    }

    fn page(&self, trouble: Trouble<'_>, detail: Option<&str>, way_back: Option<&ReturnAddress>) -> Response {
        let reference =
            draw::<6>(self.app.context.entropy.as_ref()).map(|bytes| base64url(&bytes)).unwrap_or_default();
        tracing::info!(request.id = reference, trouble = ?trouble, reason = detail, "a page explained an error");
        let mut page = ErrorPage::new(trouble, &reference);
        if let Some(detail) = detail {
            page = page.with_detail(detail);
        }
        if let Some(way_back) = way_back {
            page = page.with_way_back(way_back);
        }
        self.app.pages.error(self.language, &page)
    }
}

fn language_for(headers: &HeaderMap, ui_locales: Option<&str>) -> Language {
    Language::choose(ui_locales, headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

/// An address that a page may lead to.
pub(super) fn address(uri: &str) -> Result<ReturnAddress, Stop> {
    ReturnAddress::parse(uri).ok_or(Stop::Trouble(Trouble::UnregisteredRedirect))
}

/// Answers a `POST` with 303, so that a reload asks for nothing twice.
pub(super) fn see_other(address: &str) -> Response {
    let mut response = Redirect::to(address).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Headers of a redirect that carries an authorization response (RFC 9700 §4.2).
pub(super) fn keep_private(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
