//! What a durable submission costs beside its floor, in one run.
//!
//! Alternating, on the same machine and disk, with the same sealed and padded envelopes:
//! - `echo`: a bare tonic unary call over mutual TLS that verifies the Ed25519 signature and
//!   answers; nothing is kept;
//! - `append`: a write into a preallocated file and one `fdatasync` of the same bytes;
//! - `submit`: the relay, as it is.
//!
//! Medians over rounds are printed, as a table and as JSON. Not a test: nothing is asserted.
//!
//! `cargo bench --bench relay` takes about a minute; `-- --quick` a few seconds.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use detente::cli::pki::{Spec, dev_network};
use detente::config;
use detente::envelope::genesis::{self, PublicKey};
use detente::envelope::words::{Instrument, RequestType, Urgency};
use detente::envelope::{self, Act, Draft, Envelope, RequestFacts, Signer, SigningKey};
use detente::grpc::client::RelayClient;
use detente::identity::{self, Connections, OwnCertificate, Trust, Unlock, keyfile};
use detente::relay::{Clock as _, SystemClock};
use detente::rules::Directory;
use detente::service::{self, RunningRelay};
use detente::units::{CaseId, HOUR_MS, MessageId};
use detente::wire::detente::desk::v1 as api;
use detente::wire::detente::form::v1 as form;

type Anyhow<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// In flight at the same time.
const LOADS: [usize; 3] = [1, 64, 256];

struct Plan {
    rounds: usize,
    calls: [usize; 3],
}

fn main() -> Anyhow<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let plan = if quick {
        Plan { rounds: 1, calls: [50, 500, 500] }
    } else {
        Plan { rounds: 5, calls: [300, 4_000, 8_000] }
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(&plan))
}

/// Latencies of one round, and how long the round took.
struct Round {
    latencies: Vec<Duration>,
    took: Duration,
}

async fn run(plan: &Plan) -> Anyhow<()> {
    let directory = tempfile::tempdir()?;
    let spec = Spec::new("detente-bench", &["NL", "RO"])?;
    let made = dev_network(&directory.path().join("net"), &spec, SystemClock::default().wall())?;
    let relay = RunningRelay::start(&config::Relay::read(&made.relay_config)?).await?;
    let desk = config::Desk::read(&made.desk_configs[&"NL/cyber".parse()?])?;
    let signed = std::fs::read(&made.genesis)?;
    let sealer = Sealer::new(&desk, &signed)?;
    let echo = start_echo(&made.relay_config, &signed, sealer.key.public()).await?;
    let to_relay = client_at(&desk, relay.addresses().desks)?;
    let to_echo = client_at(&desk, echo)?;
    let floor = Floor::new(directory.path())?;

    let bytes = sealer.seal()?.to_bytes();
    println!("envelope: {} bytes", bytes.len());
    println!(
        "{:>9} {:>8} {:>12} {:>12} {:>12}",
        "in flight", "what", "p50 us", "p99 us", "per second"
    );
    let mut results = Vec::new();
    for (load, calls) in LOADS.into_iter().zip(plan.calls) {
        let mut rounds: [Vec<Round>; 3] = Default::default();
        for _ in 0..plan.rounds {
            let envelopes = (0..calls).map(|_| sealer.seal()).collect::<Anyhow<Vec<_>>>()?;
            rounds[0].push(drive(&to_echo, &envelopes, load).await?);
            if load == 1 {
                rounds[1].push(floor.append(&bytes, calls)?);
            }
            rounds[2].push(drive(&to_relay, &envelopes, load).await?);
        }
        for (what, rounds) in ["echo", "append", "submit"].into_iter().zip(&mut rounds) {
            if let Some(line) = Line::of(load, what, rounds) {
                line.print();
                results.push(line);
            }
        }
    }
    compare(&results);
    println!("{}", serde_json::to_string(&results)?);
    relay.stop().await?;
    Ok(())
}

