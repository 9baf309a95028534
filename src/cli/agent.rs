//! The officer's side of the agent's counter: connect, call, read what went wrong.
//!
//! Not for what is asked (see `desk/`). Every call has a limit of time; a call that may have had
//! an effect carries an idempotency key, so that it can be repeated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;

use self::api::agent_service_client::AgentServiceClient;
use self::api::make_evidence_response::Part;
use super::failure::{Exit, Failure};
use crate::envelope::entry::Signed;
pub(super) use crate::grpc::counter::api;
use crate::grpc::counter::{Listing, Query, Version};
use crate::units::{CaseId, DeskId, Hash, MemberId, RequestId};

/// The fewest hexadecimal digits that name a request: one in 65,536 clashes with another by
/// chance, and then the command says so.
const PREFIX_DIGITS_MIN: usize = 4;

/// The most requests a page has.
const PAGE: i32 = 500;

/// A connection to the agent.
pub(super) struct Agent {
    client: AgentServiceClient<Channel>,
    within: Duration,
}

impl Agent {
    /// Calls at the agent's socket; each call may take `within`.
    pub(super) async fn connect(socket: &Path, within: Duration) -> Result<Self, Failure> {
        let path: PathBuf = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The name is never resolved: the connector goes to the socket.
        let endpoint = Endpoint::from_static("http://agent.invalid").connect_timeout(within);
        let channel = endpoint.connect_with_connector(connector).await.map_err(|error| {
            let why = format!("{}: {}", socket.display(), innermost(&error));
            let next = "start the agent (detente desk --config desk.toml), or name its socket with \
                        --socket or DETENTE_SOCKET";
            Failure::new(Exit::Failure, "C-301", "the agent cannot be reached", why, next)
        })?;
        Ok(Self { client: AgentServiceClient::new(channel), within })
    }

    /// Sends a new request.
    pub(super) async fn send(
        &mut self,
        request: api::SendRequestRequest,
    ) -> Result<api::StatementOutcome, Failure> {
        let request = self.request(request);
        let answer = limited(self.within, Box::pin(self.client.send_request(request))).await;
        let outcome = answer.map_err(|failure| failure.of("the request was not sent"))?.outcome;
        outcome.ok_or_else(no_outcome)
    }

    /// Acts on a request.
    pub(super) async fn act(
        &mut self,
        request: api::ActRequest,
    ) -> Result<api::StatementOutcome, Failure> {
        let request = self.request(request);
        let answer = limited(self.within, Box::pin(self.client.act(request))).await;
        let outcome = answer.map_err(|failure| failure.of("the statement was not made"))?.outcome;
        outcome.ok_or_else(no_outcome)
    }

    /// What waits for a second officer.
    pub(super) async fn approvals(&mut self) -> Result<Vec<api::Approval>, Failure> {
        let request = self.request(api::ListApprovalsRequest {});
        Ok(limited(self.within, self.client.list_approvals(request)).await?.approvals)
    }

    /// One of these, with its form.
    pub(super) async fn approval(
        &mut self,
        officer: String,
        message_id: Vec<u8>,
    ) -> Result<api::Approval, Failure> {
        let request = self.request(api::GetApprovalRequest { officer, message_id });
        let answer = limited(self.within, self.client.get_approval(request)).await?;
        answer.approval.ok_or_else(no_outcome)
    }

    /// Approves it.
    pub(super) async fn approve(
        &mut self,
        officer: String,
        message_id: Vec<u8>,
    ) -> Result<api::StatementOutcome, Failure> {
        let request = self.request(api::ApproveRequest { officer, message_id });
        let answer = limited(self.within, Box::pin(self.client.approve(request))).await;
        let answer = answer.map_err(|failure| failure.of("the statement was not approved"))?;
        answer.outcome.ok_or_else(no_outcome)
    }

