//! The pages on which a person signs in here, with a local account: password, code by mail, new password.
//!
//! None of them tells whether there is an account. A fault is said above the form, and the field that it is about is described by
//! it and has the focus.

use std::time::Duration;

use askama::Template;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use super::connect::EndView;
use super::language::{Language, LocalWords};
use super::{Frame, PageResponse, Pages};

/// Below it is the page of each flow, and the form is sent there too, by POST, with a [`Deed`] in [`DO_FIELD`].
pub const ENTER_PATH: &str = "/sign-in";
/// Below it are the links with which a password is set.
pub const PASSWORD_PATH: &str = "/password";
/// The field that says what to do.
pub const DO_FIELD: &str = "do";
/// The field of the e-mail address.
pub const EMAIL_FIELD: &str = "email";
/// The field of the password.
pub const PASSWORD_FIELD: &str = "password";
/// The field of the same password once more.
pub const REPEAT_FIELD: &str = "repeat";
/// The field of the code that was mailed.
pub const CODE_FIELD: &str = "code";
/// The field of the name.
pub const NAME_FIELD: &str = "name";

/// What a person wants: the value of the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server must decide about every case")]
pub enum Deed {
    /// To sign in with the password.
    Enter,
    /// To be mailed a code, and sign in with it.
    Code,
    /// To be mailed a code, and set another password with it.
    Reset,
    /// To be mailed a code, and make an account with it.
    SignUp,
    /// Nothing.
    Cancel,
}

impl Deed {
    /// Reads the value of the field; `None` for a value that no button has.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        [Self::Enter, Self::Code, Self::Reset, Self::SignUp, Self::Cancel]
            .into_iter()
            .find(|deed| deed.as_str() == value)
    }

    /// The value of the button.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Code => "code",
            Self::Reset => "reset",
            Self::SignUp => "sign-up",
            Self::Cancel => "cancel",
        }
    }
}

/// What the sign-in page shows.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct EnterPage<'a> {
    /// The flow that the person is in.
    pub flow: &'a str,
    /// What they typed as their address.
    pub email: &'a str,
    /// Why they were not let in.
    pub problem: Option<EnterProblem>,
    /// Whether codes can be mailed.
    pub by_mail: bool,
    /// Whether anybody may make an account.
    pub open: bool,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the page has words for each")]
pub enum EnterProblem {
    /// What they typed is no e-mail address. 422.
    Address,
    /// No such account, or not its password. 403.
    Wrong,
    /// It is their password, and the operator does not let them in. 403.
    Disabled,
    /// Too many attempts. 429.
    TooMany(Duration),
    /// Too many mails. 429.
    TooManyMails(Duration),
}

/// What the page shows after a code was mailed, or would have been.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
#[expect(missing_debug_implementations, reason = "it holds a code")]
pub struct MailedPage<'a> {
    /// The flow that the person is in.
    pub flow: &'a str,
    /// What the form brings back.
    pub sealed: &'a str,
    /// The address.
    pub email: &'a str,
    /// What the code is for: [`Deed::Code`], [`Deed::Reset`] or [`Deed::SignUp`].
    pub deed: Deed,
    /// The name that they typed.
    pub name: &'a str,
    /// The code that they typed, if it was right.
    pub code: &'a str,
    /// How long the password beside it is.
    pub limits: PasswordLimits,
    /// What is wrong.
    pub problem: Option<MailedProblem>,
}

/// What is wrong about a code, or about the password beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the page has words for each")]
pub enum MailedProblem {
    /// It is not the code. 403.
    Wrong,
    /// Too many attempts. 429.
    TooMany(Duration),
    /// The code is right, and the password is not taken. 422.
    Password(PasswordProblem),
}

/// Why a new password is not taken. 422.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the page has words for each")]
pub enum PasswordProblem {
    /// Too short.
    TooShort,
    /// Too long.
    TooLong,
    /// Easily guessed.
    Guessable,
    /// Typed differently the second time.
    Different,
}

/// How long a password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct PasswordLimits {
    /// The fewest characters.
    pub least: usize,
    /// The most characters.
    pub most: usize,
}

/// What the page of a password link shows.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the server builds one for each page")]
pub struct NewPasswordPage<'a> {
    /// The last part of the link.
    pub link: &'a str,
    /// Whose password it sets.
    pub email: &'a str,
    /// Whether it is their first.
    pub first: bool,
    /// How long a password is.
    pub limits: PasswordLimits,
    /// Why the password was not taken.
    pub problem: Option<PasswordProblem>,
}

impl Pages {
    /// Answers with the page on which a person signs in by password, or asks for a code.
    #[must_use]
    pub fn enter(&self, language: Language, page: &EnterPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.local;
        let (status, problem, wait) = match page.problem {
            None => (StatusCode::OK, None, None),
            Some(problem) => problem.told(words),
        };
        let view = EnterView {
            words,
            frame: self.frame(all, words.title),
            page,
            about_email: page.problem == Some(EnterProblem::Address),
            about_password: matches!(page.problem, Some(EnterProblem::Wrong)),
            problem,
        };
        self.answer_in((language, status), wait, &view)
    }

