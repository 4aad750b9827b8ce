//! Clients that are described by a document at the URL that is their id: fetching the document, its keys and its logo, and
//! remembering them (draft-ietf-oauth-client-id-metadata-document §5 and §8).
//!
//! What a document may say is decided in `coatroom_protocol::client`; how strangers' addresses are reached, in
//! [`PublicWeb`](crate::outbound::PublicWeb). Here is decided when something is fetched: once for all who ask, within
//! budgets for each host and in all, never for a host that the operator denies, and never when nobody said that documents
//! are taken. Errors are not remembered. The last good copy of a document serves clients that were let in before.

mod availability;
mod failure;
mod kept;
mod logos;

pub(crate) use failure::DocumentFailure;
pub(crate) use logos::Logo;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use coatroom_protocol::client::{
    AppUris, ClientDocument, ClientUrl, DocumentRefusal, DocumentRules, FetchedDocument, check_document,
    document_life,
};
use coatroom_protocol::jws::KeySet;
use coatroom_protocol::words::Issuer;
use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE};

use self::availability::Availability;
use self::kept::{Fresh, Kept, Need};
use self::logos::Logos;
use crate::allowance::Allowance;
use crate::clock::Clock;
use crate::outbound::{Fetched, PublicWeb, PublicWebError, Reach, Wanted};
use crate::settings::{self, Rate};

/// Documents of clients, with what belongs to them.
#[derive(Debug)]
pub(crate) struct ClientDocuments {
    settings: settings::ClientDocuments,
    web: PublicWeb,
    clock: Arc<dyn Clock>,
    app_uris: AppUris,
    /// This server, which fetches nothing from itself.
    issuer: Issuer,
    documents: Kept<KnownDocument>,
    keys: Kept<KeySet>,
    pictures: Kept<Logo>,
    logos: Logos,
    availability: Arc<Availability>,
    by_host: Allowance<String>,
    in_all: Allowance<()>,
}

/// A document as it was fetched, and what it says.
#[derive(Debug)]
pub(crate) struct KnownDocument {
    pub(crate) document: ClientDocument,
    /// Its text, for whoever keeps a copy.
    pub(crate) text: String,
}

/// Of what documents are made.
#[derive(Debug)]
pub(crate) struct DocumentParts {
    pub(crate) settings: settings::ClientDocuments,
    pub(crate) web: PublicWeb,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) app_uris: AppUris,
}

impl ClientDocuments {
    pub(crate) fn new(parts: DocumentParts, issuer: &Issuer) -> Self {
        let DocumentParts { settings, web, clock, app_uris } = parts;
        Self {
            availability: Arc::new(Availability::new(&settings)),
            settings,
            web,
            clock,
            app_uris,
            issuer: issuer.clone(),
            documents: Kept::new(MOST_BYTES),
            keys: Kept::new(MOST_BYTES),
            pictures: Kept::new(MOST_BYTES),
            logos: Logos::default(),
            by_host: Allowance::new(PER_HOST, MOST_HOSTS),
            in_all: Allowance::new(IN_ALL, 1),
        }
    }

    /// Starts to look for a way out of this network, where that decides whether documents are taken.
    pub(crate) fn start(&self) {
        self.availability.start(&self.web);
    }

    /// Whether documents are taken. Whoever asks first may wait a moment for the answer.
    pub(crate) async fn are_taken(&self) -> bool {
        self.availability.settled(&self.web).await
    }

    /// Whether documents can never be taken.
    pub(crate) fn are_off(&self) -> bool {
        self.settings.mode == settings::DocumentMode::Off
    }

    /// A document that is good now, if asking for it needs no fetch.
    pub(crate) fn fresh(&self, url: &ClientUrl) -> Option<Arc<KnownDocument>> {
        self.documents.fresh(url.as_str(), self.clock.elapsed())
    }

    /// The last good copy that is remembered, whatever its age.
    pub(crate) fn last(&self, url: &ClientUrl) -> Option<Arc<KnownDocument>> {
        self.documents.last(url.as_str())
    }

    /// Whether a URL may be asked for, before anything is fetched.
    pub(crate) fn permit(&self, url: &ClientUrl) -> Result<(), DocumentFailure> {
        if !self.settings.hosts.permit(url.host()) {
            return Err(DocumentFailure::Host);
        }
        self.permit_machine(url)
    }

