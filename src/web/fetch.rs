//! A log from a web server into a directory, several files at once.
//!
//! Not for whether it holds: that is verified when all of it is there, as for any directory. TLS
//! only sees to it that the server which is named answers; what a log says is proven by its
//! signatures and hashes alone, whoever serves it.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::audit::{CHECKPOINT, Damage, Fault, Files};
use crate::tlog::note::NOTE_BYTES_MAX;
use crate::tlog::tile::{BUNDLE_BYTES_MAX, Place, Resource, TILE_WIDTH};
use crate::tlog::{Checkpoint, Note};

/// Connections at once.
const CONNECTIONS: usize = 8;
/// How long a server may take to be connected, and then for each file.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a file is asked for when the connection breaks off or the server cannot answer now;
/// any other answer is final.
const TRIES: u32 = 5;
/// The pause before a file is asked for again, which grows.
const PAUSE: Duration = Duration::from_millis(200);

/// Where a log is served, as `https://relay.example:7413/traffic`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogUrl {
    secure: bool,
    host: String,
    port: u16,
    prefix: String,
}

/// Why a log was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// The server gives no answer that is one.
    #[error("{url}: {why}")]
    Server {
        /// What was asked for.
        url: String,
        /// What came instead.
        why: String,
    },
    /// The log is not as it should be.
    #[error("{0}")]
    Log(Fault),
    /// The files cannot be kept.
    #[error("{file}: {why}")]
    Disk {
        /// Which.
        file: String,
        /// What the system said.
        why: io::Error,
    },
}

/// What was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Files.
    pub files: usize,
    /// Those of them that were there already.
    pub kept: usize,
}

impl LogUrl {
    /// True for https.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// True when a text is meant as an address and not as a directory.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("https://") || text.starts_with("http://")
    }

    fn of(&self, name: &str) -> String {
        format!("{self}/{name}")
    }
}

impl fmt::Display for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.prefix)
    }
}

impl FromStr for LogUrl {
    type Err = crate::units::Unreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| crate::units::Unreadable::new("address", format!("{text:?} {why}"));
        let uri: Uri = text.parse().map_err(|_| wrong("is no address"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(wrong("does not begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(wrong("has more than host, port and path"));
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { secure, host: authority.host().to_owned(), port, prefix })
    }
}

/// Fetches the log at `url` into `directory`; full tiles and bundles that are there already are
/// kept. `accept` says whether the head is one that is to be believed: before it has, nothing else
/// is asked for. The head is written last.
///
/// # Errors
/// See [`FetchFault`]; the first file that cannot be had is named.
pub async fn fetch<P>(
    url: &LogUrl,
    tls: Option<Arc<ClientConfig>>,
    directory: &Path,
    accept: impl FnOnce(&Note) -> Result<(), Fault>,
    progress: P,
) -> Result<Fetched, FetchFault>
where
    P: Fn(usize, usize) + Send + Sync + 'static,
{
    let mut client = Client { url: url.clone(), tls: tls.clone(), open: None };
    let bytes = client.get(CHECKPOINT, NOTE_BYTES_MAX).await?;
    let bytes = bytes.ok_or_else(|| FetchFault::Log(missing(CHECKPOINT)))?;
    let head = read_head(bytes).map_err(FetchFault::Log)?;
    accept(&head.0).map_err(FetchFault::Log)?;
    let files = Files::new(directory);
    let work = Arc::new(Work {
        files: files.clone(),
        parts: Resource::new_in(0, head.1.size()),
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        kept: AtomicUsize::new(0),
        progress,
    });
    let mut fetching = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Client { url: url.clone(), tls: tls.clone(), open: None };
        fetching.spawn(Arc::clone(&work).run(client));
    }
    while let Some(done) = fetching.join_next().await {
        // A task that panicked has not done its part; the others are dropped with the set.
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    }
    let text = head.0.to_string();
    let put = files.write_durably(CHECKPOINT, text.as_bytes());
    put.map_err(|why| FetchFault::Disk { file: CHECKPOINT.to_owned(), why })?;
    Ok(Fetched { files: work.parts.len(), kept: work.kept.load(Ordering::Relaxed) })
}

/// The files that are to be fetched.
struct Work<P> {
    files: Files,
    parts: Vec<Resource>,
    next: AtomicUsize,
    done: AtomicUsize,
    kept: AtomicUsize,
    progress: P,
}

impl<P: Fn(usize, usize) + Send + Sync + 'static> Work<P> {
    async fn run(self: Arc<Self>, mut client: Client) -> Result<(), FetchFault> {
        while let Some(part) = self.parts.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            self.part(&mut client, *part).await?;
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(done, self.parts.len());
        }
        Ok(())
    }

    async fn part(&self, client: &mut Client, part: Resource) -> Result<(), FetchFault> {
        // A partial tile may be gone once the full one is there (C2SP tlog-tiles).
        let full = full(part);
        for part in [Some(part), full].into_iter().flatten() {
            let name = part.to_string();
            if is_full(part) && self.files.path(&name).exists() {
                self.kept.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            if let Some(bytes) = client.get(&name, BUNDLE_BYTES_MAX).await? {
                let written = self.files.write(&name, &bytes);
                return written.map_err(|why| FetchFault::Disk { file: name, why });
            }
        }
        Err(FetchFault::Log(missing(&part.to_string())))
    }
}

