//! HTTP to addresses that strangers name: documents of clients, their keys and logos.
//!
//! Whoever can make us fetch could make us reach into the network that we stand in (SSRF). What counts is therefore the
//! address that is connected, never the name: all answers of the name service must be public addresses, and the very
//! address that was checked is connected. Only https, with the certificate checked; no redirect is followed; nothing is
//! sent along that could tell who asks; reading stops at the limit and at the deadline.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use coatroom_protocol::words::is_public_address;
use http::header::{ACCEPT, CONTENT_ENCODING, DATE, EXPIRES, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::{BoxError, OUR_NAME, tls_config};

/// Finds the addresses of a name. The system does so unless a test says otherwise.
#[async_trait]
pub trait Resolve: Send + Sync + fmt::Debug {
    /// Every address of `host` that is known.
    ///
    /// # Errors
    /// When there is none, or nobody can say.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The name service of the system.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Fetches what strangers name. Cloning is cheap.
#[derive(Clone)]
pub struct PublicWeb {
    resolver: Arc<dyn Resolve>,
    roots: Option<Arc<RootCertStore>>,
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

/// What is to be fetched, and how much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// An https URL.
    pub(crate) url: &'a str,
    /// What to say in `Accept`.
    pub(crate) accept: &'static str,
    /// The most bytes of the body.
    pub(crate) limit: usize,
    /// The time for everything.
    pub(crate) deadline: Duration,
    /// Which addresses may be connected.
    pub(crate) reach: Reach,
}

/// Which addresses may be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of the public internet.
    Public,
    /// Those of loopback: for development on one machine.
    Loopback,
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Fetched {
    /// A header's value, if it is text and stands once.
    pub(crate) fn header(&self, name: http::HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// The members of a list, from all lines of its header (RFC 9110 §5.3).
    pub(crate) fn list(&self, name: http::HeaderName) -> Option<String> {
        let lines: Vec<&str> =
            self.headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// How long `Expires` leaves the answer from its `Date` on, or from now; nothing when it cannot be read (RFC 9111 §5.3).
    pub(crate) fn expires(&self, now: SystemTime) -> Option<Duration> {
        self.headers.get(EXPIRES)?;
        let date = |name| self.header(name).and_then(|date| httpdate::parse_http_date(date).ok());
        let ends = date(EXPIRES).and_then(|ends| ends.duration_since(date(DATE).unwrap_or(now)).ok());
        Some(ends.unwrap_or_default())
    }
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublicWebError {
    /// The deadline passed.
    #[error("no whole answer within {} ms", deadline.as_millis())]
    Timeout { deadline: Duration },
    /// An address that may not be connected, or none.
    #[error(transparent)]
    Address(#[from] AddressRefusal),
    /// No connection: the network, or the TLS handshake.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// The answer is larger than the limit; reading stopped there.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// The body is compressed, which nobody asked for.
    #[error("the answer has a content encoding")]
    Encoded,
    /// The connection broke, or the answer was not HTTP.
    #[error("the connection broke")]
    Other(#[source] BoxError),
}

/// Why a name is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressRefusal {
    #[error("the name has no address")]
    None,
    #[error("the name leads to an address that may not be connected")]
    NotAllowed,
    #[error("the name leads to this machine")]
    Ourselves,
}

impl PublicWeb {
    /// Uses the system's name service and root certificates. `SSL_CERT_FILE` and `SSL_CERT_DIR` name other ones.
    #[must_use]
    pub fn new() -> Self {
        Self { resolver: Arc::new(SystemResolver), roots: None, tls: Arc::default() }
    }

    /// Asks another name service.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// Trusts these certificate authorities, in PEM, and no other.
    ///
    /// # Errors
    /// [`RootCertificates`] when the text holds none that can be used.
    pub fn with_root_certificates(self, pem: &[u8]) -> Result<Self, RootCertificates> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(|_| RootCertificates)?).map_err(|_| RootCertificates)?;
        }
        if roots.is_empty() {
            return Err(RootCertificates);
        }
        Ok(Self { roots: Some(Arc::new(roots)), tls: Arc::default(), ..self })
    }

    /// Fetches one URL.
    pub(crate) async fn get(&self, wanted: &Wanted<'_>) -> Result<Fetched, PublicWebError> {
        let deadline = wanted.deadline;
        let whole = tokio::time::timeout(deadline, self.get_whole(wanted));
        whole.await.unwrap_or(Err(PublicWebError::Timeout { deadline }))
    }

    async fn get_whole(&self, wanted: &Wanted<'_>) -> Result<Fetched, PublicWebError> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = wanted.url.parse().map_err(|error| PublicWebError::Other(Box::new(error)))?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(wanted.accept));
        request.headers_mut().insert(USER_AGENT, OUR_NAME);
        let tcp = CheckedTcp { resolver: Arc::clone(&self.resolver), reach: wanted.reach, rule: allows };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls().await?.as_ref().clone())
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        // A connection serves one request: the next one has its address checked anew.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .http1_max_headers(MAX_HEADERS)
            .http1_max_buf_size(MAX_HEADER_BYTES)
            .build::<_, Empty<Bytes>>(connector);
        let (parts, body) = client.request(request).await.map_err(not_connected)?.into_parts();
        if parts.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(PublicWebError::Encoded);
        }
        let body = Limited::new(body, wanted.limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                PublicWebError::TooLarge { limit: wanted.limit }
            } else {
                PublicWebError::Other(error)
            }
        })?;
        Ok(Fetched { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
    }

    /// Whether a connection to a port of a host succeeds. Nothing is sent.
    pub(crate) async fn reaches(&self, host: &str, port: u16, reach: Reach, deadline: Duration) -> bool {
        let tcp = CheckedTcp { resolver: Arc::clone(&self.resolver), reach, rule: allows };
        let connected = tcp.connect(host.to_owned(), port);
        tokio::time::timeout(deadline, connected).await.is_ok_and(|connected| connected.is_ok())
    }

    async fn tls(&self) -> Result<&Arc<ClientConfig>, PublicWebError> {
        let made = self.tls.get_or_try_init(|| async {
            let roots = self.roots.clone();
            // Certificates are read from files.
            let made =
                tokio::task::spawn_blocking(move || tls_config(roots)).await.map_err(BoxError::from)?;
            Ok(Arc::new(made?))
        });
        made.await.map_err(PublicWebError::Other)
    }
}

impl Default for PublicWeb {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PublicWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicWeb").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

/// A text holds no certificate authority that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no certificate authority in PEM that can be used")]
#[non_exhaustive]
pub struct RootCertificates;

fn not_connected(error: hyper_util::client::legacy::Error) -> PublicWebError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<AddressRefusal>() {
            return (*refusal).into();
        }
        cause = error.source();
    }
    if error.is_connect() {
        PublicWebError::Connect(Box::new(error))
    } else {
        PublicWebError::Other(Box::new(error))
    }
}

