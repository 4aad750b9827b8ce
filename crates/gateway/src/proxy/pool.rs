//! Connections of HTTP/1.1 to one server, each driven by the request that has it.
//!
//! Elsewhere a connection has a task of its own, from which each part of an answer has to pass to the task of the client: both wake for
//! each, and take turns. Here whoever waits for an answer, or for more of it, moves its connection on; one that rests is looked after now
//! and then.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use tokio::time::{Instant, timeout_at};
use tower_service::Service as _;

use super::alarm::Alarm;
use super::answering::Answering;
use super::connect::{Connector, IDLE, Io, NoAnswer};

/// The connections to one server.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    url: Uri,
    host: Option<HeaderValue>,
    idle: Mutex<Idle>,
}

/// Those that nobody uses; what was used last comes last, and is used first.
#[derive(Debug, Default)]
struct Idle {
    links: Vec<(Link, u64)>,
    /// How often it was looked after them.
    looks: u64,
    /// Whether somebody does.
    is_looked_after: bool,
}

/// One connection.
#[derive(Debug)]
struct Link(Box<Ends>);

#[derive(Debug)]
struct Ends {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<Io, Full<Bytes>>,
    is_over: bool,
    /// From the first wait that has an end.
    alarm: Option<Alarm>,
}

/// A connection that is in use until its answer has ended, and then rests. If it is dropped before that, it closes.
#[derive(Debug)]
pub(super) struct Leased {
    link: Link,
    pool: Arc<Pool>,
}

/// Why an answer did not begin.
enum Unheard {
    Failed(Box<TrySendError<Request<Full<Bytes>>>>),
    Silent,
}

impl Pool {
    pub(super) fn new(connector: Connector, url: &Uri) -> Arc<Self> {
        let host = url.authority().and_then(|authority| {
            let default = if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
            let with_port = authority.port_u16().filter(|port| *port != default);
            let host = authority.host();
            with_port.map_or_else(|| host.parse(), |port| format!("{host}:{port}").parse()).ok()
        });
        Arc::new(Self { connector, url: url.clone(), host, idle: Mutex::default() })
    }

    /// Sends a request, and waits until its answer begins, or until a time.
    ///
    /// # Errors
    /// [`NoAnswer`] when it does not.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: &mut Request<Full<Bytes>>,
        until: Option<Instant>,
    ) -> Result<Response<Answering>, NoAnswer> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        if let Some(host) = &self.host {
            request.headers_mut().insert(header::HOST, host.clone());
        }
        loop {
            let (mut link, is_new) = match self.rested() {
                Some(link) => (link, false),
                None => (Box::pin(self.connected(until)).await?, true),
            };
            match link.exchange(mem::take(request), until).await {
                Ok(answer) => {
                    let leased = Leased { link, pool: Arc::clone(self) };
                    return Ok(answer.map(|body| Answering::driving(body, leased)));
                }
                Err(Unheard::Silent) => return Err(NoAnswer::Silent),
                // It was never sent: the connection had closed while it rested.
                Err(Unheard::Failed(mut unsent)) => match unsent.take_message() {
                    Some(again) if !is_new => *request = again,
                    _ => return Err(NoAnswer::Broken(unsent.into_error().into())),
                },
            }
        }
    }

    async fn connected(&self, until: Option<Instant>) -> Result<Link, NoAnswer> {
        match until {
            Some(until) => timeout_at(until, self.connect()).await.unwrap_or(Err(NoAnswer::Silent)),
            None => self.connect().await,
        }
    }

    async fn connect(&self) -> Result<Link, NoAnswer> {
        let io = self.connector.clone().call(self.url.clone()).await.map_err(NoAnswer::Unconnected)?;
        let handshake = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(io).await;
        let (sender, connection) = handshake.map_err(|cause| NoAnswer::Unconnected(cause.into()))?;
        Ok(Link(Box::new(Ends { sender, connection, is_over: false, alarm: None })))
    }

    fn rested(&self) -> Option<Link> {
        self.idle().links.pop().map(|(link, _)| link)
    }

    fn rests(self: &Arc<Self>, link: Link) {
        let mut idle = self.idle();
        if idle.links.len() >= MOST_IDLE {
            return;
        }
        let looks = idle.looks;
        idle.links.push((link, looks));
        if !mem::replace(&mut idle.is_looked_after, true) {
            tokio::spawn(look_after(Arc::downgrade(self)));
        }
    }

    /// Closes what has closed at its other end, and what nobody used since the last look; whether there is anything left.
    fn look(&self) -> bool {
        let mut idle = self.idle();
        let Idle { links, looks, is_looked_after } = &mut *idle;
        links.retain_mut(|(link, used)| {
            *used == *looks && !link.drive(&mut Context::from_waker(Waker::noop()))
        });
        *looks += 1;
        *is_looked_after = !links.is_empty();
        *is_looked_after
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look_after(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE).await;
        if !pool.upgrade().is_some_and(|pool| pool.look()) {
            return;
        }
    }
}

