//! The officer's side of the agent's counter: connect, call, read what went wrong.
//!
//! Not for what is asked (see `desk/`). Every call has a limit of time; a call that may have had
//! an effect carries an idempotency key, so that it can be repeated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;

use self::api::agent_service_client::AgentServiceClient;
use super::failure::{Exit, Failure};
use crate::units::RequestId;
pub(super) use crate::grpc::counter::api;

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
        let mut cases = Vec::new();
        let mut page_token = String::new();
        while cases.len() < count {
            let request = self.request(api::ListCasesRequest {
                page_size: PAGE.min(i32::try_from(count - cases.len()).unwrap_or(PAGE)),
                page_token,
                direction: direction.to_owned(),
                open_only,
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

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.within);
        request
    }
}

/// The digits of an abbreviated id: lower-case hexadecimal, hyphens left out.
fn parse_prefix(text: &str) -> Result<String, String> {
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
