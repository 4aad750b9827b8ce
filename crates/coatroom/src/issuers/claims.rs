//! Reads a user from the claims of a verified token.

use std::collections::BTreeMap;

use coatroom_protocol::words::Subject;
use serde_json::{Map, Value};

use crate::user::User;

/// Where the parts of a user stand: names of claims or dotted paths, of which the first that leads to something counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClaimPaths {
    pub email: &'static [&'static str],
    pub name: &'static [&'static str],
    pub username: &'static [&'static str],
    pub nickname: &'static [&'static str],
    pub picture: &'static [&'static str],
    pub roles: &'static [&'static str],
    pub groups: &'static [&'static str],
    pub permissions: Permissions,
    pub organisation: &'static [&'static str],
}

/// How an issuer says what a user may do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Permissions {
    /// As text or a list of texts.
    At(&'static [&'static str]),
    /// Roles by client (`{"client": {"roles": ["role"]}}`), which become `client:role`.
    ByClient(&'static str),
    /// One word, after a prefix.
    Prefixed(&'static str, &'static str),
}

/// A part of a user that a configuration may have read from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ClaimField {
    /// The issuer's own id of the user; `sub` unless configured.
    Id,
    /// The e-mail address. It counts as verified only where it is the claim `email`, and `email_verified` stands beside it.
    Email,
    /// The name as people write it.
    Name,
    /// The login or handle.
    Username,
    /// What they want to be called.
    Nickname,
    /// The URL of a picture.
    Picture,
    /// Their roles.
    Roles,
    /// Their groups.
    Groups,
    /// What they may do.
    Permissions,
    /// The organisation that they signed in to.
    Organisation,
}

impl ClaimField {
    /// Every field, by the name in a configuration file.
    pub const ALL: &[(&'static str, Self)] = &[
        ("id", Self::Id),
        ("email", Self::Email),
        ("name", Self::Name),
        ("username", Self::Username),
        ("nickname", Self::Nickname),
        ("picture", Self::Picture),
        ("roles", Self::Roles),
        ("groups", Self::Groups),
        ("permissions", Self::Permissions),
        ("organisation", Self::Organisation),
    ];
}

impl ClaimPaths {
    /// The standard claims of OpenID Connect Core 1.0 §5.1, and those that most issuers use beside them.
    pub(super) const USUAL: Self = Self {
        email: &["email"],
        name: &["name"],
        username: &["username", "preferred_username"],
        nickname: &["nickname"],
        picture: &["picture", "avatar_url"],
        roles: &["roles"],
        groups: &["groups"],
        permissions: Permissions::At(&["permissions"]),
        organisation: &["org_id"],
    };

    /// The user whom the claims describe; `elsewhere` says where parts of it stand instead. The claims are kept as they came.
    pub(super) fn read(
        &self,
        subject: Subject,
        claims: Map<String, Value>,
        elsewhere: &BTreeMap<ClaimField, String>,
    ) -> User {
        let of = |field: ClaimField, usual: &[&'static str]| -> Vec<&Value> {
            match elsewhere.get(&field) {
                Some(path) => find(&claims, path).into_iter().collect(),
                None => usual.iter().filter_map(|path| find(&claims, path)).collect(),
            }
        };
        let text = |field, usual| of(field, usual).into_iter().find_map(read_text);
        let list = |field, usual| of(field, usual).into_iter().map(read_list).find(|all| !all.is_empty());
        let has_own_email = elsewhere.get(&ClaimField::Email).is_none_or(|path| path == "email");
        let verified = claims.get("email_verified");
        let permissions = match (elsewhere.get(&ClaimField::Permissions), self.permissions) {
            (None, Permissions::ByClient(path)) => Some(by_client(find(&claims, path))),
            (None, Permissions::Prefixed(prefix, path)) => {
                find(&claims, path).and_then(read_text).map(|word| vec![format!("{prefix}{word}")])
            }
            (Some(_), _) => list(ClaimField::Permissions, &[]),
            (None, Permissions::At(paths)) => list(ClaimField::Permissions, paths),
        };
        let user = User {
            email: text(ClaimField::Email, self.email),
            // Some issuers write it as text.
            email_verified: has_own_email && verified.is_some_and(|value| value == true || value == "true"),
            name: text(ClaimField::Name, self.name),
            username: text(ClaimField::Username, self.username),
            nickname: text(ClaimField::Nickname, self.nickname),
            picture: text(ClaimField::Picture, self.picture).filter(|url| url.starts_with("https://")),
            roles: list(ClaimField::Roles, self.roles).unwrap_or_default(),
            groups: list(ClaimField::Groups, self.groups).unwrap_or_default(),
            permissions: permissions.unwrap_or_default(),
            organisation: text(ClaimField::Organisation, self.organisation),
            ..User::new(subject)
        };
        User { claims, ..user }
    }
}

/// The claim of this name, or else the value at this dotted path: names of claims may be URLs.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let found = claims.get(path).or_else(|| {
        let mut names = path.split('.');
        let first = claims.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    });
    found.filter(|value| !value.is_null())
}

