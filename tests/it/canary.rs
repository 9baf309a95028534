//! I12: what is sealed stays sealed. Every free field of a request's whole life carries a canary;
//! afterwards none is found in what the relay keeps, logs, counts or tells, nor in the agents' logs
//! and files, and no secret is found anywhere but in its own file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use detente::envelope::form::template;
use detente::envelope::words::RequestType;
use detente::identity::Unlock;
use detente::identity::keyfile::{self, Kind};
use detente::wire::detente::operator::v1 as operator;
use operator::operator_service_client::OperatorServiceClient;
use serde_json::Value;

use crate::leaks::{Place, Traces, figures, files};
use crate::net::{self, Dev, PATIENCE, Process, until_up};

/// Stands in every free field.
const CANARY: &str = "kanarievogel";

/// A form in which every field that takes free text has a canary.
fn form() -> String {
    let mut n = 0;
    let mut lines = Vec::new();
    for line in template(RequestType::Preservation).lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        n += 1;
        lines.push(match key {
            "mla_intended" => "mla_intended = true".to_owned(),
            "mla_expected" => "mla_expected = \"2027-03-31\"".to_owned(),
            "telephone" | "mobile" | "fax" => format!("{key} = \"+316123456{n:02}\""),
            "email" => format!("email = \"{CANARY}{n}@desk.example\""),
            "time_zone" => "time_zone = \"Europe/Amsterdam\"".to_owned(),
            "handling_code" => "handling_code = \"H1\"".to_owned(),
            "categories" => "categories = [\"TRAFFIC\"]".to_owned(),
            "period" => "period = { from = \"2026-11-01T10:00:00+01:00\", \
                         until = \"2026-11-02T10:00:00+01:00\" }"
                .to_owned(),
            "kind" => "kind = \"OTHER\"".to_owned(),
            "value" | "qualifier" => format!("{key} = \"{CANARY}{n}\""),
            _ if line.trim_end().ends_with("= \"\"") => format!("{key} = \"{CANARY} {n}\""),
            _ if line.trim_end().ends_with("= \"\"\"") => format!("{line}\n{CANARY} {n}"),
            _ => line.to_owned(),
        });
    }
    lines.join("\n")
}

struct Lab {
    dev: Dev,
    relay: Process,
    agents: Vec<Process>,
}

impl Lab {
    async fn new() -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let configs: Vec<PathBuf> = dev.made.desk_configs.values().cloned().collect();
        for config in configs.iter().chain([&dev.made.relay_config]) {
            net::edit_file(config, &[("filter = \"info\"", "filter = \"trace\"")]);
        }
        let mut relay = dev.start_relay();
        until_up(&net::relay_client(&dev, "NL"), &mut relay).await;
        let agents = ["NL", "RO"].map(|id| dev.start_agent(id)).into();
        Self { dev, relay, agents }
    }

    /// An officer's command, waited for until it is taken.
    fn at(&mut self, member: &str, arguments: &[&str]) -> Value {
        let socket = self.dev.desk_config(member).counter.socket;
        let mut last = String::new();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let output = Command::new(env!("CARGO_BIN_EXE_detente"))
                .args(["desk", "--json", "--officer", "duty", "--socket"])
                .arg(&socket)
                .args(arguments)
                .output()
                .unwrap();
            last = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() {
                let said = String::from_utf8(output.stdout).unwrap();
                return serde_json::from_str(&said).unwrap();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{member}: {arguments:?}: {last}");
    }

    /// Sends a request and has it acknowledged.
    fn begin(&mut self, form: &str) -> String {
        let send = ["send", "--to", "RO/cyber", "--instrument", "BUDAPEST", "--form", form];
        let sent = self.at("NL", &[&send[..], &["--urgency", "URGENT"]].concat());
        let id = sent["request_id"].as_str().unwrap().to_owned();
        let word = CANARY;
        self.at(
            "RO",
            &[
                "ack",
                &id,
                "--will",
                "forwarded",
                "--forwarded-to",
                word,
                "--form",
                word,
                "--by",
                "+8h",
                "--reference",
                word,
                "--remarks",
                word,
            ],
        );
        id
    }

    /// Waits until the other side has the newest, so that what comes next is in turn.
    fn until(&mut self, member: &str, id: &str, word: &str) {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.at(member, &["show", id, "--peek"]).to_string().contains(word) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{member} waited in vain for {word}");
    }
}

