//! Texts that an operator writes instead of ours.
//!
//! Each text of the tables has a name: that of its group and its own, `consent_title`. What is written instead of it names the same
//! things, each at least once: a consent page that does not say which app asks would be none. It is plain text, escaped like ours.

use std::fmt;

use coatroom_protocol::words::is_deceptive;

use super::{
    AccountWords, ConnectWords, ConsentWords, ErrorWords, HandOverWords, LandingWords, Language, LocalWords,
    MailWords, TroubleText, Words,
};
use crate::pages::trouble::{TROUBLES, Trouble};

/// Declares a table: a text by its name alone, one that names things with them in brackets, one that tells a number with square ones.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $table:ident $group:literal {
            $( $(#[$text_doc:meta])* $text:ident $( ( $($named:ident),+ ) )? $( [$number:ident] )? ,)+
        }
        $( others { $( $(#[$other_doc:meta])* $other:ident : $kind:ty, )+ } )?
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(in crate::pages) struct $table<'a> {
            $( $(#[$text_doc])* pub(in crate::pages) $text: words!(@kind $( $($named)+ )? $( [$number] )?), )+
            $( $( $(#[$other_doc])* pub(in crate::pages) $other: $kind, )+ )?
        }

        impl<'a> $table<'a> {
            /// The texts of this table that may be written otherwise.
            const ENTRIES: &'static [said::Entry] = &[
                $( said::Entry {
                    group: $group,
                    name: stringify!($text),
                    names: &[ $( $(stringify!($named),)+ )? $( stringify!($number) )? ],
                    tells: words!(@tells $( $($named)+ )? $( [$number] )?),
                }, )+
            ];

            /// Puts another text in the place of ours.
            fn put(&mut self, name: &str, said: &'a said::Said) {
                match name {
                    $( stringify!($text) => said::Place::fill(&mut self.$text, said), )+
                    _ => {}
                }
            }
        }
    };
    (@kind) => { &'a str };
    (@kind [$number:ident]) => { &'a (dyn Fn(usize) -> String + Send + Sync) };
    (@kind $one:ident) => { &'a (dyn Fn(&str) -> String + Send + Sync) };
    (@kind $one:ident $two:ident) => { &'a (dyn Fn(&str, &str) -> String + Send + Sync) };
    (@tells) => { said::Tells::Nothing };
    (@tells [$number:ident]) => { said::Tells::Number };
    (@tells $one:ident) => { said::Tells::One };
    (@tells $one:ident $two:ident) => { said::Tells::Two };
}

/// A text that may be written otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    /// What it names, in the order of its function.
    pub(super) names: &'static [&'static str],
    pub(super) tells: Tells,
}

/// What a text is told to name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tells {
    Nothing,
    One,
    Two,
    Number,
}

type One = dyn Fn(&str) -> String + Send + Sync;
type Two = dyn Fn(&str, &str) -> String + Send + Sync;
type Number = dyn Fn(usize) -> String + Send + Sync;

/// A text of an operator, in the form of ours.
pub(super) enum Said {
    Text(String),
    One(Box<One>),
    Two(Box<Two>),
    Number(Box<Number>),
}

impl Said {
    fn new(text: &str, entry: &Entry) -> Result<Self, String> {
        let template = Template::parse(text, entry.names, entry.has_lines())?;
        template.names_all(entry.names)?;
        Ok(match entry.tells {
            Tells::Nothing => Self::Text(text.to_owned()),
            Tells::One => Self::One(Box::new(move |one| template.fill(&[one]))),
            Tells::Two => Self::Two(Box::new(move |one, two| template.fill(&[one, two]))),
            Tells::Number => Self::Number(Box::new(move |number| template.fill(&[&number.to_string()]))),
        })
    }
}

/// The place of a text in a table. Each kind of text fits into places of its kind alone.
pub(super) trait Place<'a> {
    fn fill(&mut self, said: &'a Said);
}

impl<'a> Place<'a> for &'a str {
    fn fill(&mut self, said: &'a Said) {
        if let Said::Text(text) = said {
            *self = text;
        }
    }
}

impl<'a> Place<'a> for &'a (dyn Fn(&str) -> String + Send + Sync) {
    fn fill(&mut self, said: &'a Said) {
        if let Said::One(function) = said {
            *self = function.as_ref();
        }
    }
}

impl<'a> Place<'a> for &'a (dyn Fn(&str, &str) -> String + Send + Sync) {
    fn fill(&mut self, said: &'a Said) {
        if let Said::Two(function) = said {
            *self = function.as_ref();
        }
    }
}

impl<'a> Place<'a> for &'a (dyn Fn(usize) -> String + Send + Sync) {
    fn fill(&mut self, said: &'a Said) {
        if let Said::Number(function) = said {
            *self = function.as_ref();
        }
    }
}

impl Entry {
    /// Mails alone have several lines.
    fn has_lines(&self) -> bool {
        self.group == "mail_" && !self.name.ends_with("_subject")
    }
}

/// A text with places for what it names.
#[derive(Debug)]
pub(in crate::pages) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Named(usize),
}

impl Template {
    /// Reads a text in which `{app}` stands for what is called so.
    fn parse(text: &str, names: &[&str], has_lines: bool) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.chars().count() > LONGEST_TEXT {
            return Err(format!("it has more than {LONGEST_TEXT} characters"));
        }
        if let Some(bad) =
            text.chars().find(|&c| is_deceptive(c) || (c.is_control() && !(has_lines && c == '\n')))
        {
            return Err(format!(
                "it has the character U+{:04X}, which is not for plain text",
                u32::from(bad)
            ));
        }
        let known = || match names {
            [] => "nothing in braces".to_owned(),
            names => names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" and "),
        };
        let stray = || format!("a brace stands alone; this text takes {}", known());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(stray)?;
            let at = names.iter().position(|known| *known == name);
            let at = at.ok_or_else(|| format!("{{{name}}} is not known; this text takes {}", known()))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Named(at));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err(stray());
        }
        Ok(Self(parts))
    }

    /// Refuses a text that does not name what ours does.
    fn names_all(&self, names: &[&str]) -> Result<(), String> {
        let mut missing = (0..).zip(names).filter(|(at, _)| !self.0.contains(&Part::Named(*at)));
        missing.next().map_or(Ok(()), |(_, name)| Err(format!("{{{name}}} is missing")))
    }

    /// The text that names these.
    pub(in crate::pages) fn fill(&self, named: &[&str]) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Named(at) => named.get(*at).copied().unwrap_or_default().to_owned(),
        };
        self.0.iter().map(part).collect()
    }
}

