//! The page on which a person decides: who asks, where the answer goes, what for, and with which account.
//!
//! MCP security best practices, "Confused Deputy Problem", ask for what it shows. What is approved is what the sealed
//! flow says, never what the form says: the form can only choose an account and drop scopes that are optional.

use std::borrow::Cow;
use std::fmt;

use askama::Template;
use coatroom_protocol::words::{ProviderName, Scope};
use http::StatusCode;

use super::address::{Place, ReturnAddress, has_foreign_letters};
use super::language::{ConsentWords, Language, Words};
use super::text::{initial, isolated, plain};
use super::{Frame, McpServer, PageResponse, Pages};

/// Where the form is sent, by POST.
pub const CONSENT_PATH: &str = "/consent";
/// The field that carries the sealed flow.
pub const FLOW_FIELD: &str = "flow";
/// The field that carries the [`Choice`].
pub const CHOICE_FIELD: &str = "choice";
/// The field of the optional scopes that stay ticked; it repeats. Required scopes have none.
pub const SCOPE_FIELD: &str = "scope";

/// What the consent page shows.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct ConsentPage<'a> {
    /// The sealed flow that the form brings back.
    pub flow: &'a str,
    /// The app that asks.
    pub client: AskingClient<'a>,
    /// Where the answer goes: the redirect URI of this request.
    pub redirect: &'a ReturnAddress,
    /// The MCP server that the app wants to use.
    pub server: McpServer<'a>,
    /// The accounts at other services that the MCP server works with.
    pub uses: &'a [UsedAccount<'a>],
    /// What is asked for, in the order of display.
    pub scopes: &'a [AskedScope<'a>],
    /// The providers at which the person may sign in; there is a button for each.
    pub providers: &'a [OfferedProvider<'a>],
    /// Who is signed in already, if anybody.
    pub signed_in: Option<SignedIn<'a>>,
}

/// The app that asks.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct AskingClient<'a> {
    /// The name that it gave itself.
    pub name: Option<&'a str>,
    /// What stands behind the name.
    pub proof: ClientProof<'a>,
    /// The path at which this server shows its logo.
    pub logo: Option<&'a str>,
}

/// What stands behind an app's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server must decide about every case")]
pub enum ClientProof<'a> {
    /// The operator configured the app.
    Configured,
    /// The app is described by a document at this host.
    Document {
        /// The host of the client id, in ASCII form.
        host: &'a str,
        /// The whole client id.
        url: &'a str,
        /// Whether its answers can go to the user's own machine alone, where anybody can receive them.
        only_loopback: bool,
    },
    /// The app registered itself, as anybody can.
    Registered,
}

/// An account at another service that the MCP server works with.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct UsedAccount<'a> {
    /// The provider's name as people write it: `GitHub`.
    pub provider: &'a str,
    /// The permissions that are asked for there, in the provider's own words.
    pub permissions: &'a [&'a str],
}

/// One scope that is asked for.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct AskedScope<'a> {
    /// The scope as it stands on the wire.
    pub scope: &'a Scope,
    /// What it means to a person: `See your repositories`.
    pub title: &'a str,
    /// A second line about it.
    pub description: Option<&'a str>,
    /// Whether the person may drop it.
    pub optional: bool,
    /// Whether the same person granted it to the same app for the same server before.
    pub granted_before: bool,
}

/// A provider at which the person may sign in.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct OfferedProvider<'a> {
    /// Whether it is no provider, and people sign in here.
    pub here: bool,
    /// Its configured name.
    pub name: &'a ProviderName,
    /// Its name as people write it: `GitHub`.
    pub title: &'a str,
}

/// The account with which a browser is signed in.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct SignedIn<'a> {
    /// What to call the person.
    pub person: &'a str,
    /// Where they signed in.
    pub provider: OfferedProvider<'a>,
}

