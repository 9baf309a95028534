//! The forms: what Article 29(2) demands is there, and what is shown is what was written.

use detente::envelope::form::{check, from_toml, json, lines};
use detente::envelope::words::{
    Extent, Instrument, MlaStep, Outcome, RequestType, Urgency, WillAnswer,
};
use detente::envelope::{Act, RequestFacts};
use detente::units::{DAY_MS, Timestamp};
use detente::wire::detente::form::v1::body::Form;
use detente::wire::detente::form::v1::{
    AcknowledgementForm, Body, ClarificationForm, ClarificationRequestForm, Contact, DataSought,
    DeterminationForm, ExecutionForm, ExtensionForm, Identifier, InformationForm, MlaForm, Period,
    PreservationForm, ReasonForm, Text,
};

use crate::net::edit_first;

const EFFECTIVE: &str = "2026-11-23T10:00:00+01:00";
const EFFECTIVE_MS: i64 = 1_795_424_400_000;

fn facts(kind: RequestType, urgency: Urgency) -> RequestFacts {
    RequestFacts {
        kind,
        instrument: Instrument::Budapest,
        urgency,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    }
}

fn text(text: &str) -> Option<Text> {
    Some(Text { text: text.to_owned(), language: "en".to_owned() })
}

fn authority() -> Option<Contact> {
    Some(Contact {
        organisation: "National Cyber Police".to_owned(),
        telephone: "+31612345678".to_owned(),
        email: "duty@police.example".to_owned(),
        time_zone: "Europe/Amsterdam".to_owned(),
        ..Contact::default()
    })
}

fn preservation() -> PreservationForm {
    PreservationForm {
        reference: "2026-118".to_owned(),
        authority: authority(),
        offence: "illegal access, Art. 2".to_owned(),
        facts: text("A hospital was locked.\nIts data were taken."),
        data: vec![DataSought {
            description: "log-in records".to_owned(),
            categories: vec!["TRAFFIC".to_owned(), "SUBSCRIBER".to_owned()],
            identifiers: vec![Identifier {
                kind: "IP_ADDRESS".to_owned(),
                value: "192.0.2.17".to_owned(),
                qualifier: "443".to_owned(),
            }],
            period: Some(Period {
                from: "2026-11-01T00:00:00+02:00".to_owned(),
                until: "2026-11-20T00:00:00+02:00".to_owned(),
            }),
        }],
        relationship: text("The address was used to enter."),
        custodian: "Example Hosting".to_owned(),
        necessity: text("Records are kept for seven days."),
        mla_intended: true,
        urgency_grounds: text("Records lapse tomorrow."),
        days: 90,
        handling_code: "H1".to_owned(),
        ..PreservationForm::default()
    }
}

/// The fields that `check` refuses.
fn refused(act: &Act, request: &RequestFacts, form: Form) -> Vec<String> {
    let body = Body { form: Some(form) };
    match check(act, request, &body) {
        Ok(()) => Vec::new(),
        Err(wrong) => wrong.into_iter().map(|wrong| wrong.field).collect(),
    }
}

