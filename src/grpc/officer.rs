//! An officer at a desk's counter, as a case system or a test speaks for one: says, looks, waits.
//!
//! Not for arguments or printing (see `cli/desk`), and not for the relay: only the desk's own agent
//! is called, over its socket. A statement that was refused, by the desk or by the relay, is a
//! [`Failure`] with its code; one that still waits for the relay is not.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Request, Status};

use super::Failure;
use super::counter::{self, Counter, api, form};
use crate::envelope::Act;
use crate::envelope::entry::{Entry, Restricted, Signed};
use crate::envelope::words::{Extent, Outcome, Urgency, WillAnswer};
use crate::units::{CaseId, Index, MemberId, MessageId, RequestId, Timestamp};

/// Requests on a page.
const PAGE: i32 = 500;

/// An officer. A clone is the same one, on the same connection.
#[derive(Clone)]
pub struct Officer {
    counter: Counter,
    name: String,
    within: Duration,
}

/// A statement that was said: it is on the desk's own disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The statement.
    pub message: MessageId,
    /// The request that it makes, or belongs to.
    pub request: RequestId,
    /// The case.
    pub case: CaseId,
    /// Its record at the relay and record time; none while the relay has not confirmed it.
    pub recorded: Option<(Index, Timestamp)>,
    /// True while a second officer has to approve it: nothing was sent.
    pub waits: bool,
}

impl Officer {
    /// The officer `name` at this counter. A statement waits up to `within` for the relay, and
    /// every other call for its answer.
    pub fn new(counter: Counter, name: &str, within: Duration) -> Self {
        Self { counter, name: name.to_owned(), within }
    }

    /// As whom he signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Another officer at the same counter.
    #[must_use]
    pub fn colleague(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// Sends a new request; the officer is filled in.
    ///
    /// # Errors
    /// [`Failure`]: the form, the rules, the desk or the relay has something against it.
    pub async fn send(&self, request: api::SendRequestRequest) -> Result<Said, Failure> {
        let request = api::SendRequestRequest { officer: self.name.clone(), ..request };
        let answer = self.counter.clone().send_request(self.timed(request)).await?;
        said(answer.into_inner().outcome).map_err(|failure| *failure)
    }

    /// Acts on a request; the officer is filled in.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn act(&self, act: api::ActRequest) -> Result<Said, Failure> {
        let act = api::ActRequest { officer: self.name.clone(), ..act };
        let answer = self.counter.clone().act(self.timed(act)).await?;
        said(answer.into_inner().outcome).map_err(|failure| *failure)
    }

    /// Does `act` on a request, with this form. `Act::Execute` without a date on a preservation
    /// gets the earliest lawful one.
    ///
    /// # Errors
    /// As [`Self::send`]; `INVALID_ARGUMENT` for an act that is not an officer's.
    pub async fn say(
        &self,
        request: RequestId,
        act: Act,
        form: form::body::Form,
    ) -> Result<Said, Failure> {
        match act_request(request, &act, form::Body { form: Some(form) }) {
            Some(asked) => self.act(asked).await,
            None => Err(Status::invalid_argument(format!("{} is not said", act.name())).into()),
        }
    }

