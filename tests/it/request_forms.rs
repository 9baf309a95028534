//! The forms of new requests and of what came of them, of every type: what must be filled in, what
//! a field must look like, what belongs to which type, and that released bytes stay.

use detente::envelope::form::{
    answer_from_toml, answer_template, check, from_toml, grounds, json, lines,
    prior_conditions_template, template,
};
use detente::envelope::words::{Extent, Outcome, RefusalGround, RequestType};
use detente::envelope::{Act, RequestFacts};
use detente::rules::request_type::{self, Expects};
use detente::units::{DAY_MS, Timestamp};
use detente::wire::detente::form::v1::body::Form;
use detente::wire::detente::form::v1::{Body, DeterminationForm, Text};
use prost::Message as _;
use serde_json::Value;

use crate::moves::{approve, table};
use crate::net::{edit, edit_first};
use crate::rules_fixture;

/// Facts as urgent as the type can be, so that grounds are needed where they can be.
fn facts(kind: RequestType) -> RequestFacts {
    let facts = rules_fixture::facts(kind, request_type::urgencies(kind)[0]);
    RequestFacts { instrument: instrument(kind), ..facts }
}

/// An instrument that is a basis for the type: the first in the order of the fixture's members.
pub(crate) fn instrument(kind: RequestType) -> detente::envelope::words::Instrument {
    let declared = ["BUDAPEST", "SAP_CETS224", "G7_2417"].map(|text| text.parse().unwrap());
    declared.into_iter().find(|instrument| request_type::allows(kind, instrument)).unwrap()
}

/// The form of a type with every field filled in.
pub(crate) const fn sample(kind: RequestType) -> &'static str {
    match kind {
        RequestType::Preservation => include_str!("forms/preservation.toml"),
        RequestType::TechnicalAdvice | RequestType::LegalInformation => {
            include_str!("forms/information.toml")
        }
        RequestType::PreservationExtension => include_str!("forms/preservation_extension.toml"),
        RequestType::PartialTrafficDisclosure => {
            include_str!("forms/partial_traffic_disclosure.toml")
        }
        RequestType::SubscriberInfo => include_str!("forms/subscriber_info.toml"),
        RequestType::StoredDataMla => include_str!("forms/stored_data_mla.toml"),
        RequestType::EmergencyDisclosure => include_str!("forms/emergency_disclosure.toml"),
        RequestType::EmergencyMla => include_str!("forms/emergency_mla.toml"),
        RequestType::SpontaneousInformation => include_str!("forms/spontaneous_information.toml"),
        RequestType::LocateSuspect => include_str!("forms/locate_suspect.toml"),
        RequestType::StopPayment => include_str!("forms/stop_payment.toml"),
        RequestType::IctIncidentClarification => {
            include_str!("forms/ict_incident_clarification.toml")
        }
        RequestType::CommCheck => include_str!("forms/comm_check.toml"),
    }
}

/// What may come of a request of a type, with every field filled in; empty where nothing does.
pub(crate) const fn sample_answer(kind: RequestType) -> &'static str {
    match kind {
        RequestType::Preservation | RequestType::PreservationExtension => {
            include_str!("forms/answer_preservation.toml")
        }
        RequestType::PartialTrafficDisclosure => include_str!("forms/answer_path.toml"),
        RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla => include_str!("forms/answer_data.toml"),
        RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::IctIncidentClarification => include_str!("forms/answer_answer.toml"),
        RequestType::LocateSuspect => include_str!("forms/answer_place.toml"),
        RequestType::StopPayment => include_str!("forms/answer_money.toml"),
        RequestType::SpontaneousInformation | RequestType::CommCheck => "",
    }
}

/// The execution of a request of a type, with an end where data are preserved.
pub(crate) fn execute(kind: RequestType, extent: Extent, from: Timestamp) -> Act {
    let preserves = request_type::has_measure(kind) && extent != Extent::NoDataHeld;
    let preserved_until = preserves.then(|| from.plus_ms(70 * DAY_MS));
    Act::Execute { extent, preserved_until, mla_demanded: false }
}

/// When preservation takes effect in the sample answer.
const EFFECTIVE: Timestamp = Timestamp(1_795_424_400_000);

fn answered(kind: RequestType, extent: Extent, text: &str) -> Result<Body, Vec<String>> {
    let act = execute(kind, extent, EFFECTIVE);
    answer_from_toml(text, &act, &facts(kind)).map_err(fields)
}

