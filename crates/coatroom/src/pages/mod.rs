//! What a person sees: consent, connecting a further account, hand-over, errors, and the page at `/`.
//!
//! Pages only render: they take what to show and return a complete answer. They need no script, load nothing from
//! elsewhere, and escape everything that they are given; what a stranger can write (names, addresses) is also
//! freed of characters that reorder or hide text. Every word stands in one table per language.
//!
//! The headers follow OAuth 2.1 §7.10 (no framing) and RFC 9700 §4.2 (no address leaks by `Referer`).

mod account;
mod address;
mod connect;
mod consent;
mod hand_over;
mod headers;
mod landing;
mod language;
mod local;
mod mail;
mod stylesheet;
mod text;
mod trouble;

pub use account::{
    ACCOUNT_PATH, AccountNote, AccountPage, ConnectedApp, END_PATH, EVERY_GRANT, GRANT_FIELD, PROVIDER_FIELD,
    SIGN_IN_PATH, SIGN_OUT_PATH, SignInPage,
};
pub use address::ReturnAddress;
pub use connect::{CONNECT_PATH, ConnectChoice, ConnectEnd, ConnectEndPage, ConnectPage, ConnectSignInPage};
pub use consent::{
    AskedScope, AskingClient, CHOICE_FIELD, CONSENT_PATH, Choice, ClientProof, ConsentPage, FLOW_FIELD,
    OfferedProvider, SCOPE_FIELD, SignedIn, UsedAccount,
};
pub use hand_over::{HandOverPage, Outcome};
pub use landing::LandingPage;
pub use language::Language;
pub use local::{
    CODE_FIELD, DO_FIELD, Deed, EMAIL_FIELD, ENTER_PATH, EnterPage, EnterProblem, MailedPage, MailedProblem,
    NAME_FIELD, NewPasswordPage, PASSWORD_FIELD, PASSWORD_PATH, PasswordLimits, PasswordProblem,
    REPEAT_FIELD,
};
pub use mail::{MailText, mail_text};
pub use stylesheet::{Stylesheet, stylesheet};
pub use trouble::{ErrorPage, Person, Trouble};

use coatroom_protocol::words::Issuer;

use self::language::Words;

/// An answer that is ready to be sent.
pub type PageResponse = http::Response<axum::body::Body>;

/// What all pages of one server have in common. Each page has a method here that answers with it.
#[derive(Debug, Clone)]
pub struct Pages {
    /// Host and port of the server, shown on every page so that people can compare it with their address bar.
    site: String,
    /// Whether browsers come over https.
    https: bool,
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
    /// The pages of the server with this public URL.
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        Self { site: issuer.authority().to_owned(), https: issuer.is_https() }
    }

    /// What the frame around every page needs.
    fn frame(&self, language: Language, title: String) -> Frame<'_> {
        Frame { words: language.words(), title, site: &self.site, stylesheet: &stylesheet().path }
    }
}

/// What `layout.html` needs.
struct Frame<'a> {
    words: &'static Words,
    title: String,
    site: &'a str,
    stylesheet: &'a str,
}
