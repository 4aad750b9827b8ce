//! Where the roles of a user are found.

use serde_json::Value;

use crate::user::User;

/// The roles that the user's claims name: a text or a list of texts at a dotted path.
pub(super) fn roles_at(path: &str, user: &User) -> Vec<String> {
    let mut names = path.split('.');
    let first = names.next().and_then(|name| user.claims.get(name));
    match names.try_fold(first, |value, name| Some(value?.get(name))).flatten() {
        Some(Value::String(role)) => vec![role.clone()],
        Some(Value::Array(roles)) => {
            roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect()
        }
        _ if path == "roles" => user.roles.clone(),
        _ => Vec::new(),
    }
}
