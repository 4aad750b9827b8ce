//! The page that hands the browser over to the app.
//!
//! It stands where a redirect would: an answer to a form may not redirect elsewhere under `form-action 'self'`, and the
//! policies of identity providers reach our callback's redirects in the same way. The `Refresh` header works without
//! script; the link serves browsers that do not follow it, for instance to an app's own scheme.

use askama::Template;
use http::StatusCode;
use http::header::{HeaderValue, REFRESH};

use super::address::ReturnAddress;
use super::consent::app_name;
use super::language::{HandOverWords, Language};
use super::text::isolated;
use super::{Frame, PageResponse, Pages};

/// What the hand-over page shows.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct HandOverPage<'a> {
    /// The name that the app gave itself.
    pub client: Option<&'a str>,
    /// The redirect URI with the answer in it: code or error, `state` and `iss`.
    pub to: &'a ReturnAddress,
    /// What the answer is.
    pub outcome: Outcome,
}

/// What an app is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server must decide about every case")]
pub enum Outcome {
    /// The person agreed and signed in.
    Allowed,
    /// The person said no.
    Cancelled,
    /// Something else went wrong.
    Failed,
    /// Nothing yet: the person goes on to a provider to sign in. `client` is the provider then.
    SigningIn,
    /// Nothing: the person has signed in, and goes back to a page here. `client` is not shown then.
    SignedIn,
}

impl Pages {
    /// Answers with the hand-over page: 200, a `Refresh` header, and a link to the same address.
    #[must_use]
    pub fn hand_over(&self, language: Language, page: &HandOverPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.hand_over;
        let app = app_name(all, page.client);
        let app = isolated(&app);
        let (title, happened, link) = match page.outcome {
            Outcome::Allowed => {
                (words.allowed.to_owned(), (words.allowed_then)(&app), (words.return_to)(&app))
            }
            Outcome::Cancelled => {
                (words.cancelled.to_owned(), (words.cancelled_then)(&app), (words.cancelled_return_to)(&app))
            }
            Outcome::Failed => (words.failed.to_owned(), (words.failed_then)(&app), (words.return_to)(&app)),
            Outcome::SigningIn => {
                ((words.signing_in)(&app), (words.signing_in_then)(&app), (words.continue_to)(&app))
            }
            Outcome::SignedIn => {
                (words.signed_in.to_owned(), words.signed_in_then.to_owned(), words.go_on.to_owned())
            }
        };
        let uri = page.to.as_str();
        let goes_on = matches!(page.outcome, Outcome::SigningIn | Outcome::SignedIn);
        let close = (!goes_on).then_some(words.close);
        let view = HandOverView { words, frame: self.frame(all, title), happened, link, uri, close };
        let mut answer = self.answer(language, StatusCode::OK, &view);
        // A return address has visible ASCII characters only, so that it always fits into a header.
        if let Ok(mut refresh) = HeaderValue::try_from(format!("0;url={uri}")) {
            refresh.set_sensitive(true);
            answer.headers_mut().insert(REFRESH, refresh);
        }
        answer
    }
}

#[derive(Template)]
#[template(path = "hand_over.html")]
struct HandOverView<'a> {
    words: &'a HandOverWords<'a>,
    frame: Frame<'a>,
    happened: String,
    link: String,
    uri: &'a str,
    /// That the window may be closed, where nothing more comes.
    close: Option<&'a str>,
}
