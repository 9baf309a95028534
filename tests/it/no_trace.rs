//! A case with many addressees leaves no trace at a desk that is no party to it, and none of one
//! addressee at another.
//!
//! A desk that is curious calls every method of the relay with its own certificate, and the raw
//! bytes of the answers are searched; so are its agent's files, log, figures and commands. What is
//! searched for: the ids of the case, of its requests and of all their statements, random words of
//! every form, and the names of the desks.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use detente::envelope::Act;
use detente::grpc::Failure;
use detente::units::{CaseId, DAY_MS, Hash, MessageId, RequestId};
use detente::wire::detente::{desk::v1 as desk, log::v1 as log};
use http::uri::PathAndQuery;
use prost::Message;
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::bad_input_wire::channel;
use crate::leaks::{Place, Traces, figures, files, raw_id, text};
use crate::net::{self, Dev, PATIENCE, Process, Speaker, until_up};
use crate::raw::Raw;
use crate::recorder::Recorder;

/// The desks that are asked.
const ASKED: [&str; 3] = ["RO", "US", "JP"];
/// The desk that is no party.
const THIRD: &str = "MD";
/// Quiet time after which nothing more is expected of a stream that has no end. What is looked for
/// in it comes at once or not at all.
const QUIET: Duration = Duration::from_millis(500);

/// Every method that a desk can call: "/package.Service/Method".
fn methods() -> Vec<String> {
    let contracts = [
        include_str!("../../proto/detente/desk/v1/desk.proto"),
        include_str!("../../proto/detente/directory/v1/directory.proto"),
        include_str!("../../proto/detente/log/v1/log.proto"),
    ];
    let mut found = Vec::new();
    for contract in contracts {
        let (mut package, mut service) = ("", "");
        for line in contract.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("package ") {
                package = name.trim_end_matches(';');
            } else if let Some(name) = line.strip_prefix("service ") {
                service = name.trim_end_matches(" {");
            } else if let Some(rest) = line.strip_prefix("rpc ") {
                let method = rest.split('(').next().unwrap();
                found.push(format!("/{package}.{service}/{method}"));
            }
        }
    }
    found
}

/// All bytes of an answer: messages, metadata, status. A stream is read until `last` stands in it,
/// or it is quiet.
async fn call(channel: &Channel, method: &str, request: Vec<u8>, last: &[u8]) -> Vec<u8> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(method).unwrap();
    let told = |status: &Status| {
        let said = format!("{:?} {:?} {:?}", status.code(), status.message(), status.metadata());
        [said.as_bytes(), status.details()].concat()
    };
    let answer = match client.server_streaming(Request::new(request), path, Raw).await {
        Ok(answer) => answer,
        Err(status) => return told(&status),
    };
    let mut bytes = format!("{:?}", answer.metadata()).into_bytes();
    let mut stream = answer.into_inner();
    let mut quiet = last.is_empty();
    let last = &text(last);
    loop {
        let patience = if quiet { QUIET } else { PATIENCE };
        match tokio::time::timeout(patience, stream.message()).await {
            Ok(Ok(Some(message))) => {
                quiet |= text(&message).contains(last);
                bytes.extend(message);
            }
            Ok(Err(status)) => bytes.extend(told(&status)),
            Ok(Ok(None)) | Err(_) => return bytes,
        }
    }
}

/// One request of the case, as both its desks know it.
struct Asked {
    member: &'static str,
    request: String,
    messages: Vec<String>,
    canary: String,
}