    /// Acknowledges: will it be answered, in what form, by when.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn acknowledge(
        &self,
        request: RequestId,
        will_answer: WillAnswer,
        answer_form: &str,
        estimated_at: Timestamp,
    ) -> Result<Said, Failure> {
        let form = form::AcknowledgementForm {
            answer_form: answer_form.to_owned(),
            ..form::AcknowledgementForm::default()
        };
        let act = Act::Acknowledge { will_answer, estimated_at };
        self.say(request, act, form::body::Form::Acknowledgement(form)).await
    }

    /// Decides that it is accepted, or anything else for which `form` says enough.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn determine(
        &self,
        request: RequestId,
        outcome: Outcome,
        form: form::DeterminationForm,
    ) -> Result<Said, Failure> {
        let act = Act::Determine { outcome, review_at: None };
        self.say(request, act, form::body::Form::Determination(form)).await
    }

    /// Says that it was carried out, how far, and what came of it. Of a preservation the desk
    /// computes the earliest lawful end.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn execute(
        &self,
        request: RequestId,
        extent: Extent,
        form: form::ExecutionForm,
    ) -> Result<Said, Failure> {
        let act = Act::Execute { extent, preserved_until: None, mla_demanded: false };
        self.say(request, act, form::body::Form::Execution(form)).await
    }

    /// What waits for a second officer at this desk, the oldest first, without forms.
    ///
    /// # Errors
    /// [`Failure`]: the agent does not answer.
    pub async fn waiting(&self) -> Result<Vec<api::Approval>, Failure> {
        let request = self.timed(api::ListApprovalsRequest {});
        Ok(self.counter.clone().list_approvals(request).await?.into_inner().approvals)
    }

    /// Approves, as the second officer, what another one has prepared: it is signed by both and
    /// sent.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn approve(&self, message: MessageId) -> Result<Said, Failure> {
        let (officer, message_id) = (self.name.clone(), message.0.to_vec());
        let request = self.timed(api::ApproveRequest { officer, message_id });
        let answer = self.counter.clone().approve(request).await?;
        said(answer.into_inner().outcome).map_err(|failure| *failure)
    }

    /// Declines it, or takes back what he has prepared himself: it is never sent.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn decline(&self, message: MessageId, reason: &str) -> Result<(), Failure> {
        let (officer, message_id) = (self.name.clone(), message.0.to_vec());
        let reason = reason.to_owned();
        let request = self.timed(api::DeclineRequest { officer, message_id, reason });
        self.counter.clone().decline(request).await?;
        Ok(())
    }

    /// Closes it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn close(&self, request: RequestId) -> Result<Said, Failure> {
        self.say(request, Act::Close, form::body::Form::Reason(form::ReasonForm::default())).await
    }

    /// The desks of the network, as this desk knows them.
    ///
    /// # Errors
    /// [`Failure`]: the agent does not answer.
    pub async fn contacts(&self) -> Result<Vec<api::Contact>, Failure> {
        let all = self.timed(api::ListContactsRequest::default());
        Ok(self.counter.clone().list_contacts(all).await?.into_inner().contacts)
    }

    /// Whom to call at a desk ("RO/cyber"), or at a member ("RO", its desks), for a request of this
    /// urgency: which channel applies now, what time it is there, and why. An officer is shown the
    /// same while he writes.
    ///
    /// # Errors
    /// [`Failure`]: this desk knows no such member or desk.
    pub async fn call_advice(
        &self,
        whom: &str,
        urgency: Option<Urgency>,
    ) -> Result<Vec<api::CallAdvice>, Failure> {
        let urgency = urgency.map(|urgency| urgency.to_string()).unwrap_or_default();
        let asked = api::GetCallAdviceRequest { desk: whom.to_owned(), urgency, at_ms: 0 };
        Ok(self.counter.clone().get_call_advice(self.timed(asked)).await?.into_inner().advice)
    }

    /// The newest entry of a member, as this desk knows it, and its restricted part.
    ///
    /// # Errors
    /// [`Failure`]: this desk knows no such member.
    pub async fn entry(&self, member: MemberId) -> Result<(Entry, Restricted), Failure> {
        let asked = api::GetEntryRequest { member: member.to_string(), ..Default::default() };
        let answer = self.counter.clone().get_entry(self.timed(asked)).await?.into_inner();
        let read = counter::read_entry(answer);
        let odd = |wrong| Failure::from(Status::internal(format!("the agent answered {wrong}")));
        read.map(|(_, entry, open)| (entry, open)).map_err(odd)
    }

    /// Publishes an entry of this desk's own nation, and answers its version.
    ///
    /// # Errors
    /// [`Failure`]: the rules or the relay have something against it.
    pub async fn publish(&self, signed: &Signed) -> Result<u64, Failure> {
        let asked = api::PublishEntryRequest { envelope: Some(signed.to_wire()) };
        Ok(self.counter.clone().publish_entry(self.timed(asked)).await?.into_inner().version)
    }

    /// The requests of this desk of which something is past its target now, exercises too, the
    /// longest overdue first.
    ///
    /// # Errors
    /// [`Failure`]: the relay does not answer.
    pub async fn overdue(&self) -> Result<Vec<api::OverdueRequest>, Failure> {
        let query = api::OverdueQuery { include_exercises: true, ..Default::default() };
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let (query, page_size) = (Some(query.clone()), PAGE);
            let ask = Some(api::ListOverdueRequest { query, page_size, page_token });
            let asked = self.timed(api::AgentServiceListOverdueRequest { ask });
            let answer = self.counter.clone().list_overdue(asked).await?.into_inner().answer;
            let answer = answer.ok_or_else(|| Status::internal("the agent answered nothing"))?;
            all.extend(answer.requests);
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// How the agent stands.
    ///
    /// # Errors
    /// As [`Self::contacts`].
    pub async fn status(&self) -> Result<api::GetAgentStatusResponse, Failure> {
        let request = self.timed(api::GetAgentStatusRequest {});
        Ok(self.counter.clone().get_agent_status(request).await?.into_inner())
    }

    /// A request with its history, its forms left sealed: nobody is told.
    ///
    /// # Errors
    /// [`Failure`]: this desk does not know it (`D-102`).
    pub async fn look(&self, request: RequestId) -> Result<api::Case, Failure> {
        self.case(request, true).await
    }

    /// A request with its history and its forms in the clear: the other side is told that an
    /// officer has seen them.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn read(&self, request: RequestId) -> Result<api::Case, Failure> {
        self.case(request, false).await
    }

    /// The proofs that the records about a request are in the relay's log, and how many are
    /// missing.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn proofs(&self, request: RequestId) -> Result<api::ListProofsResponse, Failure> {
        let request = self.timed(api::ListProofsRequest { request_id: request.0.to_vec() });
        Ok(self.counter.clone().list_proofs(request).await?.into_inner())
    }

    /// Whether what another desk's proof shows has come here. What never came is an alarm.
    ///
    /// # Errors
    /// [`Failure`]: it proves nothing, or the agent does not answer.
    pub async fn show_proof(&self, tlog_proof: &str) -> Result<api::ShowProofResponse, Failure> {
        let tlog_proof = tlog_proof.to_owned();
        let request = self.timed(api::ShowProofRequest { tlog_proof });
        Ok(self.counter.clone().show_proof(request).await?.into_inner())
    }

    /// The requests that this desk has received, newest first, without their history.
    ///
    /// # Errors
    /// [`Failure`]: the agent does not answer.
    pub async fn inbox(&self) -> Result<Vec<api::Case>, Failure> {
        self.list("in").await
    }

    /// The requests that this desk has sent, newest first, without their history.
    ///
    /// # Errors
    /// As [`Self::inbox`].
    pub async fn outbox(&self) -> Result<Vec<api::Case>, Failure> {
        self.list("out").await
    }

    /// Waits until this desk sees `request` as `wanted` says, and answers how it then stands.
    ///
    /// # Errors
    /// [`Failure`] with `DEADLINE_EXCEEDED` when that takes longer than the officer's patience.
    pub async fn wait_until(
        &self,
        request: RequestId,
        mut wanted: impl FnMut(&api::Case) -> bool,
    ) -> Result<api::Case, Failure> {
        let waiting = async {
            let watch = api::WatchCasesRequest { from_update: 0 };
            let mut updates = self.counter.clone().watch_cases(watch).await?.into_inner();
            loop {
                // Looked at once before waiting: what is wished for may be there already.
                match self.look(request).await {
                    Ok(case) if wanted(&case) => return Ok(case),
                    Ok(_) => {}
                    Err(unknown) if unknown.rule_code == "D-102" => {}
                    Err(failure) => return Err(failure),
                }
                loop {
                    let Some(update) = updates.message().await? else {
                        return Err(Failure::from(Status::unavailable("the agent is stopping")));
                    };
                    if update.case.is_some_and(|case| case.request_id == request.0) {
                        break;
                    }
                }
            }
        };
        match timeout(self.within, Box::pin(waiting)).await {
            Ok(waited) => waited,
            Err(_elapsed) => {
                let why = format!("request {request} is not as wished within {:?}", self.within);
                Err(Status::new(Code::DeadlineExceeded, why).into())
            }
        }
    }

    /// Waits until this desk sees the handling of `request` at this stage, as "ACKNOWLEDGED".
    ///
    /// # Errors
    /// As [`Self::wait_until`].
    pub async fn wait_for_stage(
        &self,
        request: RequestId,
        stage: &str,
    ) -> Result<api::Case, Failure> {
        self.wait_until(request, |case| case.handling == stage).await
    }

    async fn case(&self, request: RequestId, peek: bool) -> Result<api::Case, Failure> {
        let message = api::GetCaseRequest {
            officer: self.name.clone(),
            request_id: request.0.to_vec(),
            peek,
        };
        let answer = self.counter.clone().get_case(self.timed(message)).await?.into_inner();
        answer.case.ok_or_else(|| Status::internal("the agent answered without a case").into())
    }

    async fn list(&self, direction: &str) -> Result<Vec<api::Case>, Failure> {
        let mut cases = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = api::ListCasesRequest {
                page_size: PAGE,
                page_token,
                direction: direction.to_owned(),
                open_only: false,
                ..api::ListCasesRequest::default()
            };
            let page = self.counter.clone().list_cases(self.timed(request)).await?.into_inner();
            cases.extend(page.cases);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(cases);
            }
        }
    }

    fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.within);
        request
    }
}

