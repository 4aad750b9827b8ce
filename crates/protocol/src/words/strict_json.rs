//! JSON without a second reading: one object, UTF-8, nothing after it, no member twice at any depth.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a body is not such an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonRefusal {
    /// Not JSON, or JSON and something after it.
    #[error("the body is not JSON")]
    NotJson,
    /// A member stands twice in one object.
    #[error("the body repeats a member")]
    Repeated,
    /// JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
}

/// Reads one JSON object.
///
/// # Errors
/// [`JsonRefusal`] for everything else.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, JsonRefusal> {
    match serde_json::from_slice::<Strict>(body) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(_) => Err(JsonRefusal::NotAnObject),
        // The visitor below takes every JSON value, so the one error of its own is the repeated member.
        Err(error) if error.is_data() => Err(JsonRefusal::Repeated),
        Err(_) => Err(JsonRefusal::NotJson),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("repeated member"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_object_is_read_as_it_is() {
        let body = br#" {"a":[1,-2,0.5,null,true,"x"],"b":{"c":{}}} "#;
        assert_eq!(
            Value::Object(parse_object(body).unwrap()),
            serde_json::from_slice::<Value>(body).unwrap()
        );
    }

    #[test]
    fn a_member_twice_is_refused_at_any_depth_and_in_any_spelling() {
        for body in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert_eq!(parse_object(body.as_bytes()), Err(JsonRefusal::Repeated), "{body}");
        }
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for body in ["[]", "1", "null", "\"x\""] {
            assert_eq!(parse_object(body.as_bytes()), Err(JsonRefusal::NotAnObject), "{body}");
        }
        let deep = "[".repeat(100_000);
        for body in ["", "{", "{} {}", "a=b", "{\"a\":1e999}", "\u{feff}{}", &deep] {
            assert_eq!(parse_object(body.as_bytes()), Err(JsonRefusal::NotJson), "{}", body.len());
        }
        assert_eq!(parse_object(b"{\"a\":\"\xff\"}"), Err(JsonRefusal::NotJson));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in any::<Vec<u8>>()) {
            let _ = parse_object(&body);
        }
    }
}
