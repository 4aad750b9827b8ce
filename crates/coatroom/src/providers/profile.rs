//! Reads a user from what a provider says about them: the claims of an ID token, or the answer of a user endpoint.

use std::fmt;
use std::sync::Arc;

use coatroom_protocol::words::{ProviderName, Subject};
use serde_json::{Map, Value};

use super::error::ProviderError;
use super::path::{find, find_text, find_texts};
use crate::user::User;

/// Where the parts of a user stand in what a provider says: of each list the first path that leads to something counts.
///
/// A path is the name of a member, names with dots between, or a text with such paths in braces: `{tid}.{oid}`. In an
/// operator's configuration an empty list leaves the provider's own paths as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserPaths {
    /// The provider's own id: a text or a whole number that never changes and never becomes somebody else's.
    pub id: Vec<String>,
    /// The e-mail address.
    pub email: Vec<String>,
    /// What says that the address was verified: `true`, the address itself, or a list with it.
    pub email_verified: Vec<String>,
    /// The name as people write it.
    pub name: Vec<String>,
    /// The login or handle.
    pub username: Vec<String>,
    /// What they want to be called.
    pub nickname: Vec<String>,
    /// An https URL of a picture.
    pub picture: Vec<String>,
    /// Their roles: a list, or a single one.
    pub roles: Vec<String>,
    /// Their groups: a list, or a single one.
    pub groups: Vec<String>,
    /// What they may do: a list, or a single one.
    pub permissions: Vec<String>,
    /// The organisation that they signed in to.
    pub organisation: Vec<String>,
}

impl UserPaths {
    /// The standard claims of OpenID Connect Core 1.0 §5.1, and those that are usual beside them.
    pub(super) fn openid() -> Self {
        Self {
            id: paths(&["sub"]),
            email: paths(&["email"]),
            email_verified: paths(&["email_verified"]),
            name: paths(&["name"]),
            username: paths(&["preferred_username", "nickname"]),
            nickname: paths(&["nickname"]),
            picture: paths(&["picture"]),
            roles: paths(&["roles"]),
            groups: paths(&["groups"]),
            permissions: paths(&["permissions"]),
            organisation: Vec::new(),
        }
    }

    /// These, where they are given; else those of `other`.
    pub(super) fn or(self, other: Self) -> Self {
        let or = |mine: Vec<String>, theirs| if mine.is_empty() { theirs } else { mine };
        // What says that one address was verified says nothing of another.
        let is_another_address = !self.email.is_empty() && self.email != other.email;
        let theirs = if is_another_address { Vec::new() } else { other.email_verified };
        Self {
            id: or(self.id, other.id),
            email: or(self.email, other.email),
            email_verified: or(self.email_verified, theirs),
            name: or(self.name, other.name),
            username: or(self.username, other.username),
            nickname: or(self.nickname, other.nickname),
            picture: or(self.picture, other.picture),
            roles: or(self.roles, other.roles),
            groups: or(self.groups, other.groups),
            permissions: or(self.permissions, other.permissions),
            organisation: or(self.organisation, other.organisation),
        }
    }

    /// Every list with its name in a configuration file.
    pub(super) fn lists(&self) -> [(&'static str, &Vec<String>); 11] {
        [
            ("user.id", &self.id),
            ("user.email", &self.email),
            ("user.email_verified", &self.email_verified),
            ("user.name", &self.name),
            ("user.username", &self.username),
            ("user.nickname", &self.nickname),
            ("user.picture", &self.picture),
            ("user.roles", &self.roles),
            ("user.groups", &self.groups),
            ("user.permissions", &self.permissions),
            ("user.organisation", &self.organisation),
        ]
    }

    /// Reads the user. What was said is kept as it came, except what concerns the ID token alone.
    pub(super) fn read(
        &self,
        provider: &ProviderName,
        mut said: Map<String, Value>,
    ) -> Result<User, ProviderError> {
        let first = |paths: &[String]| paths.iter().find_map(|path| find_text(&said, path));
        let all =
            |paths: &[String]| paths.iter().find_map(|path| find_texts(&said, path)).unwrap_or_default();
        let id = self.id.iter().find_map(|path| find_text(&said, path).filter(|id| is_id(id)));
        let id = id.ok_or_else(|| ProviderError::bad_answer("the user has no id"))?;
        let (email, email_verified) = self.address(&said);
        let user = User {
            email,
            email_verified,
            name: first(&self.name),
            username: first(&self.username),
            nickname: first(&self.nickname),
            picture: first(&self.picture).filter(|url| url.starts_with("https://")),
            roles: all(&self.roles),
            groups: all(&self.groups),
            permissions: all(&self.permissions),
            organisation: first(&self.organisation),
            ..User::new(Subject { provider: provider.clone(), id })
        };
        for name in OF_THE_TOKEN {
            said.remove(*name);
        }
        Ok(User { claims: said, ..user })
    }

    /// The address that is told, and whether it is told that it was verified.
    pub(super) fn address(&self, said: &Map<String, Value>) -> (Option<String>, bool) {
        let email = self.email.iter().find_map(|path| find_text(said, path));
        let verified = self.email_verified.iter().find_map(|path| find(said, path));
        let is_verified = verified.is_some_and(|value| says_verified(value, email.as_deref()));
        (email, is_verified)
    }
}

/// What a program does with each user after the provider described them: fill in what the paths cannot tell.
///
/// It cannot change who the user is: the subject stays what the provider said.
#[derive(Clone)]
pub struct UserMap(Arc<dyn Fn(&mut User) + Send + Sync>);

impl UserMap {
    /// Calls `map` for each user who signs in.
    pub fn new(map: impl Fn(&mut User) + Send + Sync + 'static) -> Self {
        Self(Arc::new(map))
    }