fn read_text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn read_list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().filter_map(read_text).collect(),
        one => read_text(one).into_iter().collect(),
    }
}

fn by_client(clients: Option<&Value>) -> Vec<String> {
    let clients = clients.and_then(Value::as_object).into_iter().flatten();
    let roles = clients.flat_map(|(client, access)| {
        let roles = access.get("roles").map(read_list).unwrap_or_default();
        roles.into_iter().map(move |role| format!("{client}:{role}"))
    });
    roles.collect()
}

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::ProviderName;
    use serde_json::json;

    use super::*;

    fn read(claims: &Value, elsewhere: &[(ClaimField, &str)]) -> User {
        let subject = Subject { provider: ProviderName::parse("idp").unwrap(), id: "u1".to_owned() };
        let elsewhere = elsewhere.iter().map(|(field, path)| (*field, (*path).to_owned())).collect();
        ClaimPaths::USUAL.read(subject, claims.as_object().unwrap().clone(), &elsewhere)
    }

    #[test]
    fn usual_claims_are_read_and_all_are_kept() {
        let said = json!({
            "email": "a@example.com", "email_verified": true, "name": "Alice", "preferred_username": "al",
            "nickname": "ali", "picture": "https://idp.example/a.png", "roles": ["admin", 7], "groups": ["staff"], "permissions": "one",
            "org_id": "org_1", "more": { "x": 1 },
        });
        let user = read(&said, &[]);
        assert_eq!((user.email.as_deref(), user.email_verified), (Some("a@example.com"), true));
        assert_eq!((user.name.as_deref(), user.username.as_deref()), (Some("Alice"), Some("al")));
        assert_eq!((user.roles, user.permissions), (vec!["admin".to_owned()], vec!["one".to_owned()]));
        assert_eq!((user.groups, user.organisation.as_deref()), (vec!["staff".to_owned()], Some("org_1")));
        assert_eq!(Value::Object(user.claims), said);
    }

    #[test]
    fn a_configuration_may_name_a_claim_that_is_a_url_or_a_path() {
        let said = json!({ "https://app.example/roles": ["admin"], "org": { "id": "o" }, "org_id": "other" });
        let elsewhere =
            [(ClaimField::Roles, "https://app.example/roles"), (ClaimField::Organisation, "org.id")];
        let user = read(&said, &elsewhere);
        assert_eq!((user.roles, user.organisation.as_deref()), (vec!["admin".to_owned()], Some("o")));
    }

    #[test]
    fn an_address_from_elsewhere_is_never_verified() {
        let said = json!({ "email": "a@example.com", "email_verified": true, "upn": "b@example.com" });
        let user = read(&said, &[(ClaimField::Email, "upn")]);
        assert_eq!((user.email.as_deref(), user.email_verified), (Some("b@example.com"), false));
        assert!(read(&said, &[(ClaimField::Email, "email")]).email_verified);
        for word in [json!("yes"), json!(1), json!(null)] {
            assert!(!read(&json!({ "email": "a@example.com", "email_verified": word }), &[]).email_verified);
        }
    }
}