/// What a person chose on the consent page: the value of the button.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server must decide about every case")]
pub enum Choice {
    /// Nothing is allowed. A provider of the name `deny` could not be chosen.
    Deny,
    /// Allowed, with whichever account the provider finds, or with the account that is signed in.
    Continue(ProviderName),
    /// Allowed, and the provider must let the person choose an account.
    OtherAccount(ProviderName),
}

impl Choice {
    /// Reads the value of [`CHOICE_FIELD`]; `None` for a value that no button has.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        if value == DENY {
            return Some(Self::Deny);
        }
        match value.strip_suffix(OTHER_ACCOUNT) {
            Some(provider) => ProviderName::parse(provider).map(Self::OtherAccount),
            None => ProviderName::parse(value).map(Self::Continue),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deny => f.write_str(DENY),
            Self::Continue(provider) => f.write_str(provider.as_str()),
            Self::OtherAccount(provider) => write!(f, "{provider}{OTHER_ACCOUNT}"),
        }
    }
}

const DENY: &str = "deny";
/// Names of providers have no colon, so that no name ends like this.
const OTHER_ACCOUNT: &str = ":other";
/// The longest name of an app or a person that is shown, in characters.
pub(super) const NAME_LIMIT: usize = 60;

impl Pages {
    /// Answers with the consent page.
    #[must_use]
    pub fn consent(&self, language: Language, page: &ConsentPage<'_>) -> PageResponse {
        let words = &self.words(language);
        let app = app_name(words, page.client.name);
        let title = (words.consent.title)(&isolated(&app), &isolated(page.server.name));
        let (known, asked): (Vec<_>, Vec<_>) = page.scopes.iter().partition(|scope| scope.granted_before);
        let view = ConsentView {
            words: &words.consent,
            frame: self.frame(words, title),
            page,
            who: Who::new(words, &app, page.client.proof),
            destination: Destination::new(&words.consent, page.redirect, page.client.proof),
            may: (words.consent.may)(&isolated(&app)),
            kept: (words.consent.kept)(&isolated(&app)),
            marks_new: !known.is_empty(),
            may_untick: page.scopes.iter().any(|scope| scope.optional),
            asked,
            known,
            buttons: buttons(&words.consent, page),
            deny: Choice::Deny,
        };
        let mut answer = self.answer(language, StatusCode::OK, &view);
        if page.client.logo.is_some() {
            Self::show_own_pictures(answer.headers_mut());
        }
        answer
    }
}

/// What to call an app: its own name, made fit to be shown, or words that say that it has none.
pub(super) fn app_name(words: &Words<'_>, name: Option<&str>) -> String {
    let name = plain(name.unwrap_or_default(), NAME_LIMIT);
    if name.is_empty() { words.nameless.to_owned() } else { name }
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentView<'a> {
    words: &'a ConsentWords<'a>,
    frame: Frame<'a>,
    page: &'a ConsentPage<'a>,
    who: Who<'a>,
    destination: Destination<'a>,
    may: String,
    kept: String,
    /// Whether the new scopes are marked, because there are older ones.
    marks_new: bool,
    may_untick: bool,
    asked: Vec<&'a AskedScope<'a>>,
    known: Vec<&'a AskedScope<'a>>,
    buttons: Vec<Button>,
    deny: Choice,
}

/// Who asks.
pub(super) struct Who<'a> {
    pub(super) name: String,
    pub(super) initial: String,
    /// The mark beside a name that nobody checked.
    pub(super) unverified: Option<&'a str>,
    pub(super) explained: String,
    pub(super) document: Option<Described<'a>>,
}

/// The document that describes an app.
pub(super) struct Described<'a> {
    pub(super) host: &'a str,
    pub(super) url: &'a str,
    pub(super) warning: Option<&'a str>,
}