#[test]
fn a_preservation_needs_every_letter_of_article_29_2() {
    type Change = fn(&mut PreservationForm);
    fn data(form: &mut PreservationForm) -> &mut DataSought {
        &mut form.data[0]
    }
    fn who(form: &mut PreservationForm) -> &mut Contact {
        form.authority.get_or_insert_default()
    }
    let cases: [(&str, Change); 42] = [
        ("authority", |f| f.authority = None),
        ("authority.organisation", |f| who(f).organisation = " ".to_owned()),
        ("authority.telephone", |f| (who(f).telephone, who(f).email) = Default::default()),
        ("authority.telephone", |f| who(f).telephone = "0612345678".to_owned()),
        ("authority.email", |f| who(f).email = "duty".to_owned()),
        ("authority.time_zone", |f| who(f).time_zone = "Amsterdam time".to_owned()),
        ("authority.name", |f| who(f).name = "\u{202e}nesnaJ".to_owned()),
        ("offence", |f| f.offence.clear()),
        ("offence", |f| f.offence = "two\nlines".to_owned()),
        ("offence", |f| f.offence = "x".repeat(301)),
        ("facts", |f| f.facts = None),
        ("facts", |f| f.facts = text("")),
        ("facts.text", |f| f.facts = text("\u{1b}[2J")),
        ("facts.text", |f| f.facts = text(&"x".repeat(16 * 1_024 + 1))),
        ("facts.language", |f| f.facts.get_or_insert_default().language = "english!".to_owned()),
        ("data", |f| f.data.clear()),
        ("data", |f| f.data = vec![f.data[0].clone(); 33]),
        ("data[0].description", |f| data(f).description.clear()),
        ("data[0].categories", |f| data(f).categories.clear()),
        ("data[0].categories[0]", |f| data(f).categories[0] = "ALL".to_owned()),
        ("data[0].categories[1]", |f| data(f).categories[1] = "TRAFFIC".to_owned()),
        ("data[0].identifiers[0].kind", |f| data(f).identifiers[0].kind.clear()),
        ("data[0].identifiers[0].kind", |f| data(f).identifiers[0].kind = "SOUL".to_owned()),
        ("data[0].identifiers[0].value", |f| data(f).identifiers[0].value.clear()),
        ("data[0].identifiers[0].value", |f| data(f).identifiers[0].value = "1.2.3".to_owned()),
        ("data[0].identifiers", |f| {
            data(f).identifiers = vec![data(f).identifiers[0].clone(); 257];
        }),
        ("data[0].period.from", |f| period(f).from.clear()),
        ("data[0].period.from", |f| period(f).from = "2026-11-01T00:00:00".to_owned()),
        ("data[0].period.until", |f| period(f).until = "2026-11-20".to_owned()),
        ("data[0].period.until", |f| period(f).until = period(f).from.clone()),
        ("relationship", |f| f.relationship = None),
        ("custodian", |f| (f.custodian, data(f).identifiers) = Default::default()),
        ("necessity", |f| f.necessity = None),
        ("mla_intended", |f| f.mla_intended = false),
        ("mla_expected", |f| f.mla_expected = "soon".to_owned()),
        ("urgency_grounds", |f| f.urgency_grounds = None),
        ("days", |f| f.days = 59),
        ("days", |f| f.days = 3_651),
        ("handling_code", |f| f.handling_code = "H4".to_owned()),
        ("location", |f| f.location = "a\tb".to_owned()),
        ("investigative_authority.fax", |f| {
            f.investigative_authority.get_or_insert_default().fax = "none".to_owned();
        }),
        ("legal_provisions", |f| f.legal_provisions = "\u{9b}1m".to_owned()),
    ];
    let request = facts(RequestType::Preservation, Urgency::Urgent);
    let act = Act::Request(request.clone());
    let none: Vec<String> = Vec::new();
    assert_eq!(refused(&act, &request, Form::Preservation(preservation())), none);
    for (field, change) in cases {
        let mut form = preservation();
        change(&mut form);
        assert_eq!(refused(&act, &request, Form::Preservation(form)), [field], "{field}");
    }
}

fn period(form: &mut PreservationForm) -> &mut Period {
    form.data[0].period.get_or_insert_default()
}

