//! What mails say. They are plain text, and name the site, so that people can compare it with where they were.

use super::Pages;
use super::language::Language;

/// What a mail is about.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "each has words in every language")]
#[expect(missing_debug_implementations, reason = "it holds what opens an account")]
pub enum MailText<'a> {
    /// A code to sign in with.
    SignInCode(&'a str),
    /// A code to set another password with.
    ResetCode(&'a str),
    /// A code to make an account with.
    SignUpCode(&'a str),
    /// Somebody wants to make an account for an address that has one.
    HasAccount,
    /// A link with which somebody new sets their password.
    Invitation(&'a str),
    /// A link with which somebody sets another password.
    ResetLink(&'a str),
}

impl Pages {
    /// The subject and the text of a mail.
    #[must_use]
    pub fn mail(&self, language: Language, text: MailText<'_>) -> (String, String) {
        let words = &self.words(language).mail;
        let site = &self.site_in_mails();
        match text {
            MailText::SignInCode(code) => ((words.code_subject)(site), (words.sign_in_code)(site, code)),
            MailText::ResetCode(code) => ((words.code_subject)(site), (words.reset_code)(site, code)),
            MailText::SignUpCode(code) => ((words.code_subject)(site), (words.sign_up_code)(site, code)),
            MailText::HasAccount => ((words.has_account_subject)(site), (words.has_account)(site)),
            MailText::Invitation(link) => ((words.invitation_subject)(site), (words.invitation)(site, link)),
            MailText::ResetLink(link) => ((words.reset_subject)(site), (words.reset_link)(site, link)),
        }
    }
}
