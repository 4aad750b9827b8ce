//! An authorization under way: sealed, and carried by the browser (ARCHITECTURE.md, rule 1 and "Flow").
//!
//! A flow passes two stages. Asked: it stands in the consent form. Approved: it is kept in cookies that are named by its id,
//! which is also the upstream `state`. The seal binds it to this issuer, its stage, the chosen provider and the cookie of the
//! browser that began, so that it is of no use in another browser, at another provider, or twice: inserting the grant whose
//! id is derived from the flow's id happens once.

use std::time::Duration;

use coatroom_protocol::grant::{CodeChallenge, Prompt};
use coatroom_protocol::words::{
    ClientIdHash, CodeVerifier, FlowId, ProviderName, Resource, Scopes, Timestamp, base64url, from_base64url,
    sha256,
};
use http::HeaderValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cookies::CookieJar;
use crate::context::Context;
use crate::entropy::{NoEntropy, draw};
use crate::hooks::SignInPurpose;

/// What was asked for, checked; and what was approved of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Flow {
    pub(super) id: FlowId,
    pub(super) started_at: Timestamp,
    pub(super) client: ClientIdHash,
    pub(super) client_name: Option<String>,
    /// What the client's document said, if one describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_fingerprint: Option<String>,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) resource: Resource,
    /// What is asked for; after approval, what was agreed to.
    pub(super) scopes: Scopes,
    /// Whether the client can use a refresh token.
    pub(super) refresh: bool,
    pub(super) challenge: CodeChallenge,
    pub(super) prompt: Prompt,
    /// The tag of the language of the consent page, which stays that of all that follows.
    #[serde(default)]
    pub(super) language: String,
    /// Our own secrets for the upstream leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<UpstreamSecrets>,
}

/// What proves to the provider, and to us, that the callback belongs to this flow.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct UpstreamSecrets {
    verifier: String,
    pub(super) nonce: String,
}

impl UpstreamSecrets {
    pub(super) fn draw(context: &Context) -> Result<Self, NoEntropy> {
        let entropy = context.entropy.as_ref();
        Ok(Self { verifier: base64url(&draw::<32>(entropy)?), nonce: base64url(&draw::<32>(entropy)?) })
    }

    pub(super) fn verifier(&self) -> CodeVerifier {
        CodeVerifier::new(self.verifier.clone())
    }
}

impl std::fmt::Debug for UpstreamSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamSecrets([redacted])")
    }
}

/// The browser in which a flow began: 256 random bits in a cookie.
#[derive(Debug, Clone)]
pub(super) struct Browser(String);