    /// Declines it.
    pub(super) async fn decline(
        &mut self,
        officer: String,
        message_id: Vec<u8>,
        reason: String,
    ) -> Result<(), Failure> {
        let request = self.request(api::DeclineRequest { officer, message_id, reason });
        let answer = limited(self.within, self.client.decline(request)).await;
        answer.map(drop).map_err(|failure| failure.of("the statement was not declined"))
    }

    /// One request with its history.
    pub(super) async fn case(
        &mut self,
        officer: String,
        id: RequestId,
        peek: bool,
    ) -> Result<api::Case, Failure> {
        let request = api::GetCaseRequest { officer, request_id: id.0.to_vec(), peek };
        let request = self.request(request);
        let answer = limited(self.within, self.client.get_case(request)).await?;
        answer.case.ok_or_else(|| {
            let next = "the agent is of another version; use the command line that came with it";
            Failure::new(Exit::Failure, "C-303", "the agent answered nothing", "no case", next)
        })
    }

    /// Up to `count` requests, newest first.
    pub(super) async fn cases(
        &mut self,
        direction: &str,
        open_only: bool,
        count: usize,
    ) -> Result<Vec<api::Case>, Failure> {
        self.pages(direction, open_only, None, count).await
    }

    /// Every request of a case, newest first.
    pub(super) async fn cases_of(&mut self, case: CaseId) -> Result<Vec<api::Case>, Failure> {
        self.pages("", false, Some(case), usize::MAX).await
    }

