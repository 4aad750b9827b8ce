//! How the gateway meets a server: finds out which revisions of MCP it speaks, and introduces its client.
//!
//! MCP 2026-07-28, Transports, stdio, "Backward Compatibility". A server is spoken to as its client speaks, where it can do so: a server
//! that knows both eras is of both. What a server cannot do is remembered for its next processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coatroom::protocol::bridge::{Envelope, Kind, ModernClient, Welcome, handshake};

use super::link::Link;
use super::process::Gone;

/// Who a server is introduced to.
#[derive(Debug, Clone)]
pub(super) enum Hello {
    /// A client with a session: the params of its `initialize`, as JSON text.
    Session(String),
    /// A client whose requests say what they need.
    Client(ModernClient),
}

/// What is known of the servers of one command.
#[derive(Debug, Default)]
pub(super) struct Manners {
    speaks_modern: AtomicBool,
    no_discovery: AtomicBool,
    no_handshake: AtomicBool,
}

/// Why a server could not be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotMet {
    /// Its process ended.
    #[error("it ended before it answered")]
    Ended,
    /// It refused the handshake, by this JSON-RPC error.
    #[error("it refused the handshake: {0}")]
    Refused(String),
}

impl Manners {
    /// Whether each request is to be served by a process that was told what its client can do: all but those of servers that hear so with
    /// each request.
    pub(super) fn is_told_once(&self) -> bool {
        !self.speaks_modern.load(Ordering::Relaxed)
    }
}

impl From<Gone> for NotMet {
    fn from(Gone: Gone) -> Self {
        Self::Ended
    }
}

impl Hello {
    /// What is said about the client in each request of MCP 2026-07-28.
    pub(super) fn client(&self) -> ModernClient {
        match self {
            Self::Session(params) => ModernClient::of_initialize(params),
            Self::Client(client) => client.clone(),
        }
    }

    fn initialize_params(&self) -> String {
        match self {
            Self::Session(params) => params.clone(),
            Self::Client(client) => handshake::initialize_params(client),
        }
    }
}

/// Meets the server of a process that was just started.
///
/// # Errors
/// [`NotMet`], when it speaks neither as its client does nor in the other way.
pub(super) async fn meet(link: &Arc<Link>, hello: &Hello, manners: &Manners) -> Result<Welcome, NotMet> {
    let is_session = matches!(hello, Hello::Session(_));
    let knows = |flag: &AtomicBool| !flag.load(Ordering::Relaxed);
    if is_session && knows(&manners.no_handshake) || !is_session && !knows(&manners.no_discovery) {
        match initialize(link, hello).await {
            Err(NotMet::Refused(error)) => {
                let welcome = discover(link, hello).await?.ok_or(NotMet::Refused(error))?;
                manners.no_handshake.store(true, Ordering::Relaxed);
                manners.speaks_modern.store(true, Ordering::Relaxed);
                manners.no_discovery.store(false, Ordering::Relaxed);
                Ok(welcome)
            }
            met => met,
        }
    } else {
        if let Some(welcome) = discover(link, hello).await? {
            manners.speaks_modern.store(true, Ordering::Relaxed);
            return Ok(welcome);
        }
        let welcome = initialize(link, hello).await?;
        manners.no_discovery.store(true, Ordering::Relaxed);
        manners.speaks_modern.store(false, Ordering::Relaxed);
        manners.no_handshake.store(false, Ordering::Relaxed);
        Ok(welcome)
    }
}

async fn initialize(link: &Arc<Link>, hello: &Hello) -> Result<Welcome, NotMet> {
    let params = hello.initialize_params();
    let answer = link.request("initialize", &params).await?.answer().await.ok_or(NotMet::Ended)?;
    let message = Envelope::read(&answer).ok_or(NotMet::Ended)?;
    match (message.result(), message.error()) {
        (Some(result), _) => Ok(Welcome::Legacy(result.to_owned())),
        (None, error) => Err(NotMet::Refused(error.unwrap_or_default().to_owned())),
    }
}

/// `None` when the server is an older one: it refuses, or does not answer what it does not know.
async fn discover(link: &Arc<Link>, hello: &Hello) -> Result<Option<Welcome>, NotMet> {
    let client = hello.client();
    let mut calling = link.request("server/discover", &handshake::discover_params(&client)).await?;
    // An older server has no such request that it could stop.
    calling.leave_running();
    let Ok(answer) = tokio::time::timeout(PROBE, calling.answer()).await else { return Ok(None) };
    let answer = answer.ok_or(NotMet::Ended)?;
    let Some(message) = Envelope::read(&answer) else { return Ok(None) };
    let is_result = matches!(message.kind, Kind::Result { .. });
    Ok(message.result().filter(|_| is_result).and_then(Welcome::discovered))
}

/// How long a server may think about `server/discover`. Many take seconds to start; one that answers later, after `initialize`, is taken
/// for an older one, which it also is.
const PROBE: Duration = Duration::from_secs(10);
