//! `[client_documents]`: clients that are described by a document at the URL that is their id.

use coatroom::protocol::client::{DocumentHosts, HostPattern};
use coatroom::protocol::words::Issuer;
use coatroom::settings::{ClientDocuments, DocumentMode};
use url::Host;

use super::limits::{DAY, KIB, MIB, MINUTE, SECOND, number, span};
use super::reader::Section;
use super::values::truth;
use super::values_of;

/// Reads the section. `public_url` decides whether documents may lie on loopback.
pub(super) fn read(root: &Section<'_>, public_url: Option<&Issuer>) -> ClientDocuments {
    let section = root.section("client_documents");
    section.only(KEYS);
    let defaults = ClientDocuments::default();
    let mut documents =
        ClientDocuments::in_mode(section.choice("enabled", MODES).map_or(defaults.mode, |found| found.value));
    documents.hosts = DocumentHosts {
        allow: values_of(section.list("allow", HostPattern::parse)),
        deny: values_of(section.list("deny", HostPattern::parse)),
    };
    documents.same_origin = section.value("same_origin", truth).is_some_and(|found| found.value);
    documents.body_limit = number(&section, "size", defaults.body_limit, KIB..=MIB);
    documents.deadline = span(&section, "timeout", defaults.deadline, SECOND / 10..=30 * SECOND);
    documents.longest_life = span(&section, "cache", defaults.longest_life, MINUTE..=DAY);
    if let Some(loopback) = section.value("loopback", truth).filter(|found| found.value) {
        documents.loopback = true;
        if public_url.is_some_and(|url| !url.is_loopback()) {
            let help = "it is for development; leave it out where the public URL is not on loopback";
            let message = "documents of clients on loopback need a public URL on loopback";
            section.refuse(&loopback.place, message, Some(help.to_owned()));
        }
    }
    if let Some(probes) = section.list("probes", probe) {
        documents.probes = values_of(Some(probes));
    }
    documents
}

/// Reads a host, or a host and port.
fn probe(text: &str) -> Result<String, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, "443"),
    };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    if is_port && Host::parse(host).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a host such as \"claude.ai\" or \"claude.ai:443\""))
    }
}

const MODES: &[(&str, DocumentMode)] =
    &[("auto", DocumentMode::Auto), ("on", DocumentMode::On), ("off", DocumentMode::Off)];

const KEYS: &[&str] =
    &["enabled", "allow", "deny", "same_origin", "size", "timeout", "cache", "loopback", "probes"];