    async fn pages(
        &mut self,
        direction: &str,
        open_only: bool,
        of: Option<CaseId>,
        count: usize,
    ) -> Result<Vec<api::Case>, Failure> {
        let mut cases = Vec::new();
        let mut page_token = String::new();
        while cases.len() < count {
            let request = self.request(api::ListCasesRequest {
                page_size: PAGE.min(i32::try_from(count - cases.len()).unwrap_or(PAGE)),
                page_token,
                direction: direction.to_owned(),
                open_only,
                case_id: of.map(|case| case.0.to_vec()).unwrap_or_default(),
            });
            let page = limited(self.within, self.client.list_cases(request)).await?;
            cases.extend(page.cases);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        cases.truncate(count);
        Ok(cases)
    }

    /// What happens to this desk's requests, from update number `from`, without end.
    pub(super) async fn watch(
        &mut self,
        from: u64,
    ) -> Result<Streaming<api::WatchCasesResponse>, Failure> {
        // Without a limit: it is meant to stay.
        let request = Request::new(api::WatchCasesRequest { from_update: from });
        limited(self.within, self.client.watch_cases(request)).await
    }

    /// The desks of the network, or of one member.
    pub(super) async fn contacts(&mut self, member: &str) -> Result<Vec<api::Contact>, Failure> {
        let request = self.request(api::ListContactsRequest { member: member.to_owned() });
        Ok(limited(self.within, self.client.list_contacts(request)).await?.contacts)
    }

    /// How the agent stands.
    pub(super) async fn status(&mut self) -> Result<api::GetAgentStatusResponse, Failure> {
        let request = self.request(api::GetAgentStatusRequest {});
        limited(self.within, self.client.get_agent_status(request)).await
    }

    /// Says that an alarm has been dealt with.
    pub(super) async fn settle(&mut self, settle: api::SettleAlarmRequest) -> Result<(), Failure> {
        let request = self.request(settle);
        let answer = limited(self.within, self.client.settle_alarm(request)).await;
        answer.map(drop).map_err(|failure| failure.of("the alarm was not settled"))
    }

    /// A page of response times.
    pub(super) async fn response_times(
        &mut self,
        ask: api::GetResponseTimesRequest,
    ) -> Result<api::GetResponseTimesResponse, Failure> {
        let request = self.request(api::AgentServiceGetResponseTimesRequest { ask: Some(ask) });
        let answer = limited(self.within, self.client.get_response_times(request)).await?.answer;
        answer.ok_or_else(no_outcome)
    }

    /// A page of overdue requests.
    pub(super) async fn overdue(
        &mut self,
        ask: api::ListOverdueRequest,
    ) -> Result<api::ListOverdueResponse, Failure> {
        let request = self.request(api::AgentServiceListOverdueRequest { ask: Some(ask) });
        let answer = limited(self.within, self.client.list_overdue(request)).await?.answer;
        answer.ok_or_else(no_outcome)
    }

    /// The proofs of a request's records, and how many are missing.
    pub(super) async fn proofs(
        &mut self,
        request: RequestId,
    ) -> Result<api::ListProofsResponse, Failure> {
        let request = self.request(api::ListProofsRequest { request_id: request.0.to_vec() });
        limited(self.within, self.client.list_proofs(request)).await
    }

    /// Whether what a proof shows has come here.
    pub(super) async fn show_proof(
        &mut self,
        tlog_proof: String,
    ) -> Result<api::ShowProofResponse, Failure> {
        let request = self.request(api::ShowProofRequest { tlog_proof });
        let shown = limited(self.within, self.client.show_proof(request)).await;
        shown.map_err(|failure| failure.of("nothing was compared"))
    }

    /// A bundle of evidence: what there is to say of it, and the file.
    pub(super) async fn evidence(
        &mut self,
        request: api::MakeEvidenceRequest,
    ) -> Result<(api::EvidenceSummary, Vec<u8>), Failure> {
        let request = self.request(request);
        let making = async {
            let mut stream = self.client.make_evidence(request).await?.into_inner();
            let (mut summary, mut bytes) = (None, Vec::new());
            while let Some(api::MakeEvidenceResponse { part }) = stream.message().await? {
                match part {
                    Some(Part::Summary(first)) => summary = Some(first),
                    Some(Part::Chunk(chunk)) => bytes.extend(chunk),
                    None => {}
                }
            }
            Ok(Response::new((summary, bytes)))
        };
        let made = limited(self.within, Box::pin(making)).await;
        let (summary, bytes) = made.map_err(|failure| failure.of("no evidence was made"))?;
        let whole = |summary: &api::EvidenceSummary| {
            summary.bytes == bytes.len() as u64 && summary.sha256 == Hash::of(&[&bytes]).0
        };
        let summary = summary.filter(|summary| whole(summary)).ok_or_else(no_outcome)?;
        Ok((summary, bytes))
    }

    /// The member whose desk this is.
    pub(super) async fn own_member(&mut self) -> Result<MemberId, Failure> {
        let desk: Result<DeskId, _> = self.status().await?.desk.parse();
        desk.map(|desk| desk.member).map_err(|_| no_outcome())
    }

    /// A version of a member's entry.
    pub(super) async fn entry(
        &mut self,
        request: api::GetEntryRequest,
    ) -> Result<api::GetEntryResponse, Failure> {
        let request = self.request(request);
        limited(self.within, self.client.get_entry(request)).await
    }

    /// Every version of a member's entry, the oldest first.
    pub(super) async fn entry_versions(&mut self, member: &str) -> Result<Vec<Version>, Failure> {
        let (mut versions, mut page_token) = (Vec::new(), String::new());
        loop {
            let member = member.to_owned();
            let page = api::ListEntryVersionsRequest { member, page_size: PAGE, page_token };
            let request = self.request(page);
            let page = limited(self.within, self.client.list_entry_versions(request)).await?;
            versions.extend(page.versions);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(versions);
            }
        }
    }

