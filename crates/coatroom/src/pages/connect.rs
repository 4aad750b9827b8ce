//! The pages on which a person connects a further account: who asks and what for, who must sign in, and how it ended.
//!
//! The link to them came through an app, and may come from anybody. So the first page says who is signed in and what will
//! be possible afterwards, and another person learns only that the link is not theirs.

use askama::Template;
use http::StatusCode;

use super::consent::{AskingClient, NAME_LIMIT, Who, app_name};
use super::language::{ConnectWords, ConsentWords, Language};
use super::text::{isolated, plain};
use super::{Frame, McpServer, PageResponse, Pages};

/// Below it are the links; the forms are sent to it, by POST, with [`FLOW_FIELD`](super::FLOW_FIELD) and a
/// [`ConnectChoice`] in [`CHOICE_FIELD`](super::CHOICE_FIELD).
pub const CONNECT_PATH: &str = "/connect";

/// What the page shows on which a person decides.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct ConnectPage<'a> {
    /// What the form brings back.
    pub flow: &'a str,
    /// The app whose call needs the account.
    pub client: AskingClient<'a>,
    /// The MCP server that will use the account.
    pub server: McpServer<'a>,
    /// The provider to connect, as people write it: `Slack`.
    pub provider: &'a str,
    /// The permissions that are asked for there, in the provider's own words.
    pub permissions: &'a [&'a str],
    /// Who is signed in here.
    pub person: &'a str,
}

/// What the page shows where nobody is signed in, or somebody else.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct ConnectSignInPage<'a> {
    /// What the form brings back.
    pub flow: &'a str,
    /// The provider at which the link's user signs in, as people write it.
    pub provider: &'a str,
    /// Who is signed in here, and is not the link's user.
    pub somebody_else: Option<&'a str>,
}

/// What the last page shows.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct ConnectEndPage<'a> {
    /// The provider, as people write it.
    pub provider: &'a str,
    /// The name that the app gave itself.
    pub client: Option<&'a str>,
    /// How it ended.
    pub end: ConnectEnd,
}

/// How connecting an account ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server must decide about every case")]
pub enum ConnectEnd {
    /// The account is connected: just now, or before.
    Connected,
    /// The person said no.
    Cancelled,
}

/// What a person chose: the value of the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server must decide about every case")]
pub enum ConnectChoice {
    /// Go to the provider and connect the account.
    Connect,
    /// Nothing.
    Cancel,
    /// Sign in here first.
    SignIn,
    /// Sign in here with another account.
    OtherAccount,
}

impl ConnectChoice {
    /// Reads the value of the field; `None` for a value that no button has.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        [Self::Connect, Self::Cancel, Self::SignIn, Self::OtherAccount]
            .into_iter()
            .find(|choice| choice.as_str() == value)
    }

    /// The value of the button.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Cancel => "cancel",
            Self::SignIn => "sign-in",
            Self::OtherAccount => "other-account",
        }
    }
}

impl Pages {
    /// Answers with the page on which a person decides whether to connect an account.
    #[must_use]
    pub fn connect(&self, language: Language, page: &ConnectPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let (words, app) = (&all.connect, app_name(all, page.client.name));
        let provider = isolated(page.provider);
        let view = ConnectView {
            consent: &all.consent,
            words,
            frame: self.frame(all, (words.title)(&provider)),
            page,
            who: Who::new(all, &app, page.client.proof),
            permissions_at: (all.consent.permissions_at)(&provider),
            needs: (words.needs)(&provider),
            kept: (words.kept)(&isolated(&app), &isolated(page.server.name)),
            signed_in: (words.signed_in_as)(&isolated(&plain(page.person, NAME_LIMIT))),
            proceed: (all.hand_over.continue_to)(&provider),
        };
        self.answer(language, StatusCode::OK, &view)
    }

    /// Answers whoever is not signed in, or is somebody else: 403 then.
    #[must_use]
    pub fn connect_sign_in(&self, language: Language, page: &ConnectSignInPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.connect;
        let provider = isolated(page.provider);
        let other = page.somebody_else.map(|person| plain(person, NAME_LIMIT));
        let (status, title, texts, button, choice) = match &other {
            None => (
                StatusCode::OK,
                words.sign_in_title,
                vec![words.sign_in_why.to_owned()],
                (words.sign_in_with)(&provider),
                ConnectChoice::SignIn,
            ),
            Some(person) => (
                StatusCode::FORBIDDEN,
                words.other_title,
                vec![
                    (words.other_happened)(&isolated(person)),
                    words.other_beware.to_owned(),
                    words.other_next.to_owned(),
                ],
                (words.other_account)(&provider),
                ConnectChoice::OtherAccount,
            ),
        };
        let frame = self.frame(all, title);
        let first = other.is_none();
        self.answer(
            language,
            status,
            &SignInView { frame, page, texts, button, choice: choice.as_str(), first },
        )
    }

    /// Answers with the last page: it says how it ended, and that the person may go back to the app.
    #[must_use]
    pub fn connect_end(&self, language: Language, page: &ConnectEndPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let (words, app) = (&all.connect, app_name(all, page.client));
        let (provider, app) = (isolated(page.provider), isolated(&app));
        let (title, happened) = match page.end {
            ConnectEnd::Connected => ((words.connected)(&provider), (words.connected_then)(&app)),
            ConnectEnd::Cancelled => (words.cancelled.to_owned(), (words.cancelled_then)(&provider, &app)),
        };
        self.answer(language, StatusCode::OK, &EndView { frame: self.frame(all, title), happened })
    }
}

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectView<'a> {
    consent: &'a ConsentWords<'a>,
    words: &'a ConnectWords<'a>,
    frame: Frame<'a>,
    page: &'a ConnectPage<'a>,
    who: Who<'a>,
    permissions_at: String,
    needs: String,
    kept: String,
    signed_in: String,
    proceed: String,
}

#[derive(Template)]
#[template(path = "connect_sign_in.html")]
struct SignInView<'a> {
    frame: Frame<'a>,
    page: &'a ConnectSignInPage<'a>,
    texts: Vec<String>,
    button: String,
    choice: &'static str,
    /// Whether the button stands out.
    first: bool,
}

#[derive(Template)]
#[template(path = "connect_end.html")]
pub(super) struct EndView<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) happened: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_prints_and_parses_back() {
        for value in ["connect", "cancel", "sign-in", "other-account"] {
            assert_eq!(ConnectChoice::parse(value).map(ConnectChoice::as_str), Some(value));
        }
        assert_eq!(ConnectChoice::parse("deny"), None);
        assert_eq!(ConnectChoice::parse(""), None);
    }
}
