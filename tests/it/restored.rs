//! A relay that was restored from an old backup: its desks see that it has lost what they hold,
//! send it nothing, lose nothing, and go on when it has its log again or the loss is accepted.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use detente::codec;
use detente::journal::{FileJournal, Journal as _};
use detente::rules::event::Kind;
use detente::units::Index;

use crate::net::{self, Dev, Process, Speaker, until_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn desks_lose_nothing_to_a_relay_that_has_lost_its_log() {
    let net = Net { dev: Dev::new(&["NL", "RO"]) };
    let mut relay = net.relay().await;
    let (nl, ro) = (net.dev.start_agent("NL"), net.dev.start_agent("RO"));
    net.send_until(1, "RECORDED");
    net.backup("early");
    net.send_until(2, "RECORDED");
    net.send_until(3, "RECORDED");
    // Both desks know of it before the relay forgets it.
    net.until_inbox("RO", 3);

    // The relay comes back without what the desks hold.
    stop(relay);
    net.backup("late");
    let range = net.give_up("early");
    relay = net.relay().await;
    for member in ["NL", "RO"] {
        net.until_trouble(member, "D-301 RELAY_LOST_RECORDS");
    }
    net.send_until(4, "QUEUED");
    net.is_held(4);
    assert!(nl.log().contains("D-301"), "{}", nl.tail());

    // It is given its log again: everything goes on by itself.
    stop(relay);
    net.clear();
    succeeds(&net.restore("late", &[]));
    relay = net.relay().await;
    net.send_until(4, "RECORDED");
    for member in ["NL", "RO"] {
        net.until_trouble(member, "");
    }
    net.until_inbox("RO", 4);
    net.settle();

    // It comes back without it for good, and others have spoken before the desks are there again.
    stop(nl);
    stop(ro);
    stop(relay);
    net.clear();
    succeeds(&net.restore("early", &[]));
    // No desk is there that could say how far it has seen: the relay signs nothing.
    relay = net.relay().await;
    let speaker = Speaker::new(&net.dev, "RO");
    let question = speaker.question(&net::desk("NL"));
    let refused = net::relay_client(&net.dev, "RO").submit(&question).await.unwrap_err();
    assert_eq!(refused.rule_code, "E-134");
    stop(relay);
    std::fs::write(net.dev.relay_data().join("loss-accepted"), "after the fire").unwrap();
    relay = net.relay().await;
    for _ in 0..30 {
        let question = speaker.question(&net::desk("NL"));
        net::relay_client(&net.dev, "RO").submit(&question).await.unwrap();
    }
    let nl = net.dev.start_agent("NL");
    net.until_trouble("NL", "D-302 RELAY_LOG_DIFFERS");
    net.send_until(5, "QUEUED");
    stop(nl);
    for member in ["NL", "RO"] {
        net.reconcile(member);
    }
    let (nl, ro) = (net.dev.start_agent("NL"), net.dev.start_agent("RO"));
    for n in 1..=5 {
        net.send_until(n, "RECORDED");
    }
    for member in ["NL", "RO"] {
        net.until_trouble(member, "");
    }
    net.until_inbox("RO", 5);
    stop(nl);
    stop(ro);
    stop(relay);
    assert!(range.contains(".."));
    let recorded = net.recorded();
    for n in 1..=5 {
        assert_eq!(recorded.get(&id(n)), Some(&1), "question {n}");
    }
}

struct Net {
    dev: Dev,
}

impl Net {
    async fn relay(&self) -> Process {
        let mut relay = self.dev.start_relay();
        until_up(&net::relay_client(&self.dev, "NL"), &mut relay).await;
        relay
    }

    /// An officer at the Dutch desk asks question `n`, or asks what became of it.
    fn send(&self, n: u8) -> String {
        let socket = self.dev.desk_config("NL").counter.socket;
        let id = id(n);
        let own = ["--socket", socket.to_str().unwrap(), "--message-id", &id, "--json"];
        let send = ["desk", "send", "--timeout", "2"];
        let arguments = [&send[..], &own, &net::QUESTION].concat();
        String::from_utf8(detente(&arguments).stdout).unwrap()
    }

    fn send_until(&self, n: u8, state: &str) {
        let started = Instant::now();
        loop {
            let said = self.send(n);
            if said.contains(state) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(150), "question {n}: {said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// An officer is told that nothing is sent, why, and what to do; so is whoever looks after it.
    fn is_held(&self, n: u8) {
        let said = self.send(n);
        assert!(said.contains("\"alarms\"") && said.contains("D-301"), "{said}");
        let config = self.dev.made.desk_configs[&net::desk("NL")].to_str().unwrap().to_owned();
        let id = id(n);
        let own = ["--config", &config, "--message-id", &id];
        let send = ["desk", "send", "--timeout", "2"];
        let output = detente(&[&send[..], &own, &net::QUESTION].concat());
        let (data, said) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        let data = String::from_utf8(data).unwrap();
        assert!(data.contains("NOT SENT") && !data.contains("as soon as"), "{data}");
        for words in ["ALARM D-301", "desk reconcile", "desk directory call RO/cyber"] {
            assert!(said.contains(words), "no {words} in {said}");
        }
        let doctor = detente(&["doctor", "--config", &config]);
        let said = String::from_utf8(doctor.stdout).unwrap();
        assert_eq!(doctor.status.code(), Some(1), "{said}");
        assert!(said.contains("D-301") && said.contains("reconcile"), "{said}");
    }

    fn desk(&self, member: &str, arguments: &[&str]) -> String {
        let socket = self.dev.desk_config(member).counter.socket;
        let fixed = ["--officer", "duty", "--json", "--socket", socket.to_str().unwrap()];
        let output = detente(&[&["desk"], arguments, &fixed].concat());
        String::from_utf8(output.stdout).unwrap()
    }

    fn until_inbox(&self, member: &str, requests: usize) {
        let started = Instant::now();
        loop {
            let said = self.desk(member, &["inbox", "--in"]);
            if said.matches("\"request_id\"").count() >= requests {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(150), "{said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Until the agent says this trouble; with "" until it is connected and says none.
    fn until_trouble(&self, member: &str, trouble: &str) {
        let started = Instant::now();
        loop {
            let said = self.desk(member, &["status"]);
            let connected = said.contains("\"connected\": true");
            if if trouble.is_empty() { connected } else { said.contains(trouble) } {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(150), "{member}: {said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until nothing is in anybody's outbox.
    fn settle(&self) {
        let started = Instant::now();
        let waits = |member: &&str| !self.desk(member, &["status"]).contains("\"outbox\": 0");
        while ["NL", "RO"].iter().any(&waits) {
            assert!(started.elapsed() < Duration::from_secs(150));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn backup(&self, name: &str) {
        let (config, to) = (&self.dev.made.relay_config, self.dev.path().join(name));
        let arguments = ["backup", "--config", config.to_str().unwrap(), to.to_str().unwrap()];
        succeeds(&detente(&arguments));
    }

    fn restore(&self, name: &str, more: &[&str]) -> Output {
        let (config, from) = (&self.dev.made.relay_config, self.dev.path().join(name));
        let fixed = ["restore", from.to_str().unwrap(), "--config", config.to_str().unwrap()];
        detente(&[&fixed, more].concat())
    }

    /// Restores what is shorter than what is there, giving up what the refusal names.
    fn give_up(&self, name: &str) -> String {
        let refused = self.restore(name, &["--move-aside"]);
        let said = String::from_utf8(refused.stderr).unwrap();
        let range = said.split("--give-up-records ").nth(1).unwrap();
        let range = range.split_whitespace().next().unwrap().to_owned();
        succeeds(&self.restore(name, &["--move-aside", "--give-up-records", &range]));
        range
    }

    /// The disk is gone.
    fn clear(&self) {
        std::fs::remove_dir_all(self.dev.relay_data()).unwrap();
    }

    fn reconcile(&self, member: &str) {
        let config = self.dev.made.desk_configs[&net::desk(member)].clone();
        let reconcile = |more: &[&str]| {
            let fixed = ["desk", "reconcile", "--config", config.to_str().unwrap()];
            detente(&[&fixed, more].concat())
        };
        let listed = reconcile(&["--json"]);
        let said = String::from_utf8_lossy(&listed.stderr).into_owned();
        assert_eq!(listed.status.code(), Some(3), "{said}");
        let lost: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        let range = lost["range"].as_str().unwrap();
        assert!(lost["lost"][0]["what"].is_string(), "{lost}");
        let wrong = reconcile(&["--accept", "0..0"]);
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("C-812"));
        succeeds(&reconcile(&["--accept", range]));
        succeeds(&reconcile(&[]));
    }

    /// How often each of an officer's statements is in the relay's log.
    fn recorded(&self) -> BTreeMap<String, usize> {
        let path = self.dev.relay_data().join("journal");
        let (journal, _) = FileJournal::open(&path, Default::default()).unwrap();
        let reader = journal.reader();
        let mut recorded = BTreeMap::new();
        for index in 0..journal.next_index().0 {
            let stored = reader.read(Index(index), 1, 0).unwrap().remove(0);
            let record = codec::decode_record(&stored.record).unwrap();
            if let Kind::Accepted(statement) = record.event.kind {
                *recorded.entry(statement.message.to_string()).or_default() += 1;
            }
        }
        recorded
    }
}

/// The id of question `n`.
fn id(n: u8) -> String {
    format!("0193a5a0-0000-7000-8000-0000000000{n:02}")
}

fn detente(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap()
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn stop(mut process: Process) {
    process.signal("TERM");
    assert!(process.wait(net::PATIENCE).success(), "{}", process.tail());
}