    /// Every desk that is looked for.
    pub(super) async fn search(&mut self, query: Query) -> Result<Vec<Listing>, Failure> {
        let (mut desks, mut page_token) = (Vec::new(), String::new());
        loop {
            let search = Some(Query { page_size: PAGE, page_token, ..query.clone() });
            let request = self.request(api::SearchDesksRequest { search });
            let page = limited(self.within, self.client.search_desks(request)).await?;
            desks.extend(page.desks);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(desks);
            }
        }
    }

    /// Whom to call.
    pub(super) async fn call_advice(
        &mut self,
        request: api::GetCallAdviceRequest,
    ) -> Result<Vec<api::CallAdvice>, Failure> {
        let request = self.request(request);
        Ok(limited(self.within, self.client.get_call_advice(request)).await?.advice)
    }

    /// Publishes an entry.
    pub(super) async fn publish(
        &mut self,
        signed: Signed,
    ) -> Result<api::PublishEntryResponse, Failure> {
        let request = self.request(api::PublishEntryRequest { envelope: Some(signed.to_wire()) });
        let answer = limited(self.within, self.client.publish_entry(request)).await;
        answer.map_err(|failure| failure.of("the entry was not published"))
    }

    /// The request that `text` names: a whole id, or at least four digits that begin just one.
    pub(super) async fn resolve(&mut self, text: &str) -> Result<RequestId, Failure> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let digits = parse_prefix(text)
            .map_err(|why| Failure::value("ID", why, "detente desk inbox lists the ids"))?;
        let cases = self.cases("", false, usize::MAX).await?;
        pick(&digits, cases.iter().filter_map(|case| RequestId::from_slice(&case.request_id).ok()))
    }

    /// The case that `text` names: its id or that of one of its requests, whole or abbreviated.
    pub(super) async fn resolve_case(&mut self, text: &str) -> Result<CaseId, Failure> {
        let digits = parse_prefix(text)
            .map_err(|why| Failure::value("ID", why, "detente desk inbox lists the ids"))?;
        let begins = |id: &[u8]| data_encoding::HEXLOWER.encode(id).starts_with(&digits);
        let cases = self.cases("", false, usize::MAX).await?;
        let found: BTreeSet<CaseId> = cases
            .iter()
            .filter(|case| begins(&case.case_id) || begins(&case.request_id))
            .filter_map(|case| CaseId::from_slice(&case.case_id).ok())
            .collect();
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Failure::new(
                Exit::Usage,
                "C-202",
                "no such case",
                format!("neither a case nor a request of this desk begins with {digits}"),
                "detente desk inbox lists the ids",
            )),
            (Some(one), Some(other)) => Err(Failure::new(
                Exit::Usage,
                "C-203",
                "the id is ambiguous",
                format!("{digits} begins cases {one} and {other}, or requests in both"),
                "give more digits",
            )),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.within);
        request
    }
}

/// The digits of an abbreviated id: lower-case hexadecimal, hyphens left out.
pub(super) fn parse_prefix(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect::<String>().to_lowercase();
    let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && (PREFIX_DIGITS_MIN..=32).contains(&digits.len()) {
        Ok(digits)
    } else {
        Err(format!("{text:?} is neither an id nor the first 4 or more of its digits"))
    }
}

fn pick(digits: &str, ids: impl Iterator<Item = RequestId>) -> Result<RequestId, Failure> {
    let plain = |id: &RequestId| data_encoding::HEXLOWER.encode(&id.0);
    let found: Vec<RequestId> = ids.filter(|id| plain(id).starts_with(digits)).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(
            Exit::Usage,
            "C-202",
            "no such request",
            format!("no request of this desk begins with {digits}"),
            "detente desk inbox lists the ids",
        )),
        several => {
            let list: Vec<String> = several.iter().take(5).map(RequestId::to_string).collect();
            Err(Failure::new(
                Exit::Usage,
                "C-203",
                "the id is ambiguous",
                format!("{} requests begin with {digits}: {}", several.len(), list.join(", ")),
                "give more digits",
            ))
        }
    }
}

async fn limited<T>(
    within: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(within, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(failure_of(&status)),
        Err(_) => Err(no_answer()),
    }
}

fn no_answer() -> Failure {
    let next = "see with detente desk status whether the agent works; --timeout allows longer";
    let why = "the time allowed with --timeout is over";
    Failure::new(Exit::Failure, "C-302", "no answer from the agent", why, next)
}

