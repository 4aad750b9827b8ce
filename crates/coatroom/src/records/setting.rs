use coatroom_protocol::words::{KeyId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::error::Error;
use crate::store::{Kind, Store};

/// Something that all replicas must agree on, or that an operator decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SettingRecord {
    /// What it is.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

impl SettingRecord {
    /// The owner of what operators blocked: client ids (by hash), redirect hosts, registrations before a time.
    pub(crate) const BLOCKS: &'static str = "blocks";

    /// The note that a wrapping key was retired: what was sealed under it and was not sealed again opens never more.
    pub(crate) fn retired(key: KeyId) -> Self {
        Self { name: format!("retired:wrapping:{key}"), value: String::new() }
    }

    /// Whether a wrapping key was retired. One that is only unknown here may be known again: an old copy of the key file is
    /// no reason to end anything.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn is_retired(store: &dyn Store, key: KeyId) -> Result<bool, Error> {
        Ok(super::load::<Self>(store, &Self::retired(key).name).await?.is_some())
    }
}

impl Stored for SettingRecord {
    const KIND: Kind = Kind::Setting;

    fn key(&self) -> String {
        self.name.clone()
    }

    fn owner(&self) -> Option<String> {
        self.name.starts_with("block:").then(|| Self::BLOCKS.to_owned())
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}
