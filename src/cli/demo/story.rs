//! The demo's story: who asks whom for what, and where each request must end.
//!
//! Not for how it is played (see `play.rs`). All names, numbers and addresses are invented:
//! RFC 5737 addresses, `.example` and `.invalid` domains.

use crate::grpc::counter::api::act_request::Act;
use crate::grpc::counter::form;
use crate::units::{DAY_MS, HOUR_MS, MINUTE_MS};

use form::body::Form;

/// The members of the demo, each with the one desk "cyber".
pub(super) const MEMBERS: [&str; 6] = ["NL", "RO", "MD", "US", "CN", "JP"];

/// One request of the story and what happens to it, in order.
pub(super) struct Thread {
    /// What it is about, for people.
    pub(super) title: &'static str,
    /// The requesting desk.
    pub(super) from: &'static str,
    /// The requested desk.
    pub(super) to: &'static str,
    /// Type.
    pub(super) kind: &'static str,
    /// Urgency.
    pub(super) urgency: &'static str,
    /// The form.
    pub(super) form: Form,
    /// What follows.
    pub(super) steps: Vec<Step>,
    /// Where it must end: handling, measure, follow-up.
    pub(super) end: [&'static str; 3],
}

impl Thread {
    /// The instrument it rests on: one that the sample data of both members declare.
    pub(super) fn instrument(&self) -> &'static str {
        if [self.from, self.to].contains(&"CN/cyber") { "G7_2417" } else { "BUDAPEST" }
    }
}

/// One act after the request.
pub(super) struct Step {
    /// Which side acts.
    pub(super) side: Side,
    /// What it does.
    pub(super) act: Act,
    /// Estimate, review or preservation end, in milliseconds from now; 0 where there is none.
    pub(super) moment_ms: i64,
    /// The form.
    pub(super) form: Form,
    /// The handling stage that both desks must then see.
    pub(super) then: &'static str,
}

/// A side of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The desk that asked.
    Requesting,
    /// The desk that was asked.
    Requested,
}

/// The whole story.
pub(super) fn threads() -> Vec<Thread> {
    vec![
        hospital(),
        reseller(),
        mail_provider(),
        threat(),
        clarification_between_rivals(),
        refused(),
        nothing_held(),
        withdrawn(),
        waiting(),
    ]
}

/// NL asks RO to freeze the logs of a command-and-control server; two hours until they rotate.
fn hospital() -> Thread {
    Thread {
        title: "hospital ransomware: freeze the logs of a rented server",
        from: "NL/cyber",
        to: "RO/cyber",
        kind: "PRESERVATION",
        urgency: "URGENT",
        form: preservation(
            "C2-2026-0117",
            "Encryption of a hospital's patient records; ransom note left.",
            "Access logs of the virtual server at 198.51.100.23",
            "198.51.100.23",
            "The provider rotates its logs every two hours.",
        ),
        steps: vec![
            acknowledge("YES", "written confirmation of what is preserved", 3 * HOUR_MS),
            accept(),
            preserved("Logs of the reseller's node, from 02:00 to 08:00 UTC"),
            Step {
                side: Side::Requesting,
                act: Act::RequestExtension(true),
                moment_ms: 0,
                form: Form::Extension(form::ExtensionForm {
                    wished_until: in_days(120),
                    previous_reference: "C2-2026-0117".to_owned(),
                    reasons: text("The request for mutual assistance is being translated."),
                }),
                then: "EXECUTED",
            },
            Step {
                side: Side::Requested,
                act: Act::Extend(true),
                moment_ms: 121 * DAY_MS,
                form: Form::Extension(form::ExtensionForm {
                    wished_until: String::new(),
                    previous_reference: "C2-2026-0117".to_owned(),
                    reasons: None,
                }),
                then: "EXECUTED",
            },
            mla(Side::Requesting, "SENT"),
            mla(Side::Requested, "RECEIVED"),
            close(Side::Requesting, "Thank you. The rest follows by mutual assistance."),
        ],
        end: ["CLOSED", "HELD_FOR_MLA", "MLA_RECEIVED"],
    }
}