fn no_outcome() -> Failure {
    let next = "the agent is of another version; use the command line that came with it";
    Failure::new(Exit::Failure, "C-303", "the agent answered nothing", "no outcome", next)
}

/// What an error status says, in the order of what is most worth knowing.
pub(super) fn failure_of(status: &Status) -> Failure {
    let info = status.get_details_error_info();
    if info.is_none() && status.code() == Code::DeadlineExceeded {
        return no_answer();
    }
    let meta = |key: &str| info.as_ref().and_then(|info| info.metadata.get(key)).cloned();
    let code = meta("code").unwrap_or_else(|| "C-303".to_owned());
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations);
    Failure {
        exit: exit_of(status.code(), &code),
        reason: info.as_ref().map(|info| info.reason.clone()).unwrap_or_default().into(),
        what: "the agent refused".into(),
        fields: violations
            .unwrap_or_default()
            .into_iter()
            .map(|v| (v.field, v.description))
            .collect(),
        why: match status.message() {
            "" => status.code().description().to_owned(),
            message => message.to_owned(),
        },
        next: meta("next").unwrap_or_default().into(),
        code: code.into(),
    }
}

fn exit_of(grpc: Code, code: &str) -> Exit {
    if code.starts_with("R-") {
        return Exit::Refused;
    }
    match grpc {
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange => Exit::Usage,
        Code::PermissionDenied | Code::FailedPrecondition | Code::Unauthenticated => Exit::Refused,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Exit::Failure,
    }
}

/// The last cause in a chain of errors: the one that says something.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn an_abbreviation_names_just_one_request() {
        let ids = [
            RequestId([0xab; 16]),
            RequestId([0xab, 0xac, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ];
        assert_eq!(pick("abab", ids.into_iter()).unwrap(), ids[0]);
        assert_eq!(pick(&parse_prefix("ABAC0000-0000").unwrap(), ids.into_iter()).unwrap(), ids[1]);
        assert_eq!(pick("ffff", ids.into_iter()).unwrap_err().code.as_ref(), "C-202");
        assert_eq!(pick("ab", ids.into_iter()).unwrap_err().code.as_ref(), "C-203");
        for bad in ["aba", "", "abag", "ab a", "--------"] {
            assert!(parse_prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_becomes_what_where_why_next_and_an_exit_code() {
        let metadata = [
            ("code".to_owned(), "R-104".to_owned()),
            ("next".to_owned(), "choose another".to_owned()),
        ];
        let mut details =
            ErrorDetails::with_error_info("NO_COMMON_INSTRUMENT", "detente", metadata);
        details.add_bad_request_violation("instrument", "BUDAPEST");
        let status = Status::with_error_details(Code::FailedPrecondition, "none shared", details);
        let failure = failure_of(&status);
        assert_eq!((failure.exit, &*failure.code), (Exit::Refused, "R-104"));
        assert_eq!(failure.fields, [("instrument".to_owned(), "BUDAPEST".to_owned())]);
        assert_eq!((failure.why.as_str(), &*failure.next), ("none shared", "choose another"));
        let bare = failure_of(&Status::unavailable(""));
        assert_eq!((bare.exit, &*bare.code), (Exit::Failure, "C-303"));
        assert!(!bare.why.is_empty());
        assert_eq!(failure_of(&Status::deadline_exceeded("")).code.as_ref(), "C-302");
        assert_eq!(failure_of(&Status::invalid_argument("x")).exit, Exit::Usage);
    }

    #[test]
    fn an_agent_that_is_not_there_is_said_so() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let socket = Path::new("/nowhere/agent.sock");
        let refused =
            runtime.block_on(Agent::connect(socket, Duration::from_secs(1))).err().unwrap();
        assert_eq!(refused.code.as_ref(), "C-301");
        assert!(refused.why.starts_with("/nowhere/agent.sock: "), "{}", refused.why);
        assert!(refused.why.contains("No such file"), "{}", refused.why);
    }
}