struct Lab {
    dev: Dev,
    relay: Process,
    agents: Vec<(&'static str, Process)>,
    /// All that goes to the agent of the desk that is no party.
    recorder: Recorder,
}

impl Lab {
    /// Everything logs all it can, and every agent has its figures.
    async fn new() -> Self {
        let dev = Dev::new(&["NL", "RO", "US", "JP", THIRD]);
        for config in dev.made.desk_configs.values() {
            let text = std::fs::read_to_string(config).unwrap();
            let text = net::edit(&text, "filter = \"info\"", "filter = \"trace\"");
            let listen = format!("\n[listen]\nmetrics = \"127.0.0.1:{}\"\n", net::free_ports());
            std::fs::write(config, text + &listen).unwrap();
        }
        let mut relay = dev.start_relay();
        until_up(&net::relay_client(&dev, "NL"), &mut relay).await;
        let mut agents: Vec<_> =
            ["NL", "RO", "US", "JP"].map(|id| (id, dev.start_agent(id))).into();
        let (recorder, config) = Recorder::between(&dev, THIRD).await;
        let log = dev.path().join(format!("{THIRD}.log"));
        agents.push((THIRD, Process::start(&["desk", "--config", config.to_str().unwrap()], &log)));
        Self { dev, relay, agents, recorder }
    }

    /// What an officer's command answers, once it is taken.
    async fn at(&self, member: &str, arguments: &[&str]) -> Value {
        let mut last = String::new();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let (said, error) = self.once(member, arguments).await;
            if error.is_none() {
                return serde_json::from_str(&said).unwrap();
            }
            last = error.unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{member}: {arguments:?}: {last}");
    }

    async fn once(&self, member: &str, arguments: &[&str]) -> (String, Option<String>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_detente"));
        let socket = self.dev.desk_config(member).counter.socket;
        command.args(["desk", "--json", "--officer", "duty", "--socket"]).arg(socket);
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (said, (!output.status.success()).then_some(error))
    }

