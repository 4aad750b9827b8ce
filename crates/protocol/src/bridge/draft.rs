//! A JSON object that is edited: its members in order, each as it was written until it is set.

use std::borrow::Cow;

use crate::access::object::{Object, write_object};

#[derive(Debug, Default)]
pub(super) struct Draft<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Draft<'a> {
    /// Reads the JSON text of one object; `None` when it is anything else, or has a key twice.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let object = Object::read(text)?;
        Some(Self(object.into_members().map(|(key, value)| (key, Cow::Borrowed(value))).collect()))
    }

    /// A member that is an object, or one that is made; a member that is anything else stays what it is.
    pub(super) fn object_or_new(&self, key: &str) -> Option<Draft<'_>> {
        self.get(key).map_or_else(|| Some(Draft::default()), Draft::read)
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }

    /// Sets a member to JSON text, in its place or at the end.
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Cow<'a, str>>) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, place)) => *place = value.into(),
            None => self.0.push((Cow::Borrowed(key), value.into())),
        }
    }

    /// Sets a member that is not there yet.
    pub(super) fn add(&mut self, key: &'static str, value: impl Into<Cow<'a, str>>) {
        if self.get(key).is_none() {
            self.0.push((Cow::Borrowed(key), value.into()));
        }
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Cow<'a, str>> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to_text(&self) -> String {
        write_object(self.0.iter().map(|(key, value)| (key.as_ref(), Cow::Borrowed(value.as_ref()))))
    }
}

/// A string as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_stays_as_it_was_written() {
        let text = r#"{"a": 1.50, "b" :{"x":"\u0041"},"c":[ 1 , 2 ]}"#;
        let mut draft = Draft::read(text).unwrap();
        draft.set("a", "2");
        draft.set("d", "true");
        draft.add("d", "false");
        assert_eq!(draft.to_text(), r#"{"a":2,"b":{"x":"\u0041"},"c":[ 1 , 2 ],"d":true}"#);
        assert_eq!(draft.remove("b").as_deref(), Some(r#"{"x":"\u0041"}"#));
        assert_eq!(draft.remove("b"), None);
    }
}
