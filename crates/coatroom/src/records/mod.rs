//! What is kept, typed: one file per kind of record.
//!
//! Bodies are JSON with a version. Everything in them that is secret is hashed or sealed before it gets here.

mod access_token;
#[cfg(feature = "server")]
mod account;
#[cfg(feature = "server")]
mod assertion;
#[cfg(feature = "server")]
mod client_document;
mod connection;
mod grant;
mod grant_data;
mod revocation;
mod setting;

pub(crate) use access_token::AccessTokenRecord;
#[cfg(feature = "server")]
pub(crate) use account::{AccountRecord, PasswordLink};
#[cfg(feature = "server")]
pub(crate) use assertion::AssertionRecord;
#[cfg(feature = "server")]
pub(crate) use client_document::ClientDocumentRecord;
pub(crate) use connection::{ConnectionRecord, Lease};
pub(crate) use grant::GrantRecord;
pub(crate) use grant_data::GrantDataRecord;
pub(crate) use revocation::RevocationRecord;
pub(crate) use setting::SettingRecord;

use coatroom_protocol::words::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::store::{Kind, NewRecord, Record, Store, StoreError, Version};

/// A kind of record with a typed body.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: Kind;

    /// What it is found by.
    fn key(&self) -> String;

    /// What it is listed by.
    fn owner(&self) -> Option<String>;

    /// From when on it is as good as absent.
    fn expires_at(&self) -> Option<Timestamp>;
}

/// A record as it was read: its value, and the version that a replacement must name.
#[derive(Debug, Clone)]
pub(crate) struct Seen<T> {
    /// The typed body.
    pub(crate) value: T,
    /// The version at which it was read.
    pub(crate) version: Version,
}

/// Whether a write happened, or someone was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was written and is durable.
    Done,
    /// Someone was faster; nothing was written.
    Beaten,
}

/// Reads a record.
///
/// # Errors
/// [`Error::Unavailable`] when the store is down, [`Error::Corrupt`] when the body cannot be read.
pub(crate) async fn load<T: Stored>(store: &dyn Store, key: &str) -> Result<Option<Seen<T>>, Error> {
    store.get(T::KIND, key).await?.map(|record| read(&record)).transpose()
}

/// Lists the records of an owner.
///
/// # Errors
/// As [`load`].
pub(crate) async fn list<T: Stored>(store: &dyn Store, owner: &str) -> Result<Vec<Seen<T>>, Error> {
    store.list(T::KIND, owner).await?.iter().map(read).collect()
}

/// Lists some of the records of an owner, and where the next ones begin.
///
/// # Errors
/// As [`load`].
#[cfg(feature = "server")]
pub(crate) async fn list_page<T: Stored>(
    store: &dyn Store,
    owner: &str,
    place: Option<&str>,
) -> Result<(Vec<Seen<T>>, Option<String>), Error> {
    let crate::store::Page { records, next } = store.list_page(T::KIND, owner, place).await?;
    Ok((records.iter().map(read).collect::<Result<_, _>>()?, next))
}

/// Writes a record that does not exist yet.
///
/// # Errors
/// [`Error::Unavailable`] when it is not known whether it was written.
pub(crate) async fn insert<T: Stored>(store: &dyn Store, value: &T) -> Result<Written, Error> {
    match store.insert(write(value)?).await {
        Ok(()) => Ok(Written::Done),
        Err(StoreError::Exists) => Ok(Written::Beaten),
        Err(error) => Err(error.into()),
    }
}

/// Replaces a record that was seen at a version.
///
/// # Errors
/// [`Error::Unavailable`] when it is not known whether it was written.
pub(crate) async fn replace<T: Stored>(
    store: &dyn Store,
    value: &T,
    seen: Version,
) -> Result<Written, Error> {
    match store.replace(write(value)?, seen).await {
        Ok(()) => Ok(Written::Done),
        Err(StoreError::Changed) => Ok(Written::Beaten),
        Err(error) => Err(error.into()),
    }
}

/// Writes a record that does not exist yet, and then replaces one that was seen at a version: both, or neither.
///
/// # Errors
/// [`Error::Unavailable`] when it is not known what was written; it may be `new` alone.
#[cfg(feature = "server")]
pub(crate) async fn insert_then_replace(
    store: &dyn Store,
    new: &impl Stored,
    value: &impl Stored,
    seen: Version,
) -> Result<Written, Error> {
    match store.insert_then_replace(write(new)?, write(value)?, seen).await {
        Ok(()) => Ok(Written::Done),
        Err(StoreError::Exists | StoreError::Changed) => Ok(Written::Beaten),
        Err(error) => Err(error.into()),
    }
}

/// Every body as it is written: its members, and the version of their form.
#[derive(Serialize)]
struct Body<'a, T> {
    v: u32,
    #[serde(flatten)]
    value: &'a T,
}

/// The version of the form of a body, whatever else is in it.
#[derive(Deserialize)]
struct Form {
    v: u32,
}

/// The typed body of a record.
///
/// # Errors
/// [`Error::Corrupt`] when it cannot be read.
pub(crate) fn read<T: Stored>(record: &Record) -> Result<Seen<T>, Error> {
    let corrupt = |reason: String| Error::Corrupt { what: T::KIND.as_str(), reason };
    let unreadable = |error: serde_json::Error| corrupt(without_content(&error));
    // Twice over the text is less work than once with every member kept aside until all are known.
    let Form { v } = serde_json::from_str(&record.body).map_err(unreadable)?;
    if v != FORM {
        return Err(corrupt(format!("its form is version {v}, this program knows {FORM}")));
    }
    let value = serde_json::from_str(&record.body).map_err(unreadable)?;
    Ok(Seen { value, version: record.version })
}

fn write<T: Stored>(value: &T) -> Result<NewRecord, Error> {
    let body = serde_json::to_string(&Body { v: FORM, value });
    let corrupt =
        |error: serde_json::Error| Error::Corrupt { what: T::KIND.as_str(), reason: without_content(&error) };
    Ok(NewRecord {
        kind: T::KIND,
        key: value.key(),
        owner: value.owner(),
        expires_at: value.expires_at(),
        body: body.map_err(corrupt)?,
    })
}

/// Where the JSON is wrong, without quoting it.
fn without_content(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}

/// The version of the form of every body.
const FORM: u32 = 1;
