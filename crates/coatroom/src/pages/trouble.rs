//! The page that explains an error to a person: what happened, why, and what to do next.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use askama::Template;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use super::address::ReturnAddress;
use super::language::{ErrorWords, Language, TroubleText};
use super::text::{isolated, plain};
use super::{Frame, PageResponse, Pages};

/// What went wrong, as far as a person needs to know. `provider` is a provider's name as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble<'a> {
    /// The client id is unknown: never registered here, or forgotten. 400.
    UnknownClient,
    /// The operator blocked the client. 403.
    BlockedClient,
    /// Clients are not described by documents here. 400.
    DocumentsOff,
    /// The client's document could not be fetched. 400.
    DocumentUnreachable {
        /// Its host, in ASCII form.
        host: &'a str,
    },
    /// The client's document was fetched and is not good. 400.
    DocumentRefused {
        /// Its host, in ASCII form.
        host: &'a str,
    },
    /// The operator takes no documents of this host. 403.
    DocumentHost {
        /// The host, in ASCII form.
        host: &'a str,
    },
    /// Too many documents are being fetched. 429.
    DocumentsBusy,
    /// The redirect URI is not one of the client's. 400.
    UnregisteredRedirect,
    /// The authorization request has another fault. 400.
    InvalidRequest,
    /// The flow has expired or was answered before. 400.
    Expired,
    /// A link to connect an account is too old or was changed. 400.
    LinkExpired,
    /// A link to set a password was used, is too old, or was changed. 400.
    LinkUsed,
    /// The app's access, for which an account should be connected, has ended. 403.
    GrantEnded,
    /// Another person is signed in than the one who began. 403.
    OtherUser,
    /// The provider's answer was not good. 502.
    SignInFailed {
        /// The provider.
        provider: &'a str,
    },
    /// The provider refused to sign the person in. 403.
    SignInRefused {
        /// The provider.
        provider: &'a str,
    },
    /// The person cancelled at the provider. 400.
    SignInCancelled {
        /// The provider.
        provider: &'a str,
    },
    /// The provider does not answer. 503.
    ProviderUnavailable {
        /// The provider.
        provider: &'a str,
    },
    /// The browser is not the one that began, or it keeps no cookies. 403.
    NoCookie,
    /// The person signed in, and may not enter. 403.
    NotAllowed {
        /// The provider.
        provider: &'a str,
        /// Who signed in.
        person: Person<'a>,
        /// What is said to them in the place of our own words; those, if it is empty.
        said: Said<'a>,
    },
    /// The store, a key or something else here is down. 503.
    Unavailable,
    /// The rate limit. 429.
    TooManyRequests,
    /// No such page. 404.
    NotFound,
    /// The page exists, and is not reached like this: a form's address typed into the address bar. 405.
    WrongMethod,
}

