//! What each type of request allows, as the rules answer it: a table per question.
//!
//! A new type changes the pictures, and the pictures must be approved. Which act is possible at
//! which stage does not depend on the type (see `moves.rs`), but for what ends it.

use detente::envelope::Act;
use detente::envelope::words::{
    ConditionsAnswer, Extent, Instrument, MlaStep, Outcome, RequestType, Urgency, WillAnswer,
};
use detente::rules::request_type;
use detente::units::Timestamp;

use crate::moves::{approve, table};

const LATE: Timestamp = Timestamp(2_000);

/// One row per type of request, and a column per thing that it may have.
fn by_type<C>(columns: &[(&str, C)], cell: impl Fn(RequestType, &C) -> String) -> String {
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(columns.iter().map(|(name, _)| (*name).to_owned()));
    for of in RequestType::ALL {
        let mut row = vec![of.to_string()];
        row.extend(columns.iter().map(|(_, column)| cell(*of, column)));
        rows.push(row);
    }
    table(&rows)
}

fn yes(it: bool) -> String {
    if it { "yes" } else { "-" }.to_owned()
}

#[test]
fn types_and_instruments() {
    let columns = [
        "BUDAPEST",
        "SAP_CETS224",
        "UN_CYBERCRIME",
        "G7_2417",
        "BILATERAL:x",
        "NATIONAL_RECIPROCITY",
    ]
    .map(|text| (text.trim_start_matches("NATIONAL_"), text.parse::<Instrument>().unwrap()));
    let drawn = by_type(&columns, |of, instrument| yes(request_type::allows(of, instrument)));
    approve(&drawn, INSTRUMENTS);
}

#[test]
fn types_and_urgencies() {
    let columns: Vec<_> = Urgency::ALL.iter().map(|urgency| (urgency.as_str(), *urgency)).collect();
    let drawn = by_type(&columns, |of, urgency| {
        if request_type::default_urgency(of) == *urgency {
            assert!(request_type::urgencies(of).contains(urgency), "{of}");
            "usual".to_owned()
        } else {
            yes(request_type::urgencies(of).contains(urgency))
        }
    });
    approve(&drawn, URGENCIES);
}

#[test]
fn types_and_axes() {
    type Cell = fn(RequestType) -> String;
    let columns: [(&str, Cell); 5] = [
        ("measure", |of| yes(request_type::has_measure(of))),
        ("60 days", |of| yes(request_type::has_shortest(of))),
        ("follow-up", |of| request_type::follow_up(of).as_str().to_owned()),
        ("ends with", |of| request_type::expects(of).as_str().to_owned()),
        ("parent", |of| {
            let may = |parent: &&RequestType| request_type::follows(of, **parent);
            let parents: Vec<_> = RequestType::ALL.iter().filter(may).copied().collect();
            let must = request_type::needs_parent(of);
            if parents == RequestType::ALL {
                return if must { "must" } else { "may" }.to_owned();
            }
            assert!(parents.iter().all(|parent| request_type::has_measure(*parent)), "{of}");
            if must { "must, preserving" } else { "may, preserving" }.to_owned()
        }),
    ];
    approve(&by_type(&columns, |of, cell| cell(of)), AXES);
}

#[test]
fn types_and_acts() {
    let at = LATE;
    let acts = [
        ("ack", Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at: at }),
        ("slip", Act::ReviseEstimate { estimated_at: at }),
        ("ask", Act::RequestClarification),
        ("tell", Act::ProvideClarification),
        ("decide", Act::Determine { outcome: Outcome::Accepted, review_at: None }),
        (
            "done",
            Act::Execute { extent: Extent::Executed, preserved_until: None, mla_demanded: false },
        ),
        ("longer", Act::RequestExtension),
        ("extend", Act::Extend { preserved_until: at }),
        ("mla", Act::Mla { step: MlaStep::Sent, carried_by: None }),
        ("leave", Act::Withdraw),
        ("close", Act::Close),
    ];
    let drawn = by_type(&acts, |of, act| yes(request_type::takes(of, act)));
    approve(&drawn, ACTS);
}

#[test]
fn types_and_acts_beside_the_course() {
    let acts = [
        ("regrade", Act::Regrade { urgency: Urgency::Routine }),
        ("answer", Act::AnswerConditions(ConditionsAnswer::Accepted)),
        ("provide", Act::ProvideInformation),
        ("disclose", Act::DiscloseTraffic),
        ("feedback", Act::Feedback),
        ("asks", Act::RequestUseReport),
        ("tells", Act::ReportUse),
        ("incident", Act::ReportSecurityIncident),
    ];
    let drawn = by_type(&acts, |of, act| yes(request_type::takes(of, act)));
    approve(&drawn, ACTS_BESIDE);
}

const INSTRUMENTS: &str = r"
                            BUDAPEST  SAP_CETS224  UN_CYBERCRIME  G7_2417  BILATERAL:x  RECIPROCITY
