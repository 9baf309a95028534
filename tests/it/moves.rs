//! The stage-by-move table of each axis of a request, as the rules answer it.
//!
//! A new stage or move changes the picture, and the picture must be approved. A cell is the stage
//! after the move, or the code of the refusal; "=" leaves the stage as it is.

use detente::envelope::words::{ConditionsAnswer, Extent, MlaStep, Outcome, Urgency, WillAnswer};
use detente::envelope::{Act, Signer, Statement};
use detente::rules::conditions::Conditions;
use detente::rules::follow_up::FollowUp;
use detente::rules::handling::{Answer, Beside, Determination, Ending, Handling};
use detente::rules::measure::Measure;
use detente::rules::request_type::Expects;
use detente::rules::{self, Refusal, Side};
use detente::units::{HOUR_MS, Timestamp};

use crate::rules_fixture::{self, START, World, key, key_id, preservation};

const EARLY: Timestamp = Timestamp(1_000);
const LATE: Timestamp = Timestamp(2_000);

/// Lines up rows of cells in columns.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Columns that fit a page.
const STAGES_ABREAST: usize = 6;

pub(crate) fn draw<S: Copy, M>(
    stages: &[(&str, S)],
    moves: &[(&str, M)],
    cell: impl Fn(S, &M) -> Result<String, Refusal>,
) -> String {
    let blocks = stages.chunks(STAGES_ABREAST).map(|block| draw_block(block, moves, &cell));
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn draw_block<S: Copy, M>(
    stages: &[(&str, S)],
    moves: &[(&str, M)],
    cell: impl Fn(S, &M) -> Result<String, Refusal>,
) -> String {
    let mut rows = Vec::new();
    let mut head = vec![String::new()];
    head.extend(stages.iter().map(|(name, _)| (*name).to_owned()));
    rows.push(head);
    for (name, by) in moves {
        let mut row = vec![(*name).to_owned()];
        row.extend(stages.iter().map(|(stage_name, stage)| match cell(*stage, by) {
            Ok(next) if next == *stage_name => "=".to_owned(),
            Ok(next) => next,
            Err(refusal) => refusal.code().to_owned(),
        }));
        rows.push(row);
    }
    table(&rows)
}

/// The picture must be the approved one.
pub(crate) fn approve(drawn: &str, approved: &str) {
    assert!(drawn == approved.trim_matches('\n'), "the table is now:\n{drawn}\n");
}

/// The stages of the handling, each beside where the conditions stand, and whether it asks.
fn handling_stages() -> Vec<(&'static str, (Handling, Beside))> {
    let with = Determination { outcome: Outcome::AcceptedWithConditions, review_at: None };
    let answered = Answer { will_answer: WillAnswer::Yes, estimated_at: LATE };
    let conditional = Handling::Determined(answered, with);
    let (asker, asked) = (Side::Requesting, Side::Requested);
    let asking = |(name, stage)| (name, (stage, beside(Expects::Answer)));
    let with_conditions = |conditions, expects| Beside { conditions, expects };
    let (answer, nothing) = (Expects::Answer, Expects::Nothing);
    plain_stages()
        .into_iter()
        .map(asking)
        .chain([
            ("Offered", (conditional, with_conditions(Conditions::Offered(asked), answer))),
            ("Bound", (conditional, with_conditions(Conditions::Accepted(asked), answer))),
            ("Declined", (conditional, with_conditions(Conditions::Declined(asked), answer))),
            ("Informs", (Handling::New, beside(nothing))),
            ("Holds", (Handling::New, with_conditions(Conditions::Offered(asker), nothing))),
            ("Spurned", (Handling::New, with_conditions(Conditions::Declined(asker), nothing))),
        ])
        .collect()
}

/// Beside a request of such a type, without conditions.
const fn beside(expects: Expects) -> Beside {
    Beside { conditions: Conditions::None, expects }
}

fn plain_stages() -> Vec<(&'static str, Handling)> {
    let answer = |will_answer| Answer { will_answer, estimated_at: LATE };
    let yes = answer(WillAnswer::Yes);
    let decided = |outcome| Determination { outcome, review_at: None };
    let accepted = Some(decided(Outcome::Accepted));
    vec![
        ("New", Handling::New),
        ("Ack", Handling::Acknowledged(yes)),
        ("AckNo", Handling::Acknowledged(answer(WillAnswer::No))),
        ("Asked", Handling::ClarificationRequested(yes, None)),
        ("Asked+", Handling::ClarificationRequested(yes, accepted)),
        ("Told", Handling::ClarificationProvided(yes, None)),
        ("Told+", Handling::ClarificationProvided(yes, accepted)),
        ("Accepted", Handling::Determined(yes, decided(Outcome::Accepted))),
        ("Postponed", Handling::Determined(yes, decided(Outcome::Postponed))),
        ("Refused", Handling::Determined(yes, decided(Outcome::Refused))),
        ("Executed", Handling::Executed(Extent::Executed)),
        ("NoData", Handling::Executed(Extent::NoDataHeld)),
        ("Leaving", Handling::WithdrawalRequested { acknowledged: true }),
        ("Leaving0", Handling::WithdrawalRequested { acknowledged: false }),
        ("Withdrawn", Handling::Withdrawn),
        ("Closed", Handling::Closed(Ending::Executed(Extent::Executed))),
    ]
}

/// The column that a stage belongs to.
fn handling_name(stage: Handling) -> &'static str {
    match stage {
        Handling::New => "New",
        Handling::Acknowledged(answer) if answer.will_answer == WillAnswer::No => "AckNo",
        Handling::Acknowledged(_) => "Ack",
        Handling::ClarificationRequested(_, None) => "Asked",
        Handling::ClarificationRequested(_, Some(_)) => "Asked+",
        Handling::ClarificationProvided(_, None) => "Told",
        Handling::ClarificationProvided(_, Some(_)) => "Told+",
        Handling::Determined(_, decided) => match decided.outcome {
            Outcome::Accepted | Outcome::AcceptedWithConditions | Outcome::PartiallyAccepted => {
                "Accepted"
            }
            Outcome::Postponed => "Postponed",
            Outcome::Refused | Outcome::NotCompetent | Outcome::UnableToExecute => "Refused",
        },
        Handling::Executed(Extent::Executed | Extent::ExecutedInPart) => "Executed",
        Handling::Executed(Extent::NoDataHeld) => "NoData",
        Handling::WithdrawalRequested { acknowledged: true } => "Leaving",
        Handling::WithdrawalRequested { acknowledged: false } => "Leaving0",
        Handling::Withdrawn => "Withdrawn",
        Handling::Closed(_) => "Closed",
    }
}

