use coatroom_protocol::words::Timestamp;
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

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