/// NL asks MD; a time zone is missing, so MD asks back.
fn reseller() -> Thread {
    Thread {
        title: "the same case, second hop: the reseller",
        from: "NL/cyber",
        to: "MD/cyber",
        kind: "PRESERVATION",
        urgency: "EXPEDITED",
        form: preservation(
            "C2-2026-0117/2",
            "Encryption of a hospital's patient records; ransom note left.",
            "Customer and payment records of the reseller for 203.0.113.77",
            "203.0.113.77",
            "The reseller deletes customers thirty days after their last payment.",
        ),
        steps: vec![
            acknowledge("YES", "written confirmation", 12 * HOUR_MS),
            Step {
                side: Side::Requested,
                act: Act::RequestClarification(true),
                moment_ms: 0,
                form: Form::ClarificationRequest(form::ClarificationRequestForm {
                    fields: vec!["data[0].period".to_owned()],
                    question: text("In which time zone are the times of the period?"),
                }),
                then: "CLARIFICATION_REQUESTED",
            },
            Step {
                side: Side::Requesting,
                act: Act::ProvideClarification(true),
                moment_ms: 0,
                form: Form::Clarification(form::ClarificationForm {
                    answer: text("All times are UTC."),
                    data: Vec::new(),
                }),
                then: "CLARIFICATION_PROVIDED",
            },
            accept(),
            preserved("Customer record and two payments"),
        ],
        end: ["EXECUTED", "PRESERVED", "MLA_INTENDED"],
    }
}

/// NL asks US; accepted with conditions.
fn mail_provider() -> Thread {
    let conditions = Step {
        side: Side::Requested,
        act: Act::Determine("ACCEPTED_WITH_CONDITIONS".to_owned()),
        moment_ms: 0,
        form: Form::Determination(form::DeterminationForm {
            reasons: text("The account is also part of a case of our own."),
            conditions: vec!["Not to be used in other proceedings (Art. 28).".to_owned()],
            ..Default::default()
        }),
        then: "DETERMINED",
    };
    Thread {
        title: "the same case, third hop: the mail provider",
        from: "NL/cyber",
        to: "US/cyber",
        kind: "PRESERVATION",
        urgency: "EXPEDITED",
        form: preservation(
            "C2-2026-0117/3",
            "Encryption of a hospital's patient records; ransom note left.",
            "Mailbox that received the ransom negotiations",
            "192.0.2.44",
            "The account holder can delete the mailbox at any time.",
        ),
        steps: vec![
            acknowledge("YES", "letter by e-mail", 24 * HOUR_MS),
            conditions,
            Step {
                side: Side::Requesting,
                act: Act::AnswerConditions("ACCEPTED".to_owned()),
                moment_ms: 0,
                form: Form::ConditionsAnswer(form::ConditionsAnswerForm::default()),
                then: "DETERMINED",
            },
            preserved("The mailbox as it stood today"),
        ],
        end: ["EXECUTED", "PRESERVED", "MLA_INTENDED"],
    }
}

/// JP asks US in an emergency.
fn threat() -> Thread {
    Thread {
        title: "a bomb threat against a school, streamed live",
        from: "JP/cyber",
        to: "US/cyber",
        kind: "PRESERVATION",
        urgency: "EMERGENCY",
        form: preservation(
            "KKC-2026-88",
            "A named school is threatened for this morning.",
            "Subscriber and last address of the account that streams",
            "198.51.100.200",
            "The stream is deleted when it ends.",
        ),
        steps: vec![
            acknowledge("YES", "telephone, then in writing", 20 * MINUTE_MS),
            accept(),
            preserved("Subscriber record and session log"),
        ],
        end: ["EXECUTED", "PRESERVED", "MLA_INTENDED"],
    }
}

/// US asks CN for technical advice, in neutral words.
fn clarification_between_rivals() -> Thread {
    Thread {
        title: "port cranes have stopped: advice asked across the divide",
        from: "US/cyber",
        to: "CN/cyber",
        kind: "TECHNICAL_ADVICE",
        urgency: "URGENT",
        form: Form::Information(form::InformationForm {
            reference: "ICT-2026-5".to_owned(),
            authority: contact("Sample Incident Desk", "Europe/London"),
            subject: "Traffic observed from addresses in your territory".to_owned(),
            question: text(
                "Crane controllers in a port stopped at 03:10 UTC. Traffic was observed from \
                 203.0.113.9. Can you tell what this host is? No attribution is meant.",
            ),
            urgency_grounds: text("Ships are waiting; perishable and medical goods on board."),
            tlp: "AMBER".to_owned(),
        }),
        steps: vec![
            acknowledge("YES", "technical statement", 12 * HOUR_MS),
            accept(),
            Step {
                side: Side::Requested,
                act: Act::Execute("EXECUTED".to_owned()),
                moment_ms: 0,
                form: Form::Execution(form::ExecutionForm {
                    answer: text(
                        "The host is a router of a third party that was itself compromised. It \
                         has been disconnected.",
                    ),
                    ..Default::default()
                }),
                then: "EXECUTED",
            },
            close(Side::Requesting, "Received with thanks. The port works again."),
        ],
        end: ["CLOSED", "NONE", "NONE"],
    }
}

