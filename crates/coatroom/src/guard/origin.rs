//! From where a request may come: the `Host` it names, the `Origin` of the page that sent it, and what browsers are told.
//!
//! MCP, Transports, "Security Warning" (DNS rebinding); Fetch Standard, "CORS protocol". By default the host is the
//! public one. Where the public URL is a loopback address, every loopback host and every page from one is at home, so that
//! browser tools under development work; elsewhere only the public origin is, and what is configured.

use coatroom_protocol::words::{Resource, is_loopback_host};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Uri};
use url::Url;

/// The hosts and origins that are at home here.
#[derive(Debug, Clone)]
pub(super) struct Places {
    scheme: String,
    hosts: Vec<String>,
    origins: Vec<String>,
    any_origin: bool,
    loopback: bool,
}

/// Why a request may not come from where it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceRefusal {
    /// No `Host`, or more than one.
    HostUnclear,
    /// A host that is not ours.
    Host,
    /// An origin that is not allowed, or more than one.
    Origin,
}

impl Places {
    /// The places that the URL of a resource stands for. None at all is at home where it has no host.
    pub(super) fn of_resource(resource: &Resource) -> Self {
        let mut places = Self {
            scheme: String::new(),
            hosts: vec![],
            origins: vec![],
            any_origin: false,
            loopback: false,
        };
        let Ok(url) = Url::parse(resource.as_str()) else { return places };
        url.scheme().clone_into(&mut places.scheme);
        places.loopback = url.host().is_some_and(|host| is_loopback_host(&host));
        places.origins.push(url.origin().ascii_serialization());
        places.hosts.push(url.authority().to_owned());
        places
    }

    /// Adds a host, with its port unless it is the scheme's own; false when it is not one.
    #[must_use]
    pub(super) fn add_host(&mut self, host: &str) -> bool {
        let host = self.canonical_host(host);
        let known = host.is_some();
        self.hosts.extend(host);
        known
    }

    /// Adds an origin, or with `*` all of them; false when it is not one.
    #[must_use]
    pub(super) fn add_origin(&mut self, origin: &str) -> bool {
        if origin == "*" {
            self.any_origin = true;
            return true;
        }
        let Ok(url) = Url::parse(origin) else { return false };
        let bare = url.host().is_some() && matches!(url.path(), "" | "/") && url.query().is_none();
        if bare {
            self.origins.push(match url.scheme() {
                "http" | "https" => url.origin().ascii_serialization(),
                // Extensions of browsers and editors have origins of their own schemes.
                _ => origin.trim_end_matches('/').to_ascii_lowercase(),
            });
        }
        bare
    }

    /// Checks host and origin, before anything else of the request is looked at.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), PlaceRefusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (host, second) = (hosts.next(), hosts.next());
        let host = host
            .map(|host| host.to_str().unwrap_or(""))
            .or(uri.authority().map(http::uri::Authority::as_str));
        let Some(host) = host.filter(|_| second.is_none()) else { return Err(PlaceRefusal::HostUnclear) };
        let both = [Some(host), uri.authority().map(http::uri::Authority::as_str)];
        if !both.into_iter().flatten().all(|host| self.allows_host(host)) {
            return Err(PlaceRefusal::Host);
        }
        if !headers.get_all(ORIGIN).iter().all(|origin| self.allows_origin(origin))
            || headers.get_all(ORIGIN).iter().nth(1).is_some()
        {
            return Err(PlaceRefusal::Origin);
        }
        Ok(())
    }

    fn allows_host(&self, host: &str) -> bool {
        if self.hosts.iter().any(|known| known == host) {
            return true;
        }
        let Some(host) = self.canonical_host(host) else { return false };
        self.hosts.contains(&host) || (self.loopback && is_loopback_authority(&host))
    }

    fn allows_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.any_origin
            || self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
            || (self.loopback
                && ["http://", "https://"]
                    .iter()
                    .any(|scheme| origin.strip_prefix(scheme).is_some_and(is_loopback_authority)))
    }

    /// Host and port as a URL spells them: lower case, without the port that the scheme implies.
    fn canonical_host(&self, host: &str) -> Option<String> {
        let url = url_of_authority(&self.scheme, host)?;
        Some(url.authority().to_owned())
    }
}

fn is_loopback_authority(authority: &str) -> bool {
    let url = url_of_authority("http", authority);
    url.as_ref().and_then(Url::host).is_some_and(|host| is_loopback_host(&host))
}

/// Reads host and port, refusing everything that would make the URL parser see more than that.
fn url_of_authority(scheme: &str, authority: &str) -> Option<Url> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if authority.is_empty() || !authority.bytes().all(plain) {
        return None;
    }
    Url::parse(&format!("{scheme}://{authority}")).ok()
}