/// What is called at the counter to do `act` on `request`; none for what only a machine says, and
/// for a request, which is sent.
pub fn act_request(request: RequestId, act: &Act, body: form::Body) -> Option<api::ActRequest> {
    use api::act_request::Act as Asked;
    let none = (0, 0, 0);
    let ms = |moment: &Option<Timestamp>| moment.map_or(0, |moment| moment.0);
    let (asked, (estimated_at_ms, review_at_ms, preserved_until_ms)) = match act {
        Act::Acknowledge { will_answer, estimated_at } => {
            (Asked::Acknowledge(will_answer.to_string()), (estimated_at.0, 0, 0))
        }
        Act::ReviseEstimate { estimated_at } => {
            (Asked::ReviseEstimate(true), (estimated_at.0, 0, 0))
        }
        Act::RequestClarification => (Asked::RequestClarification(true), none),
        Act::ProvideClarification => (Asked::ProvideClarification(true), none),
        Act::Determine { outcome, review_at } => {
            (Asked::Determine(outcome.to_string()), (0, ms(review_at), 0))
        }
        Act::Execute { extent, preserved_until, mla_demanded: _ } => {
            (Asked::Execute(extent.to_string()), (0, 0, ms(preserved_until)))
        }
        Act::RequestExtension => (Asked::RequestExtension(true), none),
        Act::Extend { preserved_until } => (Asked::Extend(true), (0, 0, preserved_until.0)),
        Act::Withdraw => (Asked::Withdraw(true), none),
        Act::Close => (Asked::Close(true), none),
        Act::Mla { step, carried_by: _ } => (Asked::Mla(step.to_string()), none),
        Act::Regrade { urgency } => (Asked::Regrade(urgency.to_string()), none),
        Act::AnswerConditions(answer) => (Asked::AnswerConditions(answer.to_string()), none),
        Act::ProvideInformation => (Asked::ProvideInformation(true), none),
        Act::DiscloseTraffic => (Asked::DiscloseTraffic(true), none),
        Act::Feedback => (Asked::Feedback(true), none),
        Act::RequestUseReport => (Asked::RequestUseReport(true), none),
        Act::ReportUse => (Asked::ReportUse(true), none),
        Act::ReportSecurityIncident => (Asked::ReportSecurityIncident(true), none),
        Act::Request(_) | Act::Receipt { .. } | Act::Retrieval { .. } => return None,
    };
    let mla_demanded = matches!(act, Act::Execute { mla_demanded: true, .. });
    let mla_request_id =
        if let Act::Mla { carried_by: Some(by), .. } = act { by.0.to_vec() } else { Vec::new() };
    Some(api::ActRequest {
        request_id: request.0.to_vec(),
        mla_demanded,
        mla_request_id,
        act: Some(asked),
        estimated_at_ms,
        review_at_ms,
        preserved_until_ms,
        body: Some(body),
        ..api::ActRequest::default()
    })
}

