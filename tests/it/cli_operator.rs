//! `detente operator`, and `detente desk times` and `overdue`, against the real programs.

use std::process::Command;

use serde_json::Value;

use super::net::{Dev, QUESTION, desk, relay_client, run, until_blocking as until, until_up};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(&[arguments, &["--json"]].concat())).unwrap()
}

/// What is said of a command that is refused with this code and these words.
fn refused(arguments: &[&str], code: &str, words: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    assert!(said.contains(code) && said.contains(words), "{arguments:?}: {said}");
    said
}

/// Without its relay an agent does not say that anything was sent, nor that it will repeat what it
/// will not.
#[tokio::test(flavor = "multi_thread")]
async fn an_officer_without_a_relay_is_told_what_was_not_sent() {
    let dev = Dev::new(&["NL", "RO"]);
    let _agent = dev.start_agent("NL");
    let socket = dev.desk_config("NL").counter.socket;
    until("the agent is up", || socket.exists());
    let config = dev.made.desk_configs[&desk("NL")].to_str().unwrap();
    let own = ["--config", config, "--timeout", "2"];
    let id = ["--message-id", "11111111-1111-1111-1111-111111111111"];
    let sent = json(&[&["desk", "send"], &own[..], &id, &QUESTION].concat());
    assert_eq!(sent["state"], "QUEUED");
    let inbox = [&["desk", "inbox", "--out"], &own[..]].concat();
    assert_eq!(json(&inbox)["requests"][0]["sent"], false);
    let show = [&["desk", "show", "1111", "--officer", "duty"], &own[..]].concat();
    for list in [&inbox, &show] {
        let said = run(list);
        assert!(said.contains("NOT SENT") && !said.contains("NEW"), "{said}");
    }

    let mut other = QUESTION;
    *other.iter_mut().find(|word| word.starts_with("How long")).unwrap() = "Is it so?";
    let again = [&["desk", "send"], &own[..], &id, &other].concat();
    let said = refused(&again, "D-101", "choose a new one");
    assert!(!said.contains("run the same command"), "{said}");

    let address = dev.desk_config("NL").relay.address.to_string();
    let times = [&["desk", "times"], &own[..]].concat();
    let said = refused(&times, "E-000", &address);
    assert!(said.contains("run it again") && !said.contains("is sent again"), "{said}");

    // One does not write to oneself, nor call there.
    for list in [&["directory"][..], &["directory", "search"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_detente"));
        let output = command.arg("desk").args(list).args(own).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("RO/cyber") && !said.contains("NL/cyber"), "{list:?}: {said}");
    }
    for ask in ["show", "call"] {
        let arguments = [&["desk", "directory", ask, "XX"], &own[..]].concat();
        let said = refused(&arguments, "E-105", "there is no members/XX");
        assert!(!said.contains("may see") && !said.contains("a party"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_and_the_desks_see_how_a_request_was_answered() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut relay = dev.start_relay();
    until_up(&relay_client(&dev, "NL"), &mut relay).await;
    let _agents = [dev.start_agent("NL"), dev.start_agent("RO")];
    let config = |member: &str| dev.made.desk_configs[&desk(member)].to_str().unwrap().to_owned();
    let (nl, ro) = (config("NL"), config("RO"));
    let of_relay = ["--config", dev.made.relay_config.to_str().unwrap()];
    let operator = |command: &[&str]| json(&[&["operator"], command, &of_relay].concat());
    until("both agents follow", || {
        let connections = operator(&["status"]);
        let list = connections["connections"].as_array().unwrap();
        list.iter().filter(|one| one["following"] == true).count() == 2
    });
    run(&[&["desk", "send", "--config", &nl], &QUESTION[..]].concat());
    until("it is delivered", || {
        json(&["desk", "inbox", "--in", "--config", &ro])["requests"][0]["transport"] == "DELIVERY"
    });
    let id = json(&["desk", "inbox", "--in", "--config", &ro])["requests"][0]["request_id"].clone();
    let id = id.as_str().unwrap();
    let acknowledge = ["--will", "yes", "--form", "letter", "--by", "+8h"];
    run(&[&["desk", "ack", id, "--config", &ro, "--officer", "duty"], &acknowledge[..]].concat());

    let times = operator(&["times", "--by", "pair"]);
    assert_eq!(
        (&times["groups"][0]["asking"], &times["groups"][0]["asked"]),
        (&"NL".into(), &"RO".into())
    );
    let spans = &times["total"]["spans"];
    for span in ["deliver", "acknowledge"] {
        assert_eq!(spans[span]["share_within_target"], 1.0, "{times}");
        assert!(spans[span]["median_ms"].as_i64().unwrap() >= 0, "{times}");
    }
    assert_eq!(spans["determine"]["waiting"], 1);
    // A desk asks its agent for the same, and gets its own.
    for config in [&nl, &ro] {
        let own = json(&["desk", "times", "--config", config]);
        assert_eq!(own["total"]["spans"], *spans);
        assert_eq!(json(&["desk", "overdue", "--config", config])["overdue"], Value::Array(vec![]));
    }
    let csv = run(&[&["operator", "times", "--csv"], &of_relay[..]].concat());
    assert_eq!(csv.lines().count(), 7, "{csv}");
    assert!(csv.contains(",RO,,,,1,ACKNOWLEDGE,1,"), "{csv}");
    let table = run(&[&["operator", "times"], &of_relay[..]].concat());
    assert!(table.contains("RO ") && table.contains("100 %"), "{table}");

    // A member that there is not has no good figures.
    let nobody = ["--member", "ZZ"];
    for whose in [[&["desk"][..], &["--config", &nl][..]], [&["operator"][..], &of_relay[..]]] {
        for what in ["times", "overdue"] {
            let arguments = [whose[0], &[what], &nobody, whose[1]].concat();
            refused(&arguments, "E-101", "ZZ is no member of this network");
        }
    }
    let unknown = ["erase", "--request", "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f"];
    let order = ["--reason", "retention", "--dry-run"];
    let arguments = [&["operator"], &unknown[..], &order, &of_relay].concat();
    let said = refused(&arguments, "E-105", "there is no requests/1f1f1f1f");
    assert!(!said.contains("desk"), "{said}");

    assert_eq!(operator(&["overdue"])["overdue"], Value::Array(vec![]));
    assert_eq!(operator(&["requests", "--open"])["requests"][0]["handling"], "ACKNOWLEDGED");
    let status = operator(&["status"]);
    assert_eq!((&status["network"], &status["open_requests"]), (&"detente-test".into(), &1.into()));
    assert_eq!(status["revocation_lists"].as_array().unwrap().len(), 2);
}