fn is_full(part: Resource) -> bool {
    match part {
        Resource::Tile { place, .. } | Resource::Entries(place) => place.is_full(),
    }
}

/// The full tile or bundle in whose place a partial one is; none for a full one.
fn full(part: Resource) -> Option<Resource> {
    if is_full(part) {
        return None;
    }
    let full = |place: Place| Place::new(place.index(), TILE_WIDTH).ok();
    match part {
        Resource::Tile { level, place } => full(place).map(|place| Resource::Tile { level, place }),
        Resource::Entries(place) => full(place).map(Resource::Entries),
    }
}

fn missing(name: &str) -> Fault {
    Fault::Damaged(Damage::Missing { file: name.to_owned() })
}

fn read_head(bytes: Bytes) -> Result<(Note, Checkpoint), Fault> {
    let unreadable =
        |why: String| Fault::Damaged(Damage::Unreadable { file: CHECKPOINT.to_owned(), why });
    let text = String::from_utf8(bytes.into());
    let text = text.map_err(|_| unreadable("it is not text".to_owned()))?;
    let note: Note =
        text.parse().map_err(|bad: crate::units::Unreadable| unreadable(bad.to_string()))?;
    let head: Checkpoint =
        note.text().parse().map_err(|bad: crate::units::Unreadable| unreadable(bad.to_string()))?;
    Ok((note, head))
}

/// One connection, opened again when it breaks off.
struct Client {
    url: LogUrl,
    tls: Option<Arc<ClientConfig>>,
    open: Option<SendRequest<Empty<Bytes>>>,
}

/// Why a file was not had.
enum Missed {
    /// It may be had when it is asked for again.
    Now(String),
    /// It would be the same again.
    Forever(String),
}

impl Missed {
    fn now(error: impl fmt::Display) -> Self {
        Self::Now(error.to_string())
    }
}

impl Client {
    /// A file; none where the server has none.
    async fn get(&mut self, name: &str, max: usize) -> Result<Option<Bytes>, FetchFault> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let asked = timeout(PATIENCE, self.ask(name, max)).await;
            let (why, is_final) = match asked {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(Missed::Now(why))) => (why, false),
                Ok(Err(Missed::Forever(why))) => (why, true),
                Err(_) => (format!("no answer within {} s", PATIENCE.as_secs()), false),
            };
            self.open = None;
            if is_final || attempt == TRIES {
                return Err(FetchFault::Server { url: self.url.of(name), why });
            }
            sleep(pause).await;
            pause *= 2;
        }
        Ok(None)
    }

    async fn ask(&mut self, name: &str, max: usize) -> Result<Option<Bytes>, Missed> {
        let mut open = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            Some(_) | None => self.connect().await.map_err(Missed::now)?,
        };
        open.ready().await.map_err(Missed::now)?;
        let request = Request::get(format!("{}/{name}", self.url.prefix))
            .header(HOST, format!("{}:{}", self.url.host, self.url.port))
            .body(Empty::new())
            .map_err(|error| Missed::Forever(error.to_string()))?;
        let answer = open.send_request(request).await.map_err(Missed::now)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), max).collect().await;
        if body.is_ok() {
            self.open = Some(open);
        }
        match (status, body) {
            (StatusCode::OK, Ok(body)) => Ok(Some(body.to_bytes())),
            (StatusCode::OK, Err(error)) if error.is::<LengthLimitError>() => {
                Err(Missed::Forever(format!("it has more than {max} bytes")))
            }
            (StatusCode::OK, Err(error)) => Err(Missed::now(error)),
            // What comes with another status is not looked at.
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => Ok(None),
            (other, _) => {
                let why = format!("the server answered {other}");
                let is_busy = other.is_server_error() || other == StatusCode::TOO_MANY_REQUESTS;
                Err(if is_busy { Missed::Now(why) } else { Missed::Forever(why) })
            }
        }
    }

    async fn connect(&self) -> io::Result<SendRequest<Empty<Bytes>>> {
        let bare = self.url.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let stream = TcpStream::connect((bare.as_str(), self.url.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) if self.url.secure => {
                let name = ServerName::try_from(bare).map_err(io::Error::other)?;
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
                speak(stream).await
            }
            Some(_) | None => speak(stream).await,
        }
    }
}

async fn speak<S>(stream: S) -> io::Result<SendRequest<Empty<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // How it ends is seen by whoever waits for an answer.
        let _ended = connection.await;
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_logs_are_read_and_others_refused() {
        let read = |text: &str| text.parse::<LogUrl>().map(|url| url.to_string());
        for (text, canonical) in [
            ("https://relay.example/traffic", "https://relay.example:443/traffic"),
            ("https://relay.example:7413/traffic/", "https://relay.example:7413/traffic"),
            ("http://[::1]:80/a/b", "http://[::1]:80/a/b"),
            ("http://127.0.0.1", "http://127.0.0.1:80"),
        ] {
            assert_eq!(read(text).unwrap(), canonical);
        }
        for bad in [
            "relay.example/traffic",
            "ftp://relay.example/traffic",
            "https:///traffic",
            "https://user@relay.example/traffic",
            "https://relay.example/traffic?x=1",
            "",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
