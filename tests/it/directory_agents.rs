//! The directory over the real programs: an entry published at one desk is followed, searched and
//! answered by `call` at another, over restarts and rebuilt tables; what is restricted stays out of
//! every log.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use detente::grpc::counter::{self, api};
use serde_json::Value;

use crate::net::{self, Dev, PATIENCE, Process, until_up};

/// The duty mobile of the sample entry of a member's first desk.
const DUTY: &str = "+99955500002";

/// The real relay and agents over a development network.
pub(crate) struct Lab {
    pub(crate) dev: Dev,
    relay: Option<Process>,
    agents: Vec<(String, Process)>,
}

impl Lab {
    pub(crate) async fn new(members: &[&str], started: &[&str]) -> Self {
        let dev = Dev::new(members);
        let configs: Vec<PathBuf> = dev.made.desk_configs.values().cloned().collect();
        for config in configs.iter().chain([&dev.made.relay_config]) {
            net::edit_file(config, &[("filter = \"info\"", "filter = \"trace\"")]);
        }
        let mut lab = Self { dev, relay: None, agents: Vec::new() };
        lab.start_relay(started[0]).await;
        for member in started {
            lab.start_agent(member);
        }
        lab
    }

    async fn start_relay(&mut self, member: &str) {
        let mut relay = self.dev.start_relay();
        until_up(&net::relay_client(&self.dev, member), &mut relay).await;
        self.relay = Some(relay);
    }

    fn start_agent(&mut self, member: &str) {
        self.agents.push((member.to_owned(), self.dev.start_agent(member)));
    }

    /// The agent that was started of a member.
    pub(crate) fn agent(&self, member: &str) -> &Process {
        &self.agents.iter().find(|(of, _)| of == member).unwrap().1
    }

    /// Stops the agent of a member and starts it again.
    pub(crate) fn restart_agent(&mut self, member: &str) {
        let place = self.agents.iter().position(|(of, _)| of == member).unwrap();
        let (_, mut agent) = self.agents.swap_remove(place);
        agent.signal("TERM");
        assert!(agent.wait(Duration::from_secs(60)).success());
        self.start_agent(member);
    }

    /// Stops everything in good order.
    fn stop(&mut self) {
        for (_, agent) in &mut self.agents {
            agent.signal("TERM");
            assert!(agent.wait(PATIENCE).success());
        }
        self.agents.clear();
        if let Some(mut relay) = self.relay.take() {
            relay.signal("TERM");
            assert!(relay.wait(PATIENCE).success());
        }
    }

    pub(crate) fn home(&self, member: &str) -> PathBuf {
        self.dev.made.directory.join("members").join(member.to_lowercase())
    }

    /// The socket of a member's desk `cyber`, or of a desk as NL/cert.
    fn socket(&self, whose: &str) -> PathBuf {
        match whose.split_once('/') {
            Some((member, name)) => self.home(member).join(name).join("agent.sock"),
            None => self.dev.desk_config(whose).counter.socket,
        }
    }

