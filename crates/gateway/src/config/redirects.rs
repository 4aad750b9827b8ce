//! Which redirect URIs self-registered clients may use beside https and loopback, and which are treated in a way of their own.

use std::fmt::Display;

use coatroom::protocol::client::{
    AppUris, RedirectHosts, RedirectPrefixes, SHIPPED_APP_URIS, SHIPPED_SECRET_REDIRECTS, SecretRedirects,
};

use super::reader::Section;

/// What an operator says about redirect URIs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redirects {
    /// The private-use URIs that may be registered. Default: those of known clients.
    pub(crate) apps: AppUris,
    /// The hosts that they may lead to. Default: every host.
    pub(crate) hosts: RedirectHosts,
    /// The sites where one segment is free. Default: none.
    pub(crate) prefixes: RedirectPrefixes,
    /// Whose clients get a secret that they did not ask for. Default: known clients.
    pub(crate) secrets: SecretRedirects,
}

impl Redirects {
    pub(super) fn read(root: &Section<'_>) -> Self {
        let apps = entries(root, "app_uris", SHIPPED_APP_URIS, |text| AppUris::parse([text]).map(drop));
        let hosts = entries(root, "redirect_hosts", &[], |text| RedirectHosts::parse([text]).map(drop));
        if let (Some([]), Some(place)) = (hosts.as_deref(), root.place("redirect_hosts")) {
            root.refuse(
                &place,
                "`redirect_hosts` names no host",
                Some("leave it out to permit all".to_owned()),
            );
        }
        let prefixes =
            entries(root, "redirect_prefixes", &[], |text| RedirectPrefixes::parse([text]).map(drop));
        let secrets = entries(root, "secret_redirect_uris", SHIPPED_SECRET_REDIRECTS, |text| {
            SecretRedirects::parse([text]).map(drop)
        });
        // What cannot be used was noted already, and ends the start.
        Self {
            apps: apps
                .and_then(|list| AppUris::parse(list.iter().map(String::as_str)).ok())
                .unwrap_or_default(),
            hosts: hosts
                .and_then(|list| RedirectHosts::parse(list.iter().map(String::as_str)).ok())
                .unwrap_or_default(),
            prefixes: prefixes
                .and_then(|list| RedirectPrefixes::parse(list.iter().map(String::as_str)).ok())
                .unwrap_or_default(),
            secrets: secrets
                .and_then(|list| SecretRedirects::parse(list.iter().map(String::as_str)).ok())
                .unwrap_or_default(),
        }
    }
}

/// The entries of a list; the word `known` stands for those that are shipped. `None` when the list is not set.
fn entries<E: Display>(
    root: &Section<'_>,
    key: &str,
    shipped: &[&str],
    check: impl Fn(&str) -> Result<(), E>,
) -> Option<Vec<String>> {
    let found = root.list(key, |text| {
        if text == KNOWN && !shipped.is_empty() {
            return Ok(shipped.iter().map(|&entry| entry.to_owned()).collect());
        }
        check(text).map(|()| vec![text.to_owned()]).map_err(|reason| format!("`{text}`: {reason}"))
    })?;
    Some(found.into_iter().flat_map(|found| found.value).collect())
}

/// Stands for the shipped entries of a list.
const KNOWN: &str = "known";