/// RO asks JP; refused on a ground of Art. 29(5), with reasons.
fn refused() -> Thread {
    let refuse = Step {
        side: Side::Requested,
        act: Act::Determine("REFUSED".to_owned()),
        moment_ms: 0,
        form: Form::Determination(form::DeterminationForm {
            refusal_ground: "SOVEREIGNTY_SECURITY_ORDRE_PUBLIC_ESSENTIAL_INTERESTS".to_owned(),
            reasons: text("The system belongs to an emergency service in operation."),
            ..Default::default()
        }),
        then: "DETERMINED",
    };
    Thread {
        title: "a request that is refused, with its ground",
        from: "RO/cyber",
        to: "JP/cyber",
        kind: "PRESERVATION",
        urgency: "EXPEDITED",
        form: preservation(
            "DIICOT-2026-9",
            "Unlawful access to a dispatch system.",
            "Operator log of the dispatch system",
            "192.0.2.10",
            "The log is overwritten weekly.",
        ),
        steps: vec![
            acknowledge("PARTLY", "letter", 24 * HOUR_MS),
            refuse,
            close(Side::Requesting, "Understood."),
        ],
        end: ["CLOSED", "NONE", "MLA_INTENDED"],
    }
}

/// MD asks NL; nothing is held.
fn nothing_held() -> Thread {
    Thread {
        title: "a request for data that do not exist",
        from: "MD/cyber",
        to: "NL/cyber",
        kind: "PRESERVATION",
        urgency: "EXPEDITED",
        form: preservation(
            "MD-2026-31",
            "Fraud with counterfeit web shops.",
            "Registration data of shop.example",
            "203.0.113.200",
            "The domain expires next week.",
        ),
        steps: vec![
            acknowledge("YES", "written confirmation", 8 * HOUR_MS),
            accept(),
            Step {
                side: Side::Requested,
                act: Act::Execute("NO_DATA_HELD".to_owned()),
                moment_ms: 0,
                form: Form::Execution(form::ExecutionForm {
                    remarks: text("The registrar never had this domain."),
                    ..Default::default()
                }),
                then: "NO_DATA_HELD",
            },
            close(Side::Requested, "Nothing further."),
        ],
        end: ["CLOSED", "NONE", "MLA_INTENDED"],
    }
}

/// JP asks CN and takes it back.
fn withdrawn() -> Thread {
    Thread {
        title: "a request that is taken back",
        from: "JP/cyber",
        to: "CN/cyber",
        kind: "PRESERVATION",
        urgency: "EXPEDITED",
        form: preservation(
            "KKC-2026-90",
            "Theft of credentials.",
            "Connection log of a web server",
            "198.51.100.66",
            "Logs are kept for seven days.",
        ),
        steps: vec![
            acknowledge("YES", "written confirmation", 10 * HOUR_MS),
            Step {
                side: Side::Requesting,
                act: Act::Withdraw(true),
                moment_ms: 0,
                form: reason("The suspect has handed over the data."),
                then: "WITHDRAWAL_REQUESTED",
            },
            Step {
                side: Side::Requested,
                act: Act::Close(true),
                moment_ms: 0,
                form: reason("Withdrawn before anything was done."),
                then: "WITHDRAWN",
            },
        ],
        end: ["WITHDRAWN", "NONE", "MLA_INTENDED"],
    }
}

