//! Shared fixtures: a development network, the real programs as child processes, and speakers who
//! make statements without an agent.

use std::io::{BufRead as _, BufReader};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use detente::config;
use detente::envelope::words::{Instrument, RequestType, Urgency};
use detente::envelope::{
    self, Act, Approval, Draft, Envelope, RequestFacts, Signer, SigningKey, Statement, genesis,
};
use detente::grpc::client::RelayClient;
use detente::identity::{Unlock, keyfile};
use detente::pki::{self, DevNetwork, Spec, dev_network};
use detente::relay::Signers;
use detente::rules::Directory;
use detente::service::{RunningRelay, StartError};
use detente::units::{CaseId, DeskId, HOUR_MS, MessageId, Name, Timestamp};
use detente::wire::detente::form::v1 as form;
use rustix::process::{Pid, Signal};

/// A development network in a directory of its own.
pub(crate) struct Dev {
    pub(crate) made: DevNetwork,
    directory: tempfile::TempDir,
}

impl Dev {
    /// A network with these members, one desk each, and addresses that are free.
    pub(crate) fn new(members: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spec = Spec { port: free_ports(), ..Spec::new("detente-test", members).unwrap() };
        let made = dev_network(&directory.path().join("net"), &spec, now()).unwrap();
        Self { made, directory }.without_waiting()
    }

    /// As [`Dev::new`], but members and officers are changed before the genesis is drawn up.
    pub(crate) fn with(members: &[&str], change: impl Fn(&mut pki::spec::Spec)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spec = Spec { port: free_ports(), ..Spec::new("detente-test", members).unwrap() };
        let at = directory.path().join("net");
        let made = pki::dev_network_with(&at, &spec, now(), change).unwrap();
        Self { made, directory }.without_waiting()
    }

    /// Its relay waits for no witnesses at a start: few tests have any.
    fn without_waiting(self) -> Self {
        let waits = ("wait_for_witnesses_seconds = 10", "wait_for_witnesses_seconds = 0");
        edit_file(&self.made.relay_config, &[waits]);
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The relay's data directory.
    pub(crate) fn relay_data(&self) -> PathBuf {
        self.relay_config().store.directory
    }

    pub(crate) fn relay_config(&self) -> config::Relay {
        config::Relay::read(&self.made.relay_config).unwrap()
    }

    /// The keys that sign the relay's logs.
    pub(crate) fn signers(&self) -> Arc<Signers> {
        let genesis = std::fs::read(&self.made.genesis).unwrap();
        let genesis = genesis::parse(&genesis).unwrap();
        Arc::new(detente::service::read_signers(&self.relay_config(), &genesis).unwrap())
    }

    pub(crate) fn desk_config(&self, member: &str) -> config::Desk {
        config::Desk::read(&self.made.desk_configs[&desk(member)]).unwrap()
    }

    /// The real relay.
    pub(crate) fn start_relay(&self) -> Process {
        let config = self.made.relay_config.to_str().unwrap();
        Process::start(&["relay", "--config", config], &self.path().join("relay.log"))
    }

    /// The real agent of a member's desk.
    pub(crate) fn start_agent(&self, member: &str) -> Process {
        let config = self.made.desk_configs[&desk(member)].to_str().unwrap();
        let log = self.path().join(format!("{member}.log"));
        Process::start(&["desk", "--config", config], &log)
    }
}

/// Runs `detente` with these arguments to its end, which must be a success.
pub(crate) fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What an officer's command sends a question with: to RO, everything filled in.
pub(crate) const QUESTION: [&str; 18] = [
    "--to",
    "RO/cyber",
    "--type",
    "LEGAL_INFORMATION",
    "--instrument",
    "BUDAPEST",
    "--reference",
    "T-1",
    "--authority-organisation",
    "Sample Unit",
    "--authority-email",
    "duty@desk.example",
    "--subject",
    "Retention",
    "--question",
    "How long are logs kept?",
    "--officer",
    "duty",
];

/// The desk of a member.
pub(crate) fn desk(member: &str) -> DeskId {
    format!("{member}/cyber").parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

/// Three ports in a row that nobody uses, and that no other test of this machine is given: as long
/// as this process runs, a socket with a name stands for them.
pub(crate) fn free_ports() -> u16 {
    static TAKEN: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    // Below those from which the system chooses by itself.
    for number in 0..7_000 {
        let start = std::process::id() % 700 * 10;
        let port = 10_000 + 3 * u16::try_from((start + number) % 7_000).unwrap();
        let name = SocketAddr::from_abstract_name(format!("detente-test-{port}")).unwrap();
        let Ok(taken) = UnixListener::bind_addr(&name) else { continue };
        if (port..port + 3).all(free) {
            TAKEN.lock().unwrap().push(taken);
            return port;
        }
    }
    panic!("no three ports are free");
}

/// Starts the relay in this process. Where its port is taken, it is tried again: a child that
/// another test has just forked can hold the sockets of one that has stopped for a moment more.
pub(crate) async fn relay_here(config: &config::Relay) -> RunningRelay {
    let started = Instant::now();
    loop {
        match RunningRelay::start(config).await {
            Err(StartError::Bind { .. }) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome.unwrap(),
        }
    }
}

/// The text with `to` in every place of `from`, which must be there: a test whose change comes to
/// nothing proves nothing.
pub(crate) fn edit(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replace(from, to)
}

/// As [`edit`], in the first place only.
pub(crate) fn edit_first(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replacen(from, to, 1)
}

/// As [`edit`], of a file.
pub(crate) fn edit_file(path: &Path, edits: &[(&str, &str)]) {
    let text = std::fs::read_to_string(path).unwrap();
    let edited = edits.iter().fold(text, |text, (from, to)| edit(&text, from, to));
    std::fs::write(path, edited).unwrap();
}

/// Copies a directory with all below it. What goes away meanwhile is of tables that are just being
/// closed, and is left out.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            let copied = std::fs::copy(entry.path(), target);
            let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
            assert!(copied.as_ref().err().is_none_or(is_gone), "{copied:?}: {entry:?}");
        }
    }
}

