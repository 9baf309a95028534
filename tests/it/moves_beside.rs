//! The stage-by-move tables of what stands beside the handling of a request: its grade, its
//! conditions, its embargo, and what the desks owe each other afterwards.

use detente::envelope::Act;
use detente::envelope::words::{ConditionsAnswer, Extent, Outcome, RequestType, Urgency};
use detente::rules::aftermath::{Aftermath, Course, UseReport};
use detente::rules::conditions::Conditions;
use detente::rules::grade::Grade;
use detente::rules::{Handling, Side};
use detente::units::HOUR_MS;

use crate::moves::{acts, approve, draw};
use crate::rules_fixture::{START, Side as By, World, preservation};

#[test]
fn grade() {
    let stages: Vec<(&str, Grade)> =
        Urgency::ALL.iter().map(|urgency| (urgency.as_str(), Grade::stated(*urgency))).collect();
    let moves: Vec<(&str, Act)> = Urgency::ALL
        .iter()
        .map(|urgency| (urgency.as_str(), Act::Regrade { urgency: *urgency }))
        .collect();
    let drawn = draw(&stages, &moves, |stage, act| {
        stage.decide(act, RequestType::Preservation)?;
        let next = stage.apply(act);
        assert_eq!(next.regraded, stage.regraded + 1, "counted");
        Ok(next.urgency.to_string())
    });
    approve(&drawn, GRADE);
}

#[test]
fn conditions() {
    let (asker, asked) = (Side::Requesting, Side::Requested);
    let stages = [
        ("None", Conditions::None),
        ("Offered", Conditions::Offered(asked)),
        ("Accepted", Conditions::Accepted(asked)),
        ("Declined", Conditions::Declined(asked)),
        ("Prior", Conditions::Offered(asker)),
        ("PriorAccepted", Conditions::Accepted(asker)),
        ("PriorDeclined", Conditions::Declined(asker)),
        ("Provided", Conditions::Provided),
    ];
    let name = |stage: Conditions| stages.iter().find(|(_, one)| *one == stage).unwrap().0;
    let determine = |outcome| Act::Determine { outcome, review_at: None };
    let execute = |extent| Act::Execute { extent, preserved_until: None, mla_demanded: false };
    let answer = Act::AnswerConditions;
    let moves = [
        ("Determine CONDITIONS", (determine(Outcome::AcceptedWithConditions), asked)),
        ("Determine REFUSED", (determine(Outcome::Refused), asked)),
        ("ACCEPTED by requesting", (answer(ConditionsAnswer::Accepted), asker)),
        ("ACCEPTED by requested", (answer(ConditionsAnswer::Accepted), asked)),
        ("DECLINED by requesting", (answer(ConditionsAnswer::Declined), asker)),
        ("DECLINED by requested", (answer(ConditionsAnswer::Declined), asked)),
        ("Execute EXECUTED", (execute(Extent::Executed), asked)),
        ("Execute NO_DATA_HELD", (execute(Extent::NoDataHeld), asked)),
        ("DiscloseTraffic", (Act::DiscloseTraffic, asked)),
        ("ProvideInformation", (Act::ProvideInformation, asker)),
    ];
    let drawn = draw(&stages, &moves, |stage, (act, side)| {
        stage.decide(act, *side)?;
        Ok(name(stage.apply(act)).to_owned())
    });
    approve(&drawn, CONDITIONS);
}

#[test]
fn aftermath() {
    let (asker, asked) = (Side::Requesting, Side::Requested);
    let (open, over) =
        (Course { over: false, received: true }, Course { over: true, received: true });
    let new = Aftermath::new(asked, false);
    let given = Aftermath { given: true, ..new };
    let stages = [
        ("Nothing", (new, Course { over: false, received: false })),
        ("Given", (given, open)),
        ("Over", (given, over)),
        ("Asked", (Aftermath { use_report: UseReport::Requested, ..given }, over)),
        ("Told", (Aftermath { use_report: UseReport::Reported, ..given }, over)),
        ("Fed", (Aftermath { feedback: true, ..given }, over)),
        ("Informed", (Aftermath::new(asker, true), open)),
    ];
    let moves = [
        ("Feedback by requesting", (Act::Feedback, asker)),
        ("Feedback by requested", (Act::Feedback, asked)),
        ("RequestUseReport by requesting", (Act::RequestUseReport, asker)),
        ("RequestUseReport by requested", (Act::RequestUseReport, asked)),
        ("ReportUse by requesting", (Act::ReportUse, asker)),
        ("ReportUse by requested", (Act::ReportUse, asked)),
        ("ReportSecurityIncident", (Act::ReportSecurityIncident, asker)),
    ];
    let drawn = draw(&stages, &moves, |(stage, course), (act, side)| {
        stage.decide(act, *side, course)?;
        let next = stage.apply(act);
        if next.incidents > stage.incidents {
            return Ok("+1".to_owned());
        }
        let fed = next.feedback && !stage.feedback;
        Ok(if fed { "fed" } else { next.use_report.as_str() }.to_owned())
    });
    approve(&drawn, AFTERMATH);
}

