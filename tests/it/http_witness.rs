//! A witness over HTTP, played: it answers what C2SP tlog-witness says, unless the test has put
//! something else there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use detente::tlog::note::Kind;
use detente::tlog::witness::{AddCheckpoint, Latest, decide, monitoring_path, render_lines};
use detente::tlog::{Checkpoint, Note, Signer, VerifierKey};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// When it says that it cosigned, in seconds since 1970.
const TIME: u64 = 1_795_000_000;

/// The witness. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Door(Arc<Mutex<Behind>>);

pub(crate) struct Behind {
    signer: Signer,
    /// Of the logs that it witnesses.
    keys: Vec<VerifierKey>,
    /// What it has cosigned, by the log's name.
    pub(crate) latest: BTreeMap<String, Latest>,
    /// The notes of those, if it shows them: by their path.
    pub(crate) shown: Option<BTreeMap<String, Note>>,
    /// How often they were looked at.
    pub(crate) looked_at: usize,
    /// To another tree of the same size it answers 409, as 1.0.0 has it, and not 422.
    pub(crate) is_of_1_0: bool,
    /// Answers that come first, the last of them first.
    pub(crate) instead: Vec<(StatusCode, String)>,
    /// It says that it will answer later.
    pub(crate) is_closed: bool,
    pub(crate) asked: usize,
    /// How often it has said that it has seen another size, by the log's name.
    pub(crate) conflicts: BTreeMap<String, usize>,
}

impl Door {
    /// The witness with this number. It shows nothing.
    pub(crate) fn new(number: u8, keys: Vec<VerifierKey>) -> Self {
        let name = format!("witness.example/w{number}").parse().unwrap();
        let signer = Signer::from_seed(name, Kind::Ed25519Cosignature, [number; 32]);
        let behind = Behind {
            signer,
            keys,
            latest: BTreeMap::new(),
            shown: None,
            looked_at: 0,
            is_of_1_0: false,
            instead: Vec::new(),
            is_closed: false,
            asked: 0,
            conflicts: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(behind)))
    }

    /// It shows the newest checkpoint of each log that it cosigns from now on.
    pub(crate) fn showing(self) -> Self {
        self.behind(|behind| behind.shown = Some(BTreeMap::new()));
        self
    }

    pub(crate) fn key(&self) -> VerifierKey {
        self.behind(|behind| behind.signer.public().clone())
    }

    pub(crate) fn behind<T>(&self, look: impl FnOnce(&mut Behind) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// How many leaves it has seen of the log whose name ends so.
    pub(crate) fn seen(&self, log: &str) -> u64 {
        self.behind(|behind| {
            let found = behind.latest.iter().find(|(origin, _)| origin.ends_with(log));
            found.map_or(0, |(_, latest)| latest.size)
        })
    }

    /// It has seen something else of the log whose name ends so, of which it has seen something.
    pub(crate) fn has_seen(&self, log: &str, latest: Latest) {
        self.behind(|behind| {
            let found = behind.latest.iter_mut().find(|(origin, _)| origin.ends_with(log));
            *found.unwrap().1 = latest;
        });
    }

    /// A note with its cosignature.
    pub(crate) fn cosigned(&self, note: &Note) -> Note {
        self.behind(|behind| {
            let mut note = note.with_only(|line| !line.is_by(behind.signer.public()));
            note.add(behind.signer.sign(note.text(), TIME).unwrap());
            note
        })
    }

    /// How often it has said that it has seen another size of the log whose name ends so.
    pub(crate) fn conflicts(&self, log: &str) -> usize {
        self.behind(|behind| {
            let found = behind.conflicts.iter().find(|(origin, _)| origin.ends_with(log));
            found.map_or(0, |(_, count)| *count)
        })
    }

    /// Answers under `/a/`.
    pub(crate) fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let router = axum::Router::new()
            .route("/a/add-checkpoint", post(add_checkpoint))
            .route("/a/{origin}/checkpoint", get(checkpoint))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
    }

    /// Answers at an address of its own: the line of a policy, and the task.
    pub(crate) async fn open(&self, name: &str) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        (format!("witness {name} {} http://{address}/a/\n", self.key()), self.serve(listener))
    }
}

async fn add_checkpoint(State(door): State<Door>, body: Bytes) -> (StatusCode, String) {
    let (status, body) = door.behind(|behind| {
        behind.asked += 1;
        if behind.is_closed {
            return (StatusCode::SERVICE_UNAVAILABLE, "later".to_owned());
        }
        behind.instead.pop().unwrap_or_else(|| behind.answer(&body))
    });
    (status, body)
}

async fn checkpoint(State(door): State<Door>, Path(origin): Path<String>) -> (StatusCode, String) {
    let path = format!("{origin}/checkpoint");
    let found = door.behind(|behind| {
        behind.looked_at += 1;
        behind.shown.as_ref().and_then(|shown| shown.get(&path).cloned())
    });
    found.map_or((StatusCode::NOT_FOUND, String::new()), |note| (StatusCode::OK, note.to_string()))
}

impl Behind {
    fn answer(&mut self, body: &[u8]) -> (StatusCode, String) {
        let request: AddCheckpoint = std::str::from_utf8(body).unwrap().parse().unwrap();
        let asked: Checkpoint = request.checkpoint.text().parse().unwrap();
        let latest = self.latest.entry(asked.origin().to_owned()).or_insert_with(Latest::none);
        match decide(&request, &self.keys, *latest) {
            Ok(next) => {
                *latest = next;
                let mut note = request.checkpoint;
                let line = self.signer.sign(note.text(), TIME).unwrap();
                note.add(line.clone());
                if let Some(shown) = &mut self.shown {
                    shown.insert(monitoring_path(asked.origin()), note);
                }
                (StatusCode::OK, render_lines(&[line]))
            }
            Err(declined) if declined.status() == 409 => {
                *self.conflicts.entry(asked.origin().to_owned()).or_default() += 1;
                (StatusCode::CONFLICT, format!("{}\n", latest.size))
            }
            Err(declined) if declined.status() == 422 && self.is_of_1_0 => {
                (StatusCode::CONFLICT, "another root".to_owned())
            }
            Err(declined) => {
                (StatusCode::from_u16(declined.status()).unwrap(), declined.to_string())
            }
        }
    }
}