/// One of the real programs, as a child process. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `detente` with these arguments; what it logs goes to a file.
    pub(crate) fn start(arguments: &[&str], log: &Path) -> Self {
        Self::start_command(Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments), log)
    }

    /// Starts any command.
    pub(crate) fn start_command(command: &mut Command, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned() }
    }

    /// `kill -9`, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name ("TERM").
    pub(crate) fn signal(&self, name: &str) {
        let signal = match name {
            "TERM" => Signal::TERM,
            "HUP" => Signal::HUP,
            "INT" => Signal::INT,
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            other => panic!("{other} is not sent here"),
        };
        let id = i32::try_from(self.child.id()).unwrap();
        rustix::process::kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < within, "still running: {}", self.tail());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged, and those before it with the same log.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// True while it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        let file = std::fs::File::open(&self.log).unwrap();
        let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Somebody who makes statements for a desk, with its own keys but without its agent.
pub(crate) struct Speaker {
    pub(crate) desk: DeskId,
    officer: Name,
    pub(crate) key: SigningKey,
    machine: SigningKey,
    pub(crate) directory: Directory,
    sequence: AtomicU64,
}

impl Speaker {
    pub(crate) fn new(dev: &Dev, member: &str) -> Self {
        Self::officer(dev, member, "duty")
    }

    /// One who signs as this officer.
    pub(crate) fn officer(dev: &Dev, member: &str, officer: &str) -> Self {
        let config = dev.desk_config(member);
        let genesis = std::fs::read(&config.network.genesis).unwrap();
        let genesis = genesis::parse(&genesis).unwrap();
        let unlock = Unlock::from_file(config.unlock.file.as_deref().unwrap()).unwrap();
        let key = |path: &Path| {
            let secret = keyfile::read(path, keyfile::Kind::Ed25519, &unlock).unwrap();
            SigningKey::from_seed(*secret.seed().unwrap())
        };
        Self {
            desk: desk(member),
            officer: officer.parse().unwrap(),
            key: key(&config.officers.iter().find(|o| o.name.as_str() == officer).unwrap().key),
            machine: key(&config.keys.desk),
            directory: Directory::from_genesis(&genesis),
            sequence: AtomicU64::new(0),
        }
    }

    /// A statement to be.
    pub(crate) fn draft(&self, to: &DeskId, act: Act) -> Draft {
        let message = MessageId(random());
        Draft {
            message,
            from: self.desk.clone(),
            signer: Signer::Officer(self.officer.clone()),
            approval: Approval::None,
            to: to.clone(),
            case: CaseId(random()),
            request: message.into(),
            in_reply_to: None,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            created: now(),
            not_after: now().plus_ms(24 * HOUR_MS),
            seen: None,
            act,
        }
    }

