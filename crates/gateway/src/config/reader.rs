//! Reads settings out of three layers, flags over environment over file, and notes every mistake on the way.
//!
//! A [`Section`] is one table of the file together with the variables and flags that stand for its keys. Values of all
//! layers are read from text by the same function, so a setting means the same wherever it is made.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::allow::is_allowlist;
use super::environment::{PREFIX, variable};
use super::problem::{Place, Problems};
use super::suggest::nearest;

/// What was given on the command line, by key of the root table.
pub(crate) type Flags = BTreeMap<&'static str, Flag>;

/// One flag of the command line.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    /// As it is typed: `--listen`.
    pub(crate) name: &'static str,
    /// What follows it.
    pub(crate) value: String,
}

/// The layers, and what is common to all sections.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    pub(super) flags: &'a Flags,
    pub(super) variables: &'a BTreeMap<String, String>,
    /// The folder that relative paths in the file start from.
    pub(super) folder: &'a Path,
    pub(super) problems: &'a Problems,
    /// The variables that were looked for, whether they are set or not.
    pub(super) asked: RefCell<BTreeSet<String>>,
    /// The files that secrets were read from.
    pub(super) files: RefCell<Vec<PathBuf>>,
}

impl Layers<'_> {
    /// Notes variables that nothing asked for and that look like one that something did.
    ///
    /// Those that look like an allowlist are noted too. Others are left alone: a cluster sets variables of its own for a service that is called `coatroom`.
    pub(super) fn refuse_mistyped_variables(&self) {
        let asked = self.asked.borrow();
        let known: Vec<&str> = asked.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
        for name in self.variables.keys().filter(|name| !asked.contains(*name)) {
            if is_allowlist(name) {
                let message =
                    "belongs to no provider or issuer that is configured, so it lets nobody in or out";
                self.problems.add(&Place::Environment(name.clone()), message, None);
                continue;
            }
            let word = name.strip_prefix(PREFIX).filter(|word| !OTHER_VARIABLES.contains(word));
            if let Some(near) = word.and_then(|word| nearest(word, known.iter().copied())) {
                let help = Some(format!("did you mean {PREFIX}{near}?"));
                self.problems.add(&Place::Environment(name.clone()), "not known", help);
            }
        }
    }
}

/// A value and where it was set.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A table of the file with the variables and flags that override its keys.
#[derive(Debug, Clone)]
pub(super) struct Section<'a> {
    layers: &'a Layers<'a>,
    table: Option<&'a DeTable<'a>>,
    /// What its variables start with; `None` when only the file can set its keys.
    variables: Option<String>,
    is_root: bool,
}

impl<'a> Section<'a> {
    /// The root table; `None` when there is no file.
    pub(super) const fn root(layers: &'a Layers<'a>, table: Option<&'a DeTable<'a>>, prefix: String) -> Self {
        Self { layers, table, variables: Some(prefix), is_root: true }
    }

    /// Notes a mistake at `place`.
    pub(super) fn refuse(&self, place: &Place, message: impl Into<String>, help: Option<String>) {
        self.layers.problems.add(place, message, help);
    }

