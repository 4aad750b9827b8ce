use std::time::Duration;

use coatroom_protocol::client::{ClientUrlRefusal, DocumentRefusal};

/// Why a URL describes no client at the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentFailure {
    /// Nobody is described by a document here, or the network does not let us out.
    #[error("clients are not described by documents here")]
    Off,
    /// The URL may not be fetched.
    #[error(transparent)]
    Url(#[from] ClientUrlRefusal),
    /// The operator does not take documents of this host.
    #[error("this server does not take documents of this host")]
    Host,
    /// Too much is being fetched; how long to wait.
    #[error("too many documents are being fetched; wait {} s", .0.as_secs())]
    Busy(Duration),
    /// It was not fetched: the name, the network, the certificate, the time, the size. Which of them is for the log alone,
    /// or a stranger could explore networks through us.
    #[error("the document could not be fetched from its address")]
    Unreachable,
    /// What was fetched describes no client.
    #[error("the document is not good: {0}")]
    Refused(#[from] DocumentRefusal),
    /// What was fetched is no set of public keys.
    #[error("jwks_uri is not answered with a set of public keys")]
    Keys,
}

impl DocumentFailure {
    /// Whether trying again later may help, so that nobody is to be accused.
    pub(crate) const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unreachable | Self::Keys)
    }
}