fn fields(wrong: Vec<detente::envelope::form::Unfit>) -> Vec<String> {
    wrong.into_iter().map(|unfit| unfit.malformed.field).collect()
}

/// A template is a form of its type in which only what is mandatory is missing.
#[test]
fn a_template_asks_for_every_field() {
    for kind in RequestType::ALL {
        let wrong = from_toml(&template(*kind), &facts(*kind)).unwrap_err();
        assert!(wrong.iter().all(|unfit| unfit.line.is_some()), "{kind}: {wrong:?}");
        assert_eq!(fields(wrong), mandatory(*kind), "{kind}");
    }
    let template = template(RequestType::Preservation);
    for letter in ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"] {
        assert!(template.contains(&format!("# * {letter}")), "{letter}");
    }
}

/// So is the template of the conditions that come before information; what is printed beside it is
/// the command that sends it.
#[test]
fn conditions_that_come_first_have_a_template() {
    let kind = RequestType::SpontaneousInformation;
    let facts = RequestFacts { prior_conditions: true, ..facts(kind) };
    let template = prior_conditions_template();
    let wrong = from_toml(&template, &facts).unwrap_err();
    assert_eq!(fields(wrong), ["authority", "subject", "conditions", "urgency_grounds"]);
    let filled = [
        ("subject = \"\"", "subject = \"A planned attack\""),
        ("conditions = []", "conditions = [\"Not before a court\"]"),
        ("urgency_grounds = \"\"", "urgency_grounds = \"Tonight\""),
        ("organisation = \"\"", "organisation = \"Unit\""),
        ("email = \"\"", "email = \"a@b.example\""),
    ]
    .into_iter()
    .fold(template.clone(), |text, (empty, filled)| edit(&text, empty, filled));
    let body = from_toml(&filled, &facts).map_err(fields).unwrap();
    assert!(json(&body)["prior_conditions"]["conditions"][0] == "Not before a court");
    for (arguments, exit, says) in [
        (&["stop-payment"][..], 0, "--type stop-payment --form FILE"),
        (&["stop-payment", "--answer"], 0, "detente desk executed ID --form FILE"),
        (
            &["spontaneous-information", "--prior-conditions"],
            0,
            "--type spontaneous-information --prior-conditions --form FILE",
        ),
        (&["stop-payment", "--prior-conditions"], 2, "STOP_PAYMENT asks for something"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["desk", "form"])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        let prior = arguments.len() > 1 && arguments[0].starts_with("spontaneous");
        assert!(!prior || String::from_utf8(output.stdout).unwrap() == template);
    }
}

/// Every field of the contract stands in the template of its form.
#[test]
fn a_template_has_every_field_of_the_contract() {
    for kind in RequestType::ALL {
        let template = template(*kind);
        let keys: Vec<&str> = template
            .lines()
            .filter_map(|line| line.trim_start_matches("# ").split([' ', ']']).next())
            .map(|key| key.trim_start_matches('['))
            .collect();
        let names = contract_fields(form_message(*kind));
        assert!(names.len() > 4, "{kind}: {names:?}");
        for name in names {
            assert!(keys.contains(&name), "{kind}: {name} is not in {keys:?}");
        }
    }
}

/// The message of a type's form, as the contract names it.
fn form_message(kind: RequestType) -> &'static str {
    match kind {
        RequestType::Preservation => "PreservationForm",
        RequestType::TechnicalAdvice | RequestType::LegalInformation => "InformationForm",
        RequestType::PreservationExtension => "PreservationExtensionForm",
        RequestType::PartialTrafficDisclosure => "PartialTrafficDisclosureForm",
        RequestType::SubscriberInfo => "SubscriberInfoForm",
        RequestType::StoredDataMla => "StoredDataMlaForm",
        RequestType::EmergencyDisclosure => "EmergencyDisclosureForm",
        RequestType::EmergencyMla => "EmergencyMlaForm",
        RequestType::SpontaneousInformation => "SpontaneousInformationForm",
        RequestType::LocateSuspect => "LocateSuspectForm",
        RequestType::StopPayment => "StopPaymentForm",
        RequestType::IctIncidentClarification => "IctIncidentClarificationForm",
        RequestType::CommCheck => "CommCheckForm",
    }
}

