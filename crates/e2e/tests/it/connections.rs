//! What happens to a connection on which something was refused.

use std::time::Duration;

use coatroom_e2e::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Reads one answer whose length is said; gives its head.
async fn answer(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(Duration::from_secs(20), connection.read_u8()).await;
        head.push(byte.expect("an answer within 20 s").expect("the connection is open"));
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).await.expect("the whole body");
    head
}

/// The Python SDKs send a body apart from its head, and refresh on the connection on which they learned that they have to.
#[tokio::test]
async fn who_is_refused_while_still_sending_gets_to_read_why_and_keeps_the_connection() {
    let gateway = Gateway::demo().await;
    let host = gateway.origin().replace("http://", "");
    for size in [2, 100_000, 3_000_000] {
        let mut connection = TcpStream::connect(host.replace("localhost", "127.0.0.1")).await.unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer coat_at_expired\r\n\
             Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        connection.write_all(&vec![b' '; size]).await.expect("the server takes the body");
        let refused = answer(&mut connection).await;
        assert!(refused.starts_with("http/1.1 401"), "{size} bytes: {refused}");
        assert!(refused.contains("www-authenticate: bearer"), "{size} bytes: {refused}");

        let next = format!("GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: {host}\r\n\r\n");
        connection.write_all(next.as_bytes()).await.unwrap();
        assert!(answer(&mut connection).await.starts_with("http/1.1 200"), "after {size} bytes");
    }
}

#[tokio::test]
async fn who_never_sends_what_was_announced_is_answered_and_told_that_the_connection_ends() {
    let gateway = Gateway::demo().await;
    let host = gateway.origin().replace("http://", "");
    let mut connection = TcpStream::connect(host.replace("localhost", "127.0.0.1")).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let refused = answer(&mut connection).await;
    assert!(refused.starts_with("http/1.1 401"), "{refused}");
    assert!(refused.contains("connection: close"), "{refused}");
}
