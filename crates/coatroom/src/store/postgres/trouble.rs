//! What can be wrong with the database, in words that name the server and never the password.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem;
use tokio_postgres::error::SqlState;

use super::schema::FORMAT;
use crate::store::StoreError;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "this is no URL of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE with options that are known; \
         in a password write @ : / ? # % as %40 %3A %2F %3F %23 %25"
    )]
    NoUrl,
    #[error(
        "sslmode is `disable` or `require`; with `require`, certificate and host name are always verified"
    )]
    SslMode,
    #[error("pool_size is a number from 1 to 1000")]
    PoolSize,
    #[error("the certificates, or the key, in {} cannot be read", path.display())]
    Certificates { path: PathBuf, source: pem::Error },
    #[error("no certificate is there to trust: name a file with some by sslrootcert=FILE")]
    NoCertificates,
    #[error("a certificate of this program needs both: sslcert=FILE and sslkey=FILE")]
    HalfCertificate,
    #[error("TLS cannot be set up")]
    Tls { source: rustls::Error },
    #[error("cannot connect to {place}")]
    Connect { place: Arc<str>, source: tokio_postgres::Error },
    #[error(
        "{place} refuses the password: set the one that this user has there in `store`, with @ : / ? # % written as %40 %3A %2F %3F %23 %25"
    )]
    Password { place: Arc<str>, source: tokio_postgres::Error },
    #[error("a moment ago: {reason}")]
    Resting { reason: String },
    #[error("{place} did not answer in time")]
    Slow { place: Arc<str> },
    #[error("{place} does not keep texts as UTF-8")]
    NotUtf8 { place: Arc<str> },
    #[error("{place} has a table coatroom_records that is not of this program")]
    Foreign { place: Arc<str> },
    #[error(
        "the table in {place} has format {found}, but this program knows formats up to {FORMAT} only: run a newer one, or \
         restore a backup"
    )]
    Newer { place: Arc<str>, found: i64 },
    #[error("the table in {place} cannot be laid out")]
    Layout { place: Arc<str>, source: tokio_postgres::Error },
    #[error("{place} refused, or did not answer")]
    Query { place: Arc<str>, source: tokio_postgres::Error },
    #[error("a record of the kind `{kind}` is not known to this program")]
    UnknownKind { kind: String },
    #[error("the work was given up")]
    GivenUp,
}

impl Trouble {
    /// Why a connection could not be made.
    pub(super) fn connecting(place: Arc<str>, source: tokio_postgres::Error) -> Self {
        match source.code() {
            Some(&SqlState::INVALID_PASSWORD) => Self::Password { place, source },
            _ => Self::Connect { place, source },
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        Self::unavailable(trouble)
    }
}
