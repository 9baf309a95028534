//! What every call passes before and after its method: who calls, how many calls are open, how
//! long it may take, and whether the answer explains itself.
//!
//! Not for what a call means. The peer is checked again on every call, because an HTTP/2
//! connection outlives a revocation. An answer without details is one that tonic gave by itself;
//! it gets the reason and the code that a caller can rely on (a message that is not protobuf is
//! the caller's fault, not an internal error).

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::{Code, Status};
use tracing::Instrument as _;

use super::meter::{self, Meter};
use super::quota::{Quota, Share};
use super::trouble::{Answer, Trouble};
use crate::units::Caller;

type Request = http::Request<Body>;
type Response = http::Response<Body>;

/// Finds out who calls, from what the connection left in the extensions. `Ok(None)` on a listener
/// that knows no desks.
pub(super) type Admit =
    Arc<dyn Fn(&http::Extensions) -> Result<Option<Caller>, Answer> + Send + Sync>;

/// What all calls of one listener share.
pub(super) struct Guard {
    /// Who calls.
    pub(super) admit: Admit,
    /// Calls of all desks together.
    pub(super) calls: Arc<Semaphore>,
    /// Calls of each desk.
    pub(super) desks: Arc<Quota>,
    /// The longest that the first answer of a call may take.
    pub(super) call_within: Duration,
    /// What is counted.
    pub(super) meter: Meter,
}

/// The guard as a layer.
#[derive(Clone)]
pub(super) struct GuardLayer(pub(super) Arc<Guard>);

/// The guard before a service.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl<S> tower::Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: Arc::clone(&self.0), inner }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Response, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let started = Instant::now();
        let method = meter::method(request.uri().path());
        // Made here rather than in the future: it then ends no later than tonic's own timer, which
        // is made after this returns and would answer CANCELLED.
        let time_is_up = tokio::time::sleep(self.allowed(request.headers()));
        let span = tracing::info_span!(
            "call",
            method,
            caller = tracing::field::Empty,
            message = tracing::field::Empty
        );
        let admitted = self.guard.admit(&request, &span);
        // The clone is the one that has not been polled for readiness: keep the ready one.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let guard = Arc::clone(&self.guard);
        let work = async move {
            let response = match admitted {
                Err(answer) => answer.status().into_http(),
                Ok(_held) => tokio::select! {
                    biased;
                    Ok(response) = inner.call(request) => explain(response),
                    () = time_is_up => Trouble::Deadline.status().into_http(),
                },
            };
            let code = code_of(&response);
            guard.meter.call(method, code, started.elapsed());
            tracing::debug!(code = meter::code_name(code), "answered");
            Ok(response)
        };
        Box::pin(work.instrument(span))
    }
}

/// What a call holds until its first answer.
struct Held {
    _of_all: OwnedSemaphorePermit,
    _of_desk: Option<Share>,
}

impl Guard {
    fn admit(&self, request: &Request, span: &tracing::Span) -> Result<Held, Answer> {
        let of_desk = match (self.admit)(request.extensions())? {
            Some(caller) => {
                span.record("caller", tracing::field::display(&caller.desk));
                let share = self.desks.take(&caller.desk);
                Some(share.ok_or_else(|| Trouble::TooManyCalls.answer())?)
            }
            None => None,
        };
        let of_all = Arc::clone(&self.calls)
            .try_acquire_owned()
            .map_err(|_| Trouble::Overloaded.answer())?;
        Ok(Held { _of_all: of_all, _of_desk: of_desk })
    }
}

impl<S> Guarded<S> {
    /// The listener's limit, or the caller's `grpc-timeout` when that is shorter.
    fn allowed(&self, headers: &http::HeaderMap) -> Duration {
        let asked =
            headers.get("grpc-timeout").and_then(|v| v.to_str().ok()).and_then(read_timeout);
        asked.map_or(self.guard.call_within, |asked| asked.min(self.guard.call_within))
    }
}

