//! Redirect URIs: whatever may be registered leads a browser exactly where its text says, and accepts nothing but itself and
//! other ports of itself.
//!
//! An input is up to three lines: the registered URI, the one that is asked for, and a value to add.

use coatroom_protocol::client::{
    AppUris, MAX_REDIRECT_URI_LENGTH, RedirectUri, RedirectUriKind, SHIPPED_APP_URIS,
};
use percent_encoding::percent_decode_str;
use url::Url;

/// Checks one registered URI against one that is asked for.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (registered, asked, value) = (line(), line(), line());
    let Ok(uri) = RedirectUri::parse(registered, &AppUris::shipped()) else { return false };

    assert_eq!(uri.as_str(), registered, "what is registered stays as it was written");
    assert!(registered.len() <= MAX_REDIRECT_URI_LENGTH);
    assert!(registered.bytes().all(|byte| byte.is_ascii_graphic() && !b"#*\\\"<>^`{|}".contains(&byte)));
    assert_eq!(
        RedirectUri::try_from(registered.to_owned()).as_ref(),
        Ok(&uri),
        "as it is read from a client id"
    );
    match uri.kind() {
        RedirectUriKind::Web | RedirectUriKind::Loopback => leads_where_it_says(registered, uri.kind()),
        RedirectUriKind::App => is_on_the_list(registered),
    }
    accepts_itself_alone(&uri, asked);
    adds_to_the_query_alone(&uri, value);
    true
}

/// As a browser reads it: nothing is normalised away, and there is nothing that it hides or drops.
fn leads_where_it_says(text: &str, kind: RedirectUriKind) {
    let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{text}");
    let host = url.host_str().expect("a host");
    if kind == RedirectUriKind::Loopback {
        assert!(url.scheme() == "http" && ["localhost", "127.0.0.1", "[::1]"].contains(&host), "{text}");
    } else {
        assert_eq!(url.scheme(), "https", "{text}");
    }
    // The text again, put together from what the browser understood. It leaves out a port that goes without saying.
    let (_, rest) = text.split_once("://").expect("an authority");
    let rest = rest.strip_prefix(host).unwrap_or_else(|| panic!("{text} leads to {host}"));
    let default = if url.scheme() == "http" { ":80" } else { ":443" };
    let port = url.port().map_or_else(|| default.to_owned(), |port| format!(":{port}"));
    let rest = rest.strip_prefix(&port).unwrap_or(rest);
    assert!(url.port().is_none() || text.contains(&port), "{text}");
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = if rest.is_empty() || rest.starts_with('?') { "" } else { url.path() };
    assert_eq!(rest, format!("{path}{query}"), "{text}");
}

/// What an entry lets through, by its end; below a folder nothing leads out of it, however it is decoded.
fn is_on_the_list(text: &str) {
    let lets_through = |entry: &&str| match text.strip_prefix(*entry) {
        None => false,
        Some(rest) if entry.ends_with('/') => {
            let decoded = percent_decode_str(rest).decode_utf8_lossy();
            !rest.contains('?')
                && decoded.split(['/', '\\']).all(|segment| !["", ".", ".."].contains(&segment))
        }
        Some(rest) => rest.is_empty() || entry.ends_with([':', '?']),
    };
    assert!(SHIPPED_APP_URIS.iter().any(lets_through), "{text}");
}

fn accepts_itself_alone(uri: &RedirectUri, asked: &str) {
    assert_eq!(uri.accept(uri.as_str()).as_ref(), Some(uri));
    let Some(accepted) = uri.accept(asked) else {
        assert_ne!(uri.as_str(), asked);
        return;
    };
    assert_eq!((accepted.as_str(), accepted.kind()), (asked, uri.kind()));
    if asked == uri.as_str() {
        return;
    }
    assert!(uri.is_loopback(), "{uri} accepts {asked}");
    let (registered, mut other) =
        (Url::parse(uri.as_str()).expect("a URL"), Url::parse(asked).expect("a URL"));
    other.set_port(registered.port()).expect("http has a port");
    assert_eq!(registered, other, "{uri} accepts {asked}");
    if asked.len() <= MAX_REDIRECT_URI_LENGTH {
        assert_eq!(RedirectUri::parse(asked, &AppUris::none()).as_ref(), Ok(&accepted));
    }
}

fn adds_to_the_query_alone(uri: &RedirectUri, value: &str) {
    let added = [("code", value), ("iss", "https://gate.example")];
    let target = uri.with_params(&added);
    assert!(target.starts_with(uri.as_str()));
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "{target:?} could end a header");
    let (Ok(before), Ok(after)) = (Url::parse(uri.as_str()), Url::parse(&target)) else {
        // Private-use schemes have a grammar of their own.
        assert_eq!(uri.kind(), RedirectUriKind::App);
        return;
    };
    let place = |url: &Url| {
        let text = |part: &str| part.to_owned();
        (text(url.scheme()), text(url.authority()), text(url.path()), url.fragment().map(text))
    };
    assert_eq!(place(&before), place(&after));
    let pairs: Vec<_> = after.query_pairs().into_owned().collect();
    let (kept, new) = pairs.split_at(pairs.len() - added.len());
    assert_eq!(kept, before.query_pairs().into_owned().collect::<Vec<_>>());
    assert!(new.iter().zip(added).all(|((name, value), pair)| (name.as_str(), value.as_str()) == pair));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("redirect_uri", super::check, 4_000);
    }
}