/// The fields of a message, read from the contract.
fn contract_fields(message: &str) -> Vec<&'static str> {
    let contract = include_str!("../../proto/detente/form/v1/request.proto");
    let (_, from) = contract.split_once(&format!("message {message} {{\n")).unwrap();
    let (body, _) = from.split_once("\n}\n").unwrap();
    let field = |line: &'static str| line.split_once(" = ")?.0.rsplit(' ').next();
    body.lines().filter(|line| !line.trim_start().starts_with("//")).filter_map(field).collect()
}

/// A form in which everything is filled in is good, shows every field, and loses none.
#[test]
fn a_full_form_of_every_type_reads_back() {
    for kind in RequestType::ALL {
        let body = from_toml(sample(*kind), &facts(*kind)).map_err(fields).unwrap();
        let document = json(&body);
        let (_, form) = document.as_object().unwrap().iter().next().unwrap();
        for name in contract_fields(form_message(*kind)) {
            let other = *kind == RequestType::SpontaneousInformation && name == "tlp";
            assert_eq!(form.get(name).is_none(), other, "{kind}: {name}");
        }
        assert_eq!(lines(&body).len(), leaves(&document), "{kind}");
        let again = Body::decode(body.encode_to_vec().as_slice()).unwrap();
        assert_eq!(again, body, "{kind}");
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(leaves).sum(),
        Value::Array(list) => list.iter().map(leaves).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// Released, these bytes never change: what was signed must be read.
const GOLDEN: &str = include_str!("golden/forms-v1.txt");

#[test]
fn the_form_of_every_type_keeps_its_bytes() {
    let mut list = String::new();
    let mut note = |name: &str, body: &Body| {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let rows: Vec<String> = body.encode_to_vec().chunks(48).map(hex).collect();
        list.push_str(&format!("{name}\n{}\n\n", rows.join("\n")));
    };
    for kind in RequestType::ALL {
        note(kind.as_str(), &from_toml(sample(*kind), &facts(*kind)).unwrap());
    }
    for kind in RequestType::ALL {
        if request_type::expects(*kind) == Expects::Answer {
            let body = answered(*kind, Extent::ExecutedInPart, sample_answer(*kind)).unwrap();
            note(&format!("{kind} answered"), &body);
        }
    }
    assert_eq!(list, GOLDEN, "the forms have changed:\n{list}");
}

/// Whatever must be filled in is missed by its path when it is not.
#[test]
fn every_type_misses_each_of_its_mandatory_fields() {
    for kind in RequestType::ALL {
        for path in mandatory(*kind) {
            let mut form: toml::Table = sample(*kind).parse().unwrap();
            assert!(remove(&mut form, path), "{kind}: the sample has no {path}");
            // One of several will do; here none is there.
            for also in instead_of(*kind, path) {
                remove(&mut form, also);
            }
            let wrong = from_toml(&form.to_string(), &facts(*kind)).map_err(fields);
            assert_eq!(wrong.unwrap_err(), [*path], "{kind}");
        }
    }
}

/// What does as well as the field at `path`.
fn instead_of(kind: RequestType, path: &str) -> &'static [&'static str] {
    match (kind, path) {
        (RequestType::Preservation, "custodian") => &["location", "data[0].identifiers"],
        (RequestType::LocateSuspect, "suspect") => &["identifiers"],
        _ => &[],
    }
}

fn remove(table: &mut toml::Table, path: &str) -> bool {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, entry) = step.split_once("[0]").map_or((step, false), |(name, _)| (name, true));
    if rest.is_empty() {
        return table.remove(name).is_some();
    }
    let inner = table.get_mut(name).and_then(|value| {
        if entry { value.as_array_mut()?.first_mut()?.as_table_mut() } else { value.as_table_mut() }
    });
    inner.is_some_and(|inner| remove(inner, rest))
}

