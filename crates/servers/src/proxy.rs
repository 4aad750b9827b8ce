//! A way to a server that can be cut or slowed down: at once, in the middle of a request, or after a request went through and before
//! its answer comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on between its port and a server's.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
    /// Connections of an earlier age swallow everything.
    age: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts a proxy before the port of a server.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, age) = (Arc::new(AtomicU8::new(PASS)), Arc::<AtomicU64>::default());
        let proxy = Self { address, mode, age, delay_ms: Arc::default() };
        let of_connections = proxy.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, server, of_connections.clone()));
            }
        });
        proxy
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on every connection is reset when the server answers: what was asked is done, and nobody hears of it.
    pub fn lose_answers(&self) {
        self.mode.store(LOSE_ANSWERS, Ordering::SeqCst);
    }

    /// From now on nothing passes on the connections that there are, and they do not end. New ones are as usual.
    pub fn swallow(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
    }

    /// From now on only half of what a client sends reaches the server, and then the connection is reset.
    pub fn cut_requests(&self) {
        self.mode.store(CUT_REQUESTS, Ordering::SeqCst);
    }

    /// From now on each answer of the server comes later by this much.
    pub fn delay_answers(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// From now on everything passes, at once.
    pub fn pass(&self) {
        self.delay_answers(Duration::ZERO);
        self.mode.store(PASS, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: u16, proxy: Proxy) {
    let born = proxy.age.load(Ordering::SeqCst);
    let swallows = || proxy.age.load(Ordering::SeqCst) != born;
    let mode = || proxy.mode.load(Ordering::SeqCst);
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    // Closed without a last packet: the other side sees a reset.
    client.set_zero_linger().unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            read = from_client.read(&mut asked) => match read {
                Ok(length @ 1..) if mode() == CUT_REQUESTS => {
                    to_server.write_all(&asked[..length / 2]).await.ok();
                    return;
                }
                Ok(length @ 1..) if !swallows() => {
                    if to_server.write_all(&asked[..length]).await.is_err() { return }
                }
                Ok(1..) => {}
                _ => return,
            },
            read = from_server.read(&mut answered) => match read {
                Ok(1..) if swallows() => {}
                Ok(length @ 1..) if mode() != LOSE_ANSWERS => {
                    tokio::time::sleep(Duration::from_millis(proxy.delay_ms.load(Ordering::SeqCst))).await;
                    if to_client.write_all(&answered[..length]).await.is_err() { return }
                }
                _ => return,
            },
        }
    }
}

const PASS: u8 = 0;
const LOSE_ANSWERS: u8 = 1;
const CUT_REQUESTS: u8 = 2;
