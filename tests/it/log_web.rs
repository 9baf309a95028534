//! The published logs over HTTPS, as C2SP tlog-tiles has them: served to everybody, fetched and
//! verified by address.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use detente::audit::{CHECKPOINT, Writer};
use detente::codec::{Head, Log};
use detente::envelope::genesis;
use detente::identity::listen::Counts;
use detente::identity::{self, OwnCertificate, RelayTrust, Unlock};
use detente::tlog::tile::Resource;
use detente::tlog::{Checkpoint, Note};
use detente::web::{Answer, Limits, LogUrl, Shelf, fetch, serve};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::audit_lab::{cosigned, leaf, publish};
use crate::net::{self, Dev, Process, Speaker, relay_client, until_up};

/// Every tile and bundle of every size that had a head, from the files of the newest alone.
#[test]
fn partial_tiles_of_older_heads_are_cut_from_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).join("traffic");
    let sizes = [1, 2, 17, 255, 256, 257, 300, 511, 512, 700];
    publish(&at("public"), &sizes, u64::MAX);
    let shelf = Shelf::new(directory.path().join("public"));
    for size in sizes {
        let then = at(&format!("then-{size}"));
        publish(&then, &[size], u64::MAX);
        for part in Resource::new_in(0, size) {
            let name = part.to_string();
            let answer = shelf.answer(&format!("/traffic/{name}")).unwrap();
            assert_eq!(answer, Answer::Part(fs::read(then.join(&name)).unwrap()), "{name}");
        }
    }
    let head = fs::read(at("public").join(CHECKPOINT)).unwrap();
    assert_eq!(shelf.answer("/traffic/checkpoint").unwrap(), Answer::Checkpoint(head));
    for path in [
        "",
        "/",
        "/traffic",
        "/traffic/",
        "/directory/checkpoint",
        "/other/checkpoint",
        "/traffic/checkpoint/",
        "/traffic/../traffic/checkpoint",
        "/traffic/tile/0/000.p/0",
        "/traffic/tile/0/000.p/256",
        "/traffic/tile/0/002.p/189",
        "/traffic/tile/0/002",
        "/traffic/tile/0/003.p/1",
        "/traffic/tile/1/000.p/3",
        "/traffic/tile/2/000.p/1",
        "/traffic/tile/63/000.p/1",
        "/traffic/tile/64/000",
        "/traffic/tile/entries/002.p/189",
        "/traffic/tile/entries/999",
        "/traffic/tile/8/0/000",
        "/traffic/tile/0/x18/446/744",
        "/traffic/tile/0/0",
    ] {
        assert_eq!(shelf.answer(path).unwrap(), Answer::Missing, "{path}");
    }
    // A tile that should be there and is not is no "not found".
    fs::remove_file(at("public").join("tile/0/001")).unwrap();
    assert!(shelf.answer("/traffic/tile/0/001").is_err());
}

/// A listener in this process, with a log of 700 leaves.
struct Site {
    dev: Dev,
    directory: tempfile::TempDir,
    address: std::net::SocketAddr,
    counts: Arc<Counts>,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Site {
    async fn new(limits: Limits) -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let directory = tempfile::tempdir().unwrap();
        publish(&directory.path().join("traffic"), &[700], u64::MAX);
        let config = dev.relay_config();
        let unlock = Unlock::from_file(config.unlock.file.as_deref().unwrap()).unwrap();
        let own = OwnCertificate::load(&config.tls.certificate, &config.tls.key, unlock).unwrap();
        let tls = identity::public_server_config(Arc::new(own));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let shelf = Shelf::new(directory.path());
        let counts = Arc::<Counts>::default();
        let serving = tokio::spawn(serve(listener, tls, shelf, limits, counts.clone(), async {
            let _ended = ended.await;
        }));
        Self { dev, directory, address, counts, end: Some(end), serving }
    }

    /// A connection; none when the listener closes it.
    async fn connect(&self) -> Option<TlsStream<TcpStream>> {
        let genesis = genesis::parse(&fs::read(&self.dev.made.genesis).unwrap()).unwrap();
        let trust = RelayTrust::from_genesis(&genesis, None).unwrap();
        let connector = TlsConnector::from(identity::relay_reader_config(Arc::new(trust)));
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("relay.invalid").unwrap();
        connector.connect(name, stream).await.ok()
    }

