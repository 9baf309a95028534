//! Bad input at the officers' counter: the agent in this process, over its real socket, with a real
//! relay behind it. What it refuses never leaves the desk.
//!
//! Not for what a desk without an agent says to the relay (see `bad_input_wire.rs`).

use std::time::{Duration, Instant};

use detente::grpc::Failure;
use detente::grpc::counter::{self, Counter, api, form};
use detente::service::{RunningAgent, RunningRelay};
use detente::units::{HOUR_MS, Index};
use tonic::Code;

use crate::net::{self, Dev, question_form};

/// What must be answered: gRPC code, code, reason, fields.
type Wanted = (Code, &'static str, &'static str, &'static [&'static str]);

/// What a preservation request must say.
const ARTICLE_29_2: &[&str] = &[
    "authority",
    "offence",
    "facts",
    "data",
    "relationship",
    "custodian",
    "necessity",
    "mla_intended",
];

/// How long agents and relay may take to have told each other everything.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Two agents, a relay, and a request that waits at the second desk.
struct Lab {
    _dev: Dev,
    relay: RunningRelay,
    agents: [RunningAgent; 2],
    nl: Counter,
    ro: Counter,
    request: Vec<u8>,
}

impl Lab {
    async fn new() -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let relay = net::relay_here(&dev.relay_config()).await;
        let nl = RunningAgent::start(&dev.desk_config("NL")).await.unwrap();
        let ro = RunningAgent::start(&dev.desk_config("RO")).await.unwrap();
        let agents = [nl, ro];
        let [nl, ro] = [0, 1].map(|n: usize| agents[n].socket().to_owned());
        let nl = counter::connect(&nl).await.unwrap();
        let ro = counter::connect(&ro).await.unwrap();
        let mut lab = Self { _dev: dev, relay, agents, nl, ro, request: Vec::new() };
        let sent = lab.nl.send_request(question()).await.unwrap().into_inner().outcome.unwrap();
        assert_eq!(sent.state(), api::StatementState::Recorded, "{sent:?}");
        lab.request = sent.request_id;
        lab.settle().await;
        lab
    }

    /// Waits until the request has its receipt and nothing more is recorded.
    async fn settle(&mut self) {
        let started = Instant::now();
        let mut last = (self.next(), Instant::now());
        loop {
            assert!(started.elapsed() < SETTLED_WITHIN, "receipts are still under way");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let peek = api::GetCaseRequest {
                request_id: self.request.clone(),
                peek: true,
                ..Default::default()
            };
            let case = self.nl.get_case(peek).await.unwrap().into_inner().case.unwrap();
            let next = self.next();
            if next != last.0 {
                last = (next, Instant::now());
            }
            if case.transport == "DELIVERY" && last.1.elapsed() > Duration::from_secs(1) {
                return;
            }
        }
    }

    fn next(&self) -> Index {
        self.relay.relay().published().next_index()
    }

    /// As asked, and nothing else: nothing at the relay, nothing on its way there.
    async fn unchanged(&mut self, what: &str, before: Index) {
        for counter in [&mut self.nl, &mut self.ro] {
            let status = counter.get_agent_status(api::GetAgentStatusRequest {}).await.unwrap();
            assert_eq!(status.into_inner().outbox, 0, "{what}: something is on its way");
        }
        assert_eq!(self.next(), before, "{what}: something was recorded");
    }

    async fn refuses_act(&mut self, what: &str, act: api::ActRequest, wanted: Wanted) {
        let before = self.next();
        let status = self.ro.act(act).await.expect_err(what);
        expect(what, &Failure::from(status), wanted);
        self.unchanged(what, before).await;
    }

    async fn refuses_request(&mut self, what: &str, sent: api::SendRequestRequest, wanted: Wanted) {
        let before = self.next();
        let status = self.nl.send_request(sent).await.expect_err(what);
        expect(what, &Failure::from(status), wanted);
        self.unchanged(what, before).await;
    }

    /// An act on the request that waits, with the form of an acknowledgement.
    fn act(&self, act: api::act_request::Act) -> api::ActRequest {
        let filled =
            form::AcknowledgementForm { answer_form: "by e-mail".to_owned(), ..Default::default() };
        api::ActRequest {
            officer: "duty".to_owned(),
            request_id: self.request.clone(),
            act: Some(act),
            body: Some(form::Body { form: Some(form::body::Form::Acknowledgement(filled)) }),
            ..Default::default()
        }
    }

    fn acknowledge(&self) -> api::ActRequest {
        let estimated_at_ms = net::now().plus_ms(8 * HOUR_MS).0;
        let act = api::act_request::Act::Acknowledge("YES".to_owned());
        api::ActRequest { estimated_at_ms, ..self.act(act) }
    }

    async fn stop(self) {
        for agent in self.agents {
            agent.stop().await.unwrap();
        }
        self.relay.stop().await.unwrap();
    }
}

