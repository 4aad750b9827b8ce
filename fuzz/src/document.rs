//! Client metadata documents: whatever is accepted says of itself that it is the client that was asked for, keeps no secret,
//! and promises no more than it says.
//!
//! An input is a line for the URL, one for the `Content-Type`, and the body.

use coatroom_protocol::client::{
    AppUris, Client, ClientAuthentication, ClientDocument, ClientOrigin, ClientUrl, DocumentRules,
    FetchedDocument, KeySource, MAX_CLIENT_URL_LENGTH, MAX_DOCUMENT_REDIRECT_URIS, RedirectUri,
    check_document,
};
use coatroom_protocol::words::is_deceptive;
use serde_json::Value;
use url::{Host, Url};

use crate::tree::unique;

/// Checks one fetched document.
///
/// # Panics
/// When what was accepted is not what the document says.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (Ok(address), Ok(content_type)) = (std::str::from_utf8(line()), std::str::from_utf8(line())) else {
        return false;
    };
    let body = line();
    let Ok(url) = ClientUrl::parse(address) else { return false };
    leads_where_it_says(&url, address);

    let apps = AppUris::shipped();
    let read = |status, body, same_origin| {
        let fetched = FetchedDocument { status, content_type: Some(content_type), body };
        check_document(&url, &fetched, &DocumentRules { apps: &apps, same_origin })
    };
    let Ok(document) = read(200, body, false) else {
        assert!(read(200, body, true).is_err(), "the narrower rule accepts more");
        return false;
    };
    assert!(read(301, body, false).is_err() && read(404, body, false).is_err());
    let tree = unique(body).expect("what is accepted is JSON without repeated keys");
    let printed = tree.to_string();
    let again = read(200, printed.as_bytes(), false);
    assert_eq!(again.as_ref(), Ok(&document), "as a cache would print it");
    let json = content_type.to_ascii_lowercase();
    assert!(json.contains("application/") && json.contains("json"), "{content_type}");
    says_who_it_is(&document, &tree, address);
    lists_what_it_says(&document.client, &tree, &apps);
    proves_as_it_says(&document.client, &tree);
    if let Ok(at_home) = read(200, body, true) {
        assert_eq!(at_home, document);
        let home = Url::parse(address).expect("a URL");
        for uri in document.client.redirect_uris.iter().filter(|uri| !uri.is_loopback()) {
            let target = Url::parse(uri.as_str()).expect("a URL");
            assert_eq!(target.host_str(), home.host_str(), "{uri}");
        }
    }
    true
}

/// A browser finds in the URL what stands there, and no private network.
fn leads_where_it_says(url: &ClientUrl, address: &str) {
    assert!(url.as_str() == address && address.len() <= MAX_CLIENT_URL_LENGTH);
    let parsed = Url::parse(address).expect("a URL");
    assert!(
        parsed.scheme() == "https" && parsed.username().is_empty() && parsed.password().is_none(),
        "{address}"
    );
    assert!(parsed.fragment().is_none() && parsed.path().len() > 1, "{address}");
    let after = address.strip_prefix("https://").expect("https");
    let (authority, path) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
    let plain = authority.strip_suffix(":443").unwrap_or(authority);
    assert_eq!(parsed.as_str(), format!("https://{plain}{path}"), "{address}");
    assert_eq!(parsed.host_str(), Some(url.host()));
    let is_private = match parsed.host().expect("a host") {
        Host::Domain(name) => {
            // What is below `localhost` is resolved and checked like any other name.
            assert_eq!(url.is_loopback(), name == "localhost", "{address}");
            false
        }
        Host::Ipv4(ip) => !ip.is_loopback() && (ip.is_private() || ip.is_link_local() || ip.is_unspecified()),
        Host::Ipv6(ip) => {
            !ip.is_loopback() && (ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified())
        }
    };
    assert!(!is_private, "{address}");
}

fn says_who_it_is(document: &ClientDocument, tree: &Value, address: &str) {
    let client = &document.client;
    assert!(tree["client_id"] == address && client.id.as_str() == address);
    assert!(
        client.origin == ClientOrigin::Document && !client.is_trusted() && client.scope_ceiling.is_none()
    );
    let name = client.name.as_deref().expect("a name");
    assert!(tree["client_name"].is_string() && !name.is_empty() && name.chars().count() <= 80);
    assert!(!name.chars().any(|c| c.is_control() || is_deceptive(c)), "{name:?}");
    let members = tree.as_object().expect("an object");
    let secret = |(name, value): (&String, &Value)| name.starts_with("client_secret") && !value.is_null();
    assert!(!members.iter().any(secret), "a secret in public");
}

fn lists_what_it_says(client: &Client, tree: &Value, apps: &AppUris) {
    let texts = |name: &str| -> Vec<String> {
        let items = tree[name].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| item.as_str().expect("a text").to_owned()).collect()
    };
    let asked = texts("redirect_uris");
    assert!((1..=MAX_DOCUMENT_REDIRECT_URIS).contains(&client.redirect_uris.len()));
    for uri in &client.redirect_uris {
        assert!(asked.iter().any(|asked| asked == uri.as_str()), "{uri}");
        assert_eq!(RedirectUri::parse(uri.as_str(), apps).as_ref(), Ok(uri));
    }
    let grants = texts("grant_types");
    assert!(grants.is_empty() || grants.iter().any(|grant| grant == "authorization_code"));
    let offline =
        tree["scope"].as_str().is_some_and(|scope| scope.split(' ').any(|one| one == "offline_access"));
    assert_eq!(client.may_refresh, offline || grants.iter().any(|grant| grant == "refresh_token"));
    let responses = texts("response_types");
    assert!(responses.is_empty() || responses.iter().any(|response| response == "code"));
}

fn proves_as_it_says(client: &Client, tree: &Value) {
    let listed = |wanted: &str| {
        let list =
            tree["token_endpoint_auth_methods_supported"].as_array().map(Vec::as_slice).unwrap_or_default();
        tree["token_endpoint_auth_method"] == wanted || list.iter().any(|method| method == wanted)
    };
    match &client.authentication {
        ClientAuthentication::None => {
            let silent = tree["token_endpoint_auth_method"].as_str().unwrap_or_default().is_empty();
            assert!(listed("none") || silent);
        }
        ClientAuthentication::Keys(keys) => {
            assert!(listed("private_key_jwt"));
            assert_eq!(keys.optional, listed("none"));
            match &keys.source {
                KeySource::Inline(_) => {
                    let set = tree["jwks"]["keys"].as_array().expect("a key set");
                    let private =
                        |key: &Value| ["d", "p", "q", "k"].iter().any(|member| key.get(member).is_some());
                    assert!(!set.is_empty() && !set.iter().any(private), "private keys in public");
                }
                KeySource::At(url) => assert_eq!(tree["jwks_uri"], url.as_str()),
            }
        }
        ClientAuthentication::Secret { .. } => panic!("a public document has no secret"),
        other => panic!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("document", super::check, 2_000);
    }
}
