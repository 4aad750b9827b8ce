//! One walk over a JSON text that builds no tree: it checks the form of everything and peeks at a few members.
//!
//! What serde_json's grammar lets pass is refused here: deep nesting, duplicate keys, protocol names in disguise.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::body_refusal::{BodyRefusal, DEEPEST};
use super::disguise::is_disguised;
use super::message::Member;

/// What goes along with the walk: the keys of the open objects, and the reason of a refusal that serde_json cannot name.
#[derive(Default)]
pub(super) struct State<'de> {
    keys: Vec<Cow<'de, str>>,
    /// Why the walk stopped, unless serde_json stopped it.
    pub(super) fault: Option<BodyRefusal>,
}

/// A value, as far as it matters.
pub(super) enum Seen<'de, M> {
    Object(M),
    Text(Cow<'de, str>),
    Texts(Vec<Member<'de>>),
    Null,
    Other,
}

impl<'de, M> From<Seen<'de, M>> for Member<'de> {
    fn from(seen: Seen<'de, M>) -> Self {
        match seen {
            Seen::Text(text) => Self::Text(text),
            Seen::Object(_) | Seen::Texts(_) | Seen::Null | Seen::Other => Self::Other,
        }
    }
}

/// An object some of whose members are peeked at.
pub(super) trait Members<'de>: Default {
    /// Whether keys in disguise are refused here.
    const NAMED: bool = true;
    /// Whether a string in this place matters.
    const KEEPS_TEXT: bool = false;
    /// Whether the strings of an array in this place matter.
    const KEEPS_TEXTS: bool = false;

    /// Reads the value of one member. Each value is read by `inside`, whether it matters or not.
    fn member<A: MapAccess<'de>>(
        &mut self,
        _key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        inside.anything(map)
    }
}

/// Where the walk stands while it reads the value of a member.
pub(super) struct Inside<'s, 'de> {
    state: &'s mut State<'de>,
    depth: u8,
}

impl<'de> Inside<'_, 'de> {
    pub(super) fn value<M: Members<'de>, A: MapAccess<'de>>(
        self,
        map: &mut A,
    ) -> Result<Seen<'de, M>, A::Error> {
        map.next_value_seed(Value::<M>::new(self.state, self.depth))
    }

    pub(super) fn text<A: MapAccess<'de>>(self, map: &mut A) -> Result<Member<'de>, A::Error> {
        self.value::<TextOnly, A>(map).map(Member::from)
    }

    pub(super) fn anything<A: MapAccess<'de>>(self, map: &mut A) -> Result<(), A::Error> {
        self.value::<Anything, A>(map).map(drop)
    }
}

/// A value that is walked for its form alone.
#[derive(Default)]
pub(super) struct Anything;

impl Members<'_> for Anything {
    const NAMED: bool = false;
}

/// A value that should be a string.
#[derive(Default)]
pub(super) struct TextOnly;

impl Members<'_> for TextOnly {
    const NAMED: bool = false;
    const KEEPS_TEXT: bool = true;
}

/// A value that should be an array of strings.
#[derive(Default)]
pub(super) struct TextsOnly;

impl Members<'_> for TextsOnly {
    const NAMED: bool = false;
    const KEEPS_TEXTS: bool = true;
}

/// Reads one value at some depth, and the members that `M` wants.
pub(super) struct Value<'s, 'de, M> {
    state: &'s mut State<'de>,
    depth: u8,
    members: PhantomData<M>,
}

impl<'s, 'de, M> Value<'s, 'de, M> {
    pub(super) fn new(state: &'s mut State<'de>, depth: u8) -> Self {
        Self { state, depth, members: PhantomData }
    }

    /// Goes one level deeper.
    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.depth >= DEEPEST {
            return Err(refuse(self.state, BodyRefusal::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }
}

/// Stops the walk for a reason of ours; serde_json's own error is only a vehicle.
pub(super) fn refuse<E: serde::de::Error>(state: &mut State<'_>, reason: BodyRefusal) -> E {
    state.fault = Some(reason);
    E::custom(reason)
}

impl<'de, M: Members<'de>> DeserializeSeed<'de> for Value<'_, 'de, M> {
    type Value = Seen<'de, M>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, M: Members<'de>> Visitor<'de> for Value<'_, 'de, M> {
    type Value = Seen<'de, M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Seen::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Seen::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Seen::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Seen::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(if M::KEEPS_TEXT { Seen::Text(Cow::Borrowed(text)) } else { Seen::Other })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(if M::KEEPS_TEXT { Seen::Text(Cow::Owned(text.to_owned())) } else { Seen::Other })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self::Value, A::Error> {
        self.enter()?;
        if M::KEEPS_TEXTS {
            let mut texts = Vec::new();
            while let Some(text) = seq.next_element_seed(Value::<TextOnly>::new(self.state, self.depth))? {
                texts.push(text.into());
            }
            return Ok(Seen::Texts(texts));
        }
        while seq.next_element_seed(Value::<Anything>::new(self.state, self.depth))?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        self.enter()?;
        let mut members = M::default();
        let first = self.state.keys.len();
        while let Some(key) = map.next_key_seed(Key)? {
            if M::NAMED && is_disguised(&key, matches!(key, Cow::Borrowed(_))) {
                return Err(refuse(self.state, BodyRefusal::DisguisedKey));
            }
            members.member(&key, &mut map, Inside { state: &mut *self.state, depth: self.depth })?;
            self.state.keys.push(key);
        }
        if self.state.keys.get_mut(first..).is_some_and(has_repeat) {
            return Err(refuse(self.state, BodyRefusal::DuplicateKey));
        }
        self.state.keys.truncate(first);
        Ok(Seen::Object(members))
    }
}

/// Whether two of these are the same. Sorts them where they are many.
pub(super) fn has_repeat<T: Ord>(items: &mut [T]) -> bool {
    if items.len() <= FEW {
        let mut rest: &[T] = items;
        while let Some((first, others)) = rest.split_first() {
            if others.contains(first) {
                return true;
            }
            rest = others;
        }
        return false;
    }
    items.sort_unstable();
    items.windows(2).any(|pair| matches!(pair, [left, right] if left == right))
}

/// So many are sooner compared each with each than sorted.
const FEW: usize = 12;

/// Reads a key. It is borrowed exactly when it is written without escapes.
pub(super) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