    /// Notes every key that is not among `known`.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, _) in self.entries() {
            if !known.contains(&key.get_ref().as_ref()) {
                let help = meant(key.get_ref(), known);
                self.refuse(&Place::File(key.span()), format!("unknown key `{}`", key.get_ref()), Some(help));
            }
        }
    }

    /// Whether the file has this key.
    pub(super) fn in_file(&self, key: &str) -> Option<Place> {
        self.entry(key).map(|(key, _)| Place::File(key.span()))
    }

    /// Whether the file has this section, or a variable is called like one of it.
    pub(super) fn is_named(&self) -> bool {
        let named = |prefix: &String| self.layers.variables.keys().any(|name| name.starts_with(prefix));
        self.table.is_some() || self.variables.as_ref().is_some_and(named)
    }

    /// Where a key is set, in the highest layer that has it.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.overriding(key).map(|found| found.place).or_else(|| self.in_file(key))
    }

    /// Notes variables of this section that are set to nothing, and those that are called like one and are none.
    pub(super) fn refuse_unclear_variables(&self, known: &[&str]) {
        let Some(prefix) = &self.variables else { return };
        let names: Vec<String> = known.iter().map(|key| variable(prefix, key)).collect();
        for (name, value) in self.layers.variables.iter().filter(|(name, _)| name.starts_with(prefix)) {
            self.layers.asked.borrow_mut().insert(name.clone());
            let place = Place::Environment(name.clone());
            if !names.contains(name) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.refuse(&place, "not known", Some(meant(name, &names)));
            } else if value.is_empty() {
                self.refuse(&place, "is set, and empty", Some("unset it, or give it a value".to_owned()));
            }
        }
    }

    /// The value of a key, read from text by `parse`; `None` when it is not set, or refused and noted.
    pub(super) fn value<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Found<T>> {
        let found = self.text(key)?;
        match parse(&found.value) {
            Ok(value) => Some(Found { value, place: found.place }),
            Err(reason) => {
                self.refuse_value(key, &found.place, &reason);
                None
            }
        }
    }

    /// The value of a key that knows a few words only.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Found<T>> {
        let found = self.text(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == found.value) {
            return Some(Found { value: *value, place: found.place });
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = meant(&found.value, &known);
        self.refuse(&found.place, format!("`{key}` cannot be `{}`", found.value), Some(help));
        None
    }

    /// The values of a list: an array of the file, or a variable with commas or spaces between the values.
    pub(super) fn list<T, E: Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Found<T>>> {
        let texts: Vec<Found<String>> = match self.overriding(key) {
            Some(found) => {
                let words = found.value.split([',', ' ']).filter(|word| !word.is_empty());
                words.map(|word| Found { value: word.to_owned(), place: found.place.clone() }).collect()
            }
            None => self.texts_of_file(key)?,
        };
        let mut values = Vec::new();
        for text in texts {
            match parse(&text.value) {
                Ok(value) => values.push(Found { value, place: text.place }),
                Err(reason) => self.refuse_value(key, &text.place, &reason),
            }
        }
        Some(values)
    }

    /// A secret: the key itself, or the file that `<key>_file` names. `aliases` are further variables, without prefix.
    ///
    /// Within one layer both at once are a mistake; a higher layer wins over a lower one.
    pub(super) fn secret(&self, key: &str, aliases: &[&str]) -> Option<SecretString> {
        self.found_secret(key, aliases).map(|found| found.value)
    }

    /// The same, with where it was set.
    pub(super) fn found_secret(&self, key: &str, aliases: &[&str]) -> Option<Found<SecretString>> {
        let file_key = format!("{key}_file");
        let by_variable = |name: &str| self.variable(name);
        let known = || std::iter::once(key).chain(aliases.iter().copied());
        let named = known().find_map(by_variable);
        let in_file = known().find_map(|name| by_variable(&format!("{name}_file")));
        let (direct, file) = match (self.flag(key), named, in_file) {
            (Some(flag), _, _) => (Some(flag), None),
            (None, None, None) => (self.scalar_of_file(key), self.scalar_of_file(&file_key)),
            (None, named, in_file) => (named, in_file),
        };
        let (value, place) = match (direct, file) {
            (Some(direct), Some(_)) => {
                let help = Some(format!("keep one of `{key}` and `{file_key}`"));
                self.refuse(&direct.place, "a secret is given twice", help);
                return None;
            }
            (Some(direct), None) => (self.checked_secret(key, &direct.place, &direct.value), direct.place),
            (None, Some(file)) => {
                let path = self.path(&file);
                self.layers.files.borrow_mut().push(path.clone());
                match std::fs::read_to_string(&path) {
                    Ok(text) => (self.checked_secret(&file_key, &file.place, &text), file.place),
                    Err(cause) => {
                        let message = format!("`{file_key}`: {} cannot be read: {cause}", path.display());
                        self.refuse(&file.place, message, None);
                        return None;
                    }
                }
            }
            (None, None) => return None,
        };
        value.map(|value| Found { value, place })
    }

    /// Lets a value be quoted in a report: it turned out to be no secret.
    pub(super) fn may_quote(&self, place: &Place) {
        self.layers.problems.may_quote(place);
    }

    /// The first of these variables, by their whole names, that is set. The file cannot set it.
    pub(super) fn any_variable(&self, names: &[String]) -> Option<Found<String>> {
        let found: Vec<_> = names.iter().map(|name| self.whole_variable(name)).collect();
        found.into_iter().flatten().next()
    }

    /// The same for a secret: a variable, or the file that the variable with `_FILE` after its name names.
    pub(super) fn secret_variable(&self, names: &[String]) -> Option<SecretString> {
        let direct = self.any_variable(names);
        let files: Vec<String> = names.iter().map(|name| format!("{name}_FILE")).collect();
        let file = self.any_variable(&files);
        if let (Some(direct), Some(_)) = (&direct, &file) {
            self.refuse(&direct.place, "a secret is given twice", None);
            return None;
        }
        if let Some(direct) = direct {
            return self.checked_secret("the secret", &direct.place, &direct.value);
        }
        let file = file?;
        self.layers.files.borrow_mut().push(PathBuf::from(&file.value));
        match std::fs::read_to_string(&file.value) {
            Ok(text) => self.checked_secret("the secret", &file.place, &text),
            Err(cause) => {
                self.refuse(&file.place, format!("{} cannot be read: {cause}", file.value), None);
                None
            }
        }
    }

    /// Whether a key, its `<key>_file` or one of its further variables is set at all, be it well or not.
    pub(super) fn is_set(&self, key: &str, aliases: &[&str]) -> bool {
        let is_there = |key: &str| self.variable(key).is_some() || self.entry(key).is_some();
        std::iter::once(&key).chain(aliases).any(|key| is_there(key) || is_there(&format!("{key}_file")))
    }

    /// The texts of a key that takes one or several: a list, or a single one.
    pub(super) fn one_or_several(&self, key: &str) -> Vec<String> {
        let is_list = self.entry(key).is_some_and(|(_, value)| value.get_ref().is_array());
        if is_list || self.variable(key).is_some() {
            let texts = self.list(key, |text| Ok::<_, std::convert::Infallible>(text.to_owned()));
            return texts.unwrap_or_default().into_iter().map(|found| found.value).collect();
        }
        self.text(key).map(|found| found.value).into_iter().collect()
    }

    /// The pairs of a table of texts.
    pub(super) fn pairs(&self, key: &str) -> Vec<(String, String)> {
        let table = self.section(key);
        let pair = |name: Found<String>| table.text(&name.value).map(|found| (name.value, found.value));
        table.keys().into_iter().filter_map(pair).collect()
    }

    /// A path as the process would open it: relative paths in the file start from the file's folder.
    pub(super) fn path(&self, found: &Found<String>) -> PathBuf {
        match found.place {
            Place::File(_) => self.layers.folder.join(&found.value),
            Place::Environment(_) | Place::Flag(_) | Place::Nowhere => Path::new(&found.value).to_owned(),
        }
    }

    /// A table below this one, with its own variables. It exists even when the file does not have it.
    pub(super) fn section(&self, key: &str) -> Self {
        let variables = self.variables.as_ref().map(|prefix| variable(prefix, key));
        self.below(self.entry(key), variables)
    }

    /// The tables below a key by their names, in the order of the file. Only the file can set their keys.
    pub(super) fn sections(&self, key: &str) -> Vec<(Found<String>, Self)> {
        let parent = self.below(self.entry(key), None);
        let mut named: Vec<_> = parent.entries().collect();
        named.sort_by_key(|(name, _)| name.span().start);
        let named = named.into_iter().map(|(name, value)| {
            let place = Place::File(name.span());
            let name_found = Found { value: name.get_ref().as_ref().to_owned(), place };
            (name_found, self.below(Some((name, value)), None))
        });
        named.collect()
    }

    /// The same section, overridden by the variables that start with `prefix`.
    pub(super) fn with_variables(mut self, prefix: String) -> Self {
        self.variables = Some(prefix);
        self
    }

    /// The keys that the file sets here, in its order.
    pub(super) fn keys(&self) -> Vec<Found<String>> {
        let mut keys: Vec<_> = self.entries().map(|(key, _)| key).collect();
        keys.sort_by_key(|key| key.span().start);
        let found = |key: &Spanned<_>| {
            let text: &std::borrow::Cow<'_, str> = key.get_ref();
            Found { value: text.as_ref().to_owned(), place: Place::File(key.span()) }
        };
        keys.into_iter().map(found).collect()
    }

    /// The text of a key that is no secret, from the highest layer that has it.
    pub(super) fn text(&self, key: &str) -> Option<Found<String>> {
        let found = self.overriding(key).or_else(|| self.scalar_of_file(key));
        found.inspect(|found| self.layers.problems.may_quote(&found.place))
    }

    /// Notes that a value is not good. Variables and flags are named by their place already.
    pub(super) fn refuse_value(&self, key: &str, place: &Place, reason: &dyn Display) {
        let message = match place {
            Place::File(_) | Place::Nowhere => format!("`{key}`: {reason}"),
            Place::Environment(_) | Place::Flag(_) => reason.to_string(),
        };
        self.refuse(place, message, None);
    }

    fn overriding(&self, key: &str) -> Option<Found<String>> {
        self.flag(key).or_else(|| self.variable(key))
    }

    fn flag(&self, key: &str) -> Option<Found<String>> {
        let flag = self.layers.flags.get(key).filter(|_| self.is_root)?;
        Some(Found { value: flag.value.clone(), place: Place::Flag(flag.name) })
    }

    fn variable(&self, key: &str) -> Option<Found<String>> {
        self.whole_variable(&variable(self.variables.as_ref()?, key))
    }

    fn whole_variable(&self, name: &str) -> Option<Found<String>> {
        self.layers.asked.borrow_mut().insert(name.to_owned());
        let value = self.layers.variables.get(name).filter(|value| !value.is_empty())?;
        let place = Place::Environment(name.to_owned());
        if value.contains(char::REPLACEMENT_CHARACTER) {
            self.refuse(&place, "the value is not UTF-8", None);
        }
        Some(Found { value: value.clone(), place })
    }

    fn scalar_of_file(&self, key: &str) -> Option<Found<String>> {
        let (_, value) = self.entry(key)?;
        let place = Place::File(value.span());
        let text = scalar(value.get_ref());
        if text.is_none() {
            let kind = value.get_ref().type_str();
            self.refuse(&place, format!("`{key}` takes one value, not a {kind}"), None);
        }
        text.map(|text| Found { value: text, place })
    }

    fn texts_of_file(&self, key: &str) -> Option<Vec<Found<String>>> {
        let (_, value) = self.entry(key)?;
        let Some(array) = value.get_ref().as_array() else {
            let help = Some(format!("write `{key} = [\"…\"]`"));
            self.refuse(&Place::File(value.span()), format!("`{key}` takes a list"), help);
            return None;
        };
        let mut texts = Vec::new();
        for item in array {
            let place = Place::File(item.span());
            match scalar(item.get_ref()) {
                Some(text) => {
                    self.layers.problems.may_quote(&place);
                    texts.push(Found { value: text, place });
                }
                None => self.refuse(&place, format!("`{key}` takes a list of strings"), None),
            }
        }
        Some(texts)
    }

    fn checked_secret(&self, key: &str, place: &Place, text: &str) -> Option<SecretString> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            self.refuse(place, format!("`{key}` is empty"), None);
            return None;
        }
        Some(SecretString::from(text))
    }

    fn below(&self, entry: Option<Entry<'a>>, variables: Option<String>) -> Self {
        let table = entry.and_then(|(key, value)| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                let message = format!("`{}` is a table, not one value", key.get_ref());
                self.refuse(&Place::File(value.span()), message, None);
            }
            table
        });
        Self { layers: self.layers, table, variables, is_root: false }
    }

    fn entry(&self, key: &str) -> Option<Entry<'a>> {
        self.table?.get_key_value(key)
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.table.into_iter().flatten()
    }
}

type Entry<'a> = (&'a Spanned<std::borrow::Cow<'a, str>>, &'a Spanned<DeValue<'a>>);

/// The text of a value that is one: numbers and booleans as they would be written.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// "Did you mean …?", or else the words that are known.
pub(super) fn meant(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => format!("known: {}", known.join(", ")),
    }
}

/// Variables that are read elsewhere.
const OTHER_VARIABLES: &[&str] = &["CONFIG", "LOG"];
