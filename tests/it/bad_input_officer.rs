//! Bad input, fourth part: what an officer meets at the command line, in both forms.
//!
//! The agent asks the rules before it seals, so most of this never reaches the relay, and nothing
//! of it is recorded.

use std::process::{Command, Output};

use detente::config;
use detente::service::{RunningAgent, RunningRelay};
use serde_json::Value;

use crate::net::{self, Dev};

/// A relay and the desks of NL and RO, in this process; officers as commands.
pub(crate) struct Lab {
    pub(crate) dev: Dev,
    relay: RunningRelay,
    agents: Vec<RunningAgent>,
}

/// A question, but for whom and on what basis.
const QUESTION: [&str; 12] = [
    "--type",
    "LEGAL_INFORMATION",
    "--authority-organisation",
    "Sample Unit",
    "--authority-email",
    "duty@desk.example",
    "--subject",
    "Retention",
    "--question",
    "How long are logs kept?",
    "--urgency",
    "ROUTINE",
];

impl Lab {
    pub(crate) async fn new() -> Self {
        let dev = Dev::new(&["NL", "RO", "SG"]);
        let relay = net::relay_here(&dev.relay_config()).await;
        let mut agents = Vec::new();
        for id in ["NL", "RO"] {
            let config = config::Desk::read(&dev.made.desk_configs[&net::desk(id)]).unwrap();
            agents.push(RunningAgent::start(&config).await.unwrap());
        }
        Self { dev, relay, agents }
    }

    /// How much officers have said. Machines answer whenever they like.
    fn said(&self) -> usize {
        let published = self.relay.relay().published();
        let messages = published.state().requests().flat_map(|request| request.messages.values());
        messages.filter(|message| !message.machine).count()
    }

    pub(crate) async fn stop(self) {
        for agent in self.agents {
            agent.stop().await.unwrap();
        }
        self.relay.stop().await.unwrap();
    }