impl Trouble<'_> {
    /// The HTTP status of the page.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnknownClient
            | Self::DocumentsOff
            | Self::DocumentUnreachable { .. }
            | Self::DocumentRefused { .. }
            | Self::UnregisteredRedirect
            | Self::InvalidRequest
            | Self::Expired
            | Self::LinkExpired
            | Self::LinkUsed
            | Self::SignInCancelled { .. } => StatusCode::BAD_REQUEST,
            Self::BlockedClient
            | Self::GrantEnded
            | Self::OtherUser
            | Self::DocumentHost { .. }
            | Self::SignInRefused { .. }
            | Self::NoCookie
            | Self::NotAllowed { .. } => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests | Self::DocumentsBusy => StatusCode::TOO_MANY_REQUESTS,
            Self::SignInFailed { .. } => StatusCode::BAD_GATEWAY,
            Self::ProviderUnavailable { .. } | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(self, words: &ErrorWords<'_>) -> TroubleText {
        match self {
            Self::UnknownClient => words.unknown_client.clone(),
            Self::BlockedClient => words.blocked_client.clone(),
            Self::DocumentsOff => words.documents_off.clone(),
            Self::DocumentUnreachable { host } => (words.document_unreachable)(host),
            Self::DocumentRefused { host } => (words.document_refused)(host),
            Self::DocumentHost { host } => (words.document_host)(host),
            Self::DocumentsBusy => words.documents_busy.clone(),
            Self::UnregisteredRedirect => words.unregistered_redirect.clone(),
            Self::InvalidRequest => words.invalid_request.clone(),
            Self::Expired => words.expired.clone(),
            Self::LinkExpired => words.link_expired.clone(),
            Self::LinkUsed => words.link_used.clone(),
            Self::GrantEnded => words.grant_ended.clone(),
            Self::OtherUser => words.other_user.clone(),
            Self::SignInFailed { provider } => (words.sign_in_failed)(&isolated(provider)),
            Self::SignInRefused { provider } => (words.sign_in_refused)(&isolated(provider)),
            Self::SignInCancelled { provider } => (words.sign_in_cancelled)(&isolated(provider)),
            Self::ProviderUnavailable { provider } => (words.provider_unavailable)(&isolated(provider)),
            Self::NoCookie => words.no_cookie.clone(),
            Self::NotAllowed { provider, person, .. } => {
                let person = plain(person.0, NAME_LIMIT);
                (words.not_allowed)(&isolated(&person), &isolated(provider))
            }
            Self::Unavailable => words.unavailable.clone(),
            Self::TooManyRequests => words.too_many_requests.clone(),
            Self::NotFound => words.not_found.clone(),
            Self::WrongMethod => words.wrong_method.clone(),
        }
    }

    /// Its name among the texts: `sign_in_failed`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::BlockedClient => "blocked_client",
            Self::DocumentsOff => "documents_off",
            Self::DocumentUnreachable { .. } => "document_unreachable",
            Self::DocumentRefused { .. } => "document_refused",
            Self::DocumentHost { .. } => "document_host",
            Self::DocumentsBusy => "documents_busy",
            Self::UnregisteredRedirect => "unregistered_redirect",
            Self::InvalidRequest => "invalid_request",
            Self::Expired => "expired",
            Self::LinkExpired => "link_expired",
            Self::LinkUsed => "link_used",
            Self::GrantEnded => "grant_ended",
            Self::OtherUser => "other_user",
            Self::SignInFailed { .. } => "sign_in_failed",
            Self::SignInRefused { .. } => "sign_in_refused",
            Self::SignInCancelled { .. } => "sign_in_cancelled",
            Self::ProviderUnavailable { .. } => "provider_unavailable",
            Self::NoCookie => "no_cookie",
            Self::NotAllowed { .. } => "not_allowed",
            Self::Unavailable => "unavailable",
            Self::TooManyRequests => "too_many_requests",
            Self::NotFound => "not_found",
            Self::WrongMethod => "wrong_method",
        }
    }

    /// What its texts may name, in the order of [`TROUBLES`].
    fn named(&self) -> Vec<Cow<'_, str>> {
        match self {
            Self::DocumentUnreachable { host }
            | Self::DocumentRefused { host }
            | Self::DocumentHost { host } => vec![Cow::Borrowed(host)],
            Self::SignInFailed { provider }
            | Self::SignInRefused { provider }
            | Self::SignInCancelled { provider }
            | Self::ProviderUnavailable { provider } => vec![isolated(provider)],
            Self::NotAllowed { provider, person, .. } => {
                let person = isolated(&plain(person.0, NAME_LIMIT)).into_owned();
                vec![Cow::Owned(person), isolated(provider)]
            }
            _ => Vec::new(),
        }
    }

    /// How long to wait before trying again, where that can help.
    const fn retry_after(self) -> Option<Duration> {
        match self.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_DEFAULT),
            _ => None,
        }
    }
}

/// What to call somebody on a page. What it says is not for the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Person<'a>(&'a str);

impl<'a> Person<'a> {
    /// Somebody of this name.
    #[must_use]
    pub const fn new(name: &'a str) -> Self {
        Self(name)
    }
}

impl fmt::Debug for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(…)")
    }
}

/// What is said to somebody in the place of our own words. It is not for the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Said<'a>(&'a str);

