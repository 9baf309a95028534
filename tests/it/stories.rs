//! The stories are as told; one that is not says where; one that cannot be read says which word.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use detente::service::RunningAgent;
use detente::story::{self, Story, Verdict, report};

use rustix::process::{Pid, Signal, kill_process};

use super::log_stories;
use super::net::{Dev, relay_here};

/// A head, and room for steps.
const HEAD: &str = "Story: A test\nStart: 2026-03-02T08:00Z\nMember NL\nMember RO\n";

pub(crate) fn stories() -> Vec<PathBuf> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "txt")).collect();
    found.sort();
    assert!(found.len() >= 5, "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_story_is_as_told() {
    for file in stories() {
        let (played, mut heads, _directory) = log_stories::play(&file).await;
        heads.check();
        let wrong: Vec<_> = played.wrong().collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
        let tally = report::tally(&played);
        assert_eq!(tally.skipped, 0, "{}: nothing is skipped here", file.display());
        assert_eq!(played.steps.len(), played.story.steps.len());
        let page = report::html(&played);
        assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("http:"));
        assert_eq!(report::json(&played)["ok"], true);
    }
}

#[test]
fn a_wrong_expectation_ends_the_program_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.txt");
    let steps = "T NL asks RO for PRESERVATION, called A\n    expect A handling NEW\n\
                 T+1h RO acknowledges A: yes, letter, by +3h\n    expect A handling CLOSED\n";
    std::fs::write(&file, format!("{HEAD}{steps}")).unwrap();
    let page = directory.path().join("page.html");
    let output = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["play", file.to_str().unwrap(), "--report", "html", "-o", page.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    let place = format!("{}, line 8: expected: A handling CLOSED", file.display());
    assert!(said.contains(&place) && said.contains("actual: ACKNOWLEDGED at NL/cyber"), "{said}");
    let timeline = String::from_utf8(output.stdout).unwrap();
    assert!(timeline.contains("ok ") && timeline.contains("WRONG"), "{timeline}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("not as told") && page.contains("actual: ACKNOWLEDGED"), "{page}");
}

#[test]
fn what_cannot_be_understood_is_named_by_line_and_word() {
    let cases = [
        ("T+1h RO acknowleges A: yes, x, by +1h", 5, 3, "did you mean \"acknowledges\"?"),
        ("T+1h RO acknowledges A: maybe, x, by +1h", 5, 3, "\"maybe\" is not yes, no"),
        ("T+1h RO acknowledges A: yes, letter", 5, 3, "say by when"),
        ("T+1x NL asks RO for PRESERVATION, called A", 5, 1, "neither a moment"),
        ("T nl asks RO for PRESERVATION, called A", 5, 2, "is no desk"),
        ("T NL asks RO for PRESERVATIO, called A", 5, 6, "request type"),
        ("T NL asks RO for PRESERVATION, URGNT, called A", 5, 7, "did you mean \"URGENT\"?"),
        ("T NL asks RO for PRESERVATION", 5, 7, "say what it is called"),
        ("T note x\n    expact A handling NEW", 6, 1, "did you mean \"expect\"?"),
        ("T note x\n    expect A handlng NEW", 6, 3, "did you mean \"handling\"?"),
        ("T note x\n    expect A handling NEW now", 6, 5, "one word too many"),
        ("T note x\n    expect relay sees no word 198", 6, 6, "is no quotation"),
        ("T note x\n    facts: y", 6, 1, "has no form"),
        ("T+2h note x\nT+1h note y", 6, 1, "is before the step of line 5"),
        ("T RO accepts A in prt: x", 5, 5, "did you mean \"in part\"?"),
        ("T RO provides A: x", 5, 4, "after \"provides\" comes \"information for\""),
        ("T RO reports A: x", 5, 4, "comes \"use of\" or \"an incident with\""),
        ("T RO publishes entries", 5, 4, "after \"publishes\" comes \"its entry\""),
        ("T RO closes A: done, by +3h", 5, 3, "no \"by\" belongs here"),
        ("T RO accepts A: gladly", 5, 3, "\"gladly\" does not belong here"),
        ("T RO regrades A: URGNT, x", 5, 3, "URGNT"),
        ("T NL calls RO, SOON", 5, 5, "SOON"),
        ("T NL asks RO for PRESERVATION, embargoed until noon, called A", 5, 9, "is no moment"),
        ("T NL asks RO for PRESERVATION, embargoed, called A", 5, 7, "embargoed until"),
        ("T note x\n    expect A conditons OFFERED", 6, 3, "did you mean \"conditions\"?"),
        ("T note x\n    expect A embargoed until noon", 6, 5, "is no moment"),
        ("T note x\n    expect A executed within noon", 6, 5, "is no span"),
        ("T note x\n    expect A warned weekend", 6, 4, "is no quotation"),
        ("T note x\n    expect NL calls RO on DUTY PIGEON", 6, 7, "PIGEON"),
        ("T note x\n    expect NL calls RO by PHONE", 6, 5, "neither \"on\" nor \"because\""),
        ("T note x\n    expect NL owes SEND_MLA", 6, 5, "\"on\" is missing"),
        ("T note x\n    expect NL owes SEND_MLA A", 6, 5, "\"A\" is nothing that a desk owes"),
        ("T note x\n    expect NL sees A NEW", 6, 4, "\"in one case\" is missing"),
        ("T note x\n    expect NL sees in one case A", 6, 8, "its stage of handling is missing"),
        ("T NL calls RO\n    facts: y", 6, 1, "has no form"),
        ("Begin: now", 5, 1, "neither a moment"),
        ("Start: soon", 5, 2, "is no moment"),
        ("Member Netherlands", 5, 2, "two upper-case letters"),
        ("", 5, 0, "ends without a step"),
    ];
    for (text, line, word, why) in cases {
        let unreadable = Story::parse("s.txt", &format!("{HEAD}{text}\n")).unwrap_err();
        let found = (unreadable.line, unreadable.word);
        assert_eq!(found, (line, word), "{text:?}: {unreadable}");
        assert!(unreadable.why.contains(why), "{text:?}: {unreadable}");
    }
    let named = Story::parse("s.txt", &format!("{HEAD}T RO acepts A\n")).unwrap_err();
    assert_eq!(
        named.to_string(),
        "s.txt, line 5, word 3: \"acepts\" is no verb; did you mean \"accepts\"?"
    );
}

/// Each line comes after one that makes the request A.
#[test]
fn what_is_not_known_is_named_before_anything_is_played() {
    let cases = [
        ("then RO closes AA is refused R-309", 6, 4, "did you mean \"A\"?"),
        ("then RO acknowledges Z: no, none, by +3h", 6, 4, "calls a request \"Z\""),
        ("then RO opens Z", 6, 4, "calls a request \"Z\""),
        ("then NL asks RO for PRESERVATION, following Z, called B", 6, 8, "a request \"Z\""),
        ("then NL asks RO for PRESERVATION, with B, called B", 6, 8, "a request \"B\""),
        ("then NL asks RO for PRESERVATION, called A", 6, 8, "is made in line 5 already"),
        ("then NL asks RO, RO for PRESERVATION, called C", 6, 9, "is made in line 6 already"),
        ("then NL sends MLA for A carried by Q: X", 6, 9, "calls a request \"Q\""),
        ("then RO asks NL for PRESERVATION, on BUDAPST, called C", 6, 8, "instrument"),
        ("then NL closes A is refused R-999", 6, 7, "\"R-999\" is no code"),
        ("then NL closes A is refused 309", 6, 7, "\"309\" is no code"),
        ("then XX closes A", 6, 2, "its head has the members NL, RO"),
        ("then XX/cyber closes A", 6, 2, "\"XX/cyber\" is no desk of this story"),
        ("then NL asks XX for PRESERVATION, called C", 6, 4, "\"XX\" is no desk"),
        ("then NL calls XX", 6, 4, "\"XX\" is no desk"),
        ("then cut off XX", 6, 4, "\"XX\" is no desk"),
        ("then certificate of XX expires", 6, 4, "\"XX\" is no desk"),
        ("Member MD", 6, 1, "the head comes before the first step"),
        ("    expect A records no RETRIEVL", 6, 5, "did you mean \"RETRIEVAL\"?"),
        ("    expect A handling NWE", 6, 4, "is no value of \"handling\" (NEW, ACKNOWLEDGED"),
        ("    expect A measure PRESERVD", 6, 4, "did you mean \"PRESERVED\"?"),
        ("    expect A transport DELIVERD", 6, 4, "did you mean \"DELIVERY\"?"),
        ("    expect A instrument BUDAPST", 6, 4, "instrument"),
        ("    expect A incidents one", 6, 4, "is no number"),
        ("    expect A embargo maybe", 6, 4, "(yes, no)"),
        ("    expect A overdue ACKNOWLEGE", 6, 4, "did you mean \"ACKNOWLEDGE\"?"),
        ("    expect NL owes SEND_MAL on A", 6, 4, "did you mean \"SEND_MLA\"?"),
        ("    expect NL sees in one case A NWE", 6, 8, "is no stage of handling"),
        ("    expect RO inbox A, B", 6, 5, "calls a request \"B\""),
        ("    expect RO inbox RO", 6, 4, "calls a request \"RO\""),
        ("    expect A follows B", 6, 4, "calls a request \"B\""),
        ("    expect p90 of acknowledgement of A, B within 4h", 6, 7, "a request \"B\""),
        ("    expect XX inbox empty", 6, 2, "\"XX\" is no desk"),
        ("    expect A handling NEW at XX", 6, 6, "\"XX\" is no desk"),
        ("then RO, NL closes A", 6, 3, "is no verb"),
    ];
    let made = "T NL asks RO for PRESERVATION, called A";
    for (text, line, word, why) in cases {
        let unreadable = Story::parse("s.txt", &format!("{HEAD}{made}\n{text}\n")).expect_err(text);
        let found = (unreadable.line, unreadable.word);
        assert_eq!(found, (line, word), "{text:?}: {unreadable}");
        assert!(unreadable.why.contains(why), "{text:?}: {unreadable}");
    }
    let heads = [
        ("Member RO: zone Mars/Phobos", 4, "is no time zone"),
        ("Member RO: preserves -1 days", 4, "\"-1\" is no number of days"),
        ("Member RO: preserves 60 days, instruments BUDAPST", 7, "instrument"),
        ("Member RO: preserves 60 days, zoom Europe/Bucharest", 6, "did you mean \"zone\"?"),
        ("Member NL", 2, "is a member already"),
    ];
    for (text, word, why) in heads {
        let head = "Story: A test\nStart: 2026-03-02T08:00Z\nMember NL\n";
        let unreadable = Story::parse("s.txt", &format!("{head}{text}\n")).expect_err(text);
        assert_eq!((unreadable.line, unreadable.word), (4, word), "{text:?}: {unreadable}");
        assert!(unreadable.why.contains(why), "{text:?}: {unreadable}");
    }
    // What is refused makes nothing: its name is free. A note is for the reader alone.
    let fine = "T NL asks RO for PRESERVATION, called A is refused R-201\n\
                then NL asks RO, RO/cyber for PRESERVATION, called A\n\
                then note It is refused everywhere.\n    expect RO inbox A-RO, A-RO/cyber\n";
    let fine = Story::parse("s.txt", &format!("{HEAD}{fine}")).unwrap();
    assert_eq!(fine.steps[2].refused, None);
    let of_two = "T NL asks RO, MD for PRESERVATION, called A\nthen NL withdraws A: No.\n";
    let wrong =
        Story::parse("s.txt", &format!("{HEAD}{of_two}").replace("Start", "Member MD\nStart"));
    assert!(wrong.unwrap_err().why.contains("it is called A-MD, A-RO"));
}

/// What a run of the program printed, and how it ended.
struct Run {
    code: Option<i32>,
    said: String,
    printed: String,
}

/// Plays bytes as a story with the program.
fn run(story: &[u8]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("s.txt");
    std::fs::write(&file, story).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["play", file.to_str().unwrap()])
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 1, "nothing but the story is left");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), said: text(output.stderr), printed: text(output.stdout) }
}