    /// Sends these bytes and reads to the end.
    async fn said(&self, request: &str) -> Vec<u8> {
        let mut stream = self.connect().await.unwrap();
        // What is too long may be cut off while it is being written.
        let _cut = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer));
        // A peer that closes without a word of TLS has still said what it said.
        let _end = read.await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> (String, Vec<u8>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        split(&self.said(&request).await)
    }

    async fn close(mut self) {
        self.end.take().unwrap().send(()).unwrap();
        self.serving.await.unwrap();
    }
}

/// Head and body of an answer.
fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (
        String::from_utf8(answer[..at + 2].to_vec()).unwrap().to_lowercase(),
        answer[at + 4..].to_vec(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_has_the_types_and_lifetimes_of_the_format() {
    let site = Site::new(Limits::default()).await;
    let file = |name: &str| fs::read(site.directory.path().join("traffic").join(name)).unwrap();
    let (head, body) = site.get("/traffic/checkpoint").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; charset=utf-8\r\n"), "{head}");
    assert!(head.contains("cache-control: public, max-age=2\r\n"), "{head}");
    assert_eq!(body, file("checkpoint"));
    for name in ["tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001"] {
        let (head, body) = site.get(&format!("/traffic/{name}")).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: application/octet-stream\r\n"), "{head}");
        assert!(head.contains("max-age=31536000, immutable\r\n"), "{head}");
        assert_eq!(body, file(name), "{name}");
    }
    let (head, body) = site.get("/traffic/tile/0/002.p/7").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, file("tile/0/002.p/188")[..7 * 32]);
    for path in ["/traffic/tile/0/002", "/", "/directory/checkpoint", "/published.json"] {
        let (head, _) = site.get(path).await;
        assert!(head.starts_with("http/1.1 404") && head.contains("no-store"), "{path}: {head}");
    }

    let asked = "HEAD /traffic/tile/0/000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (head, body) = split(&site.said(asked).await);
    assert!(head.contains("content-length: 8192\r\n") && body.is_empty(), "{head}");
    let asked = "POST /traffic/checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Content-Length: 1\r\n\r\nx";
    let (head, _) = split(&site.said(asked).await);
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head\r\n"), "{head}");
    let asked = "GET /traffic/checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Content-Length: 1\r\n\r\nx";
    assert!(split(&site.said(asked).await).0.starts_with("http/1.1 413"));
    let long = "a".repeat(64 << 10);
    let asked = format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n");
    let said = String::from_utf8_lossy(&site.said(&asked).await).into_owned();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_have_bounded_places_for_a_bounded_time() {
    // Long enough for a busy machine to fill the places before the first is given up.
    let quick = Duration::from_secs(3);
    let limits = Limits {
        connections_max: 3,
        per_address_max: 3,
        headers: quick,
        age: Duration::from_secs(5),
        last_answer: quick,
        ..Limits::default()
    };
    let site = Site::new(limits).await;
    // Three that say nothing, or not all; the fourth finds no place.
    let mut silent = Vec::new();
    for part in ["", "GET /traffic/checkpoint HTTP/1.1\r\n", "GET /traffic/ch"] {
        let mut stream = site.connect().await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    assert!(site.connect().await.is_none(), "a fourth place");
    let [accepted, opened, crowded] =
        [&site.counts.accepted, &site.counts.opened, &site.counts.crowded]
            .map(|count| count.load(Ordering::Relaxed));
    assert_eq!((accepted, opened, crowded), (4, 3, 1));
    for mut stream in silent {
        let mut rest = Vec::new();
        let closed = stream.read_to_end(&mut rest);
        let _end = tokio::time::timeout(Duration::from_secs(60), closed).await.unwrap();
    }
    // Their places come back.
    let started = Instant::now();
    while site.connect().await.is_none() {
        assert!(started.elapsed() < Duration::from_secs(60), "no place comes back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // One that asks again and again and never reads is cut off.
    let mut slow = site.connect().await.unwrap();
    let ask = "GET /traffic/tile/0/000 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(64);
    let flood = async {
        loop {
            if slow.write_all(ask.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), flood).await.expect("it is cut off");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_take_their_memory_from_a_bounded_amount() {
    let site = Site::new(Limits { answers_bytes_max: 4_096, ..Limits::default() }).await;
    assert!(site.get("/traffic/tile/1/000.p/2").await.0.starts_with("http/1.1 200"));
    let (head, _) = site.get("/traffic/tile/0/000").await;
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: 5\r\n"), "{head}");
    assert!(site.get("/traffic/checkpoint").await.0.starts_with("http/1.1 200"));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_number_of_files_is_read_at_once() {
    let site = Site::new(Limits { reads_max: 1, ..Limits::default() }).await;
    // A file that is not read before somebody writes it.
    let slow = site.directory.path().join("traffic/tile/0/000");
    let tile = fs::read(&slow).unwrap();
    fs::remove_file(&slow).unwrap();
    assert!(Command::new("mkfifo").arg(&slow).status().unwrap().success());
    let soon = Duration::from_millis(300);
    let mut first = Box::pin(site.get("/traffic/tile/0/000"));
    assert!(tokio::time::timeout(soon, &mut first).await.is_err(), "it is not there yet");
    let mut second = Box::pin(site.get("/traffic/checkpoint"));
    assert!(tokio::time::timeout(soon, &mut second).await.is_err(), "two are read at once");
    let (path, bytes) = (slow.clone(), tile.clone());
    let written = tokio::task::spawn_blocking(move || fs::write(path, bytes));
    let ((head, body), (other, _)) = tokio::join!(first, second);
    written.await.unwrap().unwrap();
    assert!(head.starts_with("http/1.1 200") && other.starts_with("http/1.1 200"), "{head}{other}");
    assert_eq!(body, tile);
    site.close().await;
}

/// A web server that gives every request the same answer; its address, and how often it was asked.
async fn same_answer(answer: &'static str) -> (LogUrl, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/traffic", listener.local_addr().unwrap()).parse().unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            if stream.read(&mut request).await.unwrap() > 0 {
                counted.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_may_change_is_asked_for_again() {
    let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    let answers: [(&'static str, usize, &str); 6] = [
        ("HTTP/1.1 403 Forbidden\r\n", 1, "403"),
        ("HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\n", 1, "301"),
        ("HTTP/1.1 404 Not Found\r\n", 1, "missing"),
        ("HTTP/1.1 429 Too Many Requests\r\n", 5, "429"),
        ("HTTP/1.1 503 Service Unavailable\r\n", 5, "503"),
        ("nothing of HTTP\r\n", 5, "traffic/checkpoint"),
    ];
    let asking = answers.map(|(answer, times, words)| async move {
        let (url, asked) = same_answer(format!("{answer}{end}").leak()).await;
        let directory = tempfile::tempdir().unwrap();
        let fetched = fetch(&url, None, directory.path(), |_| Ok(()), |_, _| {}).await;
        let why = fetched.unwrap_err().to_string();
        assert!(why.contains(words), "{answer}: {why}");
        assert_eq!(asked.load(Ordering::SeqCst), times, "{answer}");
    });
    for asked in asking.map(tokio::spawn) {
        asked.await.unwrap();
    }
}

/// Runs `detente verify log` on an address; what it says, with its exit code.
fn verify(url: &str, more: &[&str]) -> (i32, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_detente"));
    let output = command.args(["verify", "log", url, "--json"]).args(more).output().unwrap();
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    let said = String::from_utf8_lossy(text).into_owned();
    let document = said.lines().find(|line| line.starts_with('{')).unwrap_or(&said);
    let parsed = serde_json::from_str(&said).or_else(|_| serde_json::from_str(document));
    (output.status.code().unwrap(), parsed.unwrap_or_else(|_| panic!("{said}")))
}

/// The program, with a listener for its logs, and its address.
async fn program(dev: &Dev) -> (Process, String) {
    let mut relay = dev.start_relay();
    until_up(&relay_client(dev, "NL"), &mut relay).await;
    let addresses = fs::read(dev.relay_data().join("addresses.json")).unwrap();
    let addresses: Value = serde_json::from_slice(&addresses).unwrap();
    (relay, format!("https://{}", addresses["log"].as_str().unwrap()))
}

async fn say(dev: &Dev, speaker: &Speaker, count: usize) {
    let client = relay_client(dev, "NL");
    for _ in 0..count {
        client.submit(&speaker.question(&net::desk("RO"))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_verified_by_its_address() {
    let dev = Dev::new(&["NL", "RO"]);
    let sooner = ("interval_seconds = 5", "interval_seconds = 1");
    let listening = ("[listen]\n", "[listen]\nlog = \"127.0.0.1:0\"\n");
    net::edit_file(&dev.made.relay_config, &[sooner, listening]);
    let (_relay, base) = program(&dev).await;
    let speaker = Speaker::new(&dev, "NL");
    let traffic = format!("{base}/traffic");
    let genesis = ["--genesis", dev.made.genesis.to_str().unwrap()];
    let keep = dev.path().join("kept");
    let kept = [&genesis[..], &["--keep", keep.to_str().unwrap()]].concat();
    let mut size = 0;
    for (more, arguments, older) in [(3, &genesis[..], 0), (300, &kept, 0), (20, &kept, 1)] {
        say(&dev, &speaker, more).await;
        size += more as u64;
        let started = Instant::now();
        loop {
            let (code, found) = verify(&traffic, arguments);
            assert_eq!((code, &found["holds"]), (0, &true.into()), "{found}");
            if found["size"] == size {
                assert!(found["older_heads"].as_u64().unwrap() >= older, "{found}");
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{found}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let (code, found) = verify(&format!("{base}/directory"), &genesis);
    assert_eq!((code, &found["size"]), (0, &1.into()), "{found}");

    // Another network's relay is nobody; nor is one under an authority that is not its own.
    let other = Dev::new(&["NL", "RO"]);
    let (code, found) = verify(&traffic, &["--genesis", other.made.genesis.to_str().unwrap()]);
    assert_eq!((code, &found["error"]["code"]), (1, &"C-419".into()), "{found}");
    let (code, found) = verify(&format!("{base}/nothing"), &genesis);
    assert_eq!((code, &found["error"]["code"]), (3, &"C-410".into()), "{found}");
    assert!(found.to_string().contains("checkpoint is missing"), "{found}");

    // A server that goes back is found out, and what was kept stays.
    let before = fs::read(keep.join(CHECKPOINT)).unwrap();
    let longer = dev.path().join("longer");
    fs::create_dir(&longer).unwrap();
    copy_head(&keep.join(CHECKPOINT), &longer, size + 50, &dev);
    let older = longer.join(CHECKPOINT);
    let back = [&kept[..], &["--older", older.to_str().unwrap()]].concat();
    let (code, found) = verify(&traffic, &back);
    assert_eq!((code, &found["error"]["code"]), (3, &"C-418".into()), "{found}");
    assert_eq!(fs::read(keep.join(CHECKPOINT)).unwrap(), before);
}

/// A head of more leaves, signed by the network's own key: what the log had once said.
fn copy_head(of: &Path, to: &Path, size: u64, dev: &Dev) {
    let note: Note = fs::read_to_string(of).unwrap().parse().unwrap();
    let known: Checkpoint = note.text().parse().unwrap();
    let head = Head { size, root: known.root() };
    let note = dev.signers().sign(Log::Traffic, &head).unwrap();
    fs::write(to.join(CHECKPOINT), note.to_string()).unwrap();
}

/// A log of many leaves leaves few files, whatever the number of its heads.
#[test]
fn a_hundred_thousand_leaves_are_fewer_than_two_thousand_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(directory.path()).unwrap();
    let mut files = 0;
    for index in 0..100_000 {
        writer.push(&leaf(0, index)).unwrap();
        // As a relay at 200 statements in a second does.
        if index % 1_000 == 999 {
            writer.publish(&cosigned(index + 1, writer.root())).unwrap();
            files = files.max(count(directory.path()));
        }
    }
    assert!(files < 2_000, "{files} files");
    assert!(files > 780, "{files} files cannot hold them");
}

fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}
