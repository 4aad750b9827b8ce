//! The mails that people are sent.

use crate::accounts::{CodePurpose, Letter};
use crate::pages::{Language, MailText, Pages};

/// Writes mails: a subject, and a text that says which site it is about and what to do if one did not ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Letters<'a> {
    pages: &'a Pages,
    language: Language,
}

impl<'a> Letters<'a> {
    /// Letters of the site with these pages.
    pub(crate) const fn new(pages: &'a Pages) -> Self {
        Self { pages, language: Language::English }
    }

    pub(super) const fn in_language(pages: &'a Pages, language: Language) -> Self {
        Self { pages, language }
    }

    /// What a person gets who asked for something by mail.
    pub(super) fn letter(self, letter: Letter<'_>) -> (String, String) {
        match letter {
            Letter::Code(purpose, code) => {
                // In two groups it is easier to read and to type; the page takes both forms.
                let (first, second) = code.split_at(code.len() / 2);
                let code = format!("{first} {second}");
                self.write(match purpose {
                    CodePurpose::SignIn => MailText::SignInCode(&code),
                    CodePurpose::Reset => MailText::ResetCode(&code),
                    CodePurpose::SignUp => MailText::SignUpCode(&code),
                })
            }
            Letter::HasAccount => self.write(MailText::HasAccount),
        }
    }

    /// What a person gets whom the operator invites.
    pub(crate) fn invitation(self, link: &str) -> (String, String) {
        self.write(MailText::Invitation(link))
    }

    /// What a person gets whose password the operator took away.
    pub(crate) fn reset(self, link: &str) -> (String, String) {
        self.write(MailText::ResetLink(link))
    }

    fn write(self, text: MailText<'_>) -> (String, String) {
        self.pages.mail(self.language, text)
    }
}