    fn output(&self, whose: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["desk", "--json", "--socket"])
            .arg(self.socket(whose))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// A command, waited for until it succeeds with what is wanted.
    pub(crate) fn until(
        &self,
        member: &str,
        arguments: &[&str],
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = String::new();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let output = self.output(member, arguments);
            if output.status.success() {
                let told: Value = serde_json::from_slice(&output.stdout).unwrap();
                if wanted(&told) {
                    return told;
                }
                last = told.to_string();
            } else {
                last = String::from_utf8_lossy(&output.stderr).into_owned();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{member}: {arguments:?}: {last}");
    }

    /// A command that is refused, and its error.
    pub(crate) fn refused(&self, member: &str, arguments: &[&str]) -> Value {
        let output = self.output(member, arguments);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let said = String::from_utf8(output.stderr).unwrap();
        let json = said.lines().find(|line| line.starts_with('{')).unwrap_or(&said);
        serde_json::from_str::<Value>(json).unwrap_or_else(|_| panic!("{said}"))["error"].clone()
    }

    pub(crate) fn publish(&self, member: &str, file: &Path) -> Value {
        let arguments = self.publishing(member, file);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.until(member, &arguments, |_| true)
    }

    fn publishing(&self, member: &str, file: &Path) -> Vec<String> {
        let home = self.home(member);
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        vec![
            "directory".to_owned(),
            "publish".to_owned(),
            path(file.to_owned()),
            "--key".to_owned(),
            path(home.join("national.key")),
            "--unlock".to_owned(),
            path(home.join("unlock")),
            "--yes".to_owned(),
        ]
    }
}

/// The sample entry of BD with a holiday, and without the officer `chief`.
fn changed(text: &str) -> String {
    let without: Vec<&str> = text.split("\n[[desk.officer]]\n").collect();
    let officers: Vec<&str> =
        without[1..].iter().filter(|part| !part.contains("\"chief\"")).copied().collect();
    let text = [&without[..1], &officers[..]].concat().join("\n[[desk.officer]]\n");
    let holiday = "public_holidays = [{ date = \"2026-12-16\", name = \"Victory Day\" }]";
    let text = net::edit(&text, "version = 1\n", "version = 2\n");
    net::edit(&text, "public_holidays = []", holiday)
}

const SATURDAY: &[&str] = &["directory", "call", "BD", "--at", "2026-11-27T21:10:00Z"];

fn advice(told: &Value) -> &Value {
    &told["advice"][0]
}

#[tokio::test]
async fn an_entry_published_at_one_desk_is_answered_at_another_over_restarts() {
    let mut lab = Lab::new(&["BD", "PH", "RO"], &["BD", "RO"]).await;
    let first = lab.home("BD").join("entry.toml");
    let told = lab.publish("BD", &first);
    assert_eq!((told["version"].as_u64(), told["repeat"].as_bool()), (Some(1), Some(false)));
    let call = lab.until("RO", SATURDAY, |told| advice(told)["version"] == 1);
    let call = advice(&call);
    assert_eq!(call["presence"], "DUTY");
    assert_eq!(call["channels"][0]["system"], "MOBILE");
    assert_eq!(call["channels"][0]["value"], DUTY);
    assert_eq!(
        (&call["there"]["weekday"], &call["there"]["time"]),
        (&"SATURDAY".into(), &"03:10".into())
    );
    assert_eq!(call["here"]["time_zone"], "Europe/Bucharest");
    let sentence = call["sentence"].as_str().unwrap();
    assert!(sentence.contains("a weekend day; the duty mobile applies"), "{sentence}");
    let search = ["directory", "search", "--can", "preservation", "--language", "bn"];
    let found = lab.until("RO", &search, |_| true);
    assert_eq!(found["desks"][0]["desk"], "BD/cyber");
    assert_eq!(found["desks"].as_array().unwrap().len(), 1);

    // The second version: a holiday, and one officer less, who can sign no more.
    let text = std::fs::read_to_string(&first).unwrap();
    let second = lab.dev.path().join("second.toml");
    std::fs::write(&second, changed(&text)).unwrap();
    let told = lab.publish("BD", &second);
    let lines: Vec<&str> =
        told["changes"].as_array().unwrap().iter().filter_map(|c| c["line"].as_str()).collect();
    assert!(lines.contains(&"name = \"chief\""), "{lines:?}");
    let again = lab.publish("BD", &second);
    assert_eq!((again["repeat"].as_bool(), &again["index"]), (Some(true), &told["index"]));
    let holiday = ["directory", "call", "BD/cyber", "--at", "2026-12-16T05:00:00Z"];
    let call = lab.until("RO", &holiday, |told| advice(told)["version"] == 2);
    assert_eq!(advice(&call)["closed_because"], "a public holiday (Victory Day)");
    let ask = [
        "send",
        "--to",
        "RO/cyber",
        "--type",
        "LEGAL_INFORMATION",
        "--instrument",
        "G7_2417",
        "--officer",
        "chief",
        "--authority-organisation",
        "Unit",
        "--authority-email",
        "a@b.example",
        "--subject",
        "Logs",
        "--question",
        "How long?",
    ];
    assert_eq!(lab.refused("BD", &ask)["code"], "R-109");
    restarted(&mut lab, &holiday).await;
    stays_out_of_logs(&lab);
}

/// Everything starts again, the tables are made anew, and a desk comes that was never there.
async fn restarted(lab: &mut Lab, holiday: &[&str]) {
    let history = ["directory", "show", "BD", "--history"];
    let before = lab.until("RO", &history, |_| true);
    lab.stop();
    let config = lab.dev.made.relay_config.to_str().unwrap().to_owned();
    net::run(&["rebuild", "--config", &config]);
    // Without the relay, from its own disk.
    lab.start_agent("RO");
    let call = lab.until("RO", holiday, |_| true);
    assert_eq!(advice(&call)["version"], 2);
    assert_eq!(lab.until("RO", &history, |_| true), before);
    lab.start_relay("PH").await;
    lab.start_agent("PH");
    let late = lab.until("PH", holiday, |told| advice(told)["version"] == 2);
    assert_eq!(advice(&late)["channels"], advice(&call)["channels"]);
    let versions = lab.until("PH", &history, |_| true);
    assert_eq!(versions, before, "whoever joins late has the whole history");
    let time = before["versions"][1]["time"].as_str().unwrap();
    let as_of = lab.until("PH", &["directory", "show", "BD", "--as-of", time], |_| true);
    assert_eq!(as_of["version"], 1);
    assert_eq!(as_of["entry"]["desk"][0]["officer"].as_array().unwrap().len(), 2);
    let newest = lab.until("PH", &["directory", "show", "BD"], |_| true);
    assert_eq!(newest["entry"]["desk"][0]["officer"].as_array().unwrap().len(), 1);
}

/// Every program has logged all it can; no number or mailbox of an entry is in it.
fn stays_out_of_logs(lab: &Lab) {
    let logs = ["relay", "BD", "RO", "PH"].map(|name| lab.dev.path().join(format!("{name}.log")));
    for log in logs {
        let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
        assert!(text.len() > 1_000, "{} has something in it", log.display());
        for word in ["+9995550", "duty.cyber@bd.example", "head of the duty unit"] {
            assert!(!text.contains(word), "{word} is in {}", log.display());
        }
    }
}

#[tokio::test]
async fn what_the_nation_has_not_signed_or_is_wrong_is_refused_with_its_place() {
    let lab = Lab::new(&["BD", "RO"], &["BD", "RO"]).await;
    let first = lab.home("BD").join("entry.toml");
    lab.until("BD", &["directory", "list"], |_| true);
    // The key of another nation, and the file of another nation.
    let mut arguments = lab.publishing("BD", &first);
    arguments[4] = lab.home("RO").join("national.key").to_str().unwrap().to_owned();
    arguments[6] = lab.home("RO").join("unlock").to_str().unwrap().to_owned();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let error = lab.refused("BD", &arguments);
    assert_eq!(error["code"], "C-212");
    assert!(error["why"].as_str().unwrap().contains("is not the national key of BD"), "{error}");
    let foreign = lab.home("RO").join("entry.toml");
    let arguments = lab.publishing("BD", &foreign);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(lab.refused("BD", &arguments)["code"], "C-211", "its keys are not those of BD");

    let text = std::fs::read_to_string(&first).unwrap();
    let line = |needle: &str| text.lines().position(|l| l.contains(needle)).unwrap() + 1;
    let cases = [
        ("version = 1\n", "version = 3\n", "C-213", String::new()),
        (
            "kind = \"POLICE\"",
            "kind = \"ARMY\"",
            "C-211",
            format!("line {}, desk[0].kind", line("\"POLICE\"")),
        ),
        (DUTY, "0612345678", "C-211", format!("line {}, desk[0].channel[2].value", line(DUTY))),
        (
            "office_until = \"17:00\"",
            "office_until = \"17:60\"",
            "C-211",
            format!("line {}, desk[0].hours.office_until", line("office_until = ")),
        ),
        ("unit = ", "unti = ", "C-211", format!("line {}, unti", line("unit = \""))),
        ("\"Asia/Dhaka\"", "\"Asia/Atlantis\"", "R-514", String::new()),
    ];
    for (from, to, code, field) in cases {
        let file = lab.dev.path().join("wrong.toml");
        std::fs::write(&file, net::edit_first(&text, from, to)).unwrap();
        let arguments = lab.publishing("BD", &file);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = lab.refused("BD", &arguments);
        assert_eq!(error["code"], code, "{to}: {error}");
        if !field.is_empty() {
            assert_eq!(error["fields"][0]["field"], field.as_str(), "{error}");
        }
    }
    // Nothing of it was published; without --yes and without a terminal nobody is asked.
    let shown = lab.until("BD", &["directory", "show", "BD"], |_| true);
    assert_eq!(shown["version"], 0);
    let mut arguments = lab.publishing("BD", &first);
    arguments.pop();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(lab.refused("BD", &arguments)["code"], "C-201");
    edited(&lab);
}

/// What `edit` writes is what `publish` takes; a file is never overwritten.
fn edited(lab: &Lab) {
    let file = lab.dev.path().join("edited.toml");
    let edit = ["directory", "edit", "--output", file.to_str().unwrap()];
    let told = lab.until("RO", &edit, |_| true);
    assert_eq!((told["member"].as_str(), told["version"].as_u64()), (Some("RO"), Some(1)));
    assert_eq!(lab.refused("RO", &edit)["code"], "C-508");
    let told = lab.publish("RO", &file);
    assert_eq!(told["version"], 1);
    let changes = told["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2, "nothing but the version changed: {changes:?}");
}

/// Nobody at the other desk does anything for it.
#[tokio::test]
async fn another_desk_answers_by_each_new_entry() {
    let lab = Lab::new(&["NL", "RO"], &["NL", "RO"]).await;
    lab.until("RO", &["directory", "list"], |_| true);
    lab.until("NL", &["status"], |told| told["connected"] == true);
    let mut counter = counter::connect(&lab.dev.desk_config("RO").counter.socket).await.unwrap();
    let text = std::fs::read_to_string(lab.home("NL").join("entry.toml")).unwrap();
    for version in 1..=3 {
        let file = lab.dev.path().join("next.toml");
        let next = format!("version = {version}\n");
        std::fs::write(&file, net::edit_first(&text, "version = 1\n", &next)).unwrap();
        let since = Instant::now();
        assert_eq!(lab.publish("NL", &file)["version"], version);
        loop {
            let request = api::GetCallAdviceRequest { desk: "NL".to_owned(), ..Default::default() };
            let answer = counter.get_call_advice(request).await.unwrap().into_inner();
            if answer.advice[0].version == version {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "it never comes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What a nation published of its channels is erased on an order: each version by itself or all of
/// them, once asked for, gone from the relay's disk and not told to who comes later.
#[tokio::test]
async fn the_operator_erases_restricted_parts_of_entries() {
    let mut lab = Lab::new(&["BD", "PH", "RO"], &["BD", "RO"]).await;
    let first = lab.home("BD").join("entry.toml");
    lab.publish("BD", &first);
    let text = std::fs::read_to_string(&first).unwrap();
    let second = lab.dev.path().join("second.toml");
    std::fs::write(&second, changed(&text)).unwrap();
    lab.publish("BD", &second);
    lab.until("RO", SATURDAY, |told| advice(told)["version"] == 2);

    let asked = lab.erase(&["--entry", "BD"], 2);
    assert_eq!(asked["code"], "C-208", "nobody can be asked");
    assert_eq!(lab.erase(&["--entry", "BD", "--version", "0", "--yes"], 2)["code"], "E-105");
    assert_eq!(lab.erase(&["--entry", "PH", "--yes"], 2)["code"], "E-105");
    let parts = |told: &Value| -> Vec<(String, bool)> {
        let part = |part: &Value| {
            assert!(part["bytes"].as_u64().unwrap() > 0, "{part}");
            (part["act"].as_str().unwrap().to_owned(), part["already"].as_bool().unwrap())
        };
        told["bodies"].as_array().unwrap().iter().map(part).collect()
    };
    let named = |version: u64, already| (format!("ENTRY {version}"), already);
    let dry = lab.erase(&["--entry", "BD", "--dry-run"], 0);
    assert_eq!(parts(&dry), [named(1, false), named(2, false)]);
    assert!(lab.relay_holds(DUTY), "a dry run erases nothing");
    let one = lab.erase(&["--entry", "BD", "--version", "1", "--yes"], 0);
    assert_eq!(parts(&one), [named(1, false)]);
    assert!(lab.relay_holds(DUTY), "the other version has it too");
    let rest = lab.erase(&["--entry", "BD", "--yes"], 0);
    assert_eq!(parts(&rest), [named(1, true), named(2, false)]);
    assert!(!lab.relay_holds(DUTY), "the number is still on the relay's disk");
    assert_eq!((&rest["member"], &rest["request_id"]), (&"BD".into(), &Value::Null));

    // Who has it keeps it; who comes now does not get it, and has the rest of the entry.
    let call = lab.until("RO", SATURDAY, |_| true);
    assert_eq!(advice(&call)["channels"][0]["value"], DUTY);
    lab.start_agent("PH");
    let call = lab.until("PH", SATURDAY, |told| advice(told)["version"] == 2);
    assert!(!call.to_string().contains(DUTY), "{call}");
    lab.stop();
    let journal = lab.dev.relay_data().join("journal");
    let checked = net::run(&["verify", "--journal", journal.to_str().unwrap(), "--json"]);
    let summary: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!((&summary["holds"], &summary["bodies_erased"]), (&true.into(), &2.into()));
}

impl Lab {
    /// What the operator is answered to an order; the error, when it is refused.
    fn erase(&self, order: &[&str], exit: i32) -> Value {
        let config = self.dev.made.relay_config.to_str().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["operator", "erase", "--reason", "legal-order", "--json", "--config", config])
            .args(order)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{order:?}: {said}");
        if exit == 0 {
            return serde_json::from_slice(&output.stdout).unwrap();
        }
        serde_json::from_str::<Value>(said.lines().last().unwrap()).unwrap()["error"].clone()
    }

    /// A text stands in the relay's journal.
    fn relay_holds(&self, text: &str) -> bool {
        let segment = self.dev.relay_data().join("journal/0000000000.seg");
        let bytes = std::fs::read(segment).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}