/// What must be filled in in a form that is as urgent as its type can be.
#[expect(clippy::too_many_lines, reason = "a table of fields")]
fn mandatory(kind: RequestType) -> &'static [&'static str] {
    match kind {
        RequestType::Preservation => &[
            "authority",
            "offence",
            "facts",
            "data[0].description",
            "data[0].categories",
            "relationship",
            "custodian",
            "necessity",
            "mla_intended",
            "urgency_grounds",
        ],
        RequestType::TechnicalAdvice | RequestType::LegalInformation => {
            &["authority", "subject", "question", "urgency_grounds"]
        }
        RequestType::PreservationExtension => &[
            "authority",
            "previous_reference",
            "wished_until",
            "reasons",
            "mla_intended",
            "urgency_grounds",
        ],
        RequestType::PartialTrafficDisclosure => &[
            "authority",
            "previous_preservation_ref",
            "data[0].description",
            "data[0].categories",
            "urgency_grounds",
        ],
        RequestType::SubscriberInfo | RequestType::StoredDataMla => &[
            "request_status",
            "authority",
            "offence",
            "facts",
            "data[0].description",
            "data[0].categories",
            "relationship",
            "urgency_grounds",
        ],
        RequestType::EmergencyDisclosure => &[
            "authority",
            "issued",
            "confirmation_contact",
            "under_protocol",
            "providers[0].name",
            "offence",
            "legal_provisions",
            "emergency_facts",
            "relationship",
            "data[0].description",
            "data[0].categories",
        ],
        RequestType::EmergencyMla => &[
            "request_status",
            "authority",
            "confirmation_contact",
            "offence",
            "facts",
            "data[0].description",
            "data[0].categories",
            "relationship",
            "emergency_facts",
        ],
        RequestType::SpontaneousInformation => {
            &["authority", "subject", "information", "urgency_grounds", "handling_code"]
        }
        RequestType::LocateSuspect => {
            &["authority", "offence", "facts", "suspect", "purpose", "urgency_grounds"]
        }
        RequestType::StopPayment => &[
            "authority",
            "offence",
            "facts",
            "victim",
            "transfers[0].amount",
            "transfers[0].currency",
            "transfers[0].at",
            "transfers[0].beneficiary",
            "urgency_grounds",
        ],
        RequestType::IctIncidentClarification => &[
            "authority",
            "subject",
            "observed",
            "observed_from_territory",
            "question",
            "urgency_grounds",
            "tlp",
        ],
        RequestType::CommCheck => &["authority", "level", "instructions", "urgency_grounds"],
    }
}

/// What is there but not what it should be: the sample with one change.
#[test]
fn a_field_of_a_request_must_look_as_it_should() {
    use RequestType as Type;
    let extension = Type::PreservationExtension;
    let cases: [(Type, &str, &str, &str); 24] = [
        (extension, "2027-03-31", "31-03-2027", "wished_until"),
        (extension, "mla_intended = true", "mla_intended = false", "mla_intended"),
        (Type::PartialTrafficDisclosure, "\"TRAFFIC\"", "\"CONTENT\"", "data[0].categories[0]"),
        (Type::SubscriberInfo, "\"SUBSCRIBER\"", "\"TRAFFIC\"", "data[0].categories[0]"),
        (Type::SubscriberInfo, "FOLLOW_UP_PRESERVATION", "OLD", "request_status"),
        (Type::StoredDataMla, "\"en\"", "\"english!\"", "facts.language"),
        (Type::EmergencyDisclosure, "issued = \"2026", "issued = \"26", "issued"),
        (Type::EmergencyDisclosure, "country = \"NL\"", "country = \"nl\"", "providers[0].country"),
        (Type::EmergencyDisclosure, "under_protocol = true", "", "under_protocol"),
        (Type::SpontaneousInformation, "= \"B\"", "= \"D\"", "source_evaluation"),
        (Type::SpontaneousInformation, "= \"H1\"", "= \"H1\"\ntlp = \"RED\"", "tlp"),
        (Type::SpontaneousInformation, "= \"H1\"", "= \"H9\"", "handling_code"),
        (Type::LocateSuspect, "1990-01-31", "1990-31-01", "suspect.date_of_birth"),
        (
            Type::LocateSuspect,
            "nationality = \"RO\"",
            "nationality = \"ROU\"",
            "suspect.nationality",
        ),
        (Type::StopPayment, "42300000.00", "42,300,000", "transfers[0].amount"),
        (Type::StopPayment, "42300000.00", "0.00", "transfers[0].amount"),
        (Type::StopPayment, "\"USD\"", "\"usd\"", "transfers[0].currency"),
        (Type::StopPayment, "NL91ABNA0417164300", "NL92ABNA0417164300", "transfers[0].payer.iban"),
        (Type::StopPayment, "ABNANL2A", "ABNA", "transfers[0].payer.bic"),
        (Type::StopPayment, "2026-11-19T08:15:00+08:00", "2026-11-19T08:15", "transfers[0].at"),
        (Type::IctIncidentClarification, "\"AMBER\"", "\"YELLOW\"", "tlp"),
        (Type::IctIncidentClarification, "192.0.2.17", "192.0.2", "indicators[0].value"),
        (Type::CommCheck, "CALL_BACK", "PING", "level"),
        (Type::CommCheck, "+31612345678", "0612345678", "authority.telephone"),
    ];
    for (kind, old, new, field) in cases {
        let text = edit_first(sample(kind), old, new);
        let wrong = from_toml(&text, &facts(kind)).unwrap_err();
        assert!(wrong[0].line.is_some() || new.is_empty(), "{kind}: {wrong:?}");
        assert_eq!(fields(wrong), [field], "{kind}: {new}");
    }
}

