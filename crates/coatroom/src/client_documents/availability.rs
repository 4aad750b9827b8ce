//! Whether documents can be fetched at all: some clients try nothing else once they read that they can.

use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use coatroom_protocol::words::is_loopback_host;
use url::Host;

use crate::outbound::{PublicWeb, Reach};
use crate::settings::{ClientDocuments, DocumentMode};

/// What is known of the way out.
#[derive(Debug)]
pub(super) struct Availability {
    mode: DocumentMode,
    probes: Vec<String>,
    /// Whether a probe on this machine says anything: for development.
    loopback: bool,
    started: Once,
    /// `None` until the first look has ended.
    works: watch::Sender<Option<bool>>,
}

impl Availability {
    pub(super) fn new(settings: &ClientDocuments) -> Self {
        let ClientDocuments { mode, loopback, .. } = *settings;
        let probes = settings.probes.clone();
        let works = match mode {
            DocumentMode::Auto => None,
            DocumentMode::On => Some(true),
            DocumentMode::Off => Some(false),
        };
        Self { mode, probes, loopback, started: Once::new(), works: watch::Sender::new(works) }
    }

    /// Whether documents are fetched, as far as is known now.
    pub(super) fn is_there(&self) -> bool {
        *self.works.borrow() == Some(true)
    }

    /// The same; whoever asks first waits a moment for the first look to end.
    pub(super) async fn settled(self: &Arc<Self>, web: &PublicWeb) -> bool {
        self.start(web);
        let mut works = self.works.subscribe();
        let _ = tokio::time::timeout(FIRST_LOOK, works.wait_for(Option::is_some)).await;
        self.is_there()
    }

    /// Looks for a way out in the background, again and again until there is one.
    pub(super) fn start(self: &Arc<Self>, web: &PublicWeb) {
        if self.mode != DocumentMode::Auto {
            return;
        }
        self.started.call_once(|| {
            let (this, web) = (Arc::downgrade(self), web.clone());
            tokio::spawn(async move {
                let mut pause = FIRST_PAUSE;
                loop {
                    let known = this.upgrade().map(|this| (this.probes.clone(), this.loopback));
                    let Some((probes, loopback)) = known else { return };
                    let works = any_reached(&web, &probes, loopback).await;
                    let Some(this) = this.upgrade() else { return };
                    let before = this.works.send_replace(Some(works));
                    if works {
                        tracing::info!("the network lets us out: clients described by documents are taken");
                        return;
                    }
                    if before.is_none() {
                        tracing::info!("the network does not let us out: clients described by documents are not taken yet");
                    }
                    drop(this);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            });
        });
    }
}

/// Tries to reach a host, or a host and port.
async fn reached(web: &PublicWeb, probe: &str, loopback: bool) -> bool {
    let written = probe.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = written.unwrap_or((probe, 443));
    let is_here = Host::parse(host).is_ok_and(|host| is_loopback_host(&host));
    let reach = if loopback && is_here { Reach::Loopback } else { Reach::Public };
    web.reaches(host, port, reach, PROBE).await
}

async fn any_reached(web: &PublicWeb, probes: &[String], loopback: bool) -> bool {
    let mut all: FuturesUnordered<_> = probes.iter().map(|probe| reached(web, probe, loopback)).collect();
    while let Some(reached) = all.next().await {
        if reached {
            return true;
        }
    }
    false
}

/// How long the first reader of the metadata waits for the first look.
const FIRST_LOOK: Duration = Duration::from_millis(1500);

const PROBE: Duration = Duration::from_secs(4);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
