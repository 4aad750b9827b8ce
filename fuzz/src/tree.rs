//! JSON as a server sees it that builds a tree, and as one sees it that finds members in ways of its own.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The one value of a body in which no object has a key twice.
pub(crate) fn unique(body: &[u8]) -> Result<Value, serde_json::Error> {
    let tree: Value = serde_json::from_slice(body)?;
    let Unique(same) = serde_json::from_slice(body)?;
    assert_eq!(tree, same);
    Ok(tree)
}

/// Every member that a lenient server could take for `name`: Go's decoder folds case, and some drop what follows a NUL or the
/// NUL itself.
pub(crate) fn lenient<'a>(object: &'a Map<String, Value>, name: &str) -> Vec<&'a Value> {
    let folded = |text: &str| -> String {
        let plain = text.chars().filter(|c| *c != '\0');
        plain
            .map(|c| {
                if c == '\u{17f}' {
                    's'
                } else if c == '\u{212a}' {
                    'k'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let name = folded(name);
    object.iter().filter(|(key, _)| folded(key) == name).map(|(_, value)| value).collect()
}

struct Unique(Value);

struct Reader;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Reader).map(Self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unique(value))) = members.next_entry::<String, Unique>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}