    /// Nothing is fetched from this server itself, nor from this machine except for development.
    fn permit_machine(&self, url: &ClientUrl) -> Result<(), DocumentFailure> {
        let is_own = match (url.is_loopback(), self.settings.loopback) {
            (true, true) => url.is_at(self.issuer.as_str()),
            (true, false) => true,
            // Nobody else's document lies at this server's own name, whatever the port.
            (false, _) => url.has_host_of(self.issuer.as_str()),
        };
        if is_own { Err(DocumentFailure::Host) } else { Ok(()) }
    }

    /// A document that is good now: remembered within its life, or fetched. What new grants rest on.
    pub(crate) async fn current(&self, url: &ClientUrl) -> Result<Arc<KnownDocument>, DocumentFailure> {
        self.permit(url)?;
        if let Some(fresh) = self.fresh(url) {
            return Ok(fresh);
        }
        self.fetch_document(url, Need::New).await
    }

    /// A document that is good now, if it can be had without hurry. What continues an old grant when there is a last good
    /// copy.
    pub(crate) async fn better(&self, url: &ClientUrl) -> Option<Arc<KnownDocument>> {
        self.permit(url).ok()?;
        match self.fresh(url) {
            Some(fresh) => Some(fresh),
            None => self.fetch_document(url, Need::Better).await.ok(),
        }
    }

    /// A document other than `seen`, which lacked a key.
    pub(crate) async fn newer(&self, url: &ClientUrl, seen: &ClientDocument) -> Option<Arc<KnownDocument>> {
        let known = self.last(url).filter(|known| known.document.client != seen.client);
        if known.is_some() {
            return known;
        }
        self.permit(url).ok()?;
        let newer = self.fetch_document(url, Need::Better).await.ok()?;
        Some(newer).filter(|newer| newer.document.client != seen.client)
    }

    /// Reads a copy that was kept elsewhere, by the rules of today.
    pub(crate) fn read(&self, url: &ClientUrl, text: &str) -> Result<KnownDocument, DocumentRefusal> {
        let fetched =
            FetchedDocument { status: 200, content_type: Some("application/json"), body: text.as_bytes() };
        let document = check_document(url, &fetched, &self.rules())?;
        Ok(KnownDocument { document, text: text.to_owned() })
    }

    /// The keys at an address; `trusted` when the operator wrote it. An old copy serves for a day while there is no new one:
    /// a key that was withdrawn must not live on for ever.
    pub(crate) async fn keys(&self, url: &ClientUrl, trusted: bool) -> Result<Arc<KeySet>, DocumentFailure> {
        if trusted {
            self.permit_machine(url)?;
        } else {
            self.permit(url)?;
        }
        let now = self.clock.elapsed();
        if let Some(fresh) = self.keys.fresh(url.as_str(), now) {
            return Ok(fresh);
        }
        match self.keys.recent(url.as_str(), now, KEYS_SERVE) {
            Some(recent) => Ok(self.fetch_keys(url, Need::Better).await.unwrap_or(recent)),
            None => self.fetch_keys(url, Need::New).await,
        }
    }

    /// Keys other than `seen`, which lacked one. Asked for twice a minute at the most.
    pub(crate) async fn newer_keys(&self, url: &ClientUrl, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        if let Some(known) = self.keys.last(url.as_str()).filter(|known| !Arc::ptr_eq(known, seen)) {
            return Some(known);
        }
        self.fetch_keys(url, Need::Better).await.ok()
    }

    /// The logo at an address, if it can be had in a moment; a slow one is there the next time.
    pub(crate) async fn logo(self: &Arc<Self>, address: &str) -> Option<Logo> {
        let url = ClientUrl::parse(address).ok()?;
        self.permit(&url).ok()?;
        let known = self.pictures.fresh(url.as_str(), self.clock.elapsed());
        let logo = if let Some(logo) = known {
            logo
        } else {
            let this = Arc::clone(self);
            let fetching = tokio::spawn(async move { this.fetch_logo(&url).await });
            tokio::time::timeout(LOGO_PATIENCE, fetching).await.ok()?.ok()?.ok()?
        };
        self.logos.keep(&logo);
        Some(logo.as_ref().clone())
    }

    /// A logo that a page refers to.
    pub(crate) fn picture(&self, name: &str) -> Option<Logo> {
        self.logos.find(name)
    }

