//! The listener: HTTP/1.1 over TLS 1.3, reading only.
//!
//! Not for what lies where (see `shelf.rs`). Whoever connects is a stranger: every connection has a
//! place among a bounded number, a bounded time for each step and for all of it, a bounded number
//! of files is read at once, and answers that are under way take their memory from a bounded
//! amount. A slow reader keeps one place, for a while, and nobody waits for him.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, error};

use super::shelf::{Answer, Shelf};
use crate::identity::crowd::Crowd;
use crate::identity::listen::{Counts, accepted, count};

/// What the listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. Default 256.
    pub connections_max: usize,
    /// Those from one IPv4 address or IPv6 /64 network. Default 32.
    pub per_address_max: usize,
    /// The TLS handshake. Default 5 s.
    pub handshake: Duration,
    /// From the beginning of a request to the end of its headers. Default 10 s.
    pub headers: Duration,
    /// How old a connection gets before it is closed after the answer that is under way. Default
    /// 60 s.
    pub age: Duration,
    /// How long that answer may still take. Default 60 s: the largest bundle, 16 MiB, at 2 Mbit/s.
    pub last_answer: Duration,
    /// Answers under way, in bytes. Default 64 MiB: four of the largest bundles, thousands of
    /// tiles.
    pub answers_bytes_max: usize,
    /// Files that are read at once; who asks for more waits. Default 4: with the largest bundles
    /// another 64 MiB.
    pub reads_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            per_address_max: 32,
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(10),
            age: Duration::from_secs(60),
            last_answer: Duration::from_secs(60),
            answers_bytes_max: 64 << 20,
            reads_max: 4,
        }
    }
}

/// Headers of a request, in bytes.
const HEADERS_BYTES_MAX: usize = 16 << 10;
/// What is said when the disk cannot be read.
const UNREADABLE: &str = "this cannot be read now\n";
/// Answers that are under way at the end may take so much longer.
const DRAIN: Duration = Duration::from_secs(1);

/// What every connection uses.
struct Door {
    tls: TlsAcceptor,
    shelf: Shelf,
    limits: Limits,
    room: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    counts: Arc<Counts>,
}

/// Serves what lies on `shelf` until `end`. What becomes of connections is counted in `counts`.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    shelf: Shelf,
    limits: Limits,
    counts: Arc<Counts>,
    end: impl Future<Output = ()>,
) {
    let door = Arc::new(Door {
        tls: TlsAcceptor::from(tls),
        shelf,
        limits,
        room: Arc::new(Semaphore::new(limits.answers_bytes_max)),
        reads: Arc::new(Semaphore::new(limits.reads_max)),
        counts,
    });
    let crowd = Crowd::new(limits.connections_max, limits.per_address_max);
    let (ending, ended) = watch::channel(false);
    let mut open = JoinSet::new();
    tokio::pin!(end);
    loop {
        let (stream, address) = tokio::select! {
            () = &mut end => break,
            accepted = accepted(&listener, &door.counts.accept_errors) => accepted,
            Some(_) = open.join_next() => continue,
        };
        count(&door.counts.accepted);
        let Some(place) = crowd.enter(address.ip()) else {
            // Closed at once, without a word that would have to be sent.
            count(&door.counts.crowded);
            continue;
        };
        let one = Arc::clone(&door).connection(stream, ended.clone());
        open.spawn(async move {
            one.await;
            drop(place);
        });
    }
    ending.send_replace(true);
    let drained = async { while open.join_next().await.is_some() {} };
    // What is not finished by then is dropped.
    let _late = timeout(DRAIN, drained).await;
}

impl Door {
    async fn connection(self: Arc<Self>, stream: TcpStream, mut ended: watch::Receiver<bool>) {
        let stream = match timeout(self.limits.handshake, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(fault)) => {
                count(&self.counts.refused);
                debug!(%fault, "no handshake");
                return;
            }
            Err(_elapsed) => {
                count(&self.counts.slow);
                debug!("no handshake in time");
                return;
            }
        };
        count(&self.counts.opened);
        let door = Arc::clone(&self);
        let answer = service_fn(move |request| {
            let door = Arc::clone(&door);
            async move { Ok::<_, Infallible>(door.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.headers)
            .max_buf_size(HEADERS_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), answer);
        tokio::pin!(connection);
        tokio::select! {
            // Whatever a stranger's connection ends with concerns nobody.
            _ = connection.as_mut() => return,
            () = sleep(self.limits.age) => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _cut = timeout(self.limits.last_answer, connection).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "read only: GET or HEAD\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        if !request.body().is_end_stream() {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "nothing is taken\n");
        }
        let (shelf, path) = (self.shelf.clone(), request.uri().path().to_owned());
        // It is never closed.
        let Ok(read) = Arc::clone(&self.reads).acquire_owned().await else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, UNREADABLE);
        };
        // Who goes away meanwhile does not end the reading.
        let found = tokio::task::spawn_blocking(move || {
            let _read = read;
            shelf.answer(&path)
        });
        let found = found.await;
        match found {
            Ok(Ok(Answer::Checkpoint(bytes))) => {
                self.found(bytes, "text/plain; charset=utf-8", "public, max-age=2")
            }
            Ok(Ok(Answer::Part(bytes))) => {
                let forever = "public, max-age=31536000, immutable";
                self.found(bytes, "application/octet-stream", forever)
            }
            Ok(Ok(Answer::Missing)) => plain(StatusCode::NOT_FOUND, "there is nothing here\n"),
            Ok(Err(fault)) => {
                error!(%fault, "a published log cannot be read");
                plain(StatusCode::INTERNAL_SERVER_ERROR, UNREADABLE)
            }
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, UNREADABLE),
        }
    }

    fn found(
        &self,
        bytes: Vec<u8>,
        content_type: &'static str,
        cache: &'static str,
    ) -> Response<Full<Bytes>> {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) else {
            let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "too many read at once\n");
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return answer;
        };
        let body = Bytes::from_owner(Held { bytes, _room: room });
        respond(StatusCode::OK, content_type, cache, body)
    }
}

/// An answer's bytes, and the room that they take until they are sent.
struct Held {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let body = Bytes::from_static(text.as_bytes());
    // A path that leads nowhere now may lead somewhere soon.
    respond(status, "text/plain; charset=utf-8", "no-store", body)
}

fn respond(
    status: StatusCode,
    content_type: &'static str,
    cache: &'static str,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    // Public to begin with: pages of anybody may read it too.
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    answer
}