/// What rests on an agreement of two states is not issued under the Protocol.
#[test]
fn an_emergency_disclosure_on_another_basis_names_no_protocol() {
    let kind = RequestType::EmergencyDisclosure;
    let text = edit(sample(kind), "under_protocol = true", "");
    let bilateral = RequestFacts { instrument: "BILATERAL:us-kr".parse().unwrap(), ..facts(kind) };
    assert!(from_toml(&text, &bilateral).is_ok());
}

/// There is no word for it in the form, so nobody can write it by mistake.
#[test]
fn an_incident_is_attributed_to_nobody() {
    let names = contract_fields("IctIncidentClarificationForm");
    for name in names {
        assert!(
            !["attribut", "actor", "suspect", "offence", "perpetrat"]
                .iter()
                .any(|word| name.contains(word)),
            "{name}"
        );
    }
}

/// Which ground refuses which type; the form is held to it.
#[test]
fn each_type_has_its_own_grounds_of_refusal() {
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(RequestType::ALL.iter().map(|kind| initials(*kind)));
    for ground in RefusalGround::ALL {
        let mut row = vec![ground.as_str().replace("SOVEREIGNTY_SECURITY_ORDRE_PUBLIC_", "")];
        for kind in RequestType::ALL {
            let form = DeterminationForm {
                refusal_ground: ground.to_string(),
                reasons: Some(Text { text: "Because.".to_owned(), ..Text::default() }),
                ..DeterminationForm::default()
            };
            let body = Body { form: Some(Form::Determination(form)) };
            let act = Act::Determine { outcome: Outcome::Refused, review_at: None };
            let known = grounds(*kind).contains(ground);
            match check(&act, &facts(*kind), &body) {
                Ok(()) => assert!(known, "{kind}: {ground}"),
                Err(wrong) => {
                    assert!(!known, "{kind}: {ground}");
                    assert_eq!(wrong.len(), 1, "{wrong:?}");
                    assert_eq!(wrong[0].field, "refusal_ground");
                }
            }
            row.push(if known { "yes" } else { "-" }.to_owned());
        }
        rows.push(row);
    }
    approve(&table(&rows), GROUNDS);
}

/// The first letters of a type's words.
fn initials(kind: RequestType) -> String {
    kind.as_str().split('_').filter_map(|word| word.chars().next()).collect()
}

const GROUNDS: &str = r"
                                P    TA   LI   PE   PTD  SI   SDM  ED   EM   SI  LS   SP   IIC  CC
POLITICAL_OFFENCE               yes  -    -    yes  yes  yes  yes  yes  yes  -   yes  yes  -    -
ESSENTIAL_INTERESTS             yes  yes  yes  yes  yes  yes  yes  yes  yes  -   yes  yes  yes  -
DUAL_CRIMINALITY_AT_DISCLOSURE  yes  -    -    yes  -    -    -    -    -    -   -    -    -    -
DUAL_CRIMINALITY                -    -    -    -    -    yes  yes  yes  yes  -   yes  yes  -    -
DOMESTIC_LAW                    -    yes  yes  -    -    yes  yes  yes  yes  -   yes  yes  yes  -
APPLICABLE_TREATY               -    -    -    -    -    yes  yes  yes  yes  -   -    -    -    -
";

