//! A way to a server that can be cut: at once, or after a request went through and before its answer comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on between its port and a server's.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
    /// Connections of an earlier age swallow everything.
    age: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts a proxy before the port of a server.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, age) = (Arc::new(AtomicU8::new(PASS)), Arc::<AtomicU64>::default());
        let of_proxy = (Arc::clone(&mode), Arc::clone(&age));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, server, of_proxy.clone()));
            }
        });
        Self { address, mode, age }
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

    /// From now on answers pass again.
    pub fn pass(&self) {
        self.mode.store(PASS, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: u16, (mode, age): (Arc<AtomicU8>, Arc<AtomicU64>)) {
    let born = age.load(Ordering::SeqCst);
    let swallows = || age.load(Ordering::SeqCst) != born;
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    // Closed without a last packet: the other side sees a reset.
    client.set_zero_linger().unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            read = from_client.read(&mut asked) => match read {
                Ok(length @ 1..) if !swallows() => {
                    if to_server.write_all(&asked[..length]).await.is_err() { return }
                }
                Ok(1..) => {}
                _ => return,
            },
            read = from_server.read(&mut answered) => match read {
                Ok(1..) if swallows() => {}
                Ok(length @ 1..) if mode.load(Ordering::SeqCst) == PASS => {
                    if to_client.write_all(&answered[..length]).await.is_err() { return }
                }
                _ => return,
            },
        }
    }
}

const PASS: u8 = 0;
const LOSE_ANSWERS: u8 = 1;
