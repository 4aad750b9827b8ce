//! The sites to which clients that nobody vouches for may have their answers sent.
//!
//! Anybody may register a redirect URI on a site of their own, and the consent page names that site. An operator who knows
//! which clients there are lists their sites instead, so that no answer goes anywhere else, whatever people agree to.

use super::document_policy::{HostPattern, HostPatternRefusal};
use super::metadata::{ClientMetadata, RegistrationRefusal};
use super::redirect_uri::{LOOPBACK_HOSTS, RedirectUri, RedirectUriKind};

/// The hosts that redirect URIs may lead to; by default every host.
///
/// Private-use schemes have a list of their own ([`AppUris`](super::AppUris)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedirectHosts(Option<Listed>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    hosts: Vec<HostPattern>,
    loopback: bool,
}

/// Why a list of hosts cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectHostRefusal {
    /// An entry that is no pattern of hosts.
    #[error(transparent)]
    Host(#[from] HostPatternRefusal),
    /// A list without entries.
    #[error("a list of redirect hosts without entries would let no client in; leave it out to let in all")]
    Empty,
}

impl RedirectHosts {
    /// Reads an operator's list: `claude.ai`, `*.example.com` (all below it, and not itself), and `localhost`, `127.0.0.1` or
    /// `[::1]`, of which each stands for all three: clients use whichever they like.
    ///
    /// # Errors
    /// [`RedirectHostRefusal`] of the first entry that cannot be used, or of an empty list.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, RedirectHostRefusal> {
        let mut listed = Listed { hosts: Vec::new(), loopback: false };
        for entry in entries {
            let host = HostPattern::parse(entry)?;
            listed.loopback |= LOOPBACK_HOSTS.iter().any(|name| host.matches(name));
            listed.hosts.push(host);
        }
        if listed.hosts.is_empty() { Err(RedirectHostRefusal::Empty) } else { Ok(Self(Some(listed))) }
    }

    /// Whether an answer may be sent there.
    #[must_use]
    pub fn permit(&self, uri: &RedirectUri) -> bool {
        let Some(listed) = &self.0 else { return true };
        match uri.kind() {
            RedirectUriKind::App => true,
            RedirectUriKind::Loopback => listed.loopback,
            RedirectUriKind::Web if uri.has_loopback_host() => listed.loopback,
            RedirectUriKind::Web => listed.hosts.iter().any(|host| host.matches(uri.host())),
        }
    }

    /// Checks what a client wants to register.
    ///
    /// # Errors
    /// [`RegistrationRefusal::RedirectHost`] names the first host that no answer may be sent to.
    pub fn check(&self, metadata: &ClientMetadata) -> Result<(), RegistrationRefusal> {
        let refused = metadata.redirect_uris.iter().find(|uri| !self.permit(uri));
        refused.map_or(Ok(()), |uri| Err(RegistrationRefusal::RedirectHost { host: uri.host().to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::app_uris::AppUris;
    use super::*;

    fn permits(entries: &[&str], uri: &str) -> bool {
        let uri = RedirectUri::parse(uri, &AppUris::shipped()).unwrap();
        RedirectHosts::parse(entries.iter().copied()).unwrap().permit(&uri)
    }

    #[test]
    fn an_answer_goes_to_listed_hosts_alone() {
        let list = ["claude.ai", "*.example.com"];
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://a.example.com/cb",
            "https://claude.ai:8443/cb",
        ] {
            assert!(permits(&list, good), "{good}");
        }
        for bad in [
            "https://example.com/cb",
            "https://claude.ai.evil.example/cb",
            "https://evil.example/claude.ai",
            "https://evil.example/?claude.ai",
            "http://localhost:1234/cb",
            "http://127.0.0.1/cb",
            "https://localhost/cb",
        ] {
            assert!(!permits(&list, bad), "{bad}");
        }
    }

    #[test]
    fn each_name_of_this_machine_stands_for_all_of_them() {
        for name in ["localhost", "127.0.0.1", "[::1]"] {
            for good in [
                "http://localhost:1/cb",
                "http://127.0.0.1:33418/",
                "http://[::1]:5/cb",
                "https://localhost/cb",
            ] {
                assert!(permits(&[name], good), "{name}: {good}");
            }
            assert!(!permits(&[name], "https://claude.ai/cb"));
        }
    }

    #[test]
    fn without_a_list_every_host_is_permitted_and_schemes_of_apps_always_are() {
        let anywhere = RedirectUri::parse("https://any.example/cb", &AppUris::none()).unwrap();
        assert!(RedirectHosts::default().permit(&anywhere));
        assert!(permits(&["claude.ai"], "warp://mcp/oauth2callback"));
    }

    #[test]
    fn a_list_has_entries_and_each_is_a_host() {
        assert_eq!(RedirectHosts::parse([]), Err(RedirectHostRefusal::Empty));
        for bad in ["https://claude.ai", "*", "", "claude.ai/cb", "claude.ai:443"] {
            assert!(matches!(RedirectHosts::parse([bad]), Err(RedirectHostRefusal::Host(_))), "{bad}");
        }
    }
}
