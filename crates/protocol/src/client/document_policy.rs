//! Whose documents an operator takes: lists of hosts (draft-ietf-oauth-client-id-metadata-document §8.1).

/// Hosts: one by its name, or all below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    is_below: bool,
}

/// A text is not a pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a host such as \"claude.ai\" nor all below one such as \"*.example.com\"")]
pub struct HostPatternRefusal(String);

/// Which hosts are asked for documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentHosts {
    /// Only these; every host when empty.
    pub allow: Vec<HostPattern>,
    /// Never these, whatever the other list says.
    pub deny: Vec<HostPattern>,
}

impl HostPattern {
    /// Reads `host.example` (that host alone) or `*.host.example` (every host below it, and not itself). Names beyond
    /// ASCII are written in their ASCII form.
    ///
    /// # Errors
    /// [`HostPatternRefusal`] for everything else.
    pub fn parse(text: &str) -> Result<Self, HostPatternRefusal> {
        let (name, is_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let name = name.to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let is_address = name.starts_with('[') && name.ends_with(']') && !is_below;
        let is_name = !name.is_empty() && name.bytes().all(plain) && !name.split('.').any(str::is_empty);
        if is_address || is_name {
            Ok(Self { name, is_below })
        } else {
            Err(HostPatternRefusal(text.to_owned()))
        }
    }

    /// Whether the pattern means this host.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if !self.is_below {
            return host == self.name;
        }
        host.strip_suffix(&self.name).is_some_and(|before| before.len() > 1 && before.ends_with('.'))
    }
}

impl DocumentHosts {
    /// Whether a host may be asked.
    #[must_use]
    pub fn permit(&self, host: &str) -> bool {
        let any = |list: &[HostPattern]| list.iter().any(|pattern| pattern.matches(host));
        !any(&self.deny) && (self.allow.is_empty() || any(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(allow: &[&str], deny: &[&str]) -> DocumentHosts {
        let list = |texts: &[&str]| texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect();
        DocumentHosts { allow: list(allow), deny: list(deny) }
    }

    #[test]
    fn a_pattern_is_one_host_or_all_below_one() {
        let below = HostPattern::parse("*.Example.com").unwrap();
        for (host, matches) in [
            ("a.example.com", true),
            ("A.B.EXAMPLE.COM", true),
            ("example.com", false),
            (".example.com", false),
            ("notexample.com", false),
            ("example.com.evil.example", false),
        ] {
            assert_eq!(below.matches(host), matches, "{host}");
        }
        assert!(HostPattern::parse("claude.ai").unwrap().matches("claude.ai"));
        assert!(!HostPattern::parse("claude.ai").unwrap().matches("www.claude.ai"));
        for bad in
            ["", "*", "*.", "a..b", "https://a.example", "a.example:443", "*.*.example", "a b", "*.[::1]"]
        {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deny_wins_over_allow_and_an_empty_list_allows_all() {
        assert!(hosts(&[], &[]).permit("any.example"));
        let some = hosts(&["*.example.com", "claude.ai"], &["bad.example.com"]);
        assert!(some.permit("claude.ai") && some.permit("good.example.com"));
        assert!(!some.permit("bad.example.com") && !some.permit("other.example"));
    }
}