/// The texts that an operator wrote, by language. Without any, ours are used.
#[derive(Default)]
pub(in crate::pages) struct Texts {
    said: Vec<(Language, Entry, Said)>,
    troubles: Vec<(Language, &'static str, &'static str, Template)>,
}

impl Texts {
    /// Adds a text.
    ///
    /// # Errors
    /// Why it cannot stand in the place of ours.
    pub(in crate::pages) fn add(&mut self, language: Language, name: &str, text: &str) -> Result<(), String> {
        if let Some(entry) = entries().find(|entry| entry.is_called(name)) {
            self.said.push((language, *entry, Said::new(text, entry)?));
            return Ok(());
        }
        for (trouble, names) in TROUBLES {
            for part in TroubleText::PARTS {
                if name == trouble_part(trouble, part) {
                    self.troubles.push((language, trouble, part, Template::parse(text, names, false)?));
                    return Ok(());
                }
            }
        }
        Err("there is no such text".to_owned())
    }

    /// The words of a language, with what was written instead of them.
    pub(in crate::pages) fn words(&self, language: Language) -> Words<'_> {
        let mut words: Words<'_> = language.words().clone();
        for (_, entry, said) in self.said.iter().filter(|(of, ..)| *of == language) {
            words.put_anywhere(entry, said);
        }
        words
    }

    /// What an error page says, with what was written instead of it.
    pub(in crate::pages) fn trouble(
        &self,
        language: Language,
        (trouble, named): (Trouble<'_>, &[&str]),
        mut ours: TroubleText,
    ) -> TroubleText {
        let of = self.troubles.iter().filter(|(of, name, ..)| *of == language && *name == trouble.name());
        for (_, _, part, template) in of {
            ours.put(part, template.fill(named));
        }
        ours
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.said.iter().map(|(language, entry, _)| (language, entry.name));
        f.debug_list().entries(names).entries(&self.troubles).finish()
    }
}

impl Entry {
    fn is_called(&self, name: &str) -> bool {
        name.strip_prefix(self.group) == Some(self.name)
    }
}