    pub(super) fn apply(&self, user: &mut User) {
        let subject = user.subject.clone();
        (self.0)(user);
        user.subject = subject;
    }
}

impl fmt::Debug for UserMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserMap(…)")
    }
}

pub(super) fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

/// Some providers write it as text; some repeat the address that they verified.
fn says_verified(value: &Value, email: Option<&str>) -> bool {
    match value {
        Value::Bool(says) => *says,
        Value::String(text) => text == "true" || email == Some(text),
        Value::Array(items) => items.iter().any(|item| email.is_some() && item.as_str() == email),
        _ => false,
    }
}

/// Whether it stays the same wherever it is written, in a header too, where white space around it would be lost; at most
/// 255 characters (OpenID Connect Core 1.0 §2, `sub`).
pub(super) fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.trim() == text && !text.contains(char::is_control)
}

const OF_THE_TOKEN: &[&str] = &["nonce", "at_hash", "c_hash"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested() -> UserPaths {
        UserPaths {
            id: paths(&["data.id", "id"]),
            email: paths(&["data.email"]),
            email_verified: paths(&["data.verified"]),
            name: paths(&["data.name", "data.login"]),
            username: paths(&["data.login"]),
            picture: paths(&["data.picture"]),
            roles: paths(&["data.roles"]),
            groups: paths(&["data.groups"]),
            permissions: paths(&["data.may"]),
            organisation: paths(&["data.org"]),
            ..UserPaths::default()
        }
    }

    fn read(said: &Value) -> Result<User, ProviderError> {
        nested().read(&ProviderName::parse("idp").unwrap(), said.as_object().unwrap().clone())
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
            // X names the address that was confirmed, Microsoft lists those that were.
            (json!("a@example.com"), true),
            (json!(["b@example.com", "a@example.com"]), true),
            (json!("A@example.com"), false),
            (json!(["b@example.com"]), false),
            (json!([]), false),
            (json!("yes"), false),
            (json!(1), false),
            (json!(null), false),
        ] {
            let user = read(&json!({"id": 1, "data": {"email": "a@example.com", "verified": said}})).unwrap();
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

    #[test]
    fn roles_permissions_and_the_organisation_are_read() {
        let said = json!({"id": 1, "data": {"roles": ["admin", 7, "dev"], "groups": ["staff"], "may": "deploy", "org": 42}});
        let user = read(&said).unwrap();
        assert_eq!(user.roles, ["admin", "dev"]);
        assert_eq!(user.groups, ["staff"]);
        assert_eq!(user.permissions, ["deploy"]);
        assert_eq!(user.organisation.as_deref(), Some("42"));
        assert!(read(&json!({"id": 1})).unwrap().roles.is_empty());
    }

    #[test]
    fn configured_paths_replace_those_of_the_provider_one_by_one() {
        let mine = UserPaths { name: paths(&["cn"]), ..UserPaths::default() }.or(UserPaths::openid());
        assert_eq!((mine.name, mine.id), (paths(&["cn"]), paths(&["sub"])));
    }

    #[test]
    fn the_word_that_one_address_was_verified_says_nothing_of_another() {
        let mine = |email: &str, verified: &[&str]| {
            let mine =
                UserPaths { email: paths(&[email]), email_verified: paths(verified), ..UserPaths::default() };
            let said = json!({"email": "a@example.com", "email_verified": true, "upn": "b@example.com", "upn_ok": true});
            mine.or(UserPaths::openid()).address(said.as_object().unwrap())
        };
        assert_eq!(mine("email", &[]), (Some("a@example.com".to_owned()), true));
        assert_eq!(mine("upn", &[]), (Some("b@example.com".to_owned()), false));
        assert_eq!(mine("upn", &["upn_ok"]), (Some("b@example.com".to_owned()), true));
    }

    #[test]
    fn a_map_in_code_cannot_make_one_user_of_another() {
        let mut user = read(&json!({"id": "alice"})).unwrap();
        let map = UserMap::new(|user| {
            user.subject.id = "root".to_owned();
            user.roles.push("admin".to_owned());
        });
        map.apply(&mut user);
        assert_eq!((user.id(), user.roles.as_slice()), ("alice", &["admin".to_owned()][..]));
    }
}