#[test]
fn handling() {
    let acknowledge = |will_answer| Act::Acknowledge { will_answer, estimated_at: LATE };
    let determine = |outcome| Act::Determine { outcome, review_at: None };
    let execute = |extent| Act::Execute { extent, preserved_until: None, mla_demanded: false };
    let answer = Act::AnswerConditions(ConditionsAnswer::Accepted);
    let (asking, asked) = (Side::Requesting, Side::Requested);
    let moves = [
        ("Acknowledge YES", (acknowledge(WillAnswer::Yes), asked)),
        ("Acknowledge NO", (acknowledge(WillAnswer::No), asked)),
        ("ReviseEstimate", (Act::ReviseEstimate { estimated_at: LATE }, asked)),
        ("RequestClarification", (Act::RequestClarification, asked)),
        ("ProvideClarification", (Act::ProvideClarification, asking)),
        ("Regrade", (Act::Regrade { urgency: Urgency::Routine }, asked)),
        ("Determine ACCEPTED", (determine(Outcome::Accepted), asked)),
        ("Determine CONDITIONS", (determine(Outcome::AcceptedWithConditions), asked)),
        ("Determine PARTIALLY", (determine(Outcome::PartiallyAccepted), asked)),
        ("Determine POSTPONED", (determine(Outcome::Postponed), asked)),
        ("Determine REFUSED", (determine(Outcome::Refused), asked)),
        ("Determine NOT_COMPETENT", (determine(Outcome::NotCompetent), asked)),
        ("Determine UNABLE", (determine(Outcome::UnableToExecute), asked)),
        ("Execute EXECUTED", (execute(Extent::Executed), asked)),
        ("Execute IN_PART", (execute(Extent::ExecutedInPart), asked)),
        ("Execute NO_DATA_HELD", (execute(Extent::NoDataHeld), asked)),
        ("AnswerConditions", (answer, asking)),
        ("ProvideInformation", (Act::ProvideInformation, asking)),
        ("DiscloseTraffic", (Act::DiscloseTraffic, asked)),
        ("Withdraw", (Act::Withdraw, asking)),
        ("Close by requesting", (Act::Close, asking)),
        ("Close by requested", (Act::Close, asked)),
    ];
    let drawn = draw(&handling_stages(), &moves, |(stage, beside), (act, side)| {
        stage.decide(act, *side, beside)?;
        beside.conditions.decide(act, *side)?;
        let next = stage.apply(act, beside);
        Ok(if next == stage { "=" } else { handling_name(next) }.to_owned())
    });
    approve(&drawn, HANDLING);
    for expects in [Expects::Acknowledgement, Expects::Nothing] {
        for ((stage_name, stage), (name, (act, side))) in
            plain_stages().iter().flat_map(|stage| moves.iter().map(move |by| (stage, by)))
        {
            if *act != Act::Close {
                let same = stage.decide(act, *side, beside(Expects::Answer));
                let said = stage.decide(act, *side, beside(expects));
                assert_eq!(said, same, "{name} on {stage_name}");
            }
        }
    }
}