    /// An officer's command. The agents run in this process, so it must not block their threads.
    async fn at(&self, member: &str, arguments: &[&str]) -> Output {
        let socket = self.dev.desk_config(member).counter.socket;
        let mut command = Command::new(env!("CARGO_BIN_EXE_detente"));
        command.arg("desk").args(arguments).arg("--socket").arg(socket);
        if !arguments.contains(&"--officer") {
            command.args(["--officer", "duty"]);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub(crate) async fn ok(&self, member: &str, arguments: &[&str]) -> Value {
        let output = self.at(member, &[arguments, &["--json"]].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Refused with exit code, code and words, for programs and for people; nothing is recorded.
    pub(crate) async fn refused(
        &self,
        member: &str,
        arguments: &[&str],
        exit: i32,
        code: &str,
        says: &str,
    ) {
        let before = self.said();
        let output = self.at(member, &[arguments, &["--json"]].concat()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}: an error is not data");
        let document: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let error = &document["error"];
        assert_eq!(error["code"], code, "{said}");
        assert_eq!(error["exit"], exit, "{said}");
        for key in ["what", "why", "next"] {
            assert!(!error[key].as_str().unwrap().is_empty(), "{arguments:?}: no {key}: {said}");
        }
        assert!(said.contains(says), "{arguments:?}: no {says:?} in {said}");

        let output = self.at(member, arguments).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        // What is said of the recipient while writing stands before it.
        let told = said.find("error: ").map_or(said.as_str(), |at| &said[at..]);
        let (first, rest) = told.split_once('\n').unwrap();
        assert!(first.starts_with("error: ") && first.contains(code), "{arguments:?}: {said}");
        assert!(rest.contains("  why:   ") || rest.contains("  field: "), "{arguments:?}: {said}");
        assert!(rest.contains("  next:  "), "{arguments:?}: {said}");
        assert_eq!(self.said(), before, "{arguments:?}");
    }

    /// Waits until `member` has its message about the request.
    pub(crate) async fn arrived(&self, member: &str, id: &str, word: &str) {
        let started = std::time::Instant::now();
        while started.elapsed() < net::PATIENCE {
            let shown = self.ok(member, &["inbox"]).await;
            let requests = shown["requests"].as_array().unwrap();
            let found = requests.iter().find(|request| request["request_id"] == id);
            if found.is_some_and(|request| request.to_string().contains(word)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{member} waited in vain for {word} of {id}: {}", self.ok(member, &["inbox"]).await);
    }
}

/// The arguments that send the question.
fn send(rest: &[&'static str]) -> Vec<&'static str> {
    [&["send"], rest, &QUESTION].concat()
}

/// To the desk of RO.
fn to_ro(rest: &[&'static str]) -> Vec<&'static str> {
    [&["--to", "RO/cyber"], rest].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_sent_is_explained() {
    let lab = Lab::new().await;
    let form = lab.dev.path().join("form.toml");
    std::fs::write(&form, "subject = \"x\"\nqestion = \"y\"\n").unwrap();
    let form = form.to_str().unwrap();
    let cases: Vec<(Vec<&str>, i32, &str, &str)> = vec![
        (send(&["--to", "XX/cyber"]), 4, "R-106", "XX/cyber is not in the directory"),
        (send(&["--to", "SG/cyber", "--instrument", "BUDAPEST"]), 4, "R-201", "G7_2417"),
        (send(&to_ro(&["--instrument", "SAP_CETS224"])), 4, "R-202", "SAP_CETS224"),
        (send(&["--to", "NL/cyber", "--instrument", "BUDAPEST"]), 4, "R-108", "national means"),
        (send(&to_ro(&["--officer", "ghost"])), 2, "D-103", "ghost"),
        (
            vec![
                "send",
                "--to",
                "RO/cyber",
                "--type",
                "LEGAL_INFORMATION",
                "--instrument",
                "BUDAPEST",
                "--subject",
                "x",
            ],
            2,
            "E-101",
            "authority",
        ),
        (
            vec!["send", "--to", "RO/cyber", "--type", "LEGAL_INFORMATION", "--form", form],
            2,
            "C-206",
            "line 2",
        ),
        (
            vec!["ack", "4f2a", "--will", "yes", "--form", "letter", "--by", "+8h"],
            2,
            "C-202",
            "no request of this desk",
        ),
        (vec!["show", "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f"], 2, "D-102", "1f1f1f1f"),
    ];
    for (arguments, exit, code, says) in cases {
        lab.refused("NL", &arguments, exit, code, says).await;
    }
    // A test that is an emergency.
    let mut test = send(&["--to", "RO/cyber", "--instrument", "BUDAPEST", "--test"]);
    *test.last_mut().unwrap() = "EMERGENCY";
    test.extend(["--urgency-grounds", "x"]);
    lab.refused("NL", &test, 4, "R-203", "EMERGENCY").await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_cannot_be_made_is_explained() {
    let lab = Lab::new().await;
    let sent = lab.ok("NL", &send(&to_ro(&["--instrument", "BUDAPEST"]))).await;
    let id = sent["request_id"].as_str().unwrap();
    lab.arrived("RO", id, "DELIVERY").await;
    let ack = ["ack", id, "--will", "yes", "--form", "letter"];
    // An acknowledgement without an estimate is not even a command.
    let none = lab.at("RO", &ack).await;
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("--by"));
    let by = |when: &'static str| [ack.as_slice(), &["--by", when]].concat();
    lab.refused("RO", &by("tomorrow"), 2, "C-201", "--by").await;
    lab.refused("RO", &by("2020-01-01T00:00:00Z"), 4, "R-215", "is not after").await;
    lab.refused("NL", &by("+8h"), 4, "R-117", "leave this to the other desk").await;
    let accept = ["determine", id, "--outcome", "accepted"];
    lab.refused("RO", &accept, 4, "R-301", "acknowledge it first").await;
    let refuse = ["determine", id, "--outcome", "refused"];
    lab.refused("RO", &refuse, 2, "E-101", "refusal_ground").await;
    lab.ok("RO", &by("+8h")).await;
    lab.refused("RO", &by("+9h"), 4, "R-302", "revise the estimate instead").await;
    lab.refused("RO", &["extend", id, "--days", "60"], 4, "R-209", "no").await;
    lab.stop().await;
}
