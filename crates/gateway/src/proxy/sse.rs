//! HTTP+SSE (MCP 2024-11-05) as its clients speak it, before the guard.
//!
//! A client opens a stream, whose `endpoint` event names the URL for its messages. Behind this is a session like any other: the
//! id in that URL is the guard's `Mcp-Session-Id`, bound to the user. So all that the guard does for sessions, streams and
//! messages holds here too.
//!
//! Clients look for answers in the stream alone. What the guard or the proxy answers to a request instead of the server is
//! therefore told there, if this process has the stream, and if the request came with the very credential that opened it: the
//! session of a request that was refused may be somebody else's. Challenges stay what they are, since clients act on them.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, HttpBody as _};
use bytes::Bytes;
use coatroom::protocol::words::{Params, same_bytes};
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tower_service::Service;
use url::form_urlencoded;

use super::answer::request_id;
use super::endpoint::SESSION_ID;
use crate::edge::AnswersComeHere;

/// The service before the guard of a server that speaks HTTP+SSE.
#[derive(Debug, Clone)]
pub(crate) struct SseFront<S> {
    guarded: S,
    path: Arc<str>,
    streams: Streams,
}

impl<S> SseFront<S> {
    /// Stands before `guarded`, at `path`.
    pub(crate) fn new(path: &str, guarded: S) -> Self {
        Self { guarded, path: path.into(), streams: Streams::default() }
    }
}

impl<S> Service<Request<Body>> for SseFront<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.guarded.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (opens, posts) = (request.method() == Method::GET, request.method() == Method::POST);
        // This wire knows no such header, so what it says can come from the URL alone.
        request.headers_mut().remove(&SESSION_ID);
        let session = request.uri().query().and_then(session_in).filter(|_| posts);
        request.headers_mut().extend(session.clone().map(|session| (SESSION_ID, session)));
        let credential = request.headers().get(header::AUTHORIZATION).cloned();
        let (path, streams) = (Arc::clone(&self.path), self.streams.clone());
        let answering = self.guarded.call(request);
        Box::pin(async move {
            let mut response = answering.await?;
            let begun = response.headers_mut().remove(&SESSION_ID);
            Ok(match (begun, session) {
                (Some(begun), _) if opens => streams.open(&path, &begun, credential, response),
                (_, Some(session)) => streams.tell(&session, credential.as_ref(), response).await,
                _ => response,
            })
        })
    }
}

/// The session that a URL for messages names. One that cannot be read is as good as none.
fn session_in(query: &str) -> Option<HeaderValue> {
    let params = Params::parse(query).ok()?;
    HeaderValue::from_str(params.one(SESSION_PARAMETER).ok()??).ok()
}

/// The streams that are open here, by the session ids that their clients know.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<HashMap<HeaderValue, OpenStream>>>);

/// A stream, and the way into it.
struct OpenStream {
    /// What opened it.
    credential: Option<HeaderValue>,
    answers: mpsc::Sender<Bytes>,
}

impl Streams {
    /// Lets a stream begin with the URL for its messages.
    fn open(
        &self,
        path: &str,
        session: &HeaderValue,
        credential: Option<HeaderValue>,
        mut response: Response<Body>,
    ) -> Response<Body> {
        response.extensions_mut().insert(AnswersComeHere);
        let (sender, answers) = mpsc::channel(WAITING_ANSWERS);
        let opened = OpenStream { credential, answers: sender };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session.clone(), opened);
        let id: String = form_urlencoded::byte_serialize(session.as_bytes()).collect();
        let endpoint = format!("event: endpoint\ndata: {path}?{SESSION_PARAMETER}={id}\n\n");
        let listed = Listed { streams: self.clone(), session: session.clone() };
        let beginning = stream::once(async { Ok(Bytes::from(endpoint)) });
        response.map(|body| {
            let both = Both { events: body.into_data_stream(), answers, last: Vec::new(), _listed: listed };
            Body::from_stream(beginning.chain(stream::unfold(both, Both::next)))
        })
    }

    /// Tells an answer to a request in the stream of its session, if it is one, and nobody else's stream.
    async fn tell(
        &self,
        session: &HeaderValue,
        credential: Option<&HeaderValue>,
        response: Response<Body>,
    ) -> Response<Body> {
        let Some(answers) = self.find(session, credential).filter(|_| is_for_the_stream(&response)) else {
            return response;
        };
        let (mut parts, body) = response.into_parts();
        let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
            return Response::from_parts(parts, Body::empty());
        };
        let event = request_id(&body).and_then(|_| event_of(&body));
        if event.is_none_or(|event| answers.try_send(event).is_err()) {
            return Response::from_parts(parts, Body::from(body));
        }
        parts.status = StatusCode::ACCEPTED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::empty())
    }

    fn find(&self, session: &HeaderValue, credential: Option<&HeaderValue>) -> Option<mpsc::Sender<Bytes>> {
        let streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = streams.get(session)?;
        let is_same = match (&opened.credential, credential) {
            (Some(shown), Some(sent)) => same_bytes(shown.as_bytes(), sent.as_bytes()),
            (None, None) => true,
            _ => false,
        };
        is_same.then(|| opened.answers.clone())
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// A short answer in JSON. On a challenge and on the end of its session a client acts by itself.
fn is_for_the_stream(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let is_short = response.body().size_hint().upper().is_some_and(|length| length <= LONGEST_ANSWER);
    let is_for_client = headers.contains_key(header::WWW_AUTHENTICATE)
        || matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND);
    is_json && is_short && !is_for_client
}