/// Makes TCP connections to addresses that were checked, and to those alone.
#[derive(Clone)]
struct CheckedTcp {
    resolver: Arc<dyn Resolve>,
    reach: Reach,
    rule: fn(Reach, IpAddr) -> bool,
}

fn allows(reach: Reach, address: IpAddr) -> bool {
    match reach {
        Reach::Public => is_public_address(address),
        Reach::Loopback => address.is_loopback(),
    }
}

impl CheckedTcp {
    async fn connect(self, host: String, port: u16) -> Result<TcpStream, BoxError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        let addresses = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(bare).await?,
        };
        // One bad answer spoils all of them: a name that also leads inside is not one to follow outside.
        if addresses.iter().any(|address| !(self.rule)(self.reach, *address)) {
            return Err(AddressRefusal::NotAllowed.into());
        }
        let mut last: BoxError = AddressRefusal::None.into();
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            if self.reach == Reach::Public && is_ourselves(address) {
                return Err(AddressRefusal::Ourselves.into());
            }
            match tokio::time::timeout(PER_ADDRESS, TcpStream::connect(SocketAddr::new(address, port))).await
            {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.into(),
                Err(elapsed) => last = elapsed.into(),
            }
        }
        Err(last)
    }
}

/// Whether an address is one of this machine's own: then the way to it starts there. Nothing is sent to find that out.
fn is_ourselves(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 443))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