#[test]
fn a_story_that_cannot_be_played_says_where_and_leaves_nothing_behind() {
    let made = "T NL asks RO for PRESERVATION, called A\n";
    let desk = run(format!("{HEAD}{made}then RO/foo opens A\n").as_bytes());
    assert_eq!(desk.code, Some(2), "{}", desk.said);
    let why = "s.txt, line 6, word 2: \"RO/foo\" is no desk here: RO has the desk RO/cyber";
    assert!(desk.said.contains("[C-902]") && desk.said.contains(why), "{}", desk.said);
    assert_eq!(desk.printed, "", "no step of it was played");

    let letters = run(&[HEAD.as_bytes(), b"T note caf\xe9\n"].concat());
    assert_eq!(letters.code, Some(2), "{}", letters.said);
    let why = "s.txt, line 5: it is not UTF-8";
    assert!(letters.said.contains("[C-901]") && letters.said.contains(why), "{}", letters.said);

    for _ in 0..3 {
        let stopped = run(format!("{HEAD}T stop the agent of NL\n{made}").as_bytes());
        assert_eq!(stopped.code, Some(1), "{}", stopped.said);
        let why = "s.txt, line 6: NL/cyber does not run";
        assert!(stopped.said.contains("[C-903]") && stopped.said.contains(why), "{}", stopped.said);
        assert!(stopped.said.starts_with("error: "), "nothing else is said: {}", stopped.said);
    }
    let counted = run(format!("{HEAD}{made}    expect A handling NEW\n").as_bytes());
    let sum = "\n1 step and 1 expectation: 2 as told, 0 wrong, 0 skipped\n";
    assert!(counted.printed.ends_with(sum), "{}", counted.printed);
}