impl Link {
    /// Moves the connection on, until `cx` is woken; whether it has come to its end.
    fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        let Ends { connection, is_over, .. } = self.0.as_mut();
        if !*is_over && let Poll::Ready(outcome) = Pin::new(connection).poll(cx) {
            *is_over = true;
            if let Err(cause) = outcome {
                tracing::debug!(%cause, "a connection to a server ended early");
            }
        }
        *is_over
    }

    fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        until: Option<Instant>,
    ) -> impl Future<Output = Result<Response<Incoming>, Unheard>> {
        if let Some(until) = until {
            self.0.alarm.get_or_insert_with(|| Alarm::at(until)).set(until);
        }
        // A budget that is used up says so to the waker, and this one wakes nobody.
        let answer = tokio::task::unconstrained(self.0.sender.try_send_request(request));
        async move {
            let mut answer = pin!(answer);
            poll_fn(|cx| {
                self.drive(cx);
                // Nothing else makes it ready.
                let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if let Poll::Ready(answered) = polled {
                    return Poll::Ready(answered.map_err(|unsent| Unheard::Failed(Box::new(unsent))));
                }
                let alarm = self.0.alarm.as_mut().filter(|_| until.is_some());
                alarm.map_or(Poll::Pending, |alarm| alarm.poll(cx).map(|()| Err(Unheard::Silent)))
            })
            .await
        }
    }
}

impl Leased {
    /// Moves the connection on, until `cx` is woken; whether it has come to its end.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        self.link.drive(cx)
    }

    /// The answer has ended: what can be used again comes to rest.
    pub(super) fn release(self) {
        let Self { mut link, pool } = self;
        if !link.0.sender.is_ready() {
            link.drive(&mut Context::from_waker(Waker::noop()));
        }
        if link.0.sender.is_ready() && !link.0.is_over {
            pool.rests(link);
        }
    }
}

/// Connections that rest.
const MOST_IDLE: usize = 256;

/// What is read of an answer before its client took what came before; the longest header block of an answer.
const READ_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::connect::{Connections, Way, Wire};
    use super::*;

    /// A server that counts its connections, answers each request in two pieces, and closes after
    /// so many.
    async fn server(connections: Arc<AtomicUsize>, closes_after: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    for _ in 0..closes_after {
                        let mut request = Vec::new();
                        while !request.ends_with(b"\r\n\r\n") {
                            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let request = String::from_utf8(request).unwrap();
                        assert!(request.starts_with("GET /mcp?a=1 HTTP/1.1\r\n"), "{request}");
                        assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
                        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
                        stream.write_all(head).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
                    }
                });
            }
        });
        address
    }

    fn way(address: SocketAddr) -> (Way, Uri) {
        let url = format!("http://{address}/mcp?a=1").parse().unwrap();
        (Connections::new(Duration::from_secs(1)).to(&url, Wire::Http1).unwrap(), url)
    }

    async fn send(way: &Way, url: &Uri) -> Response<Answering> {
        let mut request = Request::builder().uri(url).body(Full::default()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), way.send(&mut request, None))
            .await
            .expect("in time")
            .unwrap()
    }

    async fn whole(answer: Response<Answering>) -> Bytes {
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_connection_is_used_again_once_its_answer_has_been_read_to_its_end() {
        let count = Arc::new(AtomicUsize::new(0));
        let (way, url) = way(server(Arc::clone(&count), usize::MAX).await);
        for _ in 0..5 {
            assert_eq!(whole(send(&way, &url).await).await, "onetwo");
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        let (first, second) = (send(&way, &url).await, send(&way, &url).await);
        assert_eq!(count.load(Ordering::Relaxed), 2, "one that is in use is left alone");
        drop(first);
        assert_eq!(whole(second).await, "onetwo");
        for _ in 0..3 {
            assert_eq!(
                whole(send(&way, &url).await).await,
                "onetwo",
                "what was left unread is in no other answer"
            );
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_a_server_closed_meanwhile_is_replaced_and_no_call_fails() {
        let count = Arc::new(AtomicUsize::new(0));
        let (way, url) = way(server(Arc::clone(&count), 1).await);
        for _ in 0..3 {
            assert_eq!(whole(send(&way, &url).await).await, "onetwo");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn what_nobody_uses_is_closed() {
        let count = Arc::new(AtomicUsize::new(0));
        let (way, url) = way(server(Arc::clone(&count), usize::MAX).await);
        let call = async || whole(send(&way, &url).await).await;
        call().await;
        assert!(way.pool.look(), "it was used since the last look");
        call().await;
        assert!(way.pool.look());
        assert!(!way.pool.look());
        call().await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