impl<'a> Said<'a> {
    /// This text; the empty one leaves it to our own words.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said(…)")
    }
}

/// What the error page shows.
#[derive(Debug, Clone, Copy)]
pub struct ErrorPage<'a> {
    trouble: Trouble<'a>,
    reference: &'a str,
    detail: Option<&'a str>,
    way_back: Option<&'a ReturnAddress>,
    retry_after: Option<Duration>,
}

impl<'a> ErrorPage<'a> {
    /// A page about `trouble`. `reference` is the correlation id under which the log knows the request.
    #[must_use]
    pub const fn new(trouble: Trouble<'a>, reference: &'a str) -> Self {
        Self { trouble, reference, detail: None, way_back: None, retry_after: trouble.retry_after() }
    }

    /// Adds the reason in a developer's words, folded away.
    #[must_use]
    pub const fn with_detail(self, detail: &'a str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// Adds a link that takes the error to the app: its checked redirect URI with `error`, `state` and `iss`.
    #[must_use]
    pub const fn with_way_back(self, to: &'a ReturnAddress) -> Self {
        Self { way_back: Some(to), ..self }
    }

    /// Sets when to try again, in whole seconds (default: 5 s for 503 and 429, else no `Retry-After` header).
    #[must_use]
    pub const fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

impl Pages {
    /// Answers with an error page, in the status of its trouble.
    #[must_use]
    pub fn error(&self, language: Language, page: &ErrorPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.error;
        let text = page.trouble.text(words);
        let named = page.trouble.named();
        let named: Vec<&str> = named.iter().map(AsRef::as_ref).collect();
        let mut text = self.look.texts.trouble(language, (page.trouble, &named), text);
        if let Trouble::NotAllowed { said, .. } = page.trouble {
            let said = plain(said.0, SAID_LIMIT);
            text.happened = if said.is_empty() { text.happened } else { said.into() };
        }
        let status = page.trouble.status();
        let way_back = page
            .way_back
            .map(|to| WayBack { label: (words.return_to)(&isolated(&to.receiver())), uri: to.as_str() });
        let frame = self.frame(all, text.title.clone());
        let detail = page.detail.map(|detail| plain(detail, DETAIL_LIMIT));
        let (status_code, reference) = (status.as_u16(), page.reference);
        let view = ErrorView { words, frame, text, way_back, detail, status_code, reference };
        let mut answer = self.answer(language, status, &view);
        if let Some(wait) = page.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        answer
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorView<'a> {
    words: &'a ErrorWords<'a>,
    frame: Frame<'a>,
    text: TroubleText,
    way_back: Option<WayBack<'a>>,
    detail: Option<String>,
    status_code: u16,
    reference: &'a str,
}

struct WayBack<'a> {
    label: String,
    uri: &'a str,
}

const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);
/// The longest name that is shown, in characters.
const NAME_LIMIT: usize = 60;
/// The longest text of a hook that is shown, in characters.
const SAID_LIMIT: usize = 300;
/// The longest detail that is shown, in characters.
const DETAIL_LIMIT: usize = 500;

/// The names of all kinds of trouble, and what their texts may name.
pub(super) const TROUBLES: &[(&str, &[&str])] = &[
    ("unknown_client", &[]),
    ("blocked_client", &[]),
    ("documents_off", &[]),
    ("document_unreachable", &["host"]),
    ("document_refused", &["host"]),
    ("document_host", &["host"]),
    ("documents_busy", &[]),
    ("unregistered_redirect", &[]),
    ("invalid_request", &[]),
    ("expired", &[]),
    ("link_expired", &[]),
    ("link_used", &[]),
    ("grant_ended", &[]),
    ("other_user", &[]),
    ("sign_in_failed", &["provider"]),
    ("sign_in_refused", &["provider"]),
    ("sign_in_cancelled", &["provider"]),
    ("provider_unavailable", &["provider"]),
    ("no_cookie", &[]),
    ("not_allowed", &["person", "provider"]),
    ("unavailable", &[]),
    ("too_many_requests", &[]),
    ("not_found", &[]),
    ("wrong_method", &[]),
];
