use coatroom_protocol::words::{ClientId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// The last good document of a client that somebody let in: what continues its grants while its host is down. Nobody writes
/// one before a person has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientDocumentRecord {
    /// The URL of the document, which is the client's id.
    pub(crate) client: ClientId,
    /// The document, as it was fetched.
    pub(crate) text: String,
    /// From when on no grant can rest on it.
    pub(crate) kept_until: Timestamp,
}

impl ClientDocumentRecord {
    /// The key of a client's document.
    pub(crate) fn key_of(client: &ClientId) -> String {
        client.hash().to_string()
    }
}

impl Stored for ClientDocumentRecord {
    const KIND: Kind = Kind::ClientDocument;

    fn key(&self) -> String {
        Self::key_of(&self.client)
    }

    fn owner(&self) -> Option<String> {
        None
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.kept_until)
    }
}