/// Submits every envelope, `load` at a time.
async fn drive(client: &RelayClient, envelopes: &[Envelope], load: usize) -> Anyhow<Round> {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let envelopes: Arc<[Envelope]> = envelopes.to_vec().into();
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..load {
        let (client, next, envelopes) = (client.clone(), Arc::clone(&next), Arc::clone(&envelopes));
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(envelope) = envelopes.get(place) else { return Ok(latencies) };
                let before = Instant::now();
                client.submit(envelope).await.map_err(|failure| failure.to_string())?;
                latencies.push(before.elapsed());
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let done: Result<Vec<Duration>, String> = done?;
        latencies.extend(done?);
    }
    Ok(Round { latencies, took: started.elapsed() })
}

/// A preallocated file.
struct Floor {
    file: File,
}

impl Floor {
    fn new(directory: &Path) -> Anyhow<Self> {
        let file = File::create(directory.join("floor"))?;
        let length = 64 << 20;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length)?;
        file.sync_all()?;
        Ok(Self { file })
    }

    fn append(&self, bytes: &[u8], calls: usize) -> Anyhow<Round> {
        let started = Instant::now();
        let mut latencies = Vec::new();
        let mut at = 0;
        for _ in 0..calls {
            let before = Instant::now();
            self.file.write_all_at(bytes, at)?;
            self.file.sync_data()?;
            latencies.push(before.elapsed());
            at += bytes.len() as u64;
        }
        Ok(Round { latencies, took: started.elapsed() })
    }
}

/// One line of the table: medians over rounds.
#[derive(serde::Serialize)]
struct Line {
    in_flight: usize,
    what: &'static str,
    p50_us: f64,
    p99_us: f64,
    per_second: f64,
}

impl Line {
    fn of(in_flight: usize, what: &'static str, rounds: &mut [Round]) -> Option<Self> {
        if rounds.is_empty() {
            return None;
        }
        for round in &mut *rounds {
            round.latencies.sort_unstable();
        }
        let at = |round: &Round, percent: usize| {
            let place = round.latencies.len() * percent / 100;
            round.latencies[place.min(round.latencies.len() - 1)].as_secs_f64() * 1e6
        };
        Some(Self {
            in_flight,
            what,
            p50_us: median(rounds.iter().map(|round| at(round, 50))),
            p99_us: median(rounds.iter().map(|round| at(round, 99))),
            per_second: median(
                rounds.iter().map(|round| round.latencies.len() as f64 / round.took.as_secs_f64()),
            ),
        })
    }