/// Only what ends a request depends on what its type expects.
#[test]
fn closing() {
    let mut moves = Vec::new();
    for expects in [Expects::Answer, Expects::Acknowledgement, Expects::Nothing] {
        for side in [Side::Requesting, Side::Requested] {
            let name = format!("{} by {}", expects.as_str(), side.as_str());
            moves.push((name, (expects, side)));
        }
    }
    let moves: Vec<_> = moves.iter().map(|(name, by)| (name.as_str(), *by)).collect();
    let drawn = draw(&plain_stages(), &moves, |stage, (expects, side)| {
        stage.decide(&Act::Close, *side, beside(*expects))?;
        Ok(handling_name(stage.apply(&Act::Close, beside(*expects))).to_owned())
    });
    approve(&drawn, CLOSING);
}

#[test]
fn measure() {
    let stages = [
        ("None", Measure::None),
        ("Preserved", Measure::Preserved { until: EARLY }),
        ("ExtRequested", Measure::ExtensionRequested { until: EARLY }),
        ("HeldForMla", Measure::HeldForMla { until: EARLY }),
        ("Released", Measure::Released),
        ("Expired", Measure::Expired { until: EARLY }),
    ];
    let name = |stage: Measure| match stage {
        Measure::None => "None",
        Measure::Preserved { .. } => "Preserved",
        Measure::ExtensionRequested { .. } => "ExtRequested",
        Measure::HeldForMla { .. } => "HeldForMla",
        Measure::Released => "Released",
        Measure::Expired { .. } => "Expired",
    };
    let execute =
        Act::Execute { extent: Extent::Executed, preserved_until: Some(LATE), mla_demanded: false };
    let nothing =
        Act::Execute { extent: Extent::NoDataHeld, preserved_until: None, mla_demanded: false };
    let by = |act, follow_up| Some((act, follow_up));
    let intended = FollowUp::MlaIntended;
    let moves = [
        ("Execute until", by(execute.clone(), intended)),
        ("Execute until, MLA there", by(execute, FollowUp::MlaReceived)),
        ("Execute NO_DATA_HELD", by(nothing, intended)),
        ("RequestExtension", by(Act::RequestExtension, intended)),
        ("Extend, later", by(Act::Extend { preserved_until: LATE }, intended)),
        ("Extend, same", by(Act::Extend { preserved_until: EARLY }, intended)),
        ("Mla SENT", by(Act::Mla { step: MlaStep::Sent, carried_by: None }, intended)),
        ("Mla RECEIVED", by(Act::Mla { step: MlaStep::Received, carried_by: None }, intended)),
        (
            "Mla DECIDED",
            by(Act::Mla { step: MlaStep::Decided, carried_by: None }, FollowUp::MlaReceived),
        ),
        ("withdrawn", None),
    ];
    let mut drawn = draw(&stages, &moves, |stage, by| {
        let Some((act, follow_up)) = by else { return Ok(name(stage.withdrawn()).to_owned()) };
        stage.decide(act)?;
        Ok(name(stage.apply(act, *follow_up)).to_owned())
    });
    let ended: Vec<String> = stages
        .iter()
        .filter(|(_, stage)| stage.ends_at().is_some())
        .map(|(of, stage)| format!("{of} -> {}", name(stage.ended())))
        .collect();
    drawn.push_str(&format!("\nend passes: {}", ended.join(", ")));
    approve(&drawn, MEASURE);
}

