//! What a person sees: consent, connecting a further account, hand-over, errors, and the page at `/`.
//!
//! Pages only render: they take what to show and return a complete answer. They need no script, load nothing from
//! elsewhere, and escape everything that they are given; what a stranger can write (names, addresses) is also
//! freed of characters that reorder or hide text. Every word stands in one table per language.
//!
//! The headers follow OAuth 2.1 §7.10 (no framing) and RFC 9700 §4.2 (no address leaks by `Referer`).

mod account;
mod address;
mod asset;
mod connect;
mod consent;
mod hand_over;
mod headers;
mod landing;
mod language;
mod local;
mod mail;
mod text;
mod theme;
mod trouble;

pub use account::{
    ACCOUNT_PATH, AccountNote, AccountPage, ConnectedApp, END_PATH, EVERY_GRANT, GRANT_FIELD, PROVIDER_FIELD,
    SIGN_IN_PATH, SIGN_OUT_PATH, SignInPage,
};
pub use address::ReturnAddress;
pub use asset::Asset;
pub use connect::{CONNECT_PATH, ConnectChoice, ConnectEnd, ConnectEndPage, ConnectPage, ConnectSignInPage};
pub use consent::{
    AskedScope, AskingClient, CHOICE_FIELD, CONSENT_PATH, Choice, ClientProof, ConsentPage, FLOW_FIELD,
    OfferedProvider, SCOPE_FIELD, SignedIn, UsedAccount,
};
pub use hand_over::{HandOverPage, Outcome};
pub use landing::LandingPage;
pub use language::{Language, text_names};
pub use local::{
    CODE_FIELD, DO_FIELD, Deed, EMAIL_FIELD, ENTER_PATH, EnterPage, EnterProblem, MailedPage, MailedProblem,
    NAME_FIELD, NewPasswordPage, PASSWORD_FIELD, PASSWORD_PATH, PasswordLimits, PasswordProblem,
    REPEAT_FIELD,
};
pub use mail::MailText;
pub use theme::{Theme, ThemeColour, ThemeLink, ThemeProblem};
pub use trouble::{ErrorPage, Person, Said, Trouble};

use std::borrow::Cow;
use std::sync::Arc;

use coatroom_protocol::words::Issuer;

use self::language::Words;
use self::theme::{Link, Look};

/// An answer that is ready to be sent.
pub type PageResponse = http::Response<axum::body::Body>;

/// What all pages and mails of one server have in common. Each page has a method here that answers with it.
#[derive(Debug, Clone)]
pub struct Pages {
    /// Host and port of the server, shown on every page so that people can compare it with their address bar.
    site: String,
    /// Whether browsers come over https.
    https: bool,
    look: Arc<Look>,
}

/// An MCP server that stands behind this one, as people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct McpServer<'a> {
    /// Its name, from the configuration.
    pub name: &'a str,
    /// Its public URL, which is also its resource identifier.
    pub url: &'a str,
}

impl Pages {
    /// The pages of the server with this public URL, as an operator wants them.
    ///
    /// # Errors
    /// Everything that is wrong with the theme.
    pub fn new(issuer: &Issuer, theme: &Theme) -> Result<Self, Vec<ThemeProblem>> {
        let look = Arc::new(theme.look()?);
        Ok(Self { site: issuer.authority().to_owned(), https: issuer.is_https(), look })
    }

    /// What pages load: each must be served at its path.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        std::iter::once(&self.look.stylesheet).chain(&self.look.pictures)
    }

    /// What a local account is called on a button: "Continue with …".
    #[must_use]
    pub fn local_accounts(&self, language: Language) -> &str {
        self.words(language).local.label
    }

    fn words(&self, language: Language) -> Words<'_> {
        self.look.texts.words(language)
    }

    /// What the frame around every page needs.
    fn frame<'a>(&'a self, words: &'a Words<'a>, title: impl Into<String>) -> Frame<'a> {
        Frame { words, title: title.into(), site: &self.site, look: &self.look }
    }

    /// The site as mails call it: by its address, which tells it from others, and by its name if it has one.
    fn site_in_mails(&self) -> Cow<'_, str> {
        match &self.look.name {
            None => Cow::Borrowed(&self.site),
            Some(name) => Cow::Owned(format!("{name} ({})", self.site)),
        }
    }
}

/// What `layout.html` needs.
struct Frame<'a> {
    words: &'a Words<'a>,
    title: String,
    site: &'a str,
    look: &'a Look,
}

impl Frame<'_> {
    /// The attributes that say in which language the page is, and how it is written. Both are words of our tables alone.
    fn language(&self) -> String {
        format!(r#"lang="{}" dir="{}""#, self.words.lang, self.words.dir)
    }

    /// The title of the window.
    fn page_title(&self) -> String {
        match &self.look.name {
            Some(name) if *name != self.title => format!("{} · {name}", self.title),
            _ => self.title.clone(),
        }
    }

    const fn label(&self, link: &Link) -> &str {
        match link.kind {
            ThemeLink::Terms => self.words.terms,
            ThemeLink::Privacy => self.words.privacy,
            ThemeLink::Support => self.words.support,
        }
    }
}
