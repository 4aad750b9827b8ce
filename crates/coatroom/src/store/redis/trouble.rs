//! What can be wrong with the server, in words that name it and never a password.

use std::path::PathBuf;
use std::sync::Arc;

use super::layout::FORMAT;
use crate::store::StoreError;

/// Why the server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "this is no URL of the forms redis://USER:PASSWORD@HOST:PORT/DATABASE, redis+cluster://HOST:PORT,HOST:PORT or \
         redis+sentinel://HOST:PORT,HOST:PORT/NAME/DATABASE, or with `rediss` for TLS; in a password write \
         @ : / ? # % as %40 %3A %2F %3F %23 %25"
    )]
    NoUrl,
    #[error(
        "a Redis URL has no options but ssl_ca_certs, ssl_certfile and ssl_keyfile, and with Sentinels sentinel_username and \
         sentinel_password"
    )]
    Option,
    #[error("a cluster has no databases: leave out what follows the hosts")]
    ClusterDatabase,
    #[error("a certificate of this program needs both: ssl_certfile=FILE and ssl_keyfile=FILE")]
    HalfCertificate,
    #[error("ssl_ca_certs, ssl_certfile and ssl_keyfile are for TLS: write `rediss` in the place of `redis`")]
    CertificatesWithoutTls,
    #[error("the certificates in {} cannot be read", path.display())]
    Certificates { path: PathBuf, source: std::io::Error },
    #[error("{place} cannot be used")]
    Client { place: Arc<str>, source: redis::RedisError },
    #[error("cannot connect to {place}")]
    Connect { place: Arc<str>, source: redis::RedisError },
    #[error("a moment ago: {reason}")]
    Resting { reason: String },
    #[error("{place} did not answer in time")]
    Slow { place: Arc<str> },
    #[error("{place} refused, or did not answer")]
    Query { place: Arc<str>, source: redis::RedisError },
    #[error("{place} answered what the scripts of this program never say")]
    Answer { place: Arc<str>, source: redis::ParsingError },
    #[error(
        "{place} has records of format {found}, but this program knows formats up to {FORMAT} only: run a newer one, or \
         restore a backup"
    )]
    Newer { place: Arc<str>, found: u64 },
    #[error("the key coatroom:format in {place} is not of this program")]
    Foreign { place: Arc<str> },
    #[error(
        "{place} came back empty: it lost what it kept, as one with appendonly no does when it stops. Nothing is answered, since \
         everybody would be signed out. Start it with its data, and all goes on; or start this program again to begin anew"
    )]
    Emptied { place: Arc<str> },
    #[error(
        "a server of {place} came back empty: it lost what it kept, as one with appendonly no does when it stops. What is absent is \
         not believed, since its users would be signed out. Start it with its data, and all goes on; or start this program again to \
         go on without"
    )]
    PartlyEmptied { place: Arc<str> },
    #[error("a record of the kind `{kind}` is not known to this program")]
    UnknownKind { kind: String },
    #[error("the work was given up")]
    GivenUp,
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        Self::unavailable(trouble)
    }
}