fn event_of(message: &[u8]) -> Option<Bytes> {
    let data = std::str::from_utf8(message).ok()?.replace(['\r', '\n'], "\ndata: ");
    Some(format!("event: message\ndata: {data}\n\n").into())
}

/// Takes a stream off the list when it ends.
struct Listed {
    streams: Streams,
    session: HeaderValue,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.streams.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.session);
    }
}

/// The server's events, and our answers between them.
struct Both {
    events: BodyDataStream,
    answers: mpsc::Receiver<Bytes>,
    /// The last bytes that came of the events.
    last: Vec<u8>,
    _listed: Listed,
}

impl Both {
    async fn next(mut self) -> Option<(Result<Bytes, axum::Error>, Self)> {
        let is_between = self.is_between_events();
        tokio::select! {
            biased;
            Some(answer) = self.answers.recv(), if is_between => Some((Ok(answer), self)),
            piece = self.events.next() => {
                let piece = piece?;
                self.note(piece.as_deref().unwrap_or_default());
                Some((piece, self))
            }
        }
    }

    fn note(&mut self, piece: &[u8]) {
        self.last.extend_from_slice(piece);
        let surplus = self.last.len().saturating_sub(LONGEST_END);
        self.last.drain(..surplus);
    }

    fn is_between_events(&self) -> bool {
        self.last.is_empty() || ENDS.iter().any(|end| self.last.ends_with(end))
    }
}

const SESSION_PARAMETER: &str = "sessionId";

/// What ends an event: a blank line. The guard writes lines of its own between those of a server that ends them otherwise.
const ENDS: [&[u8]; 3] = [b"\n\n", b"\n\r\n", b"\r\r"];
const LONGEST_END: usize = 3;