impl tower_service::Service<Uri> for CheckedTcp {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tcp = self.clone();
        Box::pin(async move {
            let host = uri.host().ok_or(AddressRefusal::None)?.to_owned();
            Ok(TokioIo::new(tcp.connect(host, uri.port_u16().unwrap_or(443)).await?))
        })
    }
}

/// How many addresses of one name are tried, and for how long each.
const MAX_ADDRESSES: usize = 4;
const PER_ADDRESS: Duration = Duration::from_millis(1500);

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Gives one answer after the other, and the last one again and again.
    #[derive(Debug)]
    struct Answers {
        answers: Vec<Vec<IpAddr>>,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl Resolve for Answers {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
            Ok(self.answers[asked].clone())
        }
    }

    fn answers(answers: &[&[&str]]) -> Arc<Answers> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Answers { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }

    /// What happens when `name.example` has these addresses.
    async fn refused(addresses: &[&str]) -> Option<AddressRefusal> {
        let tcp = CheckedTcp { resolver: answers(&[addresses]), reach: Reach::Public, rule: allows };
        let error = tcp.connect("name.example".to_owned(), 9).await.unwrap_err();
        error.downcast_ref().copied()
    }

    #[tokio::test]
    async fn names_that_lead_inside_are_refused_and_one_bad_answer_spoils_all() {
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
        ] {
            assert_eq!(refused(&[inside]).await, Some(AddressRefusal::NotAllowed), "{inside}");
            let mixed = ["192.0.2.1", "1.1.1.1", inside];
            assert_eq!(refused(&mixed[1..]).await, Some(AddressRefusal::NotAllowed), "{inside}");
        }
        assert_eq!(refused(&[]).await, Some(AddressRefusal::None));
    }

    #[tokio::test]
    async fn an_address_in_the_url_is_checked_as_well_and_no_name_service_is_asked() {
        let resolver = answers(&[&["1.1.1.1"]]);
        for inside in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "[fd00::1]"] {
            let tcp = CheckedTcp { resolver: resolver.clone(), reach: Reach::Public, rule: allows };
            let error = tcp.connect(inside.to_owned(), 9).await.unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&AddressRefusal::NotAllowed), "{inside}");
        }
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_that_is_connected() {
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = good.local_addr().unwrap().port();
        let inside = tokio::net::TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        // The rule of this test calls 127.0.0.1 public; the name changes its answer after the first question.
        let resolver = answers(&[&["127.0.0.1"], &["127.0.0.2"]]);
        let rule = |_, address: IpAddr| address == IpAddr::V4(Ipv4Addr::LOCALHOST);
        let tcp = CheckedTcp { resolver: resolver.clone(), reach: Reach::Loopback, rule };
        let stream = tcp.clone().connect("name.example".to_owned(), port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 1, "asked once per connection");
        let error = tcp.connect("name.example".to_owned(), port).await.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&AddressRefusal::NotAllowed));
        let contacted = tokio::time::timeout(Duration::from_millis(50), inside.accept()).await;
        assert!(contacted.is_err(), "nobody came to the second address");
    }

    #[tokio::test]
    async fn this_machine_is_recognised_by_its_own_addresses() {
        assert!(is_ourselves(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_ourselves(Ipv4Addr::new(192, 0, 2, 1).into()));
    }

    #[test]
    fn certificate_authorities_must_be_readable() {
        for bad in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(
                PublicWeb::new().with_root_certificates(bad.as_bytes()).unwrap_err(),
                RootCertificates
            );
        }
    }
}