    async fn fetch_document(
        &self,
        url: &ClientUrl,
        need: Need,
    ) -> Result<Arc<KnownDocument>, DocumentFailure> {
        let fetch = async || {
            let fetched = self.get(url, "application/json").await?;
            if is_outage(fetched.status) {
                tracing::info!(client.id = %url, status = fetched.status, "the host of a client's document is down");
                return Err(DocumentFailure::Unreachable);
            }
            let life = self.life(&fetched);
            let answer = FetchedDocument {
                status: fetched.status,
                content_type: fetched.header(CONTENT_TYPE),
                body: &fetched.body,
            };
            let document = check_document(url, &answer, &self.rules()).inspect_err(|refusal| {
                tracing::info!(client.id = %url, reason = %refusal, "the document of a client is not good");
            })?;
            // The check has read it as UTF-8.
            let text = String::from_utf8_lossy(&fetched.body).into_owned();
            let weight = 2 * text.len();
            Ok(Fresh { value: KnownDocument { document, text }, life, weight })
        };
        self.documents.fetch(url.as_str(), need, || self.clock.elapsed(), fetch).await
    }

    async fn fetch_keys(&self, url: &ClientUrl, need: Need) -> Result<Arc<KeySet>, DocumentFailure> {
        let fetch = async || {
            let fetched = self.get(url, "application/jwk-set+json, application/json").await?;
            let document = (fetched.status == 200)
                .then(|| coatroom_protocol::words::parse_object(&fetched.body).ok())
                .flatten();
            let set = document.and_then(|document| KeySet::parse(&document.into()));
            let set = set.ok_or(DocumentFailure::Keys).inspect_err(|_| {
                tracing::info!(jwks_uri = %url, status = fetched.status, "the keys of a client cannot be read");
            })?;
            Ok(Fresh { value: set, life: self.life(&fetched), weight: fetched.body.len() })
        };
        self.keys.fetch(url.as_str(), need, || self.clock.elapsed(), fetch).await
    }

    async fn fetch_logo(&self, url: &ClientUrl) -> Result<Arc<Logo>, DocumentFailure> {
        let fetch = async || {
            let fetched = self.get(url, "image/png, image/webp, image/jpeg, image/gif").await?;
            let logo = (fetched.status == 200).then(|| Logo::read(fetched.body.clone())).flatten();
            let logo = logo.ok_or(DocumentFailure::Unreachable)?;
            let weight = logo.bytes.len();
            Ok(Fresh { value: logo, life: self.life(&fetched).max(LOGO_LIFE), weight })
        };
        self.pictures.fetch(url.as_str(), Need::Better, || self.clock.elapsed(), fetch).await
    }

    /// Fetches from a stranger's address, within the budgets.
    async fn get(&self, url: &ClientUrl, accept: &'static str) -> Result<Fetched, DocumentFailure> {
        let now = self.clock.elapsed();
        self.by_host.take(url.host().to_owned(), now).map_err(DocumentFailure::Busy)?;
        self.in_all.take((), now).map_err(DocumentFailure::Busy)?;
        let reach = if url.is_loopback() && self.settings.loopback { Reach::Loopback } else { Reach::Public };
        let wanted = Wanted {
            url: url.as_str(),
            accept,
            limit: self.settings.body_limit,
            deadline: self.settings.deadline,
            reach,
        };
        self.web.get(&wanted).await.map_err(|error| {
            log(url, &error);
            match error {
                PublicWebError::TooLarge { limit } => DocumentRefusal::TooLarge(limit).into(),
                PublicWebError::Encoded => DocumentRefusal::Encoded.into(),
                _ => DocumentFailure::Unreachable,
            }
        })
    }

    fn life(&self, fetched: &Fetched) -> Duration {
        let longest = self.settings.longest_life;
        let now = UNIX_EPOCH + Duration::from_secs(self.clock.now().unix());
        let control = fetched.list(CACHE_CONTROL);
        document_life(control.as_deref(), fetched.header(AGE), fetched.expires(now), longest)
    }

    fn rules(&self) -> DocumentRules<'_> {
        DocumentRules { apps: &self.app_uris, same_origin: self.settings.same_origin }
    }
}

/// Whether the host says that it cannot answer now, and nothing about what it would.
const fn is_outage(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

fn log(url: &ClientUrl, error: &PublicWebError) {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    tracing::info!(host = url.authority(), %error, causes = causes.join(": "), "a stranger's address gave nothing");
}

/// The memory for things of one kind.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How often one host is asked for anything, and everybody together.
const PER_HOST: Rate = Rate::per_minute(60);
const IN_ALL: Rate = Rate::per_minute(600);
const MOST_HOSTS: usize = 16_384;

/// How long keys serve that cannot be fetched again.
const KEYS_SERVE: Duration = Duration::from_hours(24);

/// How long a page waits for a logo.
const LOGO_PATIENCE: Duration = Duration::from_millis(1500);

const LOGO_LIFE: Duration = Duration::from_hours(1);