/// What came of it: full, of every type, and each result only with its own type.
#[test]
fn what_came_of_a_request_belongs_to_its_type() {
    for kind in RequestType::ALL {
        if request_type::expects(*kind) != Expects::Answer {
            assert_eq!(answer_template(*kind), None, "{kind}");
            continue;
        }
        let own = sample_answer(*kind);
        answered(*kind, Extent::Executed, own).unwrap();
        let template = answer_template(*kind).unwrap();
        let missing = answered(*kind, Extent::ExecutedInPart, template).unwrap_err();
        assert!(missing.contains(&"remarks".to_owned()), "{kind}: {missing:?}");
        for other in RequestType::ALL {
            let foreign = sample_answer(*other);
            if foreign != own && !foreign.is_empty() {
                let wrong = answered(*kind, Extent::Executed, foreign).unwrap_err();
                assert!(!wrong.is_empty(), "{kind} with what came of {other}");
            }
        }
        let nothing = answered(*kind, Extent::NoDataHeld, "remarks = \"None.\"").unwrap();
        assert_eq!(leaves(&json(&nothing)), 1, "{kind}");
        answered(*kind, Extent::NoDataHeld, "").unwrap_err();
    }
}

#[test]
fn what_came_of_a_request_says_enough() {
    use RequestType as Type;
    let cases: [(Type, &str, &str, &str); 17] = [
        (Type::SubscriberInfo, "reference = \"2026-118\"", "", "disclosed[0].reference"),
        (Type::SubscriberInfo, "abab", "xx", "disclosed[0].sha256"),
        (Type::StoredDataMla, "[\"TRAFFIC\", \"SUBSCRIBER\"]", "[]", "disclosed[0].categories"),
        (Type::EmergencyMla, "\"log-in records\"", "\"\"", "disclosed[0].description"),
        (Type::EmergencyDisclosure, "+31612345678", "112", "subscribers[0].telephone"),
        (
            Type::EmergencyDisclosure,
            "value = \"192.0.2.17\"",
            "value = \"\"",
            "subscribers[0].identifier.value",
        ),
        (Type::PartialTrafficDisclosure, "name = \"Duty officer\"", "", "path[0].provider.name"),
        (Type::PartialTrafficDisclosure, "country = \"NL\"", "", "path[0].provider.country"),
        (Type::PartialTrafficDisclosure, "192.0.2.17", "192.0.2.x", "path[0].identifier.value"),
        (Type::LocateSuspect, "place = \"Constanta, a hotel\"", "", "whereabouts.place"),
        (Type::LocateSuspect, "country = \"NL\"", "", "whereabouts.country"),
        (Type::LocateSuspect, "as_of = \"2026-11-23T10:00:00+01:00\"", "", "whereabouts.as_of"),
        (Type::StopPayment, "amount = \"39000000.00\"", "", "withheld[0].amount"),
        (Type::StopPayment, "until = \"2027-02-28\"", "", "withheld[0].until"),
        (Type::StopPayment, "2027-02-28", "2027-02-29", "withheld[0].until"),
        (Type::StopPayment, "DE89", "DE98", "withheld[0].account.iban"),
        (Type::LegalInformation, "answer = \"Logs are kept for a year.\"", "", "answer"),
    ];
    for (kind, old, new, field) in cases {
        let text = edit_first(sample_answer(kind), old, new);
        let wrong = answered(kind, Extent::Executed, &text);
        assert_eq!(wrong.unwrap_err(), [field], "{kind}: {new}");
    }
    // An account by its number alone is found by nobody.
    let text = sample_answer(Type::StopPayment);
    let text = edit(text, "iban = \"DE89370400440532013000\"\n", "");
    answered(Type::StopPayment, Extent::Executed, &text).unwrap();
    let text = edit(&text, "institution = \"Example Bank\"\n", "");
    let wrong = answered(Type::StopPayment, Extent::Executed, &text).unwrap_err();
    assert_eq!(wrong, ["withheld[0].account.institution"]);
}

/// Only the acceptance of an emergency disclosure demands a request for mutual assistance.
#[test]
fn mutual_assistance_is_required_only_after_an_emergency_disclosure() {
    for kind in RequestType::ALL {
        for outcome in [Outcome::Accepted, Outcome::Postponed] {
            let form = DeterminationForm {
                reasons: Some(Text { text: "Because.".to_owned(), ..Text::default() }),
                mla_required: true,
                mla_required_by: "2026-12-31".to_owned(),
                ..DeterminationForm::default()
            };
            let body = Body { form: Some(Form::Determination(form)) };
            let act = Act::Determine { outcome, review_at: None };
            let may = *kind == RequestType::EmergencyDisclosure && outcome == Outcome::Accepted;
            assert_eq!(check(&act, &facts(*kind), &body).is_ok(), may, "{kind} {outcome}");
        }
    }
}