/// Under embargo the sender can withdraw, at once and for good, and do nothing else; for the
/// recipient there is no such request.
#[test]
fn embargo() {
    let at = START.plus_ms(HOUR_MS);
    let mut acts = acts(at);
    acts.sort_by_key(|act| *act == Act::Withdraw);
    let mut world = World::founded();
    let facts = detente::envelope::RequestFacts { embargo_until: Some(at), ..preservation() };
    let request = world.request("NL/cyber", "RO/cyber", facts);
    for act in acts {
        let said = world.clone().does(request, By::Asked, act.clone());
        assert_eq!(said.map_err(|refusal| refusal.code()), Err("R-406"), "{}", act.name());
        let said = world.does(request, By::Asking, act.clone());
        if act == Act::Withdraw {
            assert!(said.is_ok());
            assert_eq!(world.state.request(request).unwrap().handling, Handling::Withdrawn);
        } else {
            let code = said.unwrap_err().code();
            assert!(
                ["R-117", "R-243", "R-305", "R-309", "R-312", "R-320"].contains(&code),
                "{code}: {act:?}"
            );
        }
    }
    assert_eq!(world.state.next_deadline(), None, "nothing is to come of it");
}

const GRADE: &str = r"
             EMERGENCY  URGENT     EXPEDITED  ROUTINE    INFORMATION
EMERGENCY    R-250      R-251      R-251      R-251      R-251
URGENT       URGENT     R-250      URGENT     URGENT     URGENT
EXPEDITED    EXPEDITED  EXPEDITED  R-250      EXPEDITED  EXPEDITED
ROUTINE      ROUTINE    ROUTINE    ROUTINE    R-250      ROUTINE
INFORMATION  R-240      R-240      R-240      R-240      R-250
";

const CONDITIONS: &str = r"
                        None     Offered   Accepted  Declined  Prior          PriorAccepted
Determine CONDITIONS    Offered  =         Offered   Offered   Offered        Offered
Determine REFUSED       =        None      None      None      =              =
ACCEPTED by requesting  R-350    Accepted  R-351     R-351     R-117          R-351
ACCEPTED by requested   R-350    R-117     R-351     R-351     PriorAccepted  R-351
DECLINED by requesting  R-350    Declined  R-351     R-351     R-117          R-351
DECLINED by requested   R-350    R-117     R-351     R-351     PriorDeclined  R-351
Execute EXECUTED        =        R-352     =         R-353     R-352          =
Execute NO_DATA_HELD    =        =         =         =         =              =
DiscloseTraffic         =        R-352     =         R-353     R-352          =
ProvideInformation      R-354    R-354     R-354     R-354     R-352          Provided

                        PriorDeclined  Provided
Determine CONDITIONS    Offered        Offered
Determine REFUSED       =              =
ACCEPTED by requesting  R-351          R-351
ACCEPTED by requested   R-351          R-351
DECLINED by requesting  R-351          R-351
DECLINED by requested   R-351          R-351
Execute EXECUTED        R-353          =
Execute NO_DATA_HELD    =              =
DiscloseTraffic         R-353          =
ProvideInformation      R-353          R-355
";

const AFTERMATH: &str = r"
                                Nothing  Given      Over       Asked     Told       Fed
Feedback by requesting          R-361    R-361      fed        fed       fed        R-360
Feedback by requested           R-117    R-117      R-117      R-117     R-117      R-117
RequestUseReport by requesting  R-117    R-117      R-117      R-117     R-117      R-117
RequestUseReport by requested   R-362    REQUESTED  REQUESTED  R-363     REQUESTED  REQUESTED
ReportUse by requesting         R-364    R-364      R-364      REPORTED  R-364      R-364
ReportUse by requested          R-117    R-117      R-117      R-117     R-117      R-117
ReportSecurityIncident          R-365    +1         +1         +1        +1         +1

                                Informed
Feedback by requesting          R-117
Feedback by requested           fed
RequestUseReport by requesting  REQUESTED
RequestUseReport by requested   R-117
ReportUse by requesting         R-117
ReportUse by requested          R-364
ReportSecurityIncident          +1
";
