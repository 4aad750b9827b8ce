//! HTTP/1.1 for the load: one connection, one request at a time, nothing that it does not need.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection to one server, opened when it is needed.
pub(super) struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
    read: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Wire {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, read: Vec::with_capacity(16 * 1024) }
    }

    /// Begins anew: a server closes what is idle for some seconds.
    pub(super) fn close(&mut self) {
        self.stream = None;
    }

    /// Sends `METHOD path` with these header lines, each of which ends in CRLF, and a body, and waits for the answer.
    pub(super) async fn ask(&mut self, start: &str, lines: &str, body: &str) -> Result<Answer> {
        let length = if start.starts_with("GET ") {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let port = self.address.port();
        let request = format!("{start} HTTP/1.1\r\nhost: localhost:{port}\r\n{lines}{length}\r\n{body}");
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        self.read.clear();
        let answer = loop {
            ensure!(
                stream.read_buf(&mut self.read).await? > 0,
                "{start}: the connection was closed in the middle of an answer"
            );
            if let Some(answer) = Answer::parse(&self.read)? {
                break answer;
            }
        };
        if !answer.is_last() {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

impl Answer {
    /// The answer, once all of it is there.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut lines = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut lines);
        let httparse::Status::Complete(begins) = head.parse(bytes)? else { return Ok(None) };
        let mut headers = HeaderMap::new();
        for line in head.headers.iter() {
            headers
                .append(HeaderName::from_bytes(line.name.as_bytes())?, HeaderValue::from_bytes(line.value)?);
        }
        let status = StatusCode::from_u16(head.code.context("an answer without a status")?)?;
        let rest = &bytes[begins..];
        let body = if let Some(length) = headers.get("content-length") {
            let length: usize = length.to_str()?.parse()?;
            rest.get(..length).map(<[u8]>::to_vec)
        } else if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            dechunked(rest)?
        } else if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            Some(Vec::new())
        } else {
            bail!("an answer without an end: {}", String::from_utf8_lossy(bytes))
        };
        Ok(body.map(|body| Self { status, headers, body }))
    }

    /// Whether the connection ends with it.
    fn is_last(&self) -> bool {
        self.headers.get("connection").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What chunks hold, once the last one is there.
fn dechunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((begins, size))) = httparse::parse_chunk_size(rest) else {
            return Ok(None);
        };
        let size = usize::try_from(size)?;
        let Some(chunk) = rest.get(begins..begins + size) else { return Ok(None) };
        let Some(after) = rest.get(begins + size + 2..) else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(chunk);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_or_its_last_chunk_is_there() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody";
        assert!(Answer::parse(&answer.as_bytes()[..answer.len() - 1]).unwrap().is_none());
        assert_eq!(Answer::parse(answer.as_bytes()).unwrap().unwrap().text(), "body");
        let answer =
            "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n";
        for end in 0..answer.len() {
            assert!(Answer::parse(&answer.as_bytes()[..end]).unwrap().is_none(), "{end}");
        }
        let whole = Answer::parse(answer.as_bytes()).unwrap().unwrap();
        assert_eq!((whole.status, whole.text()), (StatusCode::CREATED, "body".to_owned()));
    }

    #[test]
    fn an_answer_without_an_end_is_refused() {
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n\r\nbody").is_err());
    }
}