/// Whether a request is a browser's question before the real one.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What a preflight from an allowed origin is told. `*` would not cover `Authorization`, so the headers are named.
pub(super) fn allow_preflight(asked: &HeaderMap, headers: &mut HeaderMap) {
    let asked = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|names| names.to_str().ok()).unwrap_or("");
    let mirrored = asked.split(',').map(str::trim).filter(|name| {
        let tail = name.get(..PARAM_PREFIX.len()).filter(|head| head.eq_ignore_ascii_case(PARAM_PREFIX));
        tail.is_some() && http::HeaderName::try_from(*name).is_ok()
    });
    let allowed = std::iter::once(ALLOWED_HEADERS).chain(mirrored).collect::<Vec<_>>().join(", ");
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
}

/// Lets the page at `origin` read an answer. The guard alone speaks CORS for what it protects, so what the answer said
/// itself is replaced. Credentials are not allowed: no cookie counts here.
pub(super) fn allow_page(origin: &HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, \
                               Last-Event-ID, Mcp-Method, Mcp-Name, DPoP";
const EXPOSED_HEADERS: &str = "Mcp-Session-Id, WWW-Authenticate, Retry-After";
const PARAM_PREFIX: &str = "mcp-param-";

#[cfg(test)]
mod tests {
    use super::*;

    fn places_of(url: &str) -> Places {
        Places::of_resource(&Resource::parse(url).unwrap())
    }

    fn check(places: &Places, host: &str, origin: &str) -> Result<(), PlaceRefusal> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if !origin.is_empty() {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        places.check(&Uri::from_static("/mcp"), &headers)
    }

    // RS-19, RS-20
    #[test]
    fn a_public_server_knows_its_own_host_and_origin() {
        let places = places_of("https://mcp.example.com/mcp");
        for host in ["mcp.example.com", "MCP.example.com", "mcp.example.com:443"] {
            assert_eq!(check(&places, host, ""), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "mcp.example.com:80", "localhost", "mcp.example.com.evil.example", "", "a@b"]
        {
            assert_eq!(check(&places, host, ""), Err(PlaceRefusal::Host), "{host}");
        }
        assert_eq!(check(&places, "mcp.example.com", "https://mcp.example.com"), Ok(()));
        for origin in ["https://evil.example", "http://mcp.example.com", "http://localhost:6274", "null"] {
            assert_eq!(check(&places, "mcp.example.com", origin), Err(PlaceRefusal::Origin), "{origin}");
        }
    }

    // RS-20
    #[test]
    fn a_local_server_is_at_home_on_loopback_alone() {
        let places = places_of("http://localhost:8787/mcp");
        for host in ["localhost:8787", "127.0.0.1:8787", "[::1]:8787", "LOCALHOST"] {
            assert_eq!(check(&places, host, "http://localhost:6274"), Ok(()), "{host}");
        }
        for host in ["evil.example.com", "localhost.evil.example", "10.0.0.1:8787", "localhost@evil.example"]
        {
            assert_eq!(check(&places, host, ""), Err(PlaceRefusal::Host), "{host}");
        }
        for origin in [
            "http://evil.example.com",
            "http://localhost.evil.example",
            "null",
            "file://",
            "http://localhost/a",
        ] {
            assert_eq!(check(&places, "localhost:8787", origin), Err(PlaceRefusal::Origin), "{origin}");
        }
    }

    #[test]
    fn hosts_and_origins_can_be_added() {
        let mut places = places_of("https://mcp.example.com/mcp");
        assert!(places.add_host("127.0.0.1:8787"));
        assert!(places.add_origin("https://App.example.com/"));
        assert!(places.add_origin("vscode-webview://abc"));
        assert!(!places.add_host("not a host"));
        assert!(!places.add_origin("https://app.example.com/path"));
        assert!(!places.add_origin("app.example.com"));
        assert_eq!(check(&places, "127.0.0.1:8787", "https://app.example.com"), Ok(()));
        assert_eq!(check(&places, "mcp.example.com", "vscode-webview://abc"), Ok(()));
        assert!(places.add_origin("*"));
        assert_eq!(check(&places, "mcp.example.com", "https://anywhere.example"), Ok(()));
    }

    #[test]
    fn two_hosts_or_none_are_unclear_and_each_must_be_ours() {
        let places = places_of("https://mcp.example.com/mcp");
        let mut headers = HeaderMap::new();
        assert_eq!(places.check(&Uri::from_static("/"), &headers), Err(PlaceRefusal::HostUnclear));
        let absolute = Uri::from_static("https://mcp.example.com/mcp");
        assert_eq!(places.check(&absolute, &headers), Ok(()));
        headers.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(places.check(&absolute, &headers), Err(PlaceRefusal::Host));
        headers.append(HOST, HeaderValue::from_static("mcp.example.com"));
        assert_eq!(places.check(&absolute, &headers), Err(PlaceRefusal::HostUnclear));
    }
}