/// US asks RO, and nobody has answered yet: left for whoever watches the demo.
fn waiting() -> Thread {
    Thread {
        title: "a question that waits for you",
        from: "US/cyber",
        to: "RO/cyber",
        kind: "LEGAL_INFORMATION",
        urgency: "ROUTINE",
        form: Form::Information(form::InformationForm {
            reference: "LEG-2026-12".to_owned(),
            authority: contact("Sample Legal Desk", "UTC"),
            subject: "Retention of access logs".to_owned(),
            question: text("How long do providers in your country keep access logs?"),
            urgency_grounds: None,
            tlp: "GREEN".to_owned(),
        }),
        steps: Vec::new(),
        end: ["NEW", "NONE", "NONE"],
    }
}

fn acknowledge(will: &str, answer_form: &str, within_ms: i64) -> Step {
    Step {
        side: Side::Requested,
        act: Act::Acknowledge(will.to_owned()),
        moment_ms: within_ms,
        form: Form::Acknowledgement(form::AcknowledgementForm {
            answer_form: answer_form.to_owned(),
            handling_language: "en".to_owned(),
            ..Default::default()
        }),
        then: "ACKNOWLEDGED",
    }
}

fn accept() -> Step {
    Step {
        side: Side::Requested,
        act: Act::Determine("ACCEPTED".to_owned()),
        moment_ms: 0,
        form: Form::Determination(form::DeterminationForm::default()),
        then: "DETERMINED",
    }
}

/// Preserved from now on, for as long as the agent computes: 60 days, or the member's own minimum.
fn preserved(scope: &str) -> Step {
    Step {
        side: Side::Requested,
        act: Act::Execute("EXECUTED".to_owned()),
        moment_ms: 0,
        form: Form::Execution(form::ExecutionForm {
            effective_from: super::play::now().to_string(),
            scope: text(scope),
            custodian_reference: "on file".to_owned(),
            ..Default::default()
        }),
        then: "EXECUTED",
    }
}

fn mla(side: Side, step: &str) -> Step {
    Step {
        side,
        act: Act::Mla(step.to_owned()),
        moment_ms: 0,
        form: Form::Mla(form::MlaForm {
            reference: "MLA-2026-4711".to_owned(),
            central_authority: "Ministry of Justice".to_owned(),
            outcome: None,
        }),
        then: "EXECUTED",
    }
}

fn close(side: Side, why: &str) -> Step {
    Step { side, act: Act::Close(true), moment_ms: 0, form: reason(why), then: "CLOSED" }
}

fn reason(why: &str) -> Form {
    Form::Reason(form::ReasonForm { reason: text(why) })
}

fn preservation(reference: &str, facts: &str, data: &str, address: &str, why: &str) -> Form {
    Form::Preservation(form::PreservationForm {
        reference: reference.to_owned(),
        authority: contact("Sample High Tech Crime Unit", "UTC"),
        confirmation_contact: contact("Sample Duty Prosecutor", "UTC"),
        offence: "Illegal access; data interference".to_owned(),
        legal_provisions: "Budapest Convention Arts 2, 4".to_owned(),
        facts: text(facts),
        data: vec![form::DataSought {
            description: data.to_owned(),
            categories: vec!["TRAFFIC".to_owned(), "SUBSCRIBER".to_owned()],
            identifiers: vec![form::Identifier {
                kind: "IP_ADDRESS".to_owned(),
                value: address.to_owned(),
                qualifier: String::new(),
            }],
            period: Some(form::Period {
                from: "2026-11-22T02:00:00Z".to_owned(),
                until: "2026-11-22T08:00:00Z".to_owned(),
            }),
        }],
        relationship: text("The data show who operated the machine when the offence happened."),
        custodian: "Sample Hosting".to_owned(),
        location: "data centre in the requested state".to_owned(),
        necessity: text(why),
        mla_intended: true,
        mla_expected: in_days(45),
        urgency_grounds: text(why),
        confidential: true,
        no_user_notification: true,
        ..Default::default()
    })
}

fn contact(organisation: &str, time_zone: &str) -> Option<form::Contact> {
    Some(form::Contact {
        organisation: organisation.to_owned(),
        name: "Duty officer".to_owned(),
        telephone: "+31201234567".to_owned(),
        email: "duty@desk.example".to_owned(),
        time_zone: time_zone.to_owned(),
        ..Default::default()
    })
}

fn text(text: &str) -> Option<form::Text> {
    Some(form::Text { text: text.to_owned(), language: "en".to_owned() })
}

/// The date so many days from now, ISO 8601.
fn in_days(days: i64) -> String {
    super::play::now().plus_ms(days * DAY_MS).to_string().chars().take(10).collect()
}