/// Code, reason, fields, cause and next action are there, and nobody is told to try again.
fn expect(what: &str, refused: &Failure, (code, rule, reason, fields): Wanted) {
    let got = (refused.code, refused.rule_code.as_str(), refused.reason.as_str());
    assert_eq!(got, (code, rule, reason), "{what}: {refused:?}");
    let named: Vec<&str> = refused.fields.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(named, fields, "{what}: {refused:?}");
    let said = !refused.cause.is_empty() && !refused.next.is_empty();
    assert!(said && !refused.retry, "{what}: {refused:?}");
}

fn question() -> api::SendRequestRequest {
    api::SendRequestRequest {
        officer: "duty".to_owned(),
        to: "RO/cyber".to_owned(),
        r#type: "LEGAL_INFORMATION".to_owned(),
        instrument: "G7_2417".to_owned(),
        body: Some(question_form()),
        ..Default::default()
    }
}

fn with(change: impl FnOnce(&mut api::SendRequestRequest)) -> api::SendRequestRequest {
    let mut asked = question();
    change(&mut asked);
    asked
}

const fn malformed(fields: &'static [&'static str]) -> Wanted {
    (Code::InvalidArgument, "E-101", "MALFORMED_FIELD", fields)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_officers_act_that_is_wrong_stays_at_the_desk() {
    use api::act_request::Act;
    let mut lab = Lab::new().await;

    let no_estimate = lab.act(Act::Acknowledge("YES".to_owned()));
    lab.refuses_act("no estimate", no_estimate, malformed(&["estimated_at_ms"])).await;
    let passed = api::ActRequest { estimated_at_ms: 1, ..lab.acknowledge() };
    let not_ahead = (Code::InvalidArgument, "R-215", "NOT_AHEAD", &[][..]);
    lab.refuses_act("an estimate that has passed", passed, not_ahead).await;
    let maybe =
        api::ActRequest { act: Some(Act::Acknowledge("MAYBE".to_owned())), ..lab.acknowledge() };
    lab.refuses_act("no known answer", maybe, malformed(&["acknowledge"])).await;
    let ghost = api::ActRequest { officer: "ghost".to_owned(), ..lab.acknowledge() };
    let nobody = (Code::NotFound, "D-103", "UNKNOWN_OFFICER", &[][..]);
    lab.refuses_act("an officer whom nobody knows", ghost, nobody).await;
    let unknown = api::ActRequest { request_id: vec![7; 16], ..lab.acknowledge() };
    let nothing = (Code::NotFound, "D-102", "UNKNOWN_REQUEST", &[][..]);
    lab.refuses_act("a request that nobody knows", unknown, nothing).await;
    let short = api::ActRequest { request_id: vec![7; 15], ..lab.acknowledge() };
    lab.refuses_act("half a request id", short, malformed(&["request_id"])).await;
    let silent = api::ActRequest { act: None, ..lab.acknowledge() };
    lab.refuses_act("no act", silent, malformed(&["act"])).await;
    let bare = api::ActRequest { body: None, ..lab.acknowledge() };
    lab.refuses_act("no form", bare, malformed(&["body"])).await;
    let empty = form::body::Form::Acknowledgement(form::AcknowledgementForm::default());
    let empty = form::Body { form: Some(empty) };
    let empty = api::ActRequest { body: Some(empty), ..lab.acknowledge() };
    let field = malformed(&["answer_form"]);
    lab.refuses_act("a form that says nothing", empty, field).await;

    let filled = form::body::Form::Determination(form::DeterminationForm::default());
    let early = api::ActRequest {
        body: Some(form::Body { form: Some(filled) }),
        ..lab.act(Act::Determine("ACCEPTED".to_owned()))
    };
    let not_yet = (Code::FailedPrecondition, "R-301", "NOT_ACKNOWLEDGED", &[][..]);
    lab.refuses_act("determined before it is acknowledged", early, not_yet).await;
    let reason = form::body::Form::Reason(form::ReasonForm::default());
    let withdrawn = api::ActRequest {
        body: Some(form::Body { form: Some(reason) }),
        ..lab.act(Act::Withdraw(true))
    };
    let other_side = (Code::PermissionDenied, "R-117", "WRONG_PARTY", &[][..]);
    lab.refuses_act("withdrawn by the asked side", withdrawn, other_side).await;

    // The right one is still taken, once.
    let right = lab.acknowledge();
    let outcome = lab.ro.act(right).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(outcome.state(), api::StatementState::Recorded, "{outcome:?}");
    lab.settle().await;
    let twice = lab.acknowledge();
    let again = (Code::FailedPrecondition, "R-302", "ALREADY_ACKNOWLEDGED", &[][..]);
    lab.refuses_act("acknowledged twice", twice, again).await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_officers_request_that_is_wrong_stays_at_the_desk() {
    let mut lab = Lab::new().await;
    let ghost = with(|asked| "ghost".clone_into(&mut asked.officer));
    let nobody = (Code::NotFound, "D-103", "UNKNOWN_OFFICER", &[][..]);
    lab.refuses_request("an officer whom nobody knows", ghost, nobody).await;
    let nowhere = with(|asked| "XX/cyber".clone_into(&mut asked.to));
    let unknown = (Code::NotFound, "R-106", "UNKNOWN_RECIPIENT", &[][..]);
    lab.refuses_request("unknown recipient", nowhere, unknown).await;
    let lower = with(|asked| "ro".clone_into(&mut asked.to));
    lab.refuses_request("no desk", lower, malformed(&["to"])).await;
    let un = with(|asked| "UN_CYBERCRIME".clone_into(&mut asked.instrument));
    let not_common = (Code::InvalidArgument, "R-201", "NO_COMMON_INSTRUMENT", &[][..]);
    lab.refuses_request("no instrument in common", un, not_common).await;
    let sap = with(|asked| "SAP_CETS224".clone_into(&mut asked.instrument));
    let no_basis = (Code::InvalidArgument, "R-202", "INSTRUMENT_NOT_FOR_TYPE", &[][..]);
    lab.refuses_request("no basis for the type", sap, no_basis).await;
    let choice = with(|asked| asked.instrument.clear());
    lab.refuses_request("several to choose from", choice, malformed(&["instrument"])).await;
    let urgent = with(|asked| {
        asked.test = true;
        "EMERGENCY".clone_into(&mut asked.urgency);
        let Some(form::body::Form::Information(filled)) =
            asked.body.as_mut().and_then(|body| body.form.as_mut())
        else {
            panic!("another form")
        };
        filled.urgency_grounds = filled.question.clone();
    });
    let never = (Code::InvalidArgument, "R-203", "TEST_NEVER_EMERGENCY", &[][..]);
    lab.refuses_request("a test that is an emergency", urgent, never).await;
    let id = lab.request.clone();
    let reused = with(|asked| {
        asked.message_id.clone_from(&id);
        asked.exercise = true;
    });
    let taken = (Code::AlreadyExists, "D-101", "MESSAGE_ID_REUSED", &[][..]);
    lab.refuses_request("the message id of something else", reused, taken).await;

    let sent = lab.nl.send_request(question()).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(sent.state(), api::StatementState::Recorded, "{sent:?}");
    assert_ne!(sent.request_id, lab.request);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_that_is_missing_is_named() {
    let mut lab = Lab::new().await;
    let empty = with(|asked| {
        let form = form::body::Form::Information(form::InformationForm::default());
        asked.body = Some(form::Body { form: Some(form) });
    });
    let fields = &["authority", "subject", "question"];
    lab.refuses_request("a form that says nothing", empty, malformed(fields)).await;
    let preservation = with(|asked| {
        "PRESERVATION".clone_into(&mut asked.r#type);
        let form = form::body::Form::Preservation(form::PreservationForm::default());
        asked.body = Some(form::Body { form: Some(form) });
    });
    lab.refuses_request("nothing of Art. 29(2)", preservation, malformed(ARTICLE_29_2)).await;
    for (what, fields, asked) in [
        (
            "page_size",
            &["page_size"][..],
            api::ListCasesRequest { page_size: -1, ..Default::default() },
        ),
        (
            "page_token",
            &["page_token"][..],
            api::ListCasesRequest { page_token: "x".into(), ..Default::default() },
        ),
        (
            "direction",
            &["direction"][..],
            api::ListCasesRequest { direction: "up".into(), ..Default::default() },
        ),
    ] {
        let refused = Failure::from(lab.nl.list_cases(asked).await.expect_err(what));
        expect(what, &refused, malformed(fields));
    }

    // A date that the desk would reckon from, on a preservation that waits.
    let asked = with(|asked| {
        "PRESERVATION".clone_into(&mut asked.r#type);
        let form = form::body::Form::Preservation(preservation_form());
        asked.body = Some(form::Body { form: Some(form) });
    });
    let sent = lab.nl.send_request(asked).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(sent.state(), api::StatementState::Recorded, "{sent:?}");
    lab.request = sent.request_id;
    lab.settle().await;
    let filled =
        form::ExecutionForm { effective_from: "yesterday".to_owned(), ..Default::default() };
    let executed = api::ActRequest {
        body: Some(form::Body { form: Some(form::body::Form::Execution(filled)) }),
        ..lab.act(api::act_request::Act::Execute("EXECUTED".to_owned()))
    };
    lab.refuses_act("no date", executed, malformed(&["effective_from"])).await;
    lab.stop().await;
}

/// What Art. 29(2) asks for, and no more.
fn preservation_form() -> form::PreservationForm {
    let text = |text: &str| Some(form::Text { text: text.to_owned(), language: "en".to_owned() });
    let Some(form::body::Form::Information(asked)) = question_form().form else {
        panic!("another form")
    };
    form::PreservationForm {
        authority: asked.authority,
        offence: "illegal access, Art. 2".to_owned(),
        facts: text("A hospital was locked."),
        data: vec![form::DataSought {
            description: "log-in records".to_owned(),
            categories: vec!["TRAFFIC".to_owned()],
            ..Default::default()
        }],
        relationship: text("The address was used to enter."),
        custodian: "Example Hosting".to_owned(),
        necessity: text("Records are kept for seven days."),
        mla_intended: true,
        ..Default::default()
    }
}