#[test]
fn follow_up() {
    let stages = [
        ("None", FollowUp::None),
        ("MlaIntended", FollowUp::MlaIntended),
        ("MlaDemanded", FollowUp::MlaDemanded),
        ("MlaSent", FollowUp::MlaSent),
        ("MlaReceived", FollowUp::MlaReceived),
        ("MlaDecided", FollowUp::MlaDecided),
        ("MlaIfRequired", FollowUp::MlaIfRequired),
    ];
    let name = |stage: FollowUp| match stage {
        FollowUp::None => "None",
        FollowUp::MlaIntended => "MlaIntended",
        FollowUp::MlaDemanded => "MlaDemanded",
        FollowUp::MlaSent => "MlaSent",
        FollowUp::MlaReceived => "MlaReceived",
        FollowUp::MlaDecided => "MlaDecided",
        FollowUp::MlaIfRequired => "MlaIfRequired",
    };
    let moves: Vec<(&str, MlaStep)> =
        MlaStep::ALL.iter().map(|step| (step.as_str(), *step)).collect();
    let mut drawn = draw(&stages, &moves, |stage, step| {
        stage.decide(*step)?;
        Ok(name(stage.apply(&Act::Mla { step: *step, carried_by: None })).to_owned())
    });
    let (extent, preserved_until) = (Extent::Executed, None);
    let demand = Act::Execute { extent, preserved_until, mla_demanded: true };
    let demanded = stages.map(|(of, stage)| match name(stage.apply(&demand)) {
        next if next == of => "=",
        next => next,
    });
    drawn.push_str(&format!("\nMLA demanded: {}", demanded.join(", ")));
    approve(&drawn, FOLLOW_UP);
}

/// Every act of an officer on a request; `at` is when it is to come about.
pub(crate) fn acts(at: Timestamp) -> Vec<Act> {
    vec![
        Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at: at },
        Act::ReviseEstimate { estimated_at: at },
        Act::RequestClarification,
        Act::ProvideClarification,
        Act::Determine { outcome: Outcome::Accepted, review_at: None },
        Act::Execute { extent: Extent::Executed, preserved_until: Some(at), mla_demanded: false },
        Act::RequestExtension,
        Act::Extend { preserved_until: at },
        Act::Withdraw,
        Act::Close,
        Act::Mla { step: MlaStep::Sent, carried_by: None },
        Act::Mla { step: MlaStep::Received, carried_by: None },
        Act::Mla { step: MlaStep::Decided, carried_by: None },
        Act::Regrade { urgency: Urgency::Routine },
        Act::AnswerConditions(ConditionsAnswer::Accepted),
        Act::ProvideInformation,
        Act::DiscloseTraffic,
        Act::Feedback,
        Act::RequestUseReport,
        Act::ReportUse,
        Act::ReportSecurityIncident,
    ]
}

#[test]
fn sides_and_roles() {
    let at = START.plus_ms(HOUR_MS);
    let (mut world, mut rows) = (World::founded(), vec![Vec::new()]);
    rows[0].extend(["", "requesting", "requested", "role"].map(str::to_owned));
    let request = world.request("NL/cyber", "RO/cyber", preservation());
    for act in acts(at) {
        let step = if let Act::Mla { step, .. } = act { step.as_str() } else { "" };
        let mut row = vec![format!("{} {step}", act.name())];
        let mut roles = Vec::new();
        for by in [rules_fixture::Side::Asking, rules_fixture::Side::Asked] {
            let mut statement = world.act(request, by, act.clone());
            let says = |statement: &Statement| {
                let known = world.state.request(request);
                let said = rules::check(world.state.directory(), known, statement, world.now);
                said.err().map(|refusal| refusal.code())
            };
            if says(&statement) == Some("R-117") {
                row.push("R-117".to_owned());
                continue;
            }
            row.push("may".to_owned());
            statement.signer = Signer::Officer(rules_fixture::name("asker"));
            statement.signer_key = key_id(&key(&format!("{}/asker", statement.from)));
            roles.push(if says(&statement) == Some("R-112") { "ANSWER" } else { "REQUEST" });
        }
        row.push(roles.join(", "));
        rows.push(row);
    }
    approve(&table(&rows), SIDES);
}