    /// The draft of a question that is made at `created`.
    pub(crate) fn draft_at(&self, to: &DeskId, created: Timestamp) -> Draft {
        let facts = RequestFacts {
            kind: RequestType::LegalInformation,
            instrument: Instrument::G72417,
            urgency: Urgency::Routine,
            test: false,
            exercise: false,
            parent: None,
            prior_conditions: false,
            embargo_until: None,
        };
        let not_after = created.plus_ms(24 * HOUR_MS);
        Draft { created, not_after, ..self.draft(to, Act::Request(facts)) }
    }

    /// A question: the smallest request there is.
    pub(crate) fn question(&self, to: &DeskId) -> Envelope {
        let facts = RequestFacts {
            kind: RequestType::LegalInformation,
            instrument: Instrument::G72417,
            urgency: Urgency::Routine,
            test: false,
            exercise: false,
            parent: None,
            prior_conditions: false,
            embargo_until: None,
        };
        self.request(to, facts, question_form())
    }

    /// A request.
    pub(crate) fn request(&self, to: &DeskId, facts: RequestFacts, body: form::Body) -> Envelope {
        self.seal(&self.draft(to, Act::Request(facts)), &body)
    }

    /// What is said on a request.
    pub(crate) fn act(&self, request: &Statement, act: Act, body: form::Body) -> Envelope {
        self.seal(&self.on(request, act), &body)
    }

    /// What the machine says on a request.
    pub(crate) fn machine(&self, request: &Statement, act: Act) -> Envelope {
        let draft = Draft { signer: Signer::Desk, ..self.on(request, act) };
        envelope::machine(&draft, &self.machine).unwrap()
    }

    /// A statement to be on a request.
    pub(crate) fn on(&self, request: &Statement, act: Act) -> Draft {
        let other = if request.from == self.desk { &request.to } else { &request.from };
        Draft {
            case: request.case,
            request: request.request,
            in_reply_to: Some(request.header),
            ..self.draft(other, act)
        }
    }

    /// Seals and signs a draft as it stands, right or wrong.
    pub(crate) fn seal(&self, draft: &Draft, body: &form::Body) -> Envelope {
        self.seal_for(&draft.to, draft, body, &self.key)
    }

    /// Seals a draft so that this desk can read it, and signs it with this key.
    pub(crate) fn seal_for(
        &self,
        reader: &DeskId,
        draft: &Draft,
        body: &form::Body,
        key: &SigningKey,
    ) -> Envelope {
        let to = self.directory.encryption_key(reader, now()).unwrap();
        let fill = &mut |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).unwrap();
        envelope::seal(draft, body, to, key, fill).unwrap()
    }
}

/// The form of a question.
pub(crate) fn question_form() -> form::Body {
    let text = |text: &str| Some(form::Text { text: text.to_owned(), language: "en".to_owned() });
    form::Body {
        form: Some(form::body::Form::Information(form::InformationForm {
            reference: "T-1".to_owned(),
            authority: Some(form::Contact {
                organisation: "Sample Unit".to_owned(),
                email: "duty@desk.example".to_owned(),
                ..Default::default()
            }),
            subject: "Retention".to_owned(),
            question: text("How long are logs kept?"),
            urgency_grounds: None,
            tlp: String::new(),
        })),
    }
}

/// A client of the relay with a desk's own certificate.
pub(crate) fn relay_client(dev: &Dev, member: &str) -> RelayClient {
    let config = dev.desk_config(member);
    detente::service::agent::relay_client(&config).unwrap()
}

/// Nobody waits longer than this for what must come: a busy machine may need much of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// As [`until`], where nothing else runs on this thread.
pub(crate) fn until_blocking(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the relay answers.
pub(crate) async fn until_up(client: &RelayClient, process: &mut Process) {
    let started = Instant::now();
    while client.signed_genesis().await.is_err() {
        assert!(process.is_running(), "the relay ended: {}", process.tail());
        assert!(started.elapsed() < PATIENCE, "not up: {}", process.tail());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A shared counter of what was done.
pub(crate) type Shared<T> = Arc<Mutex<T>>;
