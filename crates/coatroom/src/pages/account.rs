//! The page on which a person sees which apps may act for them, and ends that.
//!
//! Whoever is signed in sees their own grants alone. Ending one takes a form of this page.

use askama::Template;
use coatroom_protocol::words::{Date, GrantId};
use http::StatusCode;

use super::address::{Place, ReturnAddress};
use super::consent::{NAME_LIMIT, OfferedProvider, SignedIn, app_name};
use super::language::{AccountWords, Language, Words};
use super::text::{isolated, plain};
use super::{Frame, McpServer, PageResponse, Pages};

/// The page itself.
pub const ACCOUNT_PATH: &str = "/account";
/// Where the form that ends access is sent, by POST.
pub const END_PATH: &str = "/account/end";
/// Where the form is sent with which a person signs in, by POST.
pub const SIGN_IN_PATH: &str = "/account/sign-in";
/// Where the form is sent with which a person signs out, by POST.
pub const SIGN_OUT_PATH: &str = "/account/sign-out";
/// The field that names the grant to end, or [`EVERY_GRANT`].
pub const GRANT_FIELD: &str = "grant";
/// The value of [`GRANT_FIELD`] that means every grant of the person.
pub const EVERY_GRANT: &str = "all";
/// The field that names the provider to sign in at.
pub const PROVIDER_FIELD: &str = "provider";

/// What the page shows to a person who is signed in.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct AccountPage<'a> {
    /// Who they are.
    pub signed_in: SignedIn<'a>,
    /// The apps that may act for them.
    pub apps: &'a [ConnectedApp<'a>],
    /// What has just been done.
    pub done: Option<AccountNote>,
}

/// What the page shows to a person who is not signed in.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct SignInPage<'a> {
    /// The providers at which they may sign in; there is a button for each.
    pub providers: &'a [OfferedProvider<'a>],
    /// What has just been done.
    pub done: Option<AccountNote>,
}

/// An app that may act for a person.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct ConnectedApp<'a> {
    /// The grant, which the form brings back.
    pub grant: &'a GrantId,
    /// The name that the app gave itself.
    pub name: Option<&'a str>,
    /// Whether the operator configured the app.
    pub known: bool,
    /// The host of the document that describes it, if one does.
    pub document: Option<&'a str>,
    /// Where its answer went; `None` when that is no address any more.
    pub redirect: Option<&'a ReturnAddress>,
    /// The MCP server that it may use.
    pub server: McpServer<'a>,
    /// What it may do there, in words.
    pub scopes: &'a [&'a str],
    /// The providers whose accounts were connected for it, besides the one of the sign-in.
    pub connected: &'a [&'a str],
    /// When the person agreed.
    pub since: Date,
    /// When it was last active.
    pub last_used: Date,
}

/// What a person has just done on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server must decide about every case")]
pub enum AccountNote {
    /// Ended the access of an app, or of all.
    Ended,
    /// Signed out here.
    SignedOut,
}

impl Pages {
    /// Answers with the page for a person who is signed in.
    #[must_use]
    pub fn account(&self, language: Language, page: &AccountPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.account;
        let SignedIn { person, provider } = page.signed_in;
        let person = plain(person, NAME_LIMIT);
        let view = AccountView {
            frame: self.frame(all, words.title),
            who: (words.signed_in_as)(&isolated(&person), &isolated(provider.title)),
            apps: page.apps.iter().map(|app| AppView::new(all, app)).collect(),
            note: page.done.map(|note| note.text(words, (!provider.here).then_some(provider.title))),
            described_by: all.consent.described_by,
            words,
        };
        self.answer(language, StatusCode::OK, &view)
    }

    /// Answers with the page for a person who is not signed in.
    #[must_use]
    pub fn sign_in(&self, language: Language, page: &SignInPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.account;
        let button = |provider: &OfferedProvider<'_>| SignInButton {
            name: provider.name.as_str().to_owned(),
            label: (words.sign_in_with)(&isolated(provider.title)),
        };
        let provider = match page.providers {
            [only] => (!only.here).then_some(only.title),
            _ => Some(words.where_you_sign_in),
        };
        let view = SignInView {
            frame: self.frame(all, words.title),
            buttons: page.providers.iter().map(button).collect(),
            note: page.done.map(|note| note.text(words, provider)),
            words,
        };
        self.answer(language, StatusCode::OK, &view)
    }
}

impl AccountNote {
    /// `provider` is where the person signs in, `None` if that is here.
    fn text(self, words: &AccountWords<'_>, provider: Option<&str>) -> String {
        match (self, provider) {
            (Self::Ended, Some(provider)) => (words.ended)(&isolated(provider)),
            (Self::SignedOut, Some(provider)) => (words.signed_out)(&isolated(provider)),
            (Self::Ended, None) => words.ended_here.to_owned(),
            (Self::SignedOut, None) => words.signed_out_here.to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountView<'a> {
    words: &'a AccountWords<'a>,
    described_by: &'a str,
    frame: Frame<'a>,
    who: String,
    apps: Vec<AppView<'a>>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInView<'a> {
    words: &'a AccountWords<'a>,
    frame: Frame<'a>,
    buttons: Vec<SignInButton>,
    note: Option<String>,
}

struct SignInButton {
    name: String,
    label: String,
}

struct AppView<'a> {
    grant: String,
    name: String,
    unverified: Option<&'a str>,
    document: Option<&'a str>,
    destination: String,
    server: McpServer<'a>,
    scopes: &'a [&'a str],
    connected: &'a [&'a str],
    since: Day,
    last_used: Day,
    end: String,
}

/// A day for machines and for people.
struct Day {
    iso: String,
    text: String,
}

impl<'a> AppView<'a> {
    fn new(all: &'a Words<'a>, app: &ConnectedApp<'a>) -> Self {
        let words = &all.account;
        let name = app_name(all, app.name);
        let day = |date: Date| Day { iso: date.to_string(), text: (words.date)(date) };
        let destination = match app.redirect.map(|redirect| (redirect.place(), redirect.receiver())) {
            Some((Place::ThisComputer { .. }, receiver)) => (words.on_a_computer)(&receiver),
            Some((Place::App { .. }, receiver)) => (words.on_a_device)(&receiver),
            Some((Place::Website { .. }, receiver)) => receiver,
            None => String::new(),
        };
        Self {
            grant: app.grant.to_string(),
            end: (words.end)(&isolated(&name)),
            unverified: (!app.known).then_some(all.unverified),
            document: app.document,
            destination,
            server: app.server,
            scopes: app.scopes,
            connected: app.connected,
            since: day(app.since),
            last_used: day(app.last_used),
            name,
        }
    }
}