const SIDES: &str = r"
                           requesting  requested  role
ACKNOWLEDGE                R-117       may        ANSWER
REVISE_ESTIMATE            R-117       may        ANSWER
REQUEST_CLARIFICATION      R-117       may        ANSWER
PROVIDE_CLARIFICATION      may         R-117      REQUEST
DETERMINE                  R-117       may        ANSWER
EXECUTE                    R-117       may        ANSWER
REQUEST_EXTENSION          may         R-117      REQUEST
EXTEND                     R-117       may        ANSWER
WITHDRAW                   may         R-117      REQUEST
CLOSE                      may         may        REQUEST, ANSWER
MLA SENT                   may         R-117      REQUEST
MLA RECEIVED               R-117       may        ANSWER
MLA DECIDED                R-117       may        ANSWER
REGRADE                    R-117       may        ANSWER
ANSWER_CONDITIONS          may         may        REQUEST, ANSWER
PROVIDE_INFORMATION        may         R-117      REQUEST
DISCLOSE_TRAFFIC           R-117       may        ANSWER
FEEDBACK                   may         R-117      REQUEST
REQUEST_USE_REPORT         R-117       may        ANSWER
REPORT_USE                 may         R-117      REQUEST
REPORT_SECURITY_INCIDENT   may         may        REQUEST, ANSWER
";

const CLOSING: &str = r"
                               New     Ack     AckNo   Asked   Asked+  Told
ANSWER by requesting           R-309   R-309   Closed  R-309   R-309   R-309
ANSWER by requested            R-309   R-309   Closed  R-309   R-309   R-309
ACKNOWLEDGEMENT by requesting  R-309   Closed  Closed  Closed  Closed  Closed
ACKNOWLEDGEMENT by requested   R-309   Closed  Closed  Closed  Closed  Closed
NOTHING by requesting          Closed  Closed  Closed  Closed  Closed  Closed
NOTHING by requested           Closed  Closed  Closed  Closed  Closed  Closed

                               Told+   Accepted  Postponed  Refused  Executed  NoData
ANSWER by requesting           R-309   R-309     R-309      Closed   Closed    Closed
ANSWER by requested            R-309   R-309     R-309      Closed   Closed    Closed
ACKNOWLEDGEMENT by requesting  Closed  Closed    Closed     Closed   Closed    Closed
ACKNOWLEDGEMENT by requested   Closed  Closed    Closed     Closed   Closed    Closed
NOTHING by requesting          Closed  Closed    Closed     Closed   Closed    Closed
NOTHING by requested           Closed  Closed    Closed     Closed   Closed    Closed

                               Leaving    Leaving0   Withdrawn  Closed
ANSWER by requesting           R-310      Withdrawn  R-311      R-311
ANSWER by requested            Withdrawn  Withdrawn  R-311      R-311
ACKNOWLEDGEMENT by requesting  R-310      Withdrawn  R-311      R-311
ACKNOWLEDGEMENT by requested   Withdrawn  Withdrawn  R-311      R-311
NOTHING by requesting          R-310      Withdrawn  R-311      R-311
NOTHING by requested           Withdrawn  Withdrawn  R-311      R-311
";

const HANDLING: &str = r"
                         New       Ack        AckNo      Asked      Asked+    Told
