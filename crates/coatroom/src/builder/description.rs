//! What a program may tell others of how an endpoint is protected.

use coatroom_protocol::access::Authentication;
use coatroom_protocol::discovery::metadata_url;
use coatroom_protocol::grant::ProtectedResource;
use coatroom_protocol::words::{ProviderName, Resource, ScopeCatalogue};
use serde::Serialize;

use super::{Coatroom, Protection};

/// How an endpoint is protected, for machines: whether one must sign in, where, how, and what can be asked for. Nothing in it is secret.
/// What clients go by are the discovery documents; this is for a program's own pages, tools and tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Description {
    /// The identifier of the protected resource (RFC 8707).
    pub resource: String,
    /// What people call it.
    pub name: String,
    /// Whether one must sign in: `required`, `optional` or `off`. Rules may say otherwise of single tools.
    pub requirement: &'static str,
    /// Where its metadata is (RFC 9728).
    pub metadata: String,
    /// Who issues its tokens: this server, or a remote issuer.
    pub issuer: String,
    /// Where its users sign in, and what they may connect besides. Nothing where a remote issuer signs them in.
    pub providers: Vec<ProviderDescription>,
    /// The grants by which clients get tokens here (RFC 6749 §1.3, `grant_types_supported` of RFC 8414). Nothing where a remote issuer gives
    /// them out.
    pub flows: Vec<&'static str>,
    /// Its scopes, in alphabetical order.
    pub scopes: Vec<ScopeDescription>,
}

/// A provider of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderDescription {
    /// Its name, as handlers use it.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// Whether users can sign in there.
    pub signs_in: bool,
    /// Whether they may have to connect it besides.
    pub connects: bool,
}

/// A scope of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScopeDescription {
    /// The scope.
    pub scope: String,
    /// What the consent page says of it.
    pub title: String,
    /// What else it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a client gets it that asks for nothing.
    pub default: bool,
    /// The scopes that it includes.
    pub implies: Vec<String>,
}

impl Coatroom {
    /// How the endpoint at `path` is protected; `None` where nothing is.
    #[must_use]
    pub fn description(&self, path: &str) -> Option<Description> {
        let protection = self.protected.get(path)?;
        let id = Resource::parse(&self.context.issuer.url(path)).ok()?;
        let remote = self.context.remote.iter().find(|remote| remote.id == id);
        let ours = self.context.resources.get(&id);
        let name = remote.map(|remote| &remote.name).or_else(|| ours.map(|ours| &ours.name));
        let issues = protection.needs_our_tokens();
        Some(Description {
            name: name.cloned().unwrap_or_default(),
            requirement: match protection.authentication {
                Authentication::Required => "required",
                Authentication::Optional => "optional",
                Authentication::Off => "off",
            },
            metadata: metadata_url(&id),
            resource: id.as_str().to_owned(),
            issuer: match remote {
                Some(remote) => remote.issuer.issuer().to_owned(),
                None => self.context.issuer.as_str().to_owned(),
            },
            providers: ours
                .filter(|_| issues)
                .map(|ours| self.providers_of(protection, ours))
                .unwrap_or_default(),
            flows: if issues { vec!["authorization_code", "refresh_token"] } else { Vec::new() },
            scopes: scopes(&protection.scopes),
        })
    }

    fn providers_of(
        &self,
        protection: &Protection,
        resource: &ProtectedResource,
    ) -> Vec<ProviderDescription> {
        let described = |(name, label): (&ProviderName, Option<&str>)| ProviderDescription {
            signs_in: resource.offers(name),
            connects: protection.connects.contains(name),
            label: label.unwrap_or(name.as_str()).to_owned(),
            name: name.to_string(),
        };
        self.sign_ins().map(described).filter(|provider| provider.signs_in || provider.connects).collect()
    }

    /// Everywhere where users sign in, and what people call it.
    #[cfg(feature = "server")]
    fn sign_ins(&self) -> impl Iterator<Item = (&ProviderName, Option<&str>)> {
        self.context.sign_ins().map(|place| (place.name(), place.label()))
    }

    /// The same for a guard alone, which has no accounts of its own.
    #[cfg(not(feature = "server"))]
    fn sign_ins(&self) -> impl Iterator<Item = (&ProviderName, Option<&str>)> {
        self.context.providers.iter().map(|provider| (provider.name(), Some(provider.label())))
    }
}

fn scopes(catalogue: &ScopeCatalogue) -> Vec<ScopeDescription> {
    let described = catalogue.iter().map(|(scope, entry)| ScopeDescription {
        scope: scope.to_string(),
        title: entry.title.clone(),
        description: entry.description.clone(),
        default: entry.default,
        implies: entry.implies.iter().map(ToString::to_string).collect(),
    });
    described.collect()
}