/// The whole life of a request, every free field with a canary.
fn live(lab: &mut Lab, form: &str) -> String {
    let word = CANARY;
    let id = lab.begin(form);
    let id = id.as_str();
    let now = jiff::Timestamp::now();
    let until = (now + jiff::SignedDuration::from_hours(24 * 100)).strftime("%F").to_string();
    let now = now.to_string();
    lab.at("RO", &["regrade", id, "--urgency", "expedited", "--reasons", word]);
    lab.at("RO", &["estimate", id, "--by", "+9h", "--reason", word]);
    lab.at("RO", &["clarify", id, "--question", word]);
    lab.at("NL", &["clarify", id, "--answer", word]);
    lab.at(
        "RO",
        &[
            "determine",
            id,
            "--outcome",
            "accepted-with-conditions",
            "--reasons",
            word,
            "--condition",
            word,
            "--scope",
            word,
        ],
    );
    lab.at("NL", &["conditions", id, "--accept", "--remarks", word]);
    let disclose = ["disclose", id, "--provider", word, "--state", "US", "--path", word];
    lab.at("RO", &[&disclose[..], &["--alone", word]].concat());
    lab.at(
        "RO",
        &[
            "executed",
            id,
            "--extent",
            "part",
            "--until",
            &until,
            "--scope",
            word,
            "--effective-from",
            &now,
            "--custodian-reference",
            word,
            "--remarks",
            word,
            "--early-warning",
            word,
        ],
    );
    lab.at("NL", &["extend", id, "--days", "60", "--reasons", word, "--previous-reference", word]);
    lab.at("RO", &["extend", id, "--days", "60", "--reasons", word]);
    lab.at("NL", &["feedback", id, "--outcome", word, "--usefulness", "useful"]);
    lab.at("RO", &["use-report", id, "--question", word]);
    lab.at("NL", &["use-report", id, "--answer", word, "--proceedings", word]);
    let incident = ["incident", id, "--what", word, "--affected", word, "--measures", word];
    lab.at("NL", &[&incident[..], &["--discovered-at", &now]].concat());
    lab.at("NL", &["mla", id, "--sent", "--reference", word, "--central-authority", word]);
    lab.at("NL", &["close", id, "--remarks", word]);
    lab.until("RO", id, "CLOSED");
    let other = lab.begin(form);
    lab.at("NL", &["withdraw", &other, "--reason", word]);
    id.to_owned()
}

/// Every secret of the network, as it might be written.
fn secrets(dev: &Dev) -> Traces {
    let mut secrets = Traces::default();
    secrets.word("a canary", CANARY);
    for (name, bytes) in files(&dev.made.directory) {
        let path = Path::new(&name);
        let directory = path.parent().unwrap();
        if path.ends_with("unlock") {
            secrets.word(&name, String::from_utf8(bytes).unwrap().trim());
        } else if path.extension().is_some_and(|extension| extension == "key") {
            let at = [directory, directory.parent().unwrap()];
            let unlock = at.iter().find_map(|at| Unlock::from_file(&at.join("unlock")).ok());
            let unlock = unlock.expect("an unlock secret beside the key");
            let secret = [Kind::Ed25519, Kind::Hpke, Kind::Tls, Kind::Authority]
                .into_iter()
                .find_map(|kind| keyfile::read(path, kind, &unlock).ok())
                .expect("a key of ours");
            secrets.bytes(&name, secret.bytes());
        }
    }
    secrets
}

/// What a process was started with.
fn proc(process: &Process) -> Vec<Place> {
    let of = |name| format!("/proc/{}/{name}", process.id());
    [of("cmdline"), of("environ")].map(|path| (path.clone(), std::fs::read(path).unwrap())).into()
}

/// Everything that the operator is told, as debug text.
async fn operator_answers(dev: &Dev) -> Vec<u8> {
    let address = format!("http://{}", dev.relay_config().listen.operator);
    let channel = tonic::transport::Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = OperatorServiceClient::new(channel);
    let status = client.get_relay_status(operator::GetRelayStatusRequest {}).await.unwrap();
    let connections =
        client.list_connections(operator::ListConnectionsRequest::default()).await.unwrap();
    let requests = client.list_requests(operator::ListRequestsRequest::default()).await.unwrap();
    assert_eq!(requests.get_ref().requests.len(), 2);
    format!("{status:?} {connections:?} {requests:?}").into_bytes()
}

/// Everything outside the sealed part: files, logs, processes, and what is answered.
async fn outside(lab: &Lab, told: String) -> Vec<Place> {
    let dev = &lab.dev;
    let mut places = files(&dev.relay_data());
    for id in ["NL", "RO"] {
        places.extend(files(&dev.desk_config(id).store.directory));
    }
    assert!(lab.relay.log().contains("TRACE"), "the relay was to log everything");
    for process in lab.agents.iter().chain([&lab.relay]) {
        places.push((format!("log of {}", process.id()), process.log().into_bytes()));
        places.extend(proc(process));
    }
    let figures = figures(dev.relay_config().listen.metrics.unwrap()).await;
    places.push(("metrics".into(), figures));
    places.push(("operator".into(), operator_answers(dev).await));
    places.push(("status and inbox".into(), told.into_bytes()));
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_sealed_and_no_secret_is_found_outside() {
    let mut lab = Lab::new().await;
    let form = lab.dev.path().join("form.toml");
    std::fs::write(&form, self::form()).unwrap();
    let lived = tokio::task::spawn_blocking(move || {
        let id = live(&mut lab, form.to_str().unwrap());
        // The canaries did arrive: what follows looks for something that is there to be found.
        let shown = lab.at("RO", &["show", &id]).to_string();
        assert!(shown.matches(CANARY).count() > 40, "{}", shown.matches(CANARY).count());
        let told = [("NL", "status"), ("RO", "status"), ("NL", "inbox"), ("RO", "inbox")]
            .map(|(member, arguments)| lab.at(member, &[arguments]).to_string());
        (lab, told.join("\n"))
    });
    let (lab, told) = lived.await.unwrap();
    let secrets = secrets(&lab.dev);
    assert!(secrets.len() > 100, "{} forms of secrets", secrets.len());
    let places = outside(&lab, told).await;
    let leaks: Vec<String> =
        places.iter().flat_map(|(place, bytes)| secrets.found(place, bytes)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
