//! The stage-by-move table of each axis of a request, as the rules answer it.
//!
//! A new stage or move changes the picture, and the picture must be approved. A cell is the stage
//! after the move, or the code of the refusal; "=" leaves the stage as it is.

use detente::envelope::words::{
    Extent, Instrument, MlaStep, Outcome, Rejection, RequestType, WillAnswer,
};
use detente::envelope::{Act, Signer, Statement};
use detente::rules::follow_up::FollowUp;
use detente::rules::handling::{Answer, Determination, Ending, Handling};
use detente::rules::measure::Measure;
use detente::rules::transport::{Evidence, Move, Transport};
use detente::rules::{self, OfferFailure, Refusal, Side, request_type};
use detente::units::{HOUR_MS, MessageId, Timestamp};

use crate::rules_fixture::{self, START, World, key, key_id, preservation};

const EARLY: Timestamp = Timestamp(1_000);
const LATE: Timestamp = Timestamp(2_000);

/// Lines up rows of cells in columns.
fn table(rows: &[Vec<String>]) -> String {
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

fn draw<S: Copy, M>(
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
fn approve(drawn: &str, approved: &str) {
    assert!(drawn == approved.trim_matches('\n'), "the table is now:\n{drawn}\n");
}

fn handling_stages() -> Vec<(&'static str, Handling)> {
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
    let execute = |extent| Act::Execute { extent, preserved_until: None };
    let (asking, asked) = (Side::Requesting, Side::Requested);
    let moves = [
        ("Acknowledge YES", (acknowledge(WillAnswer::Yes), asked)),
        ("Acknowledge NO", (acknowledge(WillAnswer::No), asked)),
        ("ReviseEstimate", (Act::ReviseEstimate { estimated_at: LATE }, asked)),
        ("RequestClarification", (Act::RequestClarification, asked)),
        ("ProvideClarification", (Act::ProvideClarification, asking)),
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
        ("Withdraw", (Act::Withdraw, asking)),
        ("Close by requesting", (Act::Close, asking)),
        ("Close by requested", (Act::Close, asked)),
    ];
    let drawn = draw(&handling_stages(), &moves, |stage, (act, side)| {
        stage.decide(act, *side)?;
        Ok(handling_name(stage.apply(act)).to_owned())
    });
    approve(&drawn, HANDLING);
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
    let execute = Act::Execute { extent: Extent::Executed, preserved_until: Some(LATE) };
    let nothing = Act::Execute { extent: Extent::NoDataHeld, preserved_until: None };
    let by = |act, follow_up| Some((act, follow_up));
    let intended = FollowUp::MlaIntended;
    let moves = [
        ("Execute until", by(execute.clone(), intended)),
        ("Execute until, MLA there", by(execute, FollowUp::MlaReceived)),
        ("Execute NO_DATA_HELD", by(nothing, intended)),
        ("RequestExtension", by(Act::RequestExtension, intended)),
        ("Extend, later", by(Act::Extend { preserved_until: LATE }, intended)),
        ("Extend, same", by(Act::Extend { preserved_until: EARLY }, intended)),
        ("Mla SENT", by(Act::Mla(MlaStep::Sent), intended)),
        ("Mla RECEIVED", by(Act::Mla(MlaStep::Received), intended)),
        ("Mla DECIDED", by(Act::Mla(MlaStep::Decided), FollowUp::MlaReceived)),
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
        ("MlaSent", FollowUp::MlaSent),
        ("MlaReceived", FollowUp::MlaReceived),
        ("MlaDecided", FollowUp::MlaDecided),
    ];
    let name = |stage: FollowUp| match stage {
        FollowUp::None => "None",
        FollowUp::MlaIntended => "MlaIntended",
        FollowUp::MlaSent => "MlaSent",
        FollowUp::MlaReceived => "MlaReceived",
        FollowUp::MlaDecided => "MlaDecided",
    };
    let moves: Vec<(&str, MlaStep)> =
        MlaStep::ALL.iter().map(|step| (step.as_str(), *step)).collect();
    let drawn = draw(&stages, &moves, |stage, step| {
        stage.decide(*step)?;
        Ok(name(stage.apply(&Act::Mla(*step))).to_owned())
    });
    approve(&drawn, FOLLOW_UP);
}

#[test]
fn transport() {
    let of = MessageId([1; 16]);
    let all = [
        ("Offer", Move::Offer),
        ("Fail", Move::Fail(OfferFailure::Unreachable)),
        ("HandOver", Move::HandOver),
        ("Receipt", Move::Receipt(None)),
        ("Reject", Move::Receipt(Some(Rejection::NotIdentified))),
        ("Retrieval", Move::Retrieval(None)),
        ("CannotOpen", Move::Retrieval(Some(Rejection::TechnicalMalfunction))),
    ];
    let (offer, fail, hand) = (Move::Offer, Move::Fail(OfferFailure::NoReceipt), Move::HandOver);
    let (receipt, retrieval) = (Move::Receipt(None), Move::Retrieval(None));
    let paths: [(&str, &[Move]); 9] = [
        ("accepted", &[]),
        ("offered", &[offer]),
        ("failed", &[fail]),
        ("offered, failed", &[offer, fail]),
        ("handed over", &[offer, fail, hand]),
        ("delivered", &[offer, receipt]),
        ("rejected", &[offer, Move::Receipt(Some(Rejection::NotIdentified))]),
        ("retrieved", &[offer, receipt, retrieval]),
        ("retrieved unreceipted", &[offer, fail, hand, retrieval]),
    ];
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(all.iter().map(|(name, _)| (*name).to_owned()));
    for (name, path) in paths {
        let mut stage = Transport::accepted(EARLY);
        for by in path {
            assert_eq!(stage.decide(of, *by), Ok(true), "{name}: {by:?}");
            stage.apply(*by, LATE);
        }
        let mut row = vec![format!("{name}: {}", stage.stage().priority())];
        row.extend(all.iter().map(|(_, by)| match stage.decide(of, *by) {
            Ok(true) => {
                let mut next = stage.clone();
                next.apply(*by, LATE);
                let over = if *by == hand { " +content" } else { "" };
                format!("{}{over}", next.stage().priority())
            }
            Ok(false) => "-".to_owned(),
            Err(refusal) => refusal.code().to_owned(),
        }));
        rows.push(row);
    }
    let drawn = table(&rows);
    approve(&drawn, TRANSPORT);
}

#[test]
fn evidence_has_the_names_and_priorities_of_rem() {
    let lines: Vec<Vec<String>> = Evidence::ALL
        .iter()
        .map(|e| {
            let sign = if e.is_positive() { "+" } else { "-" };
            vec![e.priority().to_string(), sign.to_owned(), e.as_str().to_owned()]
        })
        .collect();
    let drawn = table(&lines);
    approve(&drawn, EVIDENCE);
    assert!(Evidence::ALL.windows(2).all(|pair| pair[0] < pair[1]), "order is priority");
}

#[test]
fn sides_and_roles() {
    let at = START.plus_ms(HOUR_MS);
    let acts = [
        Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at: at },
        Act::ReviseEstimate { estimated_at: at },
        Act::RequestClarification,
        Act::ProvideClarification,
        Act::Determine { outcome: Outcome::Accepted, review_at: None },
        Act::Execute { extent: Extent::Executed, preserved_until: Some(at) },
        Act::RequestExtension,
        Act::Extend { preserved_until: at },
        Act::Withdraw,
        Act::Close,
        Act::Mla(MlaStep::Sent),
        Act::Mla(MlaStep::Received),
        Act::Mla(MlaStep::Decided),
    ];
    let (mut world, mut rows) = (World::founded(), vec![Vec::new()]);
    rows[0].extend(["", "requesting", "requested", "role"].map(str::to_owned));
    let request = world.request("NL/cyber", "RO/cyber", preservation());
    for act in acts {
        let step = if let Act::Mla(step) = act { step.as_str() } else { "" };
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

#[test]
fn types() {
    let instruments = [
        "BUDAPEST",
        "SAP_CETS224",
        "UN_CYBERCRIME",
        "G7_2417",
        "BILATERAL:x",
        "NATIONAL_RECIPROCITY",
    ];
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(RequestType::ALL.iter().map(ToString::to_string));
    for text in instruments {
        let instrument: Instrument = text.parse().unwrap();
        let yes =
            |of: &RequestType| if request_type::allows(*of, &instrument) { "yes" } else { "-" };
        let mut row = vec![text.to_owned()];
        row.extend(RequestType::ALL.iter().map(|of| yes(of).to_owned()));
        rows.push(row);
    }
    let mut measure = vec!["measure".to_owned()];
    let mut urgency = vec!["default urgency".to_owned()];
    for of in RequestType::ALL {
        measure.push(if request_type::has_measure(*of) { "yes" } else { "-" }.to_owned());
        urgency.push(request_type::default_urgency(*of).to_string());
    }
    rows.extend([measure, urgency]);
    approve(&table(&rows), TYPES);
}

const SIDES: &str = r"
                        requesting  requested  role
ACKNOWLEDGE             R-117       may        ANSWER
REVISE_ESTIMATE         R-117       may        ANSWER
REQUEST_CLARIFICATION   R-117       may        ANSWER
PROVIDE_CLARIFICATION   may         R-117      REQUEST
DETERMINE               R-117       may        ANSWER
EXECUTE                 R-117       may        ANSWER
REQUEST_EXTENSION       may         R-117      REQUEST
EXTEND                  R-117       may        ANSWER
WITHDRAW                may         R-117      REQUEST
CLOSE                   may         may        REQUEST, ANSWER
MLA SENT                may         R-117      REQUEST
MLA RECEIVED            R-117       may        ANSWER
MLA DECIDED             R-117       may        ANSWER
";

const TYPES: &str = r"
                      PRESERVATION  TECHNICAL_ADVICE  LEGAL_INFORMATION
BUDAPEST              yes           yes               yes
SAP_CETS224           -             -                 -
UN_CYBERCRIME         yes           yes               yes
G7_2417               yes           yes               yes
BILATERAL:x           yes           yes               yes
NATIONAL_RECIPROCITY  yes           yes               yes
measure               yes           -                 -
default urgency       EXPEDITED     ROUTINE           ROUTINE
";

const HANDLING: &str = r"
                         New       Ack        AckNo      Asked      Asked+    Told
Acknowledge YES          Ack       R-302      R-302      R-302      R-302     R-302
Acknowledge NO           AckNo     R-302      R-302      R-302      R-302     R-302
ReviseEstimate           R-301     =          R-303      =          =         =
RequestClarification     R-301     Asked      R-303      R-304      R-304     Asked
ProvideClarification     R-305     R-305      R-305      Told       Told+     R-305
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
Withdraw                 Leaving0  Leaving    Leaving    Leaving    Leaving   Leaving
Close by requesting      R-309     R-309      Closed     R-309      R-309     R-309
Close by requested       R-309     R-309      Closed     R-309      R-309     R-309

                         Told+     Accepted  Postponed  Refused  Executed  NoData
Acknowledge YES          R-302     R-302     R-302      R-302    R-302     R-302
Acknowledge NO           R-302     R-302     R-302      R-302    R-302     R-302
ReviseEstimate           =         =         =          R-308    R-308     R-308
RequestClarification     Asked+    Asked+    Asked+     R-308    R-308     R-308
ProvideClarification     R-305     R-305     R-305      R-305    R-305     R-305
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
Withdraw                 Leaving   Leaving   Leaving    Leaving  Leaving   Leaving
Close by requesting      R-309     R-309     R-309      Closed   Closed    Closed
Close by requested       R-309     R-309     R-309      Closed   Closed    Closed

                         Leaving    Leaving0   Withdrawn  Closed
Acknowledge YES          R-310      R-310      R-311      R-311
Acknowledge NO           R-310      R-310      R-311      R-311
ReviseEstimate           R-310      R-310      R-311      R-311
RequestClarification     R-310      R-310      R-311      R-311
ProvideClarification     R-310      R-310      R-311      R-311
Determine ACCEPTED       R-310      R-310      R-311      R-311
Determine CONDITIONS     R-310      R-310      R-311      R-311
Determine PARTIALLY      R-310      R-310      R-311      R-311
Determine POSTPONED      R-310      R-310      R-311      R-311
Determine REFUSED        R-310      R-310      R-311      R-311
Determine NOT_COMPETENT  R-310      R-310      R-311      R-311
Determine UNABLE         R-310      R-310      R-311      R-311
Execute EXECUTED         R-310      R-310      R-311      R-311
Execute IN_PART          R-310      R-310      R-311      R-311
Execute NO_DATA_HELD     R-310      R-310      R-311      R-311
Withdraw                 R-310      R-310      R-311      R-311
Close by requesting      R-310      Withdrawn  R-311      R-311
Close by requested       Withdrawn  Withdrawn  R-311      R-311
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
          None   MlaIntended  MlaSent      MlaReceived  MlaDecided
SENT      R-330  MlaSent      R-330        R-330        R-330
RECEIVED  R-330  MlaReceived  MlaReceived  R-330        R-330
DECIDED   R-330  R-330        R-330        MlaDecided   R-330
";

const TRANSPORT: &str = r"
                          Offer  Fail  HandOver    Receipt  Reject  Retrieval  CannotOpen
accepted: 1               3      5     -           6        7       R-342      R-342
offered: 3                -      5     3 +content  6        7       R-342      R-342
failed: 5                 5      -     -           6        7       R-342      R-342
offered, failed: 5        -      -     5 +content  6        7       R-342      R-342
handed over: 5            -      -     -           6        7       8          9
delivered: 6              -      -     -           R-340    R-340   8          9
rejected: 7               -      -     -           R-340    R-340   R-343      R-343
retrieved: 8              -      -     -           R-340    R-340   R-341      R-341
retrieved unreceipted: 8  -      -     -           8        8       R-341      R-341
";

const EVIDENCE: &str = r"
1  +  SUBMISSION_ACCEPTANCE
2  -  SUBMISSION_REJECTION
3  +  RELAY_REMMD_ACCEPTANCE
4  -  RELAY_REMMD_REJECTION
5  -  RELAY_REMMD_FAILURE
6  +  DELIVERY
7  -  NON_DELIVERY
8  +  RETRIEVAL
9  -  NON_RETRIEVAL
";
