//! `detente operator`, and `detente desk times` and `overdue`, against the real programs.

use serde_json::Value;

use super::net::{Dev, QUESTION, desk, relay_client, run, until_blocking as until, until_up};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(&[arguments, &["--json"]].concat())).unwrap()
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

    assert_eq!(operator(&["overdue"])["overdue"], Value::Array(vec![]));
    assert_eq!(operator(&["requests", "--open"])["requests"][0]["handling"], "ACKNOWLEDGED");
    let status = operator(&["status"]);
    assert_eq!((&status["network"], &status["open_requests"]), (&"detente-test".into(), &1.into()));
    assert_eq!(status["revocation_lists"].as_array().unwrap().len(), 2);
}