PRESERVATION                yes       -            yes            yes      yes          yes
TECHNICAL_ADVICE            yes       -            yes            yes      yes          yes
LEGAL_INFORMATION           yes       -            yes            yes      yes          yes
PRESERVATION_EXTENSION      yes       -            yes            yes      yes          yes
PARTIAL_TRAFFIC_DISCLOSURE  yes       -            yes            -        yes          yes
SUBSCRIBER_INFO             yes       -            yes            -        yes          yes
STORED_DATA_MLA             yes       -            yes            -        yes          yes
EMERGENCY_DISCLOSURE        -         yes          yes            -        yes          -
EMERGENCY_MLA               -         yes          -              -        yes          yes
SPONTANEOUS_INFORMATION     yes       -            yes            yes      yes          yes
LOCATE_SUSPECT              yes       -            yes            -        yes          yes
STOP_PAYMENT                yes       -            yes            yes      yes          yes
ICT_INCIDENT_CLARIFICATION  -         -            -              yes      yes          yes
COMM_CHECK                  yes       yes          yes            yes      yes          yes
";

const URGENCIES: &str = r"
                            EMERGENCY  URGENT  EXPEDITED  ROUTINE  INFORMATION
PRESERVATION                yes        yes     usual      yes      -
TECHNICAL_ADVICE            yes        yes     yes        usual    -
LEGAL_INFORMATION           yes        yes     yes        usual    -
PRESERVATION_EXTENSION      yes        yes     usual      yes      -
PARTIAL_TRAFFIC_DISCLOSURE  yes        usual   yes        -        -
SUBSCRIBER_INFO             yes        yes     yes        usual    -
STORED_DATA_MLA             yes        yes     yes        usual    -
EMERGENCY_DISCLOSURE        usual      -       -          -        -
EMERGENCY_MLA               usual      -       -          -        -
SPONTANEOUS_INFORMATION     yes        yes     yes        yes      usual
LOCATE_SUSPECT              yes        yes     usual      yes      -
STOP_PAYMENT                -          usual   yes        -        -
ICT_INCIDENT_CLARIFICATION  yes        yes     usual      yes      -
COMM_CHECK                  -          yes     usual      yes      -
";

const AXES: &str = r"
                            measure  60 days  follow-up        ends with        parent
PRESERVATION                yes      yes      MLA_INTENDED     ANSWER           may
TECHNICAL_ADVICE            -        -        NONE             ANSWER           may
LEGAL_INFORMATION           -        -        NONE             ANSWER           may
PRESERVATION_EXTENSION      yes      -        MLA_INTENDED     ANSWER           may, preserving
PARTIAL_TRAFFIC_DISCLOSURE  -        -        NONE             ANSWER           must, preserving
SUBSCRIBER_INFO             -        -        NONE             ANSWER           may
STORED_DATA_MLA             -        -        NONE             ANSWER           may
EMERGENCY_DISCLOSURE        -        -        MLA_IF_REQUIRED  ANSWER           may
EMERGENCY_MLA               -        -        NONE             ANSWER           may
SPONTANEOUS_INFORMATION     -        -        NONE             NOTHING          may
LOCATE_SUSPECT              -        -        NONE             ANSWER           may
STOP_PAYMENT                -        -        NONE             ANSWER           may
ICT_INCIDENT_CLARIFICATION  -        -        NONE             ANSWER           may
COMM_CHECK                  -        -        NONE             ACKNOWLEDGEMENT  may
";

const ACTS: &str = r"
                            ack  slip  ask  tell  decide  done  longer  extend  mla  leave  close
PRESERVATION                yes  yes   yes  yes   yes     yes   yes     yes     yes  yes    yes
TECHNICAL_ADVICE            yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
LEGAL_INFORMATION           yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
PRESERVATION_EXTENSION      yes  yes   yes  yes   yes     yes   yes     yes     yes  yes    yes
PARTIAL_TRAFFIC_DISCLOSURE  yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
SUBSCRIBER_INFO             yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
STORED_DATA_MLA             yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
EMERGENCY_DISCLOSURE        yes  yes   yes  yes   yes     yes   -       -       yes  yes    yes
EMERGENCY_MLA               yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
SPONTANEOUS_INFORMATION     yes  yes   yes  yes   -       -     -       -       -    yes    yes
LOCATE_SUSPECT              yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
STOP_PAYMENT                yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
ICT_INCIDENT_CLARIFICATION  yes  yes   yes  yes   yes     yes   -       -       -    yes    yes
COMM_CHECK                  yes  -     -    -     -       -     -       -       -    yes    yes
";

const ACTS_BESIDE: &str = r"
                            regrade  answer  provide  disclose  feedback  asks  tells  incident
PRESERVATION                yes      yes     -        yes       yes       yes   yes    yes
TECHNICAL_ADVICE            yes      yes     -        -         yes       yes   yes    yes
LEGAL_INFORMATION           yes      yes     -        -         yes       yes   yes    yes
PRESERVATION_EXTENSION      yes      yes     -        yes       yes       yes   yes    yes
PARTIAL_TRAFFIC_DISCLOSURE  yes      yes     -        -         yes       yes   yes    yes
SUBSCRIBER_INFO             yes      yes     -        -         yes       yes   yes    yes
STORED_DATA_MLA             yes      yes     -        -         yes       yes   yes    yes
EMERGENCY_DISCLOSURE        yes      yes     -        -         yes       yes   yes    yes
EMERGENCY_MLA               yes      yes     -        -         yes       yes   yes    yes
SPONTANEOUS_INFORMATION     yes      yes     yes      -         yes       yes   yes    yes
LOCATE_SUSPECT              yes      yes     -        -         yes       yes   yes    yes
STOP_PAYMENT                yes      yes     -        -         yes       yes   yes    yes
ICT_INCIDENT_CLARIFICATION  yes      yes     -        -         yes       yes   yes    yes
COMM_CHECK                  -        -       -        -         -         -     -      yes
";
