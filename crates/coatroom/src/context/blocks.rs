//! Which registered clients an operator does not want.
//!
//! Registrations are kept nowhere, so they cannot be deleted; a block is what takes their place. Blocks are records
//! of the store and are read again with the revocations.

use std::sync::{PoisonError, RwLock};

use coatroom_protocol::client::{Client, ClientOrigin, RedirectUri};
use coatroom_protocol::words::{ClientId, Timestamp};
use tokio::sync::OnceCell;
use url::Url;

use crate::error::Error;
use crate::records::{self, SettingRecord};
use crate::store::{Kind, Store};

/// One thing that is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Block {
    /// One client, by the hash of its id.
    Client(String),
    /// Every client that may send its answers to this host.
    RedirectHost(String),
    /// Every client that registered before this time.
    RegisteredBefore(Timestamp),
}

/// A text is not a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a block is client:HASH, redirect-host:HOST or registered-before:UNIX-SECONDS")]
#[non_exhaustive]
pub struct BlockForm;

impl Block {
    /// Blocks one client.
    #[must_use]
    pub fn client(id: &ClientId) -> Self {
        Self::Client(id.hash().to_string())
    }

    /// Reads the spelling under which a block is kept.
    ///
    /// # Errors
    /// [`BlockForm`].
    pub fn parse(text: &str) -> Result<Self, BlockForm> {
        match text.split_once(':').ok_or(BlockForm)? {
            ("client", hash) if !hash.is_empty() => Ok(Self::Client(hash.to_owned())),
            ("redirect-host", host) if !host.is_empty() => Ok(Self::RedirectHost(host.to_ascii_lowercase())),
            ("registered-before", time) => time
                .parse()
                .map(|time| Self::RegisteredBefore(Timestamp::from_unix(time)))
                .map_err(|_| BlockForm),
            _ => Err(BlockForm),
        }
    }

    /// Keeps the block in a store. Every replica follows within seconds.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub async fn add(&self, store: &dyn Store) -> Result<(), Error> {
        let record = SettingRecord { name: format!("block:{self}"), value: String::new() };
        // One that is there already is what was wanted.
        let _ = records::insert(store, &record).await?;
        Ok(())
    }

    /// Takes the block out of a store.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub async fn remove(&self, store: &dyn Store) -> Result<(), Error> {
        Ok(store.delete(Kind::Setting, &format!("block:{self}")).await?)
    }

    /// Every block that a store keeps.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub async fn list(store: &dyn Store) -> Result<Vec<Self>, Error> {
        let found = records::list::<SettingRecord>(store, SettingRecord::BLOCKS).await?;
        let names = found.iter().filter_map(|seen| seen.value.name.strip_prefix("block:"));
        Ok(names.filter_map(|name| Self::parse(name).ok()).collect())
    }

    fn forbids(&self, client: &Client) -> bool {
        match self {
            Self::Client(hash) => client.id.hash().to_string() == *hash,
            Self::RedirectHost(host) => client.redirect_uris.iter().any(|uri| leads_to(uri, host)),
            Self::RegisteredBefore(time) => {
                matches!(client.origin, ClientOrigin::Registered { issued_at } if issued_at < *time)
            }
        }
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(hash) => write!(f, "client:{hash}"),
            Self::RedirectHost(host) => write!(f, "redirect-host:{host}"),
            Self::RegisteredBefore(time) => write!(f, "registered-before:{}", time.unix()),
        }
    }
}

/// The blocks as they were last read.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    current: RwLock<Vec<Block>>,
    known: OnceCell<()>,
}

impl Blocks {
    /// Whether the client is blocked.
    pub(crate) fn forbids(&self, client: &Client) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).iter().any(|block| block.forbids(client))
    }

    /// Whether a client that is described by a document is blocked, as far as its id and these redirect URIs tell.
    pub(super) fn forbid_document(&self, id: &ClientId, redirect_uris: &[RedirectUri]) -> bool {
        let hash = id.hash().to_string();
        let blocks = self.current.read().unwrap_or_else(PoisonError::into_inner);
        blocks.iter().any(|block| match block {
            Block::Client(blocked) => *blocked == hash,
            Block::RedirectHost(host) => redirect_uris.iter().any(|uri| leads_to(uri, host)),
            Block::RegisteredBefore(_) => false,
        })
    }

    /// Whether nothing is blocked at all.
    pub(super) fn is_empty(&self) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Reads the blocks unless they were read before: until then nobody knows which clients may be let in.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn know(&self, store: &dyn Store) -> Result<(), Error> {
        let read = async || {
            self.set(Block::list(store).await?);
            Ok(())
        };
        self.known.get_or_try_init(read).await.copied()
    }

    pub(super) fn set(&self, blocks: Vec<Block>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = blocks;
    }
}

fn leads_to(uri: &RedirectUri, host: &str) -> bool {
    Url::parse(uri.as_str()).is_ok_and(|url| url.host_str().is_some_and(|its| its.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use coatroom_protocol::client::{AppUris, RedirectUri};

    use super::*;

    fn client(redirect: &str, issued_at: u64) -> Client {
        let uri = RedirectUri::parse(redirect, &AppUris::none()).unwrap();
        let mut client = Client::configured("portal", None, vec![uri]).unwrap();
        client.origin = ClientOrigin::Registered { issued_at: Timestamp::from_unix(issued_at) };
        client
    }

    #[test]
    fn blocks_print_and_parse_back() {
        for text in ["client:abc", "redirect-host:evil.example", "registered-before:1700000000"] {
            assert_eq!(Block::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "client:", "registered-before:yesterday", "other:x"] {
            assert_eq!(Block::parse(bad), Err(BlockForm), "{bad}");
        }
    }

    #[test]
    fn a_client_is_blocked_by_id_by_host_and_by_age() {
        let evil = client("https://evil.example/cb", 100);
        assert!(Block::client(&evil.id).forbids(&evil));
        assert!(Block::RedirectHost("EVIL.example".to_owned()).forbids(&evil));
        assert!(!Block::RedirectHost("evil".to_owned()).forbids(&evil));
        assert!(Block::RegisteredBefore(Timestamp::from_unix(101)).forbids(&evil));
        assert!(!Block::RegisteredBefore(Timestamp::from_unix(100)).forbids(&evil));
    }
}