impl<'a> Who<'a> {
    pub(super) fn new(words: &Words<'a>, app: &str, proof: ClientProof<'a>) -> Self {
        let (unverified, explained) = match proof {
            ClientProof::Configured => (None, words.consent.known_here.to_owned()),
            ClientProof::Document { host, .. } => {
                (Some(words.unverified), (words.consent.named_by_host)(&isolated(host)))
            }
            ClientProof::Registered if app == words.nameless => {
                (Some(words.unverified), words.consent.gave_no_name.to_owned())
            }
            ClientProof::Registered => (Some(words.unverified), words.consent.named_by_itself.to_owned()),
        };
        let document = match proof {
            ClientProof::Document { host, url, .. } => {
                let warning = has_foreign_letters(host).then_some(words.consent.beware_letters);
                Some(Described { host, url, warning })
            }
            ClientProof::Configured | ClientProof::Registered => None,
        };
        Self { name: app.to_owned(), initial: initial(app), unverified, explained, document }
    }
}

/// Where the answer goes.
struct Destination<'a> {
    receiver: String,
    explained: String,
    warnings: Vec<Cow<'a, str>>,
    uri: &'a str,
}

impl<'a> Destination<'a> {
    fn new(words: &ConsentWords<'a>, redirect: &'a ReturnAddress, proof: ClientProof<'_>) -> Self {
        let (explained, warning) = match redirect.place() {
            Place::Website { .. } => (words.to_website.to_owned(), None),
            Place::ThisComputer { .. } => {
                let warning = match proof {
                    ClientProof::Document { host, only_loopback: true, .. } => {
                        Cow::Owned((words.beware_only_computer)(&isolated(host)))
                    }
                    _ => Cow::Borrowed(words.beware_computer),
                };
                (words.to_this_computer.to_owned(), Some(warning))
            }
            Place::App { scheme } => ((words.to_app)(scheme), Some(Cow::Borrowed(words.beware_app))),
        };
        let letters = redirect.has_foreign_letters().then_some(Cow::Borrowed(words.beware_letters));
        let warnings = warning.into_iter().chain(letters).collect();
        Self { receiver: redirect.receiver(), explained, warnings, uri: redirect.as_str() }
    }
}

/// A button that approves.
struct Button {
    label: String,
    choice: Choice,
    /// Whether it stands out from the others.
    first: bool,
}

/// The account that is signed in comes first, then another account of its provider, then the other providers. Without
/// an account no provider is preferred, unless there is only one.
fn buttons(words: &ConsentWords<'_>, page: &ConsentPage<'_>) -> Vec<Button> {
    let mut buttons = Vec::new();
    if let Some(SignedIn { person, provider }) = page.signed_in {
        let person = plain(person, NAME_LIMIT);
        let label = (words.continue_as)(&isolated(&person), &isolated(provider.title));
        buttons.push(Button { label, choice: Choice::Continue(provider.name.clone()), first: true });
        let label = (words.other_account)(&isolated(provider.title));
        buttons.push(Button { label, choice: Choice::OtherAccount(provider.name.clone()), first: false });
    }
    let taken = page.signed_in.map(|account| account.provider.name);
    for provider in page.providers.iter().filter(|provider| Some(provider.name) != taken) {
        let label = (words.continue_with)(&isolated(provider.title));
        let first = page.signed_in.is_none() && page.providers.len() == 1;
        buttons.push(Button { label, choice: Choice::Continue(provider.name.clone()), first });
    }
    buttons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_prints_and_parses_back() {
        let github = ProviderName::parse("github").unwrap();
        for choice in [Choice::Deny, Choice::Continue(github.clone()), Choice::OtherAccount(github)] {
            assert_eq!(Choice::parse(&choice.to_string()), Some(choice));
        }
    }

    #[test]
    fn a_value_that_no_button_has_is_no_choice() {
        for bad in ["", "Deny", ":other", "github:else", "git hub", "github:other:other"] {
            assert_eq!(Choice::parse(bad), None, "{bad:?}");
        }
    }
}