impl Browser {
    /// The browser that sent the request; `None` when it has no cookie yet.
    pub(super) fn of(jar: &CookieJar<'_>) -> Option<Self> {
        let value = jar.get(BROWSER)?;
        (from_base64url(value)?.len() == 32).then(|| Self(value.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The browser that sent the request, or a new name for it and the cookie that gives it. A name that is there already is kept,
    /// so that a page that is loaded twice agrees with itself.
    pub(super) fn of_or_new(
        context: &Context,
        jar: &CookieJar<'_>,
    ) -> Result<(Self, Option<HeaderValue>), NoEntropy> {
        if let Some(known) = Self::of(jar) {
            return Ok((known, None));
        }
        let name = base64url(&draw::<32>(context.entropy.as_ref())?);
        let cookie = jar.set(BROWSER, &name, None);
        Ok((Self(name), cookie))
    }
}

/// Where in its way a flow is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage<'a> {
    /// The consent page was shown.
    Asked,
    /// The person agreed, and was sent to this provider.
    Approved(&'a ProviderName),
    /// The page was shown on which a further provider is connected.
    ConnectAsked,
    /// The person was sent to this provider from that page.
    Connecting(&'a ProviderName),
    /// The person signs in at this provider for the page with their connections, and no client is meant.
    SignIn(&'a ProviderName),
}

/// Something under way that the browser carries: an authorization, or a person on the way to a page of ours.
pub(super) trait Carried: Serialize + DeserializeOwned {
    /// Its name, which is also the upstream `state`.
    fn id(&self) -> &FlowId;

    fn started_at(&self) -> Timestamp;

    /// Our own secrets for the upstream leg, once that is begun.
    fn upstream(&self) -> Option<&UpstreamSecrets>;

    /// Its stage while the person is at a provider.
    fn away(provider: &ProviderName) -> Stage<'_>;

    /// What the person signs in for.
    fn purpose(&self) -> SignInPurpose {
        SignInPurpose::Page
    }

    /// From when on it opens no more.
    fn ends_at(&self, context: &Context) -> Timestamp {
        self.started_at().plus(context.settings.flow_life)
    }
}

impl Carried for Flow {
    fn id(&self) -> &FlowId {
        &self.id
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }

    fn upstream(&self) -> Option<&UpstreamSecrets> {
        self.upstream.as_ref()
    }

    fn away(provider: &ProviderName) -> Stage<'_> {
        Stage::Approved(provider)
    }

    fn purpose(&self) -> SignInPurpose {
        SignInPurpose::Grant {
            client_name: self.client_name.clone(),
            resource: self.resource.clone(),
            scopes: self.scopes.clone(),
        }
    }
}

/// Seals what is under way for the browser.
pub(super) fn seal(
    carried: &impl Carried,
    context: &Context,
    stage: Stage<'_>,
    browser: &Browser,
) -> Result<String, NoEntropy> {
    bound(context, stage, browser, |bound_to| {
        context.keys().sealing.seal_text(context.entropy.as_ref(), PURPOSE, bound_to, carried)
    })
}

/// Opens what this browser brings back. `None` when it is not ours, of another stage, provider or browser, or expired: a person
/// can only begin again.
pub(super) fn open<T: Carried>(
    context: &Context,
    stage: Stage<'_>,
    browser: &Browser,
    sealed: &str,
) -> Option<T> {
    let carried: T = unseal(context, stage, browser, sealed)?;
    (!context.clock.at_least().has_reached(carried.ends_at(context))).then_some(carried)
}

/// The language of a flow that this browser brings back, as a tag. One that has expired still tells in which language to say so.
pub(super) fn language_of(
    context: &Context,
    stage: Stage<'_>,
    browser: &Browser,
    sealed: &str,
) -> Option<String> {
    unseal::<Flow>(context, stage, browser, sealed).map(|flow| flow.language)
}

fn unseal<T: Carried>(context: &Context, stage: Stage<'_>, browser: &Browser, sealed: &str) -> Option<T> {
    bound(context, stage, browser, |bound_to| context.keys().sealing.open_text(PURPOSE, bound_to, sealed))
}

/// The cookies that keep what is under way until the callback. Older flows of the browser make room for it, and so does what it
/// kept of this one when the page was sent before.
pub(super) fn keep(
    carried: &impl Carried,
    jar: &CookieJar<'_>,
    sealed: &str,
    life: Duration,
) -> Vec<HeaderValue> {
    let own = carried.id().to_string();
    let mut others: Vec<Part<'_>> =
        jar.iter().filter_map(|(name, _)| Part::parse(name)).filter(|part| part.flow != own).collect();
    others.sort_unstable();
    let mut flows: Vec<&str> = others.iter().map(|part| part.flow).collect();
    flows.dedup();
    let surplus = (flows.len() + 1).saturating_sub(MOST_FLOWS);
    let dropped = flows.get(..surplus).unwrap_or_default();
    let dropped = others.iter().filter(|part| dropped.contains(&part.flow));
    let mut cookies: Vec<HeaderValue> =
        dropped.filter_map(|part| jar.set(&part.name(), "", Some(Duration::ZERO))).collect();
    let parts = [sealed.get(..PART).unwrap_or(sealed), sealed.get(PART..).unwrap_or("")];
    for (number, text) in ["0", "1"].into_iter().zip(parts) {
        let name = Part { started_at: carried.started_at().unix(), flow: &own, number }.name();
        if !text.is_empty() {
            cookies.extend(jar.set(&name, text, Some(life)));
        } else if jar.get(&name).is_some() {
            cookies.extend(jar.set(&name, "", Some(Duration::ZERO)));
        }
    }
    cookies
}

/// Whether a sealed flow fits into the cookies that will keep it. What is added on approval is counted in.
pub(super) fn fits(sealed: &str) -> bool {
    sealed.len() + APPROVAL_ADDS <= 2 * PART
}

/// The sealed flow that the browser keeps under an upstream `state`, and the cookies that delete it.
pub(super) fn kept(jar: &CookieJar<'_>, state: &str) -> Option<(String, Vec<HeaderValue>)> {
    let parts = jar.iter().filter_map(|(name, value)| Some((Part::parse(name)?, value)));
    let mut parts: Vec<_> = parts.filter(|(part, _)| part.flow == state).collect();
    parts.sort_unstable();
    let sealed: String = parts.iter().map(|(_, text)| *text).collect();
    let cookies = parts.iter().filter_map(|(part, _)| jar.set(&part.name(), "", Some(Duration::ZERO)));
    (!sealed.is_empty()).then(|| (sealed, cookies.collect()))
}

/// The name of a cookie that keeps a part of a flow; older flows sort first, and the parts of one in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part<'a> {
    started_at: u64,
    flow: &'a str,
    number: &'a str,
}

impl<'a> Part<'a> {
    fn parse(cookie: &'a str) -> Option<Self> {
        let mut parts = cookie.strip_prefix(FLOW)?.split('.');
        let (started_at, flow, number) = (parts.next()?, parts.next()?, parts.next()?);
        let known = parts.next().is_none() && FlowId::parse(flow).is_some();
        known.then_some(Self { started_at: started_at.parse().ok()?, flow, number })
    }

    fn name(self) -> String {
        format!("{FLOW}{}.{}.{}", self.started_at, self.flow, self.number)
    }
}

/// Calls `work` with everything that a flow is bound to.
fn bound<T>(context: &Context, stage: Stage<'_>, browser: &Browser, work: impl FnOnce(&[&[u8]]) -> T) -> T {
    let (stage, provider) = match stage {
        Stage::Asked => ("asked", ""),
        Stage::Approved(provider) => ("approved", provider.as_str()),
        Stage::ConnectAsked => ("connect asked", ""),
        Stage::Connecting(provider) => ("connecting", provider.as_str()),
        Stage::SignIn(provider) => ("sign-in", provider.as_str()),
    };
    let browser = sha256(browser.0.as_bytes());
    work(&[context.issuer.as_str().as_bytes(), stage.as_bytes(), provider.as_bytes(), &browser])
}

const PURPOSE: &str = "flow";
const BROWSER: &str = "browser";
const FLOW: &str = "flow.";

/// The most characters of one cookie's value; browsers take about 4 KB of name, value and attributes.
const PART: usize = 3500;

/// More than the upstream secrets and the longest provider name add to a sealed flow.
const APPROVAL_ADDS: usize = 250;

/// How many flows one browser can have under way; the oldest is dropped.
const MOST_FLOWS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_of_a_release_without_languages_still_opens() {
        let text = r#"{"id":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","started_at":1800000000,"client":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","client_name":"Claude","redirect_uri":"http://127.0.0.1:5555/callback","state":"s","resource":"https://gate.example/mcp","scopes":"notes:read","refresh":true,"challenge":"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM","prompt":"as_needed"}"#;
        let flow: Flow = serde_json::from_str(text).unwrap();
        assert_eq!(flow.language, "", "which is no language, so that the browser's own counts");
    }
}