/// More than these wait for a client that does not read: then the answer stays where the client does not look for it.
const WAITING_ANSWERS: usize = 32;
/// In bytes. What the guard and the proxy say themselves is far shorter.
const LONGEST_ANSWER: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::response::IntoResponse as _;
    use axum::routing::{get, post};
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::super::testing::alice;
    use super::super::tests::{proxy_speaking, soon};
    use super::super::{Proxy, Transport};
    use super::*;

    async fn front_of(router: Router) -> SseFront<Proxy> {
        SseFront::new("/tools", proxy_speaking(Transport::Sse, served(router).await))
    }

    async fn served(router: Router) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    /// A server whose stream says what `POST /messages` received. It begins with `beginning`.
    fn telling(beginning: &'static str) -> Router {
        let (sender, mut receiver) = mpsc::channel::<String>(8);
        let (events, told) = mpsc::channel::<Bytes>(8);
        tokio::spawn(async move {
            while let Some(told) = receiver.recv().await {
                events.send(format!("id: 7\ndata: {told}\n\n").into()).await.unwrap();
            }
        });
        let told = Arc::new(Mutex::new(Some(told)));
        let open = move || {
            let told = told.lock().unwrap().take().unwrap();
            let events = stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) });
            let all = stream::once(async move { Bytes::from(beginning) }).chain(events);
            async {
                ([("content-type", "text/event-stream")], Body::from_stream(all.map(Ok::<_, Infallible>)))
            }
        };
        let take = move |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let body = body.collect().await.unwrap().to_bytes();
            let told = json!({"uri": parts.uri.to_string(), "authorization": header("authorization"),
                "session": header("mcp-session-id"), "body": String::from_utf8_lossy(&body)});
            sender.send(told.to_string()).await.unwrap();
            "taken, with words that nobody reads"
        };
        Router::new().route("/mcp", get(open)).route("/messages", post(take))
    }

    fn request(method: Method, uri: &str, body: &str) -> Request<Body> {
        let request =
            Request::builder().method(method).uri(uri).header("authorization", "Bearer coat_at_canary");
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(alice());
        request
    }

    async fn opened<S>(front: &SseFront<S>) -> BodyDataStream
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
        S::Future: Send + 'static,
    {
        let response = soon(front.clone().oneshot(request(Method::GET, "/tools", ""))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("mcp-session-id"), "this wire has no such header");
        response.into_body().into_data_stream()
    }

    async fn next(events: &mut BodyDataStream) -> String {
        loop {
            let piece = soon(events.next()).await.unwrap().unwrap();
            if !piece.is_empty() {
                return String::from_utf8(piece.to_vec()).unwrap();
            }
        }
    }

    async fn json_of(response: Response<Body>) -> Value {
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn messages_reach_the_url_that_the_server_named_with_the_users_own_token_alone() {
        let beginning = ": hello\n\nevent: endpoint\ndata: /messages?s=1&k=%2F\n\n: keep-alive\n\n";
        let front = front_of(telling(beginning)).await;
        let mut events = opened(&front).await;
        assert_eq!(
            next(&mut events).await,
            "event: endpoint\ndata: /tools?sessionId=%2Fmessages%3Fs%3D1%26k%3D%252F\n\n"
        );
        assert_eq!(next(&mut events).await, ": hello\n\n: keep-alive\n\n");
        let mut message = request(
            Method::POST,
            "/tools?sessionId=%2Fmessages%3Fs%3D1%26k%3D%252F&access_token=canary",
            "{\"id\":1}",
        );
        message.headers_mut().insert(SESSION_ID, HeaderValue::from_static("/elsewhere"));
        let response = soon(front.clone().oneshot(message)).await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        let event = next(&mut events).await;
        let told: Value =
            serde_json::from_str(event.strip_prefix("id: 7\ndata: ").expect("the id passes").trim()).unwrap();
        assert_eq!(
            told,
            json!({"uri": "/messages?s=1&k=%2F", "authorization": "Bearer gho_alice", "session": null, "body": "{\"id\":1}"})
        );
    }

    #[tokio::test]
    async fn a_stream_that_does_not_say_where_messages_go_is_a_502_that_says_why() {
        let stream = |text: &'static str| async move { ([("content-type", "text/event-stream")], text) };
        let cases = [
            (
                get(move || stream("event: endpoint\ndata: https://evil.example/m\n\n")),
                "leads to https://evil.example,",
            ),
            (get(move || stream("event: endpoint\ndata: http://127.0.0.1:1/m\n\n")), "not its own origin"),
            (get(move || stream("data: {}\n\n")), "does not begin with an `endpoint` event"),
            (get(|| async { "event: endpoint\ndata: /m\n\n" }), "answered 200 OK without an event stream"),
            (post(|| async {}), "answered 405 Method Not Allowed without an event stream"),
        ];
        for (route, why) in cases {
            let front = front_of(Router::new().route("/mcp", route)).await;
            let response = soon(front.oneshot(request(Method::GET, "/tools", ""))).await.unwrap();
            assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{why}");
            let answer = json_of(response).await;
            assert!(answer["error"]["message"].as_str().unwrap().contains(why), "{answer}");
        }
        let silent = || async {
            (
                [("content-type", "text/event-stream")],
                Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
            )
        };
        for route in [get(silent), get(std::future::pending::<Response<Body>>)] {
            let front = front_of(Router::new().route("/mcp", route)).await;
            let response = soon(front.oneshot(request(Method::GET, "/tools", ""))).await.unwrap();
            assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        }
    }

    #[tokio::test]
    async fn what_is_outside_a_session_is_refused_in_a_way_that_clients_of_both_transports_fall_back_on() {
        let contacted = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&contacted);
        let count = move || {
            counting.fetch_add(1, Ordering::Relaxed);
            async { StatusCode::OK }
        };
        let front = front_of(Router::new().fallback(count)).await;
        for uri in
            ["/tools", "/tools?sessionId=", "/tools?sessionId=%2Fm&sessionId=%2Fm", "/tools?sessionId=s-1"]
        {
            let mut message = request(Method::POST, uri, "{\"id\":1}");
            message.headers_mut().insert(SESSION_ID, HeaderValue::from_static("/m"));
            let response = soon(front.clone().oneshot(message)).await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{uri}");
            assert_eq!(response.headers()["allow"], "GET, POST");
        }
        let deletes = request(Method::DELETE, "/tools?sessionId=%2Fm", "");
        assert_eq!(soon(front.oneshot(deletes)).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(contacted.load(Ordering::Relaxed), 0);
    }

    /// A guard that answers messages with what their bodies say: a status, and a header where it is a challenge.
    fn refusing(
        pieces: mpsc::Receiver<&'static str>,
    ) -> SseFront<
        impl Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<>,
        > + Clone,
    > {
        let pieces = Arc::new(Mutex::new(Some(pieces)));
        let answer = move |request: Request<Body>| {
            let pieces = Arc::clone(&pieces);
            async move {
                if request.method() == Method::GET {
                    let pieces = pieces.lock().unwrap().take().unwrap();
                    let pieces = stream::unfold(pieces, |mut all| async {
                        Some((Ok::<_, Infallible>(all.recv().await?), all))
                    });
                    let headers = [("content-type", "text/event-stream"), ("mcp-session-id", "s.1")];
                    return Ok((headers, Body::from_stream(pieces)).into_response());
                }
                let asked: Value =
                    serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
                let status =
                    StatusCode::from_u16(asked["status"].as_u64().unwrap().try_into().unwrap()).unwrap();
                let body = json!({"id": asked["id"], "error": {}}).to_string();
                let mut response = (status, [("content-type", "application/json")], body).into_response();
                if asked["challenges"] == true {
                    response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
                }
                Ok(response)
            }
        };
        SseFront::new("/tools", tower::service_fn(answer))
    }

    #[tokio::test]
    async fn what_the_guard_answers_is_told_in_the_stream_between_two_events() {
        let (server, pieces) = mpsc::channel(1);
        let front = refusing(pieces);
        let mut events = opened(&front).await;
        assert_eq!(next(&mut events).await, "event: endpoint\ndata: /tools?sessionId=s.1\n\n");
        server.send("data: {\"half\":").await.unwrap();
        assert_eq!(next(&mut events).await, "data: {\"half\":");
        let ask =
            |body: &str| soon(front.clone().oneshot(request(Method::POST, "/tools?sessionId=s.1", body)));
        for status in [200, 403, 503] {
            let answer = ask(&format!("{{\"id\":{status},\"status\":{status}}}")).await.unwrap();
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
            assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
        }
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(50), events.next()).await.is_err(),
            "not inside an event"
        );
        server.send("1}\n\n").await.unwrap();
        assert_eq!(next(&mut events).await, "1}\n\n");
        for status in [200, 403, 503] {
            let told = format!("event: message\ndata: {{\"error\":{{}},\"id\":{status}}}\n\n");
            assert_eq!(next(&mut events).await, told);
        }
        for end in ["\n\n", "\r\n\r\n", "\n\r\n", "\r\r"] {
            server.send("data: 2").await.unwrap();
            assert_eq!(next(&mut events).await, "data: 2");
            server.send(end).await.unwrap();
            assert_eq!(next(&mut events).await, end);
            ask(r#"{"id":1,"status":403}"#).await.unwrap();
            assert!(next(&mut events).await.contains("error"), "an event may end with {end:?}");
        }
        for (status, body) in [
            (401, r#"{"id":1,"status":401}"#),
            (404, r#"{"id":1,"status":404}"#),
            (403, r#"{"id":1,"status":403,"challenges":true}"#),
            (400, r#"{"id":null,"status":400}"#),
        ] {
            assert_eq!(ask(body).await.unwrap().status(), status, "its client acts on it: {body}");
        }
        drop(events);
        assert!(front.streams.0.lock().unwrap().is_empty(), "a stream that ended is forgotten");
        assert_eq!(ask(r#"{"id":1,"status":503}"#).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn nobody_is_told_anything_in_the_stream_of_somebody_else() {
        let (_server, pieces) = mpsc::channel(1);
        let front = refusing(pieces);
        let mut events = opened(&front).await;
        next(&mut events).await;
        for credential in [Some("Bearer coat_at_other"), None] {
            let mut message = request(Method::POST, "/tools?sessionId=s.1", r#"{"id":1,"status":403}"#);
            message.headers_mut().remove(header::AUTHORIZATION);
            message
                .headers_mut()
                .extend(credential.map(|it| (header::AUTHORIZATION, HeaderValue::from_static(it))));
            assert_eq!(soon(front.clone().oneshot(message)).await.unwrap().status(), StatusCode::FORBIDDEN);
        }
        assert!(tokio::time::timeout(std::time::Duration::from_millis(50), events.next()).await.is_err());
    }
}