#[test]
fn what_is_not_demanded_may_be_left_out() {
    let mut form = preservation();
    form.custodian.clear();
    form.urgency_grounds = None;
    form.days = 0;
    form.data[0].period = None;
    let request = facts(RequestType::Preservation, Urgency::Expedited);
    let act = Act::Request(request.clone());
    assert!(refused(&act, &request, Form::Preservation(form)).is_empty());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn every_answer_needs_its_fields() {
    let pres = facts(RequestType::Preservation, Urgency::Expedited);
    let info = facts(RequestType::LegalInformation, Urgency::Routine);
    let at = Timestamp(EFFECTIVE_MS + 60 * DAY_MS);
    let ack = |will_answer| Act::Acknowledge { will_answer, estimated_at: at };
    let execute =
        |extent, preserved_until| Act::Execute { extent, preserved_until, mla_demanded: false };
    let question = InformationForm {
        authority: authority(),
        subject: "Data retention".to_owned(),
        question: text("How long?"),
        ..InformationForm::default()
    };
    let acked = AcknowledgementForm { answer_form: "letter".to_owned(), ..Default::default() };
    let done = ExecutionForm { effective_from: EFFECTIVE.to_owned(), ..Default::default() };
    let answered = ExecutionForm { answer: text("A year."), ..Default::default() };
    let remarked = ExecutionForm { remarks: text("None."), ..Default::default() };
    let late = Timestamp(at.0 - 1);
    let none = ExecutionForm::default;
    let cases: [(&Act, &RequestFacts, Form, &[&str]); 31] = [
        (&Act::Request(info.clone()), &info, Form::Information(question.clone()), &[]),
        (
            &Act::Request(info.clone()),
            &info,
            Form::Information(InformationForm::default()),
            &["authority", "subject", "question"],
        ),
        (&ack(WillAnswer::Yes), &pres, Form::Acknowledgement(acked.clone()), &[]),
        (&ack(WillAnswer::No), &pres, Form::Acknowledgement(Default::default()), &["answer_form"]),
        (
            &ack(WillAnswer::Forwarded),
            &pres,
            Form::Acknowledgement(acked.clone()),
            &["forwarded_to"],
        ),
        (&Act::ReviseEstimate { estimated_at: at }, &pres, reason(""), &["reason"]),
        (&Act::ReviseEstimate { estimated_at: at }, &pres, reason("holiday"), &[]),
        (&Act::Close, &pres, reason(""), &[]),
        (&Act::Close, &pres, Form::Mla(MlaForm::default()), &["form"]),
        (&Act::Request(pres.clone()), &pres, Form::Information(question), &["form"]),
        (
            &Act::RequestClarification,
            &pres,
            Form::ClarificationRequest(ClarificationRequestForm {
                fields: vec!["data[0].period".to_owned(), "Not a path".to_owned()],
                question: None,
            }),
            &["fields[1]", "question"],
        ),
        (
            &Act::ProvideClarification,
            &pres,
            Form::Clarification(ClarificationForm {
                answer: None,
                data: vec![DataSought::default()],
            }),
            &["answer", "data[0].description", "data[0].categories"],
        ),
        (&execute(Extent::Executed, Some(at)), &pres, Form::Execution(done.clone()), &[]),
        (
            &execute(Extent::Executed, Some(late)),
            &pres,
            Form::Execution(done.clone()),
            &["preserved_until"],
        ),
        (
            &execute(Extent::Executed, None),
            &pres,
            Form::Execution(none()),
            &["effective_from", "preserved_until"],
        ),
        (
            &execute(Extent::ExecutedInPart, Some(at)),
            &pres,
            Form::Execution(done.clone()),
            &["remarks"],
        ),
        (&execute(Extent::NoDataHeld, None), &pres, Form::Execution(none()), &["remarks"]),
        (&execute(Extent::NoDataHeld, None), &pres, Form::Execution(remarked.clone()), &[]),
        (
            &execute(Extent::NoDataHeld, None),
            &pres,
            Form::Execution(done.clone()),
            &["remarks", "effective_from"],
        ),
        (&execute(Extent::Executed, None), &info, Form::Execution(answered), &[]),
        (&execute(Extent::Executed, None), &info, Form::Execution(none()), &["answer"]),
        (
            &execute(Extent::Executed, None),
            &info,
            Form::Execution(done),
            &["effective_from", "answer"],
        ),
        (&execute(Extent::NoDataHeld, None), &info, Form::Execution(remarked), &[]),
        (&Act::RequestExtension, &pres, extension(""), &["wished_until"]),
        (&Act::RequestExtension, &pres, extension("2027-02-30"), &["wished_until"]),
        (&Act::RequestExtension, &pres, extension("2027-03-30"), &[]),
        (&Act::Extend { preserved_until: at }, &pres, extension(""), &[]),
        (&Act::Mla { step: MlaStep::Sent, carried_by: None }, &pres, mla("", ""), &["reference"]),
        (&Act::Mla { step: MlaStep::Sent, carried_by: None }, &pres, mla("MLA-1", ""), &[]),
        (
            &Act::Mla { step: MlaStep::Decided, carried_by: None },
            &pres,
            mla("MLA-1", ""),
            &["outcome"],
        ),
        (
            &Act::Mla { step: MlaStep::Decided, carried_by: None },
            &pres,
            mla("MLA-1", "granted"),
            &[],
        ),
    ];
    for (act, request, form, fields) in cases {
        assert_eq!(refused(act, request, form.clone()), fields, "{} {form:?}", act.name());
    }
    assert_eq!(check(&Act::Close, &pres, &Body::default()).unwrap_err()[0].field, "form");
}

fn reason(words: &str) -> Form {
    Form::Reason(ReasonForm { reason: text(words) })
}

fn extension(wished_until: &str) -> Form {
    let wished_until = wished_until.to_owned();
    Form::Extension(ExtensionForm { wished_until, ..ExtensionForm::default() })
}

fn mla(reference: &str, outcome: &str) -> Form {
    let (reference, outcome) = (reference.to_owned(), text(outcome));
    Form::Mla(MlaForm { reference, central_authority: String::new(), outcome })
}

/// Each field of a determination belongs to one outcome, and only there.
#[test]
fn a_determination_says_what_its_outcome_needs() {
    let full = DeterminationForm {
        refusal_ground: "POLITICAL_OFFENCE".to_owned(),
        unable_reason: "LANGUAGE".to_owned(),
        reasons: text("Because."),
        conditions: vec!["Not in court.".to_owned()],
        redirect_to: "NL/justice".to_owned(),
        scope: text("Half."),
        ..DeterminationForm::default()
    };
    let owned = ["refusal_ground", "unable_reason", "conditions", "redirect_to"];
    let request = facts(RequestType::Preservation, Urgency::Expedited);
    for outcome in Outcome::ALL {
        let (own, mut missing): (&[&str], Vec<&str>) = match outcome {
            Outcome::Accepted => (&[], vec![]),
            Outcome::AcceptedWithConditions => (&["conditions"], vec!["conditions", "reasons"]),
            Outcome::PartiallyAccepted => (&[], vec!["reasons", "scope"]),
            Outcome::Postponed => (&[], vec!["reasons"]),
            Outcome::Refused => (&["refusal_ground"], vec!["refusal_ground", "reasons"]),
            Outcome::NotCompetent => (&["redirect_to"], vec!["redirect_to", "reasons"]),
            Outcome::UnableToExecute => (&["unable_reason"], vec!["unable_reason", "reasons"]),
        };
        let act = Act::Determine { outcome: *outcome, review_at: None };
        let strange: Vec<&str> = owned.into_iter().filter(|field| !own.contains(field)).collect();
        let found = refused(&act, &request, Form::Determination(full.clone()));
        assert_eq!(found, strange, "{outcome}, everything filled in");
        let found = refused(&act, &request, Form::Determination(DeterminationForm::default()));
        missing.sort_by_key(|field| owned.iter().position(|it| it == field).unwrap_or(owned.len()));
        assert_eq!(found, missing, "{outcome}, nothing filled in");
    }
    let ground = DeterminationForm {
        refusal_ground: "MILITARY_OFFENCE".to_owned(),
        reasons: text("Because."),
        ..DeterminationForm::default()
    };
    let act = Act::Determine { outcome: Outcome::Refused, review_at: None };
    assert_eq!(refused(&act, &request, Form::Determination(ground)), ["refusal_ground"]);
}

#[test]
fn a_form_reads_as_lines_with_its_articles() {
    let body = Body { form: Some(Form::Preservation(preservation())) };
    let shown: Vec<String> =
        lines(&body).into_iter().map(|(label, value)| format!("{label} = {value}")).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    Own reference = 2026-118
    Authority, Art. 29(2)(a): organisation = National Cyber Police
    Authority, Art. 29(2)(a): telephone = +31612345678
    Authority, Art. 29(2)(a): e-mail = duty@police.example
    Authority, Art. 29(2)(a): time zone = Europe/Amsterdam
    Offence, Art. 29(2)(b) = illegal access, Art. 2
    Facts, Art. 29(2)(b) = A hospital was locked.
    Its data were taken.
    Facts, Art. 29(2)(b) (language) = en
    Data, Art. 29(2)(c), no. 1: description = log-in records
    Data, Art. 29(2)(c), no. 1: category = TRAFFIC
    Data, Art. 29(2)(c), no. 1: category = SUBSCRIBER
    Data, Art. 29(2)(c), no. 1: identifier 1: kind = IP_ADDRESS
    Data, Art. 29(2)(c), no. 1: identifier 1: value = 192.0.2.17
    Data, Art. 29(2)(c), no. 1: identifier 1: qualifier = 443
    Data, Art. 29(2)(c), no. 1: from = 2026-11-01T00:00:00+02:00
    Data, Art. 29(2)(c), no. 1: until = 2026-11-20T00:00:00+02:00
    Relation to the offence, Art. 29(2)(c) = The address was used to enter.
    Relation to the offence, Art. 29(2)(c) (language) = en
    Custodian, Art. 29(2)(d) = Example Hosting
    Necessity, Art. 29(2)(e) = Records are kept for seven days.
    Necessity, Art. 29(2)(e) (language) = en
    Mutual assistance request follows, Art. 29(2)(f) = yes
    Grounds of urgency = Records lapse tomorrow.
    Grounds of urgency (language) = en
    Days asked for, Art. 29(7) = 90
    Handling code = H1
    "#);
}

/// Whoever shows a form before it has been checked is not deceived either.
#[test]
fn lines_hide_nothing() {
    let mut form = preservation();
    form.offence = "\u{1b}[2Jthe\u{202e}ft".to_owned();
    let shown = lines(&Body { form: Some(Form::Preservation(form)) });
    let offence = shown.iter().find(|(label, _)| label.starts_with("Offence")).unwrap();
    assert_eq!(offence.1, "\u{fffd}[2Jthe\u{fffd}ft");
}

#[test]
fn a_form_reads_as_json_named_as_in_the_contract() {
    let mut form = preservation();
    form.authority = None;
    let body = Body { form: Some(Form::Preservation(form)) };
    insta::assert_snapshot!(serde_json::to_string_pretty(&json(&body)).unwrap(), @r#"
    {
      "preservation": {
        "reference": "2026-118",
        "offence": "illegal access, Art. 2",
        "facts": {
          "text": "A hospital was locked.\nIts data were taken.",
          "language": "en"
        },
        "data": [
          {
            "description": "log-in records",
            "categories": [
              "TRAFFIC",
              "SUBSCRIBER"
            ],
            "identifiers": [
              {
                "kind": "IP_ADDRESS",
                "value": "192.0.2.17",
                "qualifier": "443"
              }
            ],
            "period": {
              "from": "2026-11-01T00:00:00+02:00",
              "until": "2026-11-20T00:00:00+02:00"
            }
          }
        ],
        "relationship": {
          "text": "The address was used to enter.",
          "language": "en"
        },
        "custodian": "Example Hosting",
        "necessity": {
          "text": "Records are kept for seven days.",
          "language": "en"
        },
        "mla_intended": true,
        "urgency_grounds": {
          "text": "Records lapse tomorrow.",
          "language": "en"
        },
        "days": 90,
        "handling_code": "H1"
      }
    }
    "#);
    assert_eq!(json(&Body::default()), serde_json::Value::Null);
}

const FILLED: &str = r#"
offence = "illegal access"
facts = "A hospital was locked."
relationship = { text = "L'adresse a servi.", language = "fr" }
necessity = "Seven days."
mla_intended = true
custodian = "Example Hosting"

[authority]
organisation = "Police"
mobile = "+31612345678"

[[data]]
description = "log-in records"
categories = ["TRAFFIC"]
period = { from = "2026-11-01T00:00:00Z", until = "2026-11-20T00:00:00Z" }

[[data.identifiers]]
kind = "DOMAIN"
value = "example.org"
"#;

#[test]
fn a_filled_form_becomes_a_body() {
    let request = facts(RequestType::Preservation, Urgency::Expedited);
    let body = from_toml(FILLED, &request).unwrap();
    let Some(Form::Preservation(form)) = body.form else { panic!("{body:?}") };
    assert_eq!(form.relationship.unwrap().language, "fr");
    assert_eq!(form.data[0].identifiers[0].value, "example.org");
    assert_eq!(form.authority.unwrap().mobile, "+31612345678");
}

/// What is wrong in a filled form is found by its line.
#[test]
fn a_wrong_form_names_line_and_field() {
    let cases = [
        ("mla_intended = true", "mla_intended = false", Some(6), "mla_intended"),
        ("mla_intended = true", "mla_intended = \"yes\"", Some(6), "mla_intended"),
        ("mla_intended = true", "mla_intendd = true", Some(6), "mla_intendd"),
        ("mla_intended = true", "mla_intended", Some(6), "mla_intended"),
        ("necessity = \"Seven days.\"", "", None, "necessity"),
        ("+31612345678", "0612345678", Some(11), "authority.mobile"),
        ("\"TRAFFIC\"", "\"TRAFIC\"", Some(15), "data[0].categories[0]"),
        ("until = \"2026-11-20", "until = \"2026-10-20", Some(16), "data[0].period.until"),
        ("\"DOMAIN\"", "\"IP_ADDRESS\"", Some(20), "data[0].identifiers[0].value"),
        ("kind = \"DOMAIN\"", "sort = \"DOMAIN\"", Some(19), "sort"),
        ("offence", "reference = \"a\\u0007b\"\noffence", Some(2), "reference"),
    ];
    let request = facts(RequestType::Preservation, Urgency::Expedited);
    for (old, new, line, field) in cases {
        let wrong = from_toml(&edit_first(FILLED, old, new), &request).unwrap_err();
        let found: Vec<_> =
            wrong.iter().map(|unfit| (unfit.line, unfit.malformed.field.as_str())).collect();
        assert_eq!(found, [(line, field)], "{new}: {wrong:?}");
    }
}