/// Reads a `grpc-timeout` (gRPC over HTTP/2: at most 8 digits and a unit).
fn read_timeout(text: &str) -> Option<Duration> {
    let (unit_at, unit) = text.char_indices().last()?;
    let digits = text.get(..unit_at)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(count * 3600)),
        'M' => Some(Duration::from_secs(count * 60)),
        'S' => Some(Duration::from_secs(count)),
        'm' => Some(Duration::from_millis(count)),
        'u' => Some(Duration::from_micros(count)),
        'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// The code of a response's head: an error without an answer stands there, success does not.
fn code_of(response: &Response) -> Code {
    response
        .headers()
        .get(Status::GRPC_STATUS)
        .map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
}

/// Gives an answer that tonic made by itself a reason and a code of ours.
fn explain(response: Response) -> Response {
    if response.headers().contains_key("grpc-status-details-bin") {
        return response;
    }
    let trouble = match code_of(&response) {
        // What tonic says of bytes that are no protobuf, of a bad compression flag, of a missing
        // message and of a stream that ends in the middle of one.
        Code::Internal | Code::InvalidArgument => Trouble::Message,
        // The message is longer than the decoding limit; nothing was allocated for it.
        Code::OutOfRange => Trouble::TooLarge,
        Code::Unimplemented => Trouble::UnknownMethod,
        Code::Unknown => Trouble::Fault,
        Code::Ok
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => return response,
    };
    trouble.status().into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_as_the_specification_says() {
        for (text, wanted) in [
            ("10S", Some(Duration::from_secs(10))),
            ("1H", Some(Duration::from_secs(3600))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("0m", Some(Duration::ZERO)),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("-5S", None),
            ("5é", None),
        ] {
            assert_eq!(read_timeout(text), wanted, "{text}");
        }
    }

    fn guarded(
        calls: usize,
        inner: impl Fn() -> BoxFuture<Response, Infallible> + Clone + Send + 'static,
    ) -> impl Service<Request, Response = Response, Error = Infallible> {
        let guard = Guard {
            admit: Arc::new(|_| Ok(None)),
            calls: Arc::new(Semaphore::new(calls)),
            desks: Quota::new(1),
            call_within: Duration::from_secs(60),
            meter: Meter::new(),
        };
        let inner = tower::service_fn(move |_: Request| inner());
        tower::Layer::layer(&GuardLayer(Arc::new(guard)), inner)
    }

    async fn answer(
        calls: usize,
        inner: impl Fn() -> BoxFuture<Response, Infallible> + Clone + Send + 'static,
    ) -> crate::grpc::Failure {
        let request = http::Request::post("/x/Y").header("grpc-timeout", "20m");
        let response =
            guarded(calls, inner).call(request.body(Body::empty()).unwrap()).await.unwrap();
        Status::from_header_map(response.headers()).unwrap().into()
    }

    #[tokio::test]
    async fn the_callers_own_deadline_ends_a_call() {
        let late = answer(1, || Box::pin(std::future::pending())).await;
        assert_eq!((late.code, late.rule_code.as_str()), (Code::DeadlineExceeded, "E-120"));
    }

    #[tokio::test]
    async fn what_is_too_much_for_all_is_shed() {
        let shed = answer(0, || Box::pin(std::future::pending())).await;
        assert_eq!((shed.code, shed.reason.as_str()), (Code::Unavailable, "OVERLOADED"));
        assert!(shed.retry && shed.retry_after.is_some());
    }

    #[tokio::test]
    async fn an_answer_of_tonics_own_gets_a_reason() {
        for (code, wanted, rule) in [
            (Code::Internal, Code::InvalidArgument, "E-102"),
            (Code::OutOfRange, Code::ResourceExhausted, "E-103"),
            (Code::Unimplemented, Code::Unimplemented, "E-104"),
        ] {
            let bare = move || -> BoxFuture<Response, Infallible> {
                Box::pin(std::future::ready(Ok(Status::new(code, "decoding").into_http())))
            };
            let explained = answer(1, bare).await;
            assert_eq!((explained.code, explained.rule_code.as_str()), (wanted, rule));
            assert!(!explained.cause.contains("decoding"));
        }
    }
}