Acknowledge YES          Ack       R-302      R-302      R-302      R-302     R-302
Acknowledge NO           AckNo     R-302      R-302      R-302      R-302     R-302
ReviseEstimate           R-301     =          R-303      =          =         =
RequestClarification     R-301     Asked      R-303      R-304      R-304     Asked
ProvideClarification     R-305     R-305      R-305      Told       Told+     R-305
Regrade                  =         =          R-303      =          R-306     =
Determine ACCEPTED       R-301     Accepted   Accepted   Accepted   R-306     Accepted
Determine CONDITIONS     R-301     Accepted   Accepted   Accepted   R-306     Accepted
Determine PARTIALLY      R-301     Accepted   Accepted   Accepted   R-306     Accepted
Determine POSTPONED      R-301     Postponed  Postponed  Postponed  R-306     Postponed
Determine REFUSED        R-301     Refused    Refused    Refused    R-306     Refused
Determine NOT_COMPETENT  R-301     Refused    Refused    Refused    R-306     Refused
Determine UNABLE         R-301     Refused    Refused    Refused    Refused   Refused
Execute EXECUTED         R-301     R-307      R-303      R-307      Executed  R-307
Execute IN_PART          R-301     R-307      R-303      R-307      Executed  R-307
Execute NO_DATA_HELD     R-301     NoData     R-303      NoData     NoData    NoData
AnswerConditions         R-350     R-350      R-350      R-350      R-350     R-350
ProvideInformation       R-354     R-354      R-354      R-354      R-354     R-354
DiscloseTraffic          R-301     R-307      R-303      R-307      =         R-307
Withdraw                 Leaving0  Leaving    Leaving    Leaving    Leaving   Leaving
Close by requesting      R-309     R-309      Closed     R-309      R-309     R-309
Close by requested       R-309     R-309      Closed     R-309      R-309     R-309

                         Told+     Accepted  Postponed  Refused  Executed  NoData
Acknowledge YES          R-302     R-302     R-302      R-302    R-302     R-302
Acknowledge NO           R-302     R-302     R-302      R-302    R-302     R-302
ReviseEstimate           =         =         =          R-308    R-308     R-308
RequestClarification     Asked+    Asked+    Asked+     R-308    R-308     R-308
ProvideClarification     R-305     R-305     R-305      R-305    R-305     R-305
Regrade                  R-306     R-306     R-306      R-306    R-308     R-308
Determine ACCEPTED       R-306     R-306     Accepted   R-306    R-308     R-308
Determine CONDITIONS     R-306     R-306     Accepted   R-306    R-308     R-308
Determine PARTIALLY      R-306     R-306     Accepted   R-306    R-308     R-308
Determine POSTPONED      R-306     R-306     =          R-306    R-308     R-308
Determine REFUSED        R-306     R-306     Refused    R-306    R-308     R-308
Determine NOT_COMPETENT  R-306     R-306     Refused    R-306    R-308     R-308
Determine UNABLE         Refused   Refused   Refused    R-306    R-308     R-308
Execute EXECUTED         Executed  Executed  R-307      R-308    R-308     R-308
Execute IN_PART          Executed  Executed  R-307      R-308    R-308     R-308
Execute NO_DATA_HELD     NoData    NoData    R-307      R-308    R-308     R-308
AnswerConditions         R-350     R-350     R-350      R-350    R-350     R-350
ProvideInformation       R-354     R-354     R-354      R-354    R-354     R-354
DiscloseTraffic          =         =         R-307      R-308    =         R-308
Withdraw                 Leaving   Leaving   Leaving    Leaving  Leaving   Leaving
Close by requesting      R-309     R-309     R-309      Closed   Closed    Closed
Close by requested       R-309     R-309     R-309      Closed   Closed    Closed

                         Leaving    Leaving0   Withdrawn  Closed  Offered  Bound
