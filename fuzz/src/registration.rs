//! Registration: whatever is accepted is one object with no key twice, promises no more than the server keeps, and stands in
//! the client id exactly as it was answered.

use coatroom_protocol::client::{
    AppUris, ClientAuthentication, MAX_CLIENT_ID_LENGTH, MAX_REDIRECT_URIS, RedirectUri, Registration,
    RegistrationRequest, open, register,
};
use coatroom_protocol::words::{KeyId, MacKey, MacKeys, Timestamp, is_deceptive};
use serde_json::Value;
use url::Url;

use crate::tree::unique;

/// Checks one body of `POST /register`.
///
/// # Panics
/// When what was accepted is not what the body says.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let Ok(request) = RegistrationRequest::parse(data) else { return false };
    let tree = unique(data).expect("what is accepted is JSON without repeated keys");
    let apps = AppUris::shipped();
    let Ok(metadata) = request.check(&apps) else { return false };
    let Ok(registration) = register(metadata, &keys(), [7; 16], NOW) else { return false };

    let answer = serde_json::to_value(registration.answer()).expect("an answer");
    lists_what_was_asked(&tree, &answer, &apps);
    shows_nothing_deceptive(&tree, &answer);
    has_a_secret_or_none(&registration, &answer);

    let id = &registration.client.id;
    assert!(id.as_str().len() <= MAX_CLIENT_ID_LENGTH);
    assert_eq!(open(id, &keys()).as_ref(), Ok(&registration.client), "the client id is the registration");
    let elsewhere = MacKeys::new(MacKey::new(KeyId::from_bytes([1; 4]), [2; 32]), Vec::new());
    assert!(open(id, &elsewhere).is_err(), "another server's key opens nothing");
    true
}

fn lists_what_was_asked(tree: &Value, answer: &Value, apps: &AppUris) {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| item.as_str().expect("a text").to_owned()).collect()
    };
    let (asked, answered) = (texts(&tree["redirect_uris"]), texts(&answer["redirect_uris"]));
    assert!((1..=MAX_REDIRECT_URIS).contains(&answered.len()));
    for uri in &answered {
        assert!(RedirectUri::parse(uri, apps).is_ok_and(|parsed| parsed.as_str() == uri), "{uri}");
    }
    assert!(asked.iter().all(|uri| answered.contains(uri)) && answered.iter().all(|uri| asked.contains(uri)));

    let grants = texts(&answer["grant_types"]);
    assert!(grants.iter().all(|grant| ["authorization_code", "refresh_token"].contains(&grant.as_str())));
    assert!(grants.iter().any(|grant| grant == "authorization_code"));
    let offline =
        tree["scope"].as_str().is_some_and(|scope| scope.split(' ').any(|one| one == "offline_access"));
    let asks = texts(&tree["grant_types"]).iter().any(|grant| grant == "refresh_token") || offline;
    assert_eq!(
        grants.iter().any(|grant| grant == "refresh_token"),
        asks,
        "refresh tokens only where asked for"
    );
    assert_eq!(texts(&answer["response_types"]), ["code"]);
}

fn shows_nothing_deceptive(tree: &Value, answer: &Value) {
    if let Some(name) = answer["client_name"].as_str() {
        assert!(tree["client_name"].is_string() && !name.is_empty() && name.chars().count() <= 80);
        assert!(!name.chars().any(|c| c.is_control() || is_deceptive(c)), "{name:?}");
    }
    for link in ["client_uri", "logo_uri", "tos_uri", "policy_uri"] {
        if let Some(text) = answer[link].as_str() {
            let url = Url::parse(text).expect("a URL");
            assert!(url.scheme() == "https" && url.username().is_empty(), "{text}");
            assert_eq!(Url::parse(tree[link].as_str().expect("asked for")).expect("a URL"), url);
        }
    }
}

fn has_a_secret_or_none(registration: &Registration, answer: &Value) {
    let public = answer["token_endpoint_auth_method"] == "none";
    assert_eq!(registration.client.authentication == ClientAuthentication::None, public);
    assert_eq!(answer.get("client_secret").is_none(), public);
    assert_eq!(answer.get("client_secret_expires_at").is_none(), public);
    if let Some(secret) = answer["client_secret"].as_str() {
        assert!(
            !registration.client.id.as_str().contains(secret)
                && !format!("{registration:?}").contains(secret)
        );
    }
}

fn keys() -> MacKeys {
    MacKeys::new(MacKey::new(KeyId::from_bytes([1; 4]), [1; 32]), Vec::new())
}

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("registration", super::check, 2_000);
    }
}