    /// Waits until a desk shows a word about a request.
    async fn until(&self, member: &str, id: &str, word: &str) -> Value {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let (said, _) = self.once(member, &["show", id, "--peek"]).await;
            if said.contains(word) {
                return serde_json::from_str(&said).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{member} waited in vain for {word}");
    }

    async fn ask(&self, to: &[&str], canary: &str) -> Value {
        let desks: Vec<String> = to.iter().map(|member| format!("{member}/cyber")).collect();
        let mut send = vec!["send", "--type", "legal-information", "--instrument", "G7_2417"];
        send.extend(desks.iter().flat_map(|desk| ["--to", desk.as_str()]));
        send.extend(["--authority-organisation", "Sample", "--authority-email", "a@b.example"]);
        send.extend(["--subject", canary, "--question", canary, "--urgency", "routine"]);
        self.at("NL", &send).await
    }

    /// The desk answers its request, with a word of its own in every form.
    async fn answered(&self, member: &'static str, request: &str) -> Asked {
        let canary = canary();
        let (id, word) = (request.to_owned(), canary.as_str());
        self.until(member, &id, "NEW").await;
        self.at(member, &["show", &id]).await;
        let ack = ["ack", &id, "--will", "yes", "--form", word, "--by", "+8h"];
        self.at(member, &[&ack[..], &["--reference", word]].concat()).await;
        self.at(member, &["clarify", &id, "--question", word]).await;
        self.until("NL", &id, "CLARIFICATION_REQUESTED").await;
        self.at("NL", &["clarify", &id, "--answer", word]).await;
        self.until(member, &id, "CLARIFICATION_PROVIDED").await;
        self.at(member, &["determine", &id, "--outcome", "accepted"]).await;
        self.at(member, &["executed", &id, "--answer", word]).await;
        self.until("NL", &id, "EXECUTED").await;
        self.at("NL", &["show", &id]).await;
        let shown = self.at("NL", &["close", &id, "--remarks", word]).await;
        assert_eq!(shown["state"], "RECORDED");
        let shown = self.until(member, &id, "\"CLOSED\"").await;
        let history = shown["history"].as_array().unwrap().iter();
        let messages = history.filter_map(|entry| entry["message_id"].as_str());
        let messages: Vec<String> = messages.map(str::to_owned).collect();
        assert!(messages.len() > 12, "{messages:?}");
        Asked { member, request: id, messages, canary }
    }

    fn log(&self, member: &str) -> Vec<u8> {
        let (_, agent) = self.agents.iter().find(|(id, _)| *id == member).unwrap();
        agent.log().into_bytes()
    }

    fn directory(&self, member: &str) -> PathBuf {
        let config = &self.dev.made.desk_configs[&net::desk(member)];
        config.parent().unwrap().to_owned()
    }
}

fn canary() -> String {
    format!("kanarie{}", data_encoding::HEXLOWER.encode(&net::random::<8>()))
}

/// Requests that say more than nothing, for a desk that asks about others.
fn curious(method: &str) -> Vec<Vec<u8>> {
    let times = |group_by: &str, asked: &str, asking: &str| desk::GetResponseTimesRequest {
        query: Some(desk::ResponseTimesQuery {
            from_day: day(-DAY_MS),
            until_day: day(0),
            group_by: group_by.to_owned(),
            asked: asked.to_owned(),
            asking: asking.to_owned(),
            include_exercises: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut requests = vec![Vec::new()];
    match method.rsplit('/').next().unwrap() {
        "GetResponseTimes" => {
            for by in ["PAIR", "MEMBER", "TYPE"] {
                requests.push(times(by, "", "").encode_to_vec());
            }
            requests.push(times("PAIR", "RO", "NL").encode_to_vec());
        }
        "ListOverdue" => {
            let (asked, asking) = ("RO".to_owned(), "NL".to_owned());
            let query = desk::OverdueQuery { asked, asking, ..Default::default() };
            let query = Some(query);
            requests.push(desk::ListOverdueRequest { query, ..Default::default() }.encode_to_vec());
        }
        "GetProof" => requests.extend((0..40).map(|leaf_index| {
            let log = "traffic".to_owned();
            log::GetProofRequest { log, leaf_index, tree_size: 0 }.encode_to_vec()
        })),
        "GetConsistency" => requests.extend((0..40).map(|old_size| {
            let log = "traffic".to_owned();
            log::GetConsistencyRequest { log, old_size, new_size: 40 }.encode_to_vec()
        })),
        "FollowCheckpoints" => requests.extend(
            ["traffic", "directory"]
                .map(|log| log::FollowCheckpointsRequest { log: log.to_owned() }.encode_to_vec()),
        ),
        "Witness" => {
            let hello = log::witness_request::Item::Hello(log::WitnessHello::default());
            requests.push(log::WitnessRequest { item: Some(hello) }.encode_to_vec());
        }
        "GetCheckpoint" => requests.extend(
            ["traffic", "directory"]
                .map(|log| log::GetCheckpointRequest { log: log.to_owned() }.encode_to_vec()),
        ),
        _other => {}
    }
    requests
}

/// Every method is called; nothing that is answered holds a trace. `marker` is the id of the newest
/// request of the desk itself: what its stream says before that has come when that has.
async fn nothing_over_the_wire(
    lab: &Lab,
    member: &str,
    traces: &Traces,
    names: &Traces,
    marker: &[u8],
) -> Vec<String> {
    let channel = channel(&lab.dev, member);
    let mut leaks = Vec::new();
    let mut bytes_seen = 0;
    for method in methods() {
        let last = if method.ends_with("/Follow") { marker } else { &[] };
        for (n, request) in curious(&method).into_iter().enumerate() {
            let answer = call(&channel, &method, request, last).await;
            bytes_seen += answer.len();
            let place = format!("{member}: answer {n} of {method}");
            leaks.extend(traces.found(&place, &answer));
            // Who is a member, everybody knows.
            if !method.contains("DirectoryService") {
                leaks.extend(names.found(&place, unsigned(&answer).as_bytes()));
            }
        }
    }
    assert!(bytes_seen > 5_000, "only {bytes_seen} bytes were looked at");
    leaks
}

/// The day so long before or after now: midnight may pass during a test.
fn day(ms: i64) -> String {
    net::now().plus_ms(ms).to_string()[..10].to_owned()
}

/// Of the pairs whose times a desk is told it is always one.
async fn only_own_pairs(lab: &Lab, member: &str) {
    let channel = channel(&lab.dev, member);
    let mut client = desk::desk_service_client::DeskServiceClient::new(channel);
    let query = desk::ResponseTimesQuery {
        from_day: day(-DAY_MS),
        until_day: day(0),
        group_by: "PAIR".to_owned(),
        ..Default::default()
    };
    let ask = desk::GetResponseTimesRequest { query: Some(query), ..Default::default() };
    let answer = client.get_response_times(ask).await.unwrap().into_inner();
    let groups = answer.report.unwrap().groups;
    assert!(!groups.is_empty(), "{member} was asked something");
    assert!(groups.iter().all(|pair| pair.asked == member || pair.asking == member), "{groups:?}");
}

/// Asked for by its id, what is there for others is answered like what never was.
async fn no_answer_by_id(lab: &Lab, asked: &Asked) {
    let channel = channel(&lab.dev, THIRD);
    let (request, message) = (raw_id(&asked.request), raw_id(&asked.messages[0]));
    let ghost = net::random::<16>();
    type Ask = fn(&[u8]) -> Vec<u8>;
    let by_id: [(&str, Ask, &[u8]); 3] = [
        ("/detente.desk.v1.DeskService/GetContent", content_of, &message),
        ("/detente.desk.v1.DeskService/GetRequestStatus", status_of, &request),
        ("/detente.log.v1.LogService/ListRecords", records_of, &request),
    ];
    for (method, ask, real) in by_id {
        let there = told_by_id(&channel, method, ask(real), real).await;
        let never = told_by_id(&channel, method, ask(&ghost), &ghost).await;
        assert_eq!(there, never, "{method}");
    }
    // Nor does it get in by speaking of it.
    let (speaker, client) = (Speaker::new(&lab.dev, THIRD), net::relay_client(&lab.dev, THIRD));
    let mut of = speaker.question(&net::desk("NL")).statement;
    std::mem::swap(&mut of.from, &mut of.to);
    of.request = RequestId::from_slice(&request).unwrap();
    let act = Act::Receipt {
        of: MessageId::from_slice(&message).unwrap(),
        header: Hash([7; 32]),
        rejected: None,
    };
    let refused = client.submit(&speaker.machine(&of, act)).await.unwrap_err();
    let said = format!("{refused:?}");
    assert!(!said.contains("RO/cyber") && !said.contains(&asked.canary), "{said}");
}

fn content_of(id: &[u8]) -> Vec<u8> {
    desk::GetContentRequest { message_id: id.to_vec() }.encode_to_vec()
}

fn status_of(id: &[u8]) -> Vec<u8> {
    let name = format!("requests/{}", RequestId::from_slice(id).unwrap());
    desk::GetRequestStatusRequest { name, at_least_index: 0 }.encode_to_vec()
}

fn records_of(id: &[u8]) -> Vec<u8> {
    let request = format!("requests/{}", RequestId::from_slice(id).unwrap());
    log::ListRecordsRequest { request, ..Default::default() }.encode_to_vec()
}

/// The answer to a question by id, in words, without the id that the caller gave.
async fn told_by_id(channel: &Channel, method: &str, request: Vec<u8>, id: &[u8]) -> String {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(method).unwrap();
    let text = match client.unary(Request::new(request), path, Raw).await {
        Ok(answer) => format!("{:?}", answer.into_inner()),
        // The order of what is in a status is by chance.
        Err(status) => format!("{:?}", Failure::from(status)),
    };
    text.replace(&MessageId::from_slice(id).unwrap().to_string(), "ID")
}

/// What a desk's machine has of it: files, log, figures, and what its officers are told.
async fn nothing_at_the_agent(lab: &Lab, member: &str, traces: &Traces) -> Vec<String> {
    let mut places = files(&lab.directory(member));
    places.push((format!("log of {member}"), lab.log(member)));
    let listen = lab.dev.desk_config(member).listen.metrics.unwrap();
    places.push((format!("figures of {member}"), figures(listen).await));
    let asked: [&[&str]; 8] = [
        &["inbox"],
        &["inbox", "--out"],
        &["status"],
        &["times", "--by", "pair"],
        &["overdue"],
        &["approvals"],
        &["directory", "list"],
        &["directory", "search"],
    ];
    for command in asked {
        let said = lab.once(member, command).await;
        places.push((format!("{member}: {command:?}"), format!("{said:?}").into_bytes()));
    }
    assert!(places.iter().any(|(_, bytes)| text(bytes).contains("TRACE")), "nothing is logged");
    places.iter().flat_map(|(place, bytes)| traces.found(place, bytes)).collect()
}

/// The tree size of the published traffic log, as a head says it.
fn size_of(head: &str) -> u64 {
    let size = head.strip_prefix("detente-test/traffic\n").and_then(|rest| rest.lines().next());
    size.map_or(0, |size| size.parse().unwrap())
}

/// Waits until everything so far is published and has been shown to the third desk's agent.
async fn published(lab: &Lab) {
    let mut client = net::relay_client(&lab.dev, THIRD).log;
    let heads = client.get_heads(log::GetHeadsRequest {}).await.unwrap().into_inner().heads;
    let size = heads.iter().find(|head| head.log == "traffic").unwrap().size;
    assert!(size > 50, "{size}");
    let checkpoint = lab.dev.relay_config().publish_directory().join("traffic/checkpoint");
    net::until("it is published", || {
        size_of(&std::fs::read_to_string(&checkpoint).unwrap_or_default()) >= size
    })
    .await;
    net::until("the third is shown it", || {
        let bodies = lab.recorder.bodies();
        let text = bodies.iter().map(|body| text(body)).collect::<String>();
        let heads = text.match_indices("detente-test/traffic\n");
        heads.map(|(at, _)| size_of(&text[at..])).max().unwrap_or_default() >= size
    })
    .await;
}

/// What anybody may fetch: the published logs. And what the operator's other machines get: figures,
/// and how a backup describes itself.
async fn nothing_published(lab: &Lab, traces: &Traces, names: &Traces) -> Vec<String> {
    let config = lab.dev.relay_config();
    let mut places = files(&config.publish_directory());
    for log in ["directory", "traffic"] {
        let kinds = ["checkpoint", "tile/0/", "tile/entries/"];
        for wanted in kinds.map(|kind| format!("/{log}/{kind}")) {
            assert!(places.iter().any(|(name, _)| name.contains(&wanted)), "no {wanted}");
        }
    }
    let figures = figures(config.listen.metrics.unwrap()).await;
    places.push(("figures of the relay".to_owned(), figures));
    let backup = lab.dev.path().join("backup");
    let relay = lab.dev.made.relay_config.to_str().unwrap();
    net::run(&["backup", "--config", relay, backup.to_str().unwrap()]);
    let manifest = std::fs::read(backup.join("manifest.json")).unwrap();
    places.push(("manifest of a backup".to_owned(), manifest));
    let named: Vec<u8> = places.iter().flat_map(|(name, _)| name.bytes()).collect();
    places.push(("names of files".to_owned(), named));
    let found = |(place, bytes): &Place| {
        let mut leaks = traces.found(place, bytes);
        leaks.extend(names.found(place, unsigned(bytes).as_bytes()));
        leaks
    };
    places.iter().flat_map(found).collect()
}

/// Without the lines of signatures under a head: those say who has cosigned, which is for all.
fn unsigned(bytes: &[u8]) -> String {
    let text = text(bytes);
    let lines = text.split('\n').filter(|line| !line.contains("\u{e2}\u{80}\u{94} "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What went to the agent of the desk that is no party, byte by byte, as it stood within TLS. Its
/// own request did; `names` are of desks of the case, of which it hears as members and witnesses.
fn nothing_on_the_wire(lab: &Lab, traces: &Traces, names: &Traces, own: &[u8]) -> Vec<String> {
    let (passed, bodies) = (lab.recorder.passed(), lab.recorder.bodies());
    let own = text(own);
    assert!(bodies.iter().any(|body| text(body).contains(&own)), "nothing was recorded");
    let all = passed.iter().chain(&bodies);
    let mut leaks: Vec<String> =
        all.flat_map(|bytes| traces.found("the wire to the third", bytes)).collect();
    for body in &bodies {
        leaks.extend(names.found("the wire to the third", unsigned(body).as_bytes()));
    }
    leaks
}

/// What the requests of some desks leave behind.
fn traces_of<'a>(asked: impl Iterator<Item = &'a Asked>) -> (Traces, Traces) {
    let (mut traces, mut names) = (Traces::default(), Traces::default());
    for Asked { member, request, messages, canary } in asked {
        traces.id("request", request);
        for message in messages {
            traces.id("statement", message);
        }
        traces.word(canary, canary);
        let name = format!("{member}/cyber");
        names.word(&name, &name);
    }
    (traces, names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_with_many_addressees_leaves_no_trace_elsewhere() {
    let mut lab = Lab::new().await;
    let question = canary();
    let sent = lab.ask(&ASKED, &question).await;
    let mut asked = Vec::new();
    let mut case = String::new();
    for (n, member) in ASKED.into_iter().enumerate() {
        let outcome = &sent["addressees"][n];
        assert_eq!(outcome["to"], format!("{member}/cyber"), "{sent}");
        outcome["case_id"].as_str().unwrap().clone_into(&mut case);
        asked.push(lab.answered(member, outcome["request_id"].as_str().unwrap()).await);
    }
    // Something of its own for every desk, after all that: then its stream has said the rest.
    let mut markers = Vec::new();
    for member in ASKED.into_iter().chain([THIRD]) {
        let own = lab.ask(&[member], "Another matter").await;
        let id = own["request_id"].as_str().unwrap();
        lab.until(member, id, "NEW").await;
        markers.push((member, raw_id(id)));
    }

    let (mut traces, names) = traces_of(asked.iter());
    traces.id("case", &case);
    traces.word(&question, &question);
    assert!(traces.len() > 400 && case.parse::<CaseId>().is_ok());
    // What is looked for is there to be found: at a party, over the same calls.
    let party = nothing_over_the_wire(&lab, "RO", &traces, &names, &markers[0].1).await;
    let own = |what: &str| party.iter().any(|leak| leak.contains(what));
    assert!(own(&asked[0].request) && own(&case) && own("RO/cyber"), "{party:?}");
    let shown = lab.at("RO", &["show", &asked[0].request]).await.to_string();
    assert!(shown.contains(&question) && shown.contains(&asked[0].canary));

    let marker = &markers.last().unwrap().1;
    let mut leaks = nothing_over_the_wire(&lab, THIRD, &traces, &names, marker).await;
    leaks.extend(nothing_at_the_agent(&lab, THIRD, &traces).await);
    published(&lab).await;
    leaks.extend(nothing_published(&lab, &traces, &names).await);
    leaks.extend(nothing_on_the_wire(&lab, &traces, &names, marker));
    only_own_pairs(&lab, THIRD).await;
    no_answer_by_id(&lab, &asked[0]).await;
    for (member, marker) in markers.iter().filter(|(member, _)| *member != THIRD) {
        let others = asked.iter().filter(|asked| asked.member != *member);
        let (traces, names) = traces_of(others);
        leaks.extend(nothing_over_the_wire(&lab, member, &traces, &names, marker).await);
        leaks.extend(nothing_at_the_agent(&lab, member, &traces).await);
        only_own_pairs(&lab, member).await;
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    for (_, agent) in &mut lab.agents {
        agent.signal("TERM");
        assert!(agent.wait(PATIENCE).success(), "{}", agent.tail());
    }
    lab.relay.signal("TERM");
    assert!(lab.relay.wait(PATIENCE).success(), "{}", lab.relay.tail());
}
