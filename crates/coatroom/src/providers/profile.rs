//! Reads a user from what a provider says about them: the claims of an ID token, or the answer of a user endpoint.

use coatroom_protocol::words::{ProviderName, Subject};
use serde_json::{Map, Value};

use super::error::ProviderError;
use crate::user::User;

/// Where the parts of a profile stand: dotted paths, of which the first that leads to something counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProfilePaths {
    pub id: &'static [&'static str],
    pub email: &'static [&'static str],
    pub email_verified: &'static [&'static str],
    pub name: &'static [&'static str],
    pub username: &'static [&'static str],
    pub picture: &'static [&'static str],
}

impl ProfilePaths {
    /// The standard claims of OpenID Connect Core 1.0 §5.1.
    pub(super) const OPENID: Self = Self {
        id: &["sub"],
        email: &["email"],
        email_verified: &["email_verified"],
        name: &["name"],
        username: &["preferred_username", "nickname"],
        picture: &["picture"],
    };

    /// Reads the user. What was said is kept as it came, except what concerns the ID token alone.
    pub(super) fn read(
        &self,
        provider: &ProviderName,
        mut said: Map<String, Value>,
    ) -> Result<User, ProviderError> {
        let id = self.id.iter().find_map(|path| find(&said, path).and_then(read_id));
        let id = id.ok_or_else(|| ProviderError::bad_answer("the user has no id"))?;
        let first = |paths: &[&str]| paths.iter().find_map(|path| find(&said, path).and_then(read_text));
        let verified = self.email_verified.iter().find_map(|path| find(&said, path));
        let user = User {
            email: first(self.email),
            // Some providers write it as text.
            email_verified: verified.is_some_and(|value| value == true || value == "true"),
            name: first(self.name),
            username: first(self.username),
            picture: first(self.picture).filter(|url| url.starts_with("https://")),
            ..User::new(Subject { provider: provider.clone(), id })
        };
        for name in OF_THE_TOKEN {
            said.remove(*name);
        }
        Ok(User { claims: said, ..user })
    }
}

/// The value at a dotted path.
fn find<'a>(said: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = said.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}

fn read_text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether it stays the same wherever it is written, in a header too, where white space around it would be lost.
fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.trim() == text && !text.contains(char::is_control)
}

/// An id is a text or a whole number; at most 255 characters (OpenID Connect Core 1.0 §2, `sub`).
fn read_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| is_id(text)),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

const OF_THE_TOKEN: &[&str] = &["nonce", "at_hash", "c_hash"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NESTED: ProfilePaths = ProfilePaths {
        id: &["data.id", "id"],
        email: &["data.email"],
        email_verified: &["data.verified"],
        name: &["data.name", "data.login"],
        username: &["data.login"],
        picture: &["data.picture"],
    };

    fn read(said: &Value) -> Result<User, ProviderError> {
        NESTED.read(&ProviderName::parse("idp").unwrap(), said.as_object().unwrap().clone())
    }

    #[test]
    fn nested_members_are_found_by_their_paths() {
        let said = json!({"data": {"id": "u1", "email": "a@example.com", "verified": true, "name": null, "login": "al"}});
        let user = read(&said).unwrap();
        assert_eq!(user.subject.to_string(), "idp:u1");
        assert_eq!(user.email.as_deref(), Some("a@example.com"));
        assert!(user.email_verified);
        assert_eq!(user.name.as_deref(), Some("al"));
        assert_eq!(Value::Object(user.claims), said);
    }

    #[test]
    fn an_id_is_a_text_or_a_whole_number() {
        assert_eq!(read(&json!({"id": 9_007_199_254_740_993_u64})).unwrap().subject.id, "9007199254740993");
        assert_eq!(read(&json!({"data": {"id": ""}, "id": "x"})).unwrap().subject.id, "x");
        for bad in
            [json!(null), json!(""), json!(1.5), json!(true), json!([1]), json!({}), json!("x".repeat(256))]
        {
            assert!(read(&json!({"id": bad})).is_err(), "{bad}");
        }
        // In a header it would be read as another, or left out.
        for bad in ["root ", "\tv", "a\r\nb", "a\u{0}b"] {
            assert!(read(&json!({"id": bad})).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_verified_only_if_the_provider_says_so() {
        for (said, expected) in [
            (json!(true), true),
            (json!("true"), true),
            (json!("yes"), false),
            (json!(1), false),
            (json!(null), false),
        ] {
            let user = read(&json!({"id": 1, "data": {"verified": said}})).unwrap();
            assert_eq!(user.email_verified, expected, "{said}");
        }
    }

    #[test]
    fn a_picture_that_is_not_https_is_left_out() {
        let picture = |url: &str| read(&json!({"id": 1, "data": {"picture": url}})).unwrap().picture;
        assert!(picture("https://idp.example/p.png").is_some());
        assert!(picture("http://idp.example/p.png").is_none());
        assert!(picture("javascript:alert(1)").is_none());
    }
}
