//! Which client an id means, and whether it may act.

#[cfg(feature = "server")]
use std::sync::Arc;

use coatroom_protocol::client::{Client, ClientOrigin, ClientUrl, RedirectUri, open};
#[cfg(feature = "server")]
use coatroom_protocol::client::{ClientAuthentication, KeySource};
use coatroom_protocol::grant::{Grant, GrantState};
#[cfg(feature = "server")]
use coatroom_protocol::jws::KeySet;
use coatroom_protocol::words::ClientId;

use super::Context;
#[cfg(feature = "server")]
use crate::client_documents::{DocumentFailure, KnownDocument};
#[cfg(feature = "server")]
use crate::error::Error;
#[cfg(feature = "server")]
use crate::records::{self, ClientDocumentRecord};

/// Why a client id names no client that may act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientRefusal {
    /// Neither configured nor registered under a key that is known.
    #[error("the client is not registered here")]
    Unknown,
    /// An operator blocked it.
    #[error("the client was blocked by the operator")]
    Blocked,
    /// It is described by a document, which is not to be had.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Document(#[from] DocumentFailure),
    /// The store is down.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Inside(#[from] Error),
}

/// A client, and the document that describes it, if one does.
#[cfg(feature = "server")]
#[derive(Debug)]
pub(crate) struct FoundClient {
    pub(crate) client: Client,
    pub(crate) document: Option<Arc<KnownDocument>>,
}

#[cfg(feature = "server")]
impl FoundClient {
    fn of_document(document: Arc<KnownDocument>) -> Self {
        Self { client: document.document.client.clone(), document: Some(document) }
    }
}

impl Context {
    /// The client that an id names by itself: configured, or described by the id.
    fn named_client(&self, id: &ClientId) -> Result<Client, ClientRefusal> {
        let client = match self.configured_clients.get(id) {
            Some(client) => client.clone(),
            None if self.registration => {
                open(id, &self.keys().registration).map_err(|_| ClientRefusal::Unknown)?
            }
            None => return Err(ClientRefusal::Unknown),
        };
        self.check_blocks(&client)?;
        Ok(client)
    }

    fn check_blocks(&self, client: &Client) -> Result<(), ClientRefusal> {
        let blocked = client.origin != ClientOrigin::Configured && self.blocks.forbids(client);
        if blocked { Err(ClientRefusal::Blocked) } else { Ok(()) }
    }

    /// Whether the operator blocked the client of a live grant. One that is not known any more is not blocked for that.
    pub(crate) fn is_blocked(&self, id: &ClientId, grant: &Grant) -> bool {
        if self.blocks.is_empty() {
            return false;
        }
        if !ClientUrl::is_meant_by(id) {
            return matches!(self.named_client(id), Err(ClientRefusal::Blocked));
        }
        // The document need not be at hand: the grant knows where its answer went.
        let redirect = match &grant.state {
            GrantState::Active(active) => RedirectUri::try_from(active.redeemed.redirect_uri.clone()).ok(),
            _ => None,
        };
        self.blocks.forbid_document(id, redirect.as_slice())
    }
}

#[cfg(feature = "server")]
impl Context {
    /// The client that a person is sent here by: its document must be good now.
    ///
    /// # Errors
    /// [`ClientRefusal`].
    pub(crate) async fn asking_client(&self, id: &ClientId) -> Result<FoundClient, ClientRefusal> {
        if !ClientUrl::is_meant_by(id) {
            return Ok(FoundClient { client: self.named_client(id)?, document: None });
        }
        let url = self.client_url(id)?;
        if !self.client_documents.are_taken().await {
            return Err(DocumentFailure::Off.into());
        }
        let found = FoundClient::of_document(self.client_documents.current(&url).await?);
        self.check_blocks(&found.client)?;
        Ok(found)
    }

    /// The client of a token request. What was let in before goes on while its document's host is down; nothing is fetched for
    /// a client to which nobody ever agreed, unless `is_let_in` says that the token in the request is its own.
    ///
    /// # Errors
    /// [`ClientRefusal`].
    pub(crate) async fn acting_client(
        &self,
        id: &ClientId,
        is_let_in: impl AsyncFnOnce() -> Result<bool, Error>,
    ) -> Result<FoundClient, ClientRefusal> {
        if !ClientUrl::is_meant_by(id) {
            return Ok(FoundClient { client: self.named_client(id)?, document: None });
        }
        let url = self.client_url(id)?;
        let last = match self.client_documents.last(&url) {
            Some(last) => Some(last),
            None => self.kept_document(id, &url).await?,
        };
        let taken = self.client_documents.are_taken().await;
        let document = match last {
            Some(last) if taken => self.client_documents.better(&url).await.unwrap_or(last),
            Some(last) => last,
            None if taken && is_let_in().await? => self.client_documents.current(&url).await?,
            None => return Err(ClientRefusal::Unknown),
        };
        let found = FoundClient::of_document(document);
        self.check_blocks(&found.client)?;
        Ok(found)
    }

