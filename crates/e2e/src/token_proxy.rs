//! A token for clients that know of none: a proxy that adds `Authorization` to MCP requests and changes no other byte.
//!
//! It stands where the gateway's public address is, on 127.0.0.1, and the gateway listens on the same port of 127.0.0.2:
//! so `Host` and `Origin` are right as the client sends them.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A running proxy.
#[derive(Debug)]
pub struct TokenProxy {
    token: Arc<OnceLock<String>>,
}

/// Where the gateway behind it has to listen.
pub const BEHIND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

impl TokenProxy {
    /// Listens on `port`. Until it has a token it adds none, so that one can be got through it.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the proxy's port");
        let token: Arc<OnceLock<String>> = Arc::default();
        let given = Arc::clone(&token);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Nothing there yet: the client is hung up on, as a port without a listener would.
                let Ok(server) = TcpStream::connect((BEHIND, port)).await else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                tokio::spawn(requests(from_client, to_server, Arc::clone(&given)));
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            }
        });
        Self { token }
    }

    /// The token to add from now on.
    pub fn add(&self, token: &str) {
        self.token.set(token.to_owned()).expect("one token per proxy");
    }
}

/// Passes requests on, one after the other, each with the token after its first line if it is for `/mcp`.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    token: Arc<OnceLock<String>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break bytes.drain(..at + 4).collect::<Vec<u8>>();
            }
            more(&mut from, &mut bytes).await?;
        };
        let head = String::from_utf8(head).expect("a head in ASCII");
        let (line, fields) = head.split_once("\r\n").expect("a request line");
        to.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
        if let Some(token) = token.get().filter(|_| line.split(' ').nth(1) == Some("/mcp")) {
            to.write_all(format!("Authorization: Bearer {token}\r\n").as_bytes()).await.ok()?;
        }
        to.write_all(fields.as_bytes()).await.ok()?;
        let field = |name: &str| {
            let fields = fields.lines().filter_map(|field| field.split_once(':'));
            fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
        };
        assert!(field("transfer-encoding").is_none(), "no client of ours sends a body of unknown length");
        let mut left = field("content-length").map_or(0, |length| length.parse::<usize>().expect("a length"));
        while left > 0 {
            if bytes.is_empty() {
                more(&mut from, &mut bytes).await?;
            }
            let part: Vec<u8> = bytes.drain(..left.min(bytes.len())).collect();
            to.write_all(&part).await.ok()?;
            left -= part.len();
        }
    }
}

/// Reads some more; `None` at the end.
async fn more(from: &mut OwnedReadHalf, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 16 * 1024];
    let read = from.read(&mut buffer).await.ok()?;
    bytes.extend_from_slice(&buffer[..read]);
    (read > 0).then_some(())
}