    /// Answers with the page on which a person types the code that was mailed.
    #[must_use]
    pub fn mailed(&self, language: Language, page: &MailedPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.local;
        let (status, problem, wait) = match page.problem {
            None => (StatusCode::OK, None, None),
            Some(MailedProblem::Wrong) => (StatusCode::FORBIDDEN, Some(words.wrong_code.to_owned()), None),
            Some(MailedProblem::TooMany(wait)) => EnterProblem::TooMany(wait).told(words),
            Some(MailedProblem::Password(problem)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Some(problem.told(words, page.limits)), None)
            }
        };
        let (sent, button) = match page.deed {
            Deed::SignUp => ((words.sent_if_new)(page.email), words.make_account),
            Deed::Reset => ((words.sent_if_known)(page.email), words.set_and_enter),
            Deed::Code | Deed::Enter | Deed::Cancel => ((words.sent_if_known)(page.email), words.enter),
        };
        let view = MailedView {
            words,
            frame: self.frame(all, words.mailed_title),
            page,
            sent,
            button,
            hint: (words.password_hint)(page.limits.least),
            is_about_password: matches!(page.problem, Some(MailedProblem::Password(_))),
            problem,
        };
        self.answer_in((language, status), wait, &view)
    }

    /// Answers with the page on which a person sets their password by a link.
    #[must_use]
    pub fn new_password(&self, language: Language, page: &NewPasswordPage<'_>) -> PageResponse {
        let all = &self.words(language);
        let words = &all.local;
        let status = if page.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let title = if page.first { words.welcome_title } else { words.new_password_title };
        let view = NewPasswordView {
            words,
            frame: self.frame(all, title),
            page,
            happened: if page.first { words.welcome } else { words.new_password_then },
            hint: (words.password_hint)(page.limits.least),
            problem: page.problem.map(|problem| problem.told(words, page.limits)),
        };
        self.answer(language, status, &view)
    }

    /// Answers with the page that says that a password was set.
    #[must_use]
    pub fn password_set(&self, language: Language) -> PageResponse {
        let all = &self.words(language);
        let words = &all.local;
        let frame = self.frame(all, words.password_set);
        self.answer(
            language,
            StatusCode::OK,
            &EndView { frame, happened: words.password_set_then.to_owned() },
        )
    }

    fn answer_in(
        &self,
        (language, status): (Language, StatusCode),
        wait: Option<Duration>,
        view: &impl Template,
    ) -> PageResponse {
        let mut answer = self.answer(language, status, view);
        if let Some(wait) = wait {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        answer
    }
}

impl EnterProblem {
    fn told(self, words: &LocalWords<'_>) -> (StatusCode, Option<String>, Option<Duration>) {
        match self {
            Self::Address => (StatusCode::UNPROCESSABLE_ENTITY, Some(words.no_address.to_owned()), None),
            Self::Wrong => (StatusCode::FORBIDDEN, Some(words.wrong.to_owned()), None),
            Self::Disabled => (StatusCode::FORBIDDEN, Some(words.disabled.to_owned()), None),
            Self::TooMany(wait) => {
                (StatusCode::TOO_MANY_REQUESTS, Some((words.too_many)(minutes(wait))), Some(wait))
            }
            Self::TooManyMails(wait) => {
                (StatusCode::TOO_MANY_REQUESTS, Some((words.too_many_mails)(minutes(wait))), Some(wait))
            }
        }
    }
}

impl PasswordProblem {
    fn told(self, words: &LocalWords<'_>, limits: PasswordLimits) -> String {
        match self {
            Self::TooShort => (words.too_short)(limits.least),
            Self::TooLong => (words.too_long)(limits.most),
            Self::Guessable => words.guessable.to_owned(),
            Self::Different => words.different.to_owned(),
        }
    }
}

/// Whole minutes, one at the least.
fn minutes(wait: Duration) -> usize {
    usize::try_from(wait.as_secs().div_ceil(60).max(1)).unwrap_or(usize::MAX)
}

#[derive(Template)]
#[template(path = "enter.html")]
struct EnterView<'a> {
    words: &'a LocalWords<'a>,
    frame: Frame<'a>,
    page: &'a EnterPage<'a>,
    problem: Option<String>,
    about_email: bool,
    about_password: bool,
}

#[derive(Template)]
#[template(path = "mailed.html")]
struct MailedView<'a> {
    words: &'a LocalWords<'a>,
    frame: Frame<'a>,
    page: &'a MailedPage<'a>,
    sent: String,
    button: &'a str,
    hint: String,
    problem: Option<String>,
    is_about_password: bool,
}

#[derive(Template)]
#[template(path = "new_password.html")]
struct NewPasswordView<'a> {
    words: &'a LocalWords<'a>,
    frame: Frame<'a>,
    page: &'a NewPasswordPage<'a>,
    happened: &'a str,
    hint: String,
    problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deed_prints_and_parses_back() {
        for value in ["enter", "code", "reset", "sign-up", "cancel"] {
            assert_eq!(Deed::parse(value).map(Deed::as_str), Some(value));
        }
        assert_eq!(Deed::parse("delete"), None);
    }

    #[test]
    fn a_wait_is_told_in_whole_minutes() {
        for (seconds, told) in [(1, 1), (60, 1), (61, 2), (900, 15)] {
            assert_eq!(minutes(Duration::from_secs(seconds)), told);
        }
    }
}