impl<'a> Words<'a> {
    fn put_anywhere(&mut self, entry: &Entry, said: &'a Said) {
        match entry.group {
            "consent_" => self.consent.put(entry.name, said),
            "connect_" => self.connect.put(entry.name, said),
            "hand_over_" => self.hand_over.put(entry.name, said),
            "error_" => self.error.put(entry.name, said),
            "landing_" => self.landing.put(entry.name, said),
            "account_" => self.account.put(entry.name, said),
            "local_" => self.local.put(entry.name, said),
            "mail_" => self.mail.put(entry.name, said),
            _ => self.put(entry.name, said),
        }
    }
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    let tables = [
        Words::ENTRIES,
        ConsentWords::ENTRIES,
        ConnectWords::ENTRIES,
        HandOverWords::ENTRIES,
        ErrorWords::ENTRIES,
        LandingWords::ENTRIES,
        AccountWords::ENTRIES,
        LocalWords::ENTRIES,
        MailWords::ENTRIES,
    ];
    tables.into_iter().flatten()
}

/// The names of all texts, and what each of them names: `consent_title` names `app` and `server`. What stands on error pages need not name
/// anything.
#[must_use]
pub fn text_names() -> Vec<(String, &'static [&'static str])> {
    let texts = entries().map(|entry| (format!("{}{}", entry.group, entry.name), entry.names));
    let troubles = TROUBLES.iter().flat_map(|(trouble, names)| {
        TroubleText::PARTS.iter().map(move |part| (trouble_part(trouble, part), *names))
    });
    texts.chain(troubles).collect()
}

fn trouble_part(trouble: &str, part: &str) -> String {
    format!("error_{trouble}_{part}")
}

/// More than any text of ours, in characters.
const LONGEST_TEXT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, text: &str) -> String {
        Texts::default().add(Language::English, name, text).unwrap_err()
    }

    #[test]
    fn a_text_must_name_what_ours_names_and_nothing_else() {
        assert_eq!(refusal("consent_title", "May it?"), "{app} is missing");
        assert_eq!(refusal("consent_title", "May {app}?"), "{server} is missing");
        assert_eq!(
            refusal("consent_title", "May {app} use {servers}?"),
            "{servers} is not known; this text takes {app} and {server}"
        );
        assert_eq!(
            refusal("consent_cancel", "No, {app}"),
            "{app} is not known; this text takes nothing in braces"
        );
        for text in ["{app} {server", "{app} {server} }", "{app} {server} {}"] {
            assert!(refusal("consent_title", text).contains("this text takes {app} and {server}"), "{text}");
        }
        assert_eq!(refusal("consent_titel", "May {app} use {server}?"), "there is no such text");
        assert_eq!(refusal("title", "x"), "there is no such text");
    }

    #[test]
    fn a_text_is_plain() {
        assert_eq!(refusal("consent_cancel", "  "), "it is empty");
        assert!(refusal("consent_cancel", "\u{202e}oN").contains("U+202E"));
        assert!(refusal("consent_cancel", "No\nno").contains("U+000A"));
        assert!(refusal("mail_code_subject", "{site}\nBcc: x@example.com").contains("U+000A"));
        assert!(refusal("consent_cancel", &"x".repeat(1001)).contains("1000 characters"));
        assert_eq!(Texts::default().add(Language::German, "mail_has_account", "{site}\n\nJa."), Ok(()));
    }

    #[test]
    fn every_text_can_be_written_otherwise_and_is_then_said() {
        for (name, names) in text_names() {
            let named = names.iter().map(|name| format!(" {{{name}}}")).collect::<Vec<_>>().concat();
            let mut texts = Texts::default();
            texts.add(Language::French, &name, &format!("Otherwise{named}")).unwrap();
            // Nothing is written in the place of another: one text differs, or none of the tables of an error page.
            assert_eq!(texts.said.len() + texts.troubles.len(), 1, "{name}");
        }
        let mut texts = Texts::default();
        for (name, text) in [
            ("unverified", "Not checked"),
            ("consent_title", "{server}: {app}?"),
            ("consent_kept", "Not for {app}"),
            ("local_too_short", "{least} at least"),
        ] {
            texts.add(Language::English, name, text).unwrap();
        }
        let words = texts.words(Language::English);
        assert_eq!(words.unverified, "Not checked");
        assert_eq!((words.consent.title)("A", "B"), "B: A?");
        assert_eq!((words.consent.kept)("A"), "Not for A");
        assert_eq!((words.local.too_short)(8), "8 at least");
        assert_eq!(texts.words(Language::German).unverified, Language::German.words().unverified);
    }
}
