//! What handlers keep with a grant: a piece of JSON of their own, sealed as upstream tokens are.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::store::Version;

/// Where a handler's data is kept.
#[async_trait]
pub trait GrantData: Send + Sync + fmt::Debug {
    /// What is kept, if anything is.
    ///
    /// # Errors
    /// [`DataError::Kept`] when nobody can tell, or it does not open.
    async fn load(&self) -> Result<Option<KeptData>, DataError>;

    /// Keeps `json` in the place of what was seen at this version; `None` when nothing was. Whether nobody was faster.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    async fn keep(&self, json: Zeroizing<String>, seen: Option<Version>) -> Result<bool, DataError>;
}

/// What is kept.
#[expect(clippy::exhaustive_structs, reason = "those who keep data build it")]
pub struct KeptData {
    /// What the handler wrote.
    pub json: Zeroizing<String>,
    /// Changes with every write.
    pub version: Version,
}

/// Why a handler's data is not read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// More than is kept.
    #[error("the data has {bytes} bytes as JSON, and at most {LARGEST} are kept with a grant")]
    TooLarge {
        /// How much it is.
        bytes: usize,
    },
    /// What is kept is of another type, or what is to be kept cannot be JSON.
    #[error("the data of this grant is of another form than the handler expects: {0}")]
    Form(String),
    /// The caller has no grant here.
    #[error("this caller has no grant here that could keep data")]
    NoGrant,
    /// The place where it is kept failed.
    #[error(transparent)]
    Kept(#[from] Error),
}

impl KeptData {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, DataError> {
        serde_json::from_str(&self.json).map_err(|error| DataError::Form(without_content(&error)))
    }
}

impl fmt::Debug for KeptData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptData").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What is to be kept, as JSON within the limit.
pub(super) fn write<T: Serialize>(data: &T) -> Result<Zeroizing<String>, DataError> {
    let json = serde_json::to_string(data).map(Zeroizing::new);
    let json = json.map_err(|error| DataError::Form(without_content(&error)))?;
    if json.len() > LARGEST { Err(DataError::TooLarge { bytes: json.len() }) } else { Ok(json) }
}

/// Where the trouble is, without what stands there.
fn without_content(error: &serde_json::Error) -> String {
    format!("{:?} at column {}", error.classify(), error.column())
}

/// Nothing is kept: for callers without a grant here.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it")]
pub struct NoData;

#[async_trait]
impl GrantData for NoData {
    async fn load(&self) -> Result<Option<KeptData>, DataError> {
        Ok(None)
    }

    async fn keep(&self, _: Zeroizing<String>, _: Option<Version>) -> Result<bool, DataError> {
        Err(DataError::NoGrant)
    }
}

/// The most that is kept, in bytes.
const LARGEST: usize = 64 * 1024;