    fn print(&self) {
        let Self { in_flight, what, p50_us, p99_us, per_second } = self;
        println!("{in_flight:>9} {what:>8} {p50_us:>12.0} {p99_us:>12.0} {per_second:>12.0}");
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(lines: &[Line]) {
    let find = |load, what| lines.iter().find(|line| line.in_flight == load && line.what == what);
    if let (Some(echo), Some(append), Some(submit)) =
        (find(1, "echo"), find(1, "append"), find(1, "submit"))
    {
        let floor = echo.p50_us + append.p50_us;
        println!("one at a time: submit is {:.2} times echo + append", submit.p50_us / floor);
    }
    for load in LOADS {
        if let (Some(echo), Some(submit)) = (find(load, "echo"), find(load, "submit")) {
            let share = submit.per_second / echo.per_second;
            println!("{load} in flight: submit reaches {share:.2} of the echo's rate");
        }
    }
}

/// Makes envelopes for a desk.
struct Sealer {
    key: SigningKey,
    directory: Directory,
}

impl Sealer {
    fn new(desk: &config::Desk, signed: &[u8]) -> Anyhow<Self> {
        let unlock = Unlock::from_file(desk.unlock.file.as_deref().ok_or("no unlock file")?)?;
        let officer = desk.officers.iter().find(|officer| officer.name.as_str() == "duty");
        let path = &officer.ok_or("no duty officer")?.key;
        let secret = keyfile::read(path, keyfile::Kind::Ed25519, &unlock)?;
        let directory = Directory::from_genesis(&genesis::parse(signed)?);
        Ok(Self { key: SigningKey::from_seed(*secret.seed()?), directory })
    }

    fn seal(&self) -> Anyhow<Envelope> {
        let now = SystemClock::default().wall();
        let message = MessageId(random());
        let draft = Draft {
            message,
            from: "NL/cyber".parse()?,
            signer: Signer::Officer("duty".parse()?),
            to: "RO/cyber".parse()?,
            case: CaseId(random()),
            request: message.into(),
            in_reply_to: None,
            sequence: 1,
            created: now,
            not_after: now.plus_ms(HOUR_MS),
            seen: None,
            act: Act::Request(RequestFacts {
                kind: RequestType::LegalInformation,
                instrument: Instrument::G72417,
                urgency: Urgency::Routine,
                test: false,
                exercise: false,
                parent: None,
            }),
        };
        let body = form::Body {
            form: Some(form::body::Form::Information(form::InformationForm {
                question: Some(form::Text { text: "q".repeat(600), language: "en".to_owned() }),
                ..Default::default()
            })),
        };
        let to = self.directory.encryption_key(&draft.to, now).map_err(|r| r.cause())?;
        let fill = &mut |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).expect("random bytes");
        Ok(envelope::seal(&draft, &body, to, &self.key, fill)?)
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    bytes
}

fn client_at(desk: &config::Desk, address: std::net::SocketAddr) -> Anyhow<RelayClient> {
    let mut desk = desk.clone();
    desk.relay.address = address.to_string().parse()?;
    Ok(service::agent::relay_client(&desk)?)
}

/// The bare echo: the same transport, the same bytes, one verification.
struct Echo {
    key: PublicKey,
}

type Follow =
    Pin<Box<dyn tokio_stream::Stream<Item = Result<api::FollowResponse, tonic::Status>> + Send>>;

#[tonic::async_trait]
impl api::desk_service_server::DeskService for Echo {
    type FollowStream = Follow;

    async fn submit(
        &self,
        request: tonic::Request<api::SubmitRequest>,
    ) -> Result<tonic::Response<api::SubmitResponse>, tonic::Status> {
        let envelope = request.into_inner().envelope.unwrap_or_default();
        let envelope = Envelope::from_wire(envelope)
            .map_err(|error| tonic::Status::invalid_argument(error.to_string()))?;
        envelope.verify(&self.key).map_err(|_| tonic::Status::permission_denied("signature"))?;
        Ok(tonic::Response::new(api::SubmitResponse::default()))
    }

    async fn follow(
        &self,
        _: tonic::Request<api::FollowRequest>,
    ) -> Result<tonic::Response<Follow>, tonic::Status> {
        Err(tonic::Status::unimplemented("echo"))
    }

    async fn get_content(
        &self,
        _: tonic::Request<api::GetContentRequest>,
    ) -> Result<tonic::Response<api::GetContentResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("echo"))
    }

    async fn get_request_status(
        &self,
        _: tonic::Request<api::GetRequestStatusRequest>,
    ) -> Result<tonic::Response<api::GetRequestStatusResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("echo"))
    }

    async fn list_request_statuses(
        &self,
        _: tonic::Request<api::ListRequestStatusesRequest>,
    ) -> Result<tonic::Response<api::ListRequestStatusesResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("echo"))
    }
}

async fn start_echo(
    relay_config: &Path,
    signed: &[u8],
    key: PublicKey,
) -> Anyhow<std::net::SocketAddr> {
    let config = config::Relay::read(relay_config)?;
    let unlock = Unlock::from_file(config.unlock.file.as_deref().ok_or("no unlock file")?)?;
    let own = OwnCertificate::load(&config.tls.certificate, &config.tls.key, unlock)?;
    let genesis = genesis::parse(signed)?;
    let trust =
        Arc::new(Trust::from_genesis(&genesis, config.tls.revocation_lists, Default::default())?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let incoming = identity::listen(
        listener,
        identity::server_config(Arc::new(own), Arc::clone(&trust)),
        trust,
        Connections::new(),
        identity::Limits::default(),
        std::future::pending(),
    );
    let service = api::desk_service_server::DeskServiceServer::new(Echo { key });
    tokio::spawn(async move {
        let server = tonic::transport::Server::builder().add_service(service);
        if let Err(error) = server.serve_with_incoming(incoming).await {
            eprintln!("echo: {error}");
        }
    });
    Ok(address)
}