    /// The public keys of a client, and whose word they rest on.
    ///
    /// # Errors
    /// [`DocumentFailure`].
    pub(crate) async fn client_keys(
        &self,
        client: &Client,
        source: &KeySource,
    ) -> Result<Arc<KeySet>, DocumentFailure> {
        match source {
            KeySource::Inline(set) => Ok(Arc::new(set.clone())),
            KeySource::At(url) => self.client_documents.keys(url, client.is_trusted()).await,
        }
    }

    /// Keys other than `seen`, which lacked the one that signed; `None` when there are none.
    pub(crate) async fn newer_client_keys(
        &self,
        found: &FoundClient,
        source: &KeySource,
        seen: &Arc<KeySet>,
    ) -> Option<Arc<KeySet>> {
        match (source, &found.document) {
            (KeySource::At(url), _) => self.client_documents.newer_keys(url, seen).await,
            (KeySource::Inline(_), Some(known)) => {
                let url = ClientUrl::parse(found.client.id.as_str()).ok()?;
                let newer = self.client_documents.newer(&url, &known.document).await?;
                match &newer.document.client.authentication {
                    ClientAuthentication::Keys(keys) => match &keys.source {
                        KeySource::Inline(set) => Some(Arc::new(set.clone())),
                        KeySource::At(url) => self.client_documents.keys(url, false).await.ok(),
                    },
                    _ => None,
                }
            }
            (KeySource::Inline(_), None) => None,
        }
    }

    /// Keeps the document of a client to which a person has just agreed. Without the copy the grant is as good; it only could
    /// not be continued while the document's host is down.
    pub(crate) async fn keep_document(&self, found: &FoundClient) {
        let Some(document) = &found.document else { return };
        let record = ClientDocumentRecord {
            client: found.client.id.clone(),
            text: document.text.clone(),
            kept_until: self.clock.now().plus(self.settings.refresh_life),
        };
        let store = self.store.as_ref();
        let kept = async {
            let key = ClientDocumentRecord::key_of(&record.client);
            match records::load::<ClientDocumentRecord>(store, &key).await? {
                None => records::insert(store, &record).await.map(|_| ()),
                Some(seen) => {
                    let is_due = seen.value.kept_until.plus(REFRESH_COPY) <= record.kept_until;
                    if seen.value.text == record.text && !is_due {
                        return Ok(());
                    }
                    // Somebody faster keeps a copy that is as good.
                    records::replace(store, &record, seen.version).await.map(|_| ())
                }
            }
        };
        if let Err(error) = kept.await {
            tracing::warn!(client.id = %record.client, %error, "the document of a client was not kept");
        }
    }

    /// The URL of a client's document, if it may be asked for at all.
    fn client_url(&self, id: &ClientId) -> Result<ClientUrl, ClientRefusal> {
        if self.client_documents.are_off() {
            return Err(DocumentFailure::Off.into());
        }
        let url = ClientUrl::parse(id.as_str()).map_err(DocumentFailure::Url)?;
        if self.blocks.forbid_document(id, &[]) {
            return Err(ClientRefusal::Blocked);
        }
        self.client_documents.permit(&url)?;
        Ok(url)
    }

    async fn kept_document(
        &self,
        id: &ClientId,
        url: &ClientUrl,
    ) -> Result<Option<Arc<KnownDocument>>, Error> {
        let key = ClientDocumentRecord::key_of(id);
        let seen = records::load::<ClientDocumentRecord>(self.store.as_ref(), &key).await?;
        let Some(seen) = seen.filter(|seen| seen.value.client == *id) else { return Ok(None) };
        // One that is not good by the rules of today is no copy.
        Ok(self.client_documents.read(url, &seen.value.text).ok().map(Arc::new))
    }
}

/// How much older a kept copy may be before it is written anew.
#[cfg(feature = "server")]
const REFRESH_COPY: std::time::Duration = std::time::Duration::from_hours(24);