fn said(outcome: Option<api::StatementOutcome>) -> Result<Said, Box<Failure>> {
    let bad = |what: &str| {
        Box::new(Failure::from(Status::internal(format!("the agent answered {what}"))))
    };
    let outcome = outcome.ok_or_else(|| bad("without an outcome"))?;
    let recorded = match outcome.state() {
        api::StatementState::Recorded => Some((Index(outcome.index), Timestamp(outcome.time_ms))),
        api::StatementState::Queued | api::StatementState::Waiting => None,
        api::StatementState::Refused => {
            return Err(Box::new(refused(outcome.refused.unwrap_or_default())));
        }
        api::StatementState::Unspecified => return Err(bad("without a state")),
    };
    let waits = outcome.state() == api::StatementState::Waiting;
    let id = |error: crate::units::Unreadable| bad(&error.to_string());
    Ok(Said {
        waits,
        message: MessageId::from_slice(&outcome.message_id).map_err(id)?,
        request: RequestId::from_slice(&outcome.request_id).map_err(id)?,
        case: CaseId::from_slice(&outcome.case_id).map_err(id)?,
        recorded,
    })
}

/// What the relay said no to, as any other refusal.
fn refused(refused: api::Refused) -> Failure {
    let api::Refused { code, reason, cause, next } = refused;
    Failure {
        code: Code::FailedPrecondition,
        reason,
        rule_code: code,
        cause,
        next,
        fields: Vec::new(),
        retry: false,
        retry_after: None,
    }
}