Acknowledge YES          R-310      R-310      R-311      R-311   R-302    R-302
Acknowledge NO           R-310      R-310      R-311      R-311   R-302    R-302
ReviseEstimate           R-310      R-310      R-311      R-311   =        =
RequestClarification     R-310      R-310      R-311      R-311   Asked+   Asked+
ProvideClarification     R-310      R-310      R-311      R-311   R-305    R-305
Regrade                  R-310      R-310      R-311      R-311   R-306    R-306
Determine ACCEPTED       R-310      R-310      R-311      R-311   R-306    R-306
Determine CONDITIONS     R-310      R-310      R-311      R-311   R-306    R-306
Determine PARTIALLY      R-310      R-310      R-311      R-311   R-306    R-306
Determine POSTPONED      R-310      R-310      R-311      R-311   R-306    R-306
Determine REFUSED        R-310      R-310      R-311      R-311   R-306    R-306
Determine NOT_COMPETENT  R-310      R-310      R-311      R-311   R-306    R-306
Determine UNABLE         R-310      R-310      R-311      R-311   Refused  Refused
Execute EXECUTED         R-310      R-310      R-311      R-311   R-352    Executed
Execute IN_PART          R-310      R-310      R-311      R-311   R-352    Executed
Execute NO_DATA_HELD     R-310      R-310      R-311      R-311   NoData   NoData
AnswerConditions         R-310      R-310      R-311      R-311   =        R-351
ProvideInformation       R-310      R-310      R-311      R-311   R-354    R-354
DiscloseTraffic          R-310      R-310      R-311      R-311   R-352    =
Withdraw                 R-310      R-310      R-311      R-311   Leaving  Leaving
Close by requesting      R-310      Withdrawn  R-311      R-311   R-309    R-309
Close by requested       Withdrawn  Withdrawn  R-311      R-311   R-309    R-309

                         Declined   Informs   Holds     Spurned
Acknowledge YES          R-302      Ack       Ack       Ack
Acknowledge NO           R-302      AckNo     AckNo     AckNo
ReviseEstimate           =          R-301     R-301     R-301
RequestClarification     Asked+     R-301     R-301     R-301
ProvideClarification     R-305      R-305     R-305     R-305
Regrade                  R-306      =         =         =
Determine ACCEPTED       Accepted   R-301     R-301     R-301
Determine CONDITIONS     =          R-301     R-301     R-301
Determine PARTIALLY      Accepted   R-301     R-301     R-301
Determine POSTPONED      Postponed  R-301     R-301     R-301
Determine REFUSED        Refused    R-301     R-301     R-301
Determine NOT_COMPETENT  Refused    R-301     R-301     R-301
Determine UNABLE         Refused    R-301     R-301     R-301
Execute EXECUTED         R-353      R-301     R-301     R-301
Execute IN_PART          R-353      R-301     R-301     R-301
Execute NO_DATA_HELD     NoData     R-301     R-301     R-301
AnswerConditions         R-351      R-350     R-117     R-351
ProvideInformation       R-354      R-354     R-352     R-353
DiscloseTraffic          R-353      R-301     R-301     R-301
Withdraw                 Leaving    Leaving0  Leaving0  Leaving0
Close by requesting      Closed     Closed    R-309     Closed
Close by requested       Closed     Closed    R-309     Closed
";

const MEASURE: &str = r"
                          None        Preserved     ExtRequested  HeldForMla  Released  Expired
Execute until             Preserved   =             =             =           =         =
Execute until, MLA there  HeldForMla  =             =             =           =         =
Execute NO_DATA_HELD      =           =             =             =           =         =
RequestExtension          R-320       ExtRequested  R-321         R-322       R-320     R-320
Extend, later             R-320       =             Preserved     R-322       R-320     R-320
Extend, same              R-320       R-216         R-216         R-322       R-320     R-320
Mla SENT                  =           =             =             =           =         =
Mla RECEIVED              =           HeldForMla    HeldForMla    =           =         =
Mla DECIDED               =           =             =             Released    =         =
withdrawn                 =           Released      Released      Released    =         =
end passes: Preserved -> Expired, ExtRequested -> Expired
";

const FOLLOW_UP: &str = r"
          None   MlaIntended  MlaDemanded  MlaSent      MlaReceived  MlaDecided
SENT      R-330  MlaSent      MlaSent      R-330        R-330        R-330
RECEIVED  R-330  MlaReceived  MlaReceived  MlaReceived  R-330        R-330
DECIDED   R-330  R-330        R-330        R-330        MlaDecided   R-330

          MlaIfRequired
SENT      MlaSent
RECEIVED  MlaReceived
DECIDED   R-330
MLA demanded: =, =, =, =, =, =, MlaDemanded
";