#[test]
fn a_story_that_is_stopped_leaves_nothing_behind() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let (file, net) = (directory.path().join("s.txt"), directory.path().join("tmp"));
        std::fs::create_dir(&net).unwrap();
        let steps = "T NL asks RO for PRESERVATION, called A\nD+50 note Later.\n";
        std::fs::write(&file, format!("{HEAD}{steps}")).unwrap();
        let playing = Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["play", file.to_str().unwrap()])
            .env("TMPDIR", &net)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let is_empty = || std::fs::read_dir(&net).unwrap().next().is_none();
        while is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let id = i32::try_from(playing.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(id, signal).unwrap();
        let output = playing.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error: the story was stopped [C-906]"), "{said}");
        assert!(is_empty(), "keys and journals are left behind");
    }
}

/// What builds on a request that could not be made is wrong, too, and not skipped.
#[tokio::test(flavor = "multi_thread")]
async fn what_builds_on_a_request_that_failed_is_wrong() {
    let steps = "T NL asks RO for PRESERVATION, called A\n\
                 then RO closes A is refused R-309\nthen RO opens A\n    expect A handling NEW\n";
    let head = HEAD.replace("Member RO", "Member RO: instruments G7_2417");
    let told = Story::parse("s.txt", &format!("{head}{steps}")).unwrap();
    let played = Box::pin(story::play(&told, None, &mut |_, _| {})).await.unwrap();
    let found: Vec<(usize, &str)> =
        played.wrong().map(|(line, _, actual)| (line, actual)).collect();
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 6, 7, 8], "{found:?}");
    assert!(found[1..].iter().all(|(_, actual)| *actual == "A was never made"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_is_not_reached_is_named_with_its_line_before_the_first_step() {
    let dev = Dev::new(&["NL", "RO"]);
    let relay = relay_here(&dev.relay_config()).await;
    let agent = RunningAgent::start(&dev.desk_config("NL")).await.unwrap();
    let cases = [
        ("then NL asks RO for PRESERVATION, called A", "the agent of RO/cyber is not reached at "),
        ("then cut off MD", "MD is no desk of the network in "),
    ];
    for (step, why) in cases {
        let head = HEAD.replace("Start", "Member MD\nStart");
        let told = Story::parse("s.txt", &format!("{head}T note x\n{step}\n")).unwrap();
        let mut steps = 0;
        let mut heard = |_: &story::Step, _: &story::PlayedStep| steps += 1;
        let played = story::play_on(&told, &dev.made.directory, 600, &mut heard).await;
        let error = played.unwrap_err().to_string();
        assert!(error.starts_with(&format!("s.txt, line 7: {why}")), "{error}");
        assert_eq!(steps, 0);
    }
    agent.stop().await.unwrap();
    relay.stop().await.unwrap();
}

#[test]
fn the_page_about_the_format_says_what_is_read() {
    let example: String = story::FORMAT
        .lines()
        .skip_while(|line| !line.contains("Story: "))
        .take_while(|line| line.starts_with("    ") || line.is_empty())
        .map(|line| {
            let line = line.strip_prefix("    ").unwrap_or(line);
            format!("{}\n", line.split("        (").next().unwrap_or(line).trim_end())
        })
        .collect();
    let told = Story::parse("format.md", &example).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!((told.members.len(), told.steps.len(), told.exercise), (2, 3, true));
}

/// What happens before the table below is looked at, at T+3h.
const SCENE: &str = r#"
T RO publishes its entry
then NL asks RO for PRESERVATION, URGENT, called A
then NL asks RO for TECHNICAL_ADVICE, URGENT, called U
then NL asks RO for PRESERVATION, embargoed until D+2, with A, called E
then NL asks RO for SPONTANEOUS_INFORMATION, under conditions, called O
then NL asks RO for SPONTANEOUS_INFORMATION, called C
T+30m RO acknowledges A: yes, letter, by +3h
T+31m RO accepts A
T+40m RO preserves A: Logs, until D+91
T+50m NL asks RO for STORED_DATA_MLA, following A, called M
then NL sends MLA for A carried by M: X-1
T+1h NL closes C
then NL asks RO for SUBSCRIBER_INFO, called W
then RO acknowledges W: yes, letter, by +3h
then RO accepts W
then RO executes W
    subscribers[0].name: Example Person
T+3h note Now.
"#;

/// An expectation that holds then | one of its kind that does not | what is.
const EXPECTATIONS: &str = r#"
A handling EXECUTED | A handling CLOSED | EXECUTED at NL/cyber
A handling EXECUTED at RO | A handling NEW at RO | EXECUTED at RO
A measure PRESERVED | A measure EXPIRED | PRESERVED
A stated-urgency URGENT | A stated-urgency ROUTINE | URGENT
A regraded 0 | A regraded 2 | 0
A feedback no | A feedback yes | no
A use-report NONE | A use-report REPORTED | NONE
A incidents 0 | A incidents 1 | 0
O conditions OFFERED | O conditions ACCEPTED | OFFERED
E embargo yes at NL | E embargo no at NL | yes
E embargoed until D+2 | E embargoed until D+3 | 2026-03-04T08:00:00
A preserved until D+91 | A preserved until D+90 | 2026-06-01T08:00:00
A estimated T+3h30m | A estimated T+4h | 2026-03-02T11:30:00
A acknowledged within 30m | A acknowledged within 29m | after 30 min
A determined within 31m | A determined within 30m | after 31 min
A executed within 40m | A executed within 39m | after 40 min
C closed within 1h | C closed within 59m | after 60 min
A acknowledged within 3h | U acknowledged within 3h | it was not
p90 of acknowledgement of A within 1h | p90 of acknowledgement of A, U within 1h | not acknowledged
U overdue ACKNOWLEDGE | U overdue nothing | ACKNOWLEDGE
A overdue nothing | A overdue EXECUTE | nothing
M follows A | M follows U | no such parent
A MLA carried by M | A MLA carried by U | M
A records RETRIEVAL | A records CLOSE | RETRIEVAL
A approved by nobody | A approved by chief | nobody
W approved by chief | W approved by nobody | chief
A records no CLOSE | A records no EXECUTE | EXECUTE
A warned "in office hours" | A warned "a weekend day" | it is Monday 10:00 there
NL calls RO on PRIMARY PHONE | NL calls RO on DUTY MOBILE | PRIMARY PHONE
NL calls RO, ROUTINE, on PRIMARY RELAY | NL calls RO, ROUTINE, on BACKUP EMAIL | PRIMARY RELAY
NL calls RO because "office hours" | NL calls RO because "a holiday" | it is Monday 13:00 there
RO calls NL because "not published" | RO calls NL on DUTY MOBILE | no channel is published
NL sees in one case A EXECUTED, M NEW | NL sees in one case A NEW, M NEW | A EXECUTED, M NEW
NL sees in one case A EXECUTED | NL sees in one case A EXECUTED, U NEW | several cases
NL owes GIVE_FEEDBACK on A | NL owes nothing on A | GIVE_FEEDBACK
RO owes ANSWER_CONDITIONS on O | RO owes REPORT_USE on O | ANSWER_CONDITIONS
RO owes nothing on A | RO owes SEND_MLA on A | nothing
RO inbox A, U, O, C, M, W | RO inbox A | A, C, M, O, U, W
NL has 3 requests in the case of A | NL has 2 requests in the case of A | 3
RO knows nothing of E | RO knows nothing of A | it knows of it
RO reads "Logs" in A | RO reads "Ledgers" in A | in no form
RO reads no "Ledgers" in A | RO reads no "Logs" in A | it stands there
RO is connected | RO is not connected | it is connected
relay sees the word "cyber" | relay sees no word "cyber" | the word is on its disk
"#;

/// Every kind of expectation, right and wrong: what is wrong is named by its line, and by what is.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_expectation_can_be_wrong() {
    let mut text = format!("{HEAD}{SCENE}");
    let mut expected = Vec::new();
    for row in EXPECTATIONS.trim().lines() {
        let [right, wrong, actual] = row.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        text.push_str(&format!("    expect {right}\n    expect {wrong}\n"));
        expected.push((text.lines().count(), wrong, actual));
    }
    let told = Story::parse("s.txt", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let played = Box::pin(story::play(&told, None, &mut |_, _| {})).await.unwrap();
    let found: Vec<(usize, &str, &str)> = played.wrong().collect();
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!((expected.0, expected.1), (found.0, found.1), "{found:?}");
        assert!(found.2.contains(expected.2), "{expected:?}: {found:?}");
    }
    assert_eq!(expected.len(), found.len(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_network_that_runs_what_needs_a_clock_is_skipped_and_never_passed() {
    let dev = Dev::new(&["NL", "RO"]);
    let relay = relay_here(&dev.relay_config()).await;
    let mut agents = Vec::new();
    for member in ["NL", "RO"] {
        agents.push(RunningAgent::start(&dev.desk_config(member)).await.unwrap());
    }
    let steps = "T NL asks RO for PRESERVATION, called A\n    expect A handling NEW\n\
                 T+10m RO acknowledges A: yes, letter, by +3h\n\
                 \x20   expect A handling ACKNOWLEDGED\n    expect A acknowledged within 1h\n\
                 \x20   expect A measure EXPIRED\n\
                 then NL asks RO for PRESERVATION, embargoed until T+2h, called E\n\
                 \x20   expect E handling NEW at NL\n    expect RO knows nothing of E\n\
                 T+3h RO acknowledges E: yes, letter, by +3h\n\
                 \x20   expect E handling ACKNOWLEDGED\n\
                 then NL withdraws E: It is over.\n\
                 then NL asks RO for PRESERVATION, following E, called F\n\
                 \x20   expect F handling NEW\n\
                 then NL requests extension of A: 2099-01-01, More time. is refused R-320\n\
                 then NL publishes its entry\n    expect A warned \"in office hours\"\n\
                 then cut off RO\n    expect A handling CLOSED\n";
    let told = Story::parse("s.txt", &format!("{HEAD}{steps}")).unwrap();
    let mut heard = |_: &story::Step, _: &story::PlayedStep| {};
    let playing = story::play_on(&told, &dev.made.directory, 10_000, &mut heard);
    let played = Box::pin(playing).await.unwrap();
    let verdicts: Vec<(usize, bool)> = played
        .verdicts()
        .map(|(line, verdict)| (line, matches!(verdict, Verdict::Skipped(_))))
        .collect();
    let skipped: Vec<usize> =
        verdicts.iter().filter(|(_, skipped)| *skipped).map(|(line, _)| *line).collect();
    assert_eq!(played.wrong().count(), 0, "{:?}", played.wrong().collect::<Vec<_>>());
    assert_eq!(skipped, [9, 10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
    for agent in agents {
        agent.stop().await.unwrap();
    }
    relay.stop().await.unwrap();
}
