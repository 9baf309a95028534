//! What is counted at the edge: calls by method and status, with their duration.
//!
//! Not for serving the figures (see `telemetry`). Labels come from closed lists, so that no caller
//! can make the number of series grow. A stream is measured up to its first answer.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

/// Bounds in seconds: OpenTelemetry semantic conventions 1.44, `rpc.server.call.duration`.
const BUCKETS_SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The methods that are told apart; anything else is `_OTHER`.
const METHODS: [&str; 30] = [
    "detente.desk.v1.DeskService/Submit",
    "detente.desk.v1.DeskService/Follow",
    "detente.desk.v1.DeskService/GetContent",
    "detente.desk.v1.DeskService/GetRequestStatus",
    "detente.desk.v1.DeskService/ListRequestStatuses",
    "detente.desk.v1.DeskService/GetResponseTimes",
    "detente.desk.v1.DeskService/ListOverdue",
    "detente.directory.v1.DirectoryService/GetGenesis",
    "detente.directory.v1.DirectoryService/GetMember",
    "detente.directory.v1.DirectoryService/ListMembers",
    "detente.directory.v1.DirectoryService/FollowEntries",
    "detente.directory.v1.DirectoryService/GetEntry",
    "detente.directory.v1.DirectoryService/ListEntryVersions",
    "detente.directory.v1.DirectoryService/SearchDesks",
    "detente.log.v1.LogService/GetHeads",
    "detente.log.v1.LogService/ListRecords",
    "detente.log.v1.LogService/FollowCheckpoints",
    "detente.log.v1.LogService/Witness",
    "detente.log.v1.LogService/GetProof",
    "detente.log.v1.LogService/GetConsistency",
    "detente.log.v1.LogService/GetCheckpoint",
    "detente.operator.v1.OperatorService/GetRelayStatus",
    "detente.operator.v1.OperatorService/ListConnections",
    "detente.operator.v1.OperatorService/ListRequests",
    "detente.operator.v1.OperatorService/EraseBodies",
    "detente.operator.v1.OperatorService/ConfirmClock",
    "detente.operator.v1.OperatorService/GetResponseTimes",
    "detente.operator.v1.OperatorService/ListOverdue",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
];

/// Counts calls. A clone counts into the same figures.
#[derive(Debug, Clone)]
pub struct Meter {
    calls: Family<Labels, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    rpc_method: &'static str,
    rpc_status_code: &'static str,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    /// A meter that has counted nothing.
    pub fn new() -> Self {
        Self { calls: Family::new_with_constructor(histogram) }
    }

    /// Shows the figures in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "rpc_server_call_duration_seconds",
            "Time to answer a call, by method and status",
            self.calls.clone(),
        );
    }

    /// Counts one call.
    pub(super) fn call(&self, method: &'static str, code: Code, took: Duration) {
        let labels = Labels { rpc_method: method, rpc_status_code: code_name(code) };
        self.calls.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// The method of a path as it is counted and logged.
pub(super) fn method(path: &str) -> &'static str {
    let wanted = path.strip_prefix('/').unwrap_or(path);
    METHODS.into_iter().find(|known| *known == wanted).unwrap_or("_OTHER")
}

/// A gRPC code as it is spelled in the specification.
pub(super) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOS: [&str; 4] = [
        include_str!("../../proto/detente/desk/v1/desk.proto"),
        include_str!("../../proto/detente/directory/v1/directory.proto"),
        include_str!("../../proto/detente/log/v1/log.proto"),
        include_str!("../../proto/detente/operator/v1/operator.proto"),
    ];

    fn word<'a>(line: &'a str, before: &str, end: char) -> Option<&'a str> {
        line.trim().strip_prefix(before)?.split(end).next()
    }

    #[test]
    fn every_method_that_is_served_is_told_apart() {
        let mut count = 0;
        for proto in PROTOS {
            let package = proto.lines().find_map(|l| word(l, "package ", ';')).unwrap();
            let service = proto.lines().find_map(|l| word(l, "service ", ' ')).unwrap();
            for rpc in proto.lines().filter_map(|l| word(l, "rpc ", '(')) {
                let name = format!("{package}.{service}/{rpc}");
                assert_eq!(method(&format!("/{name}")), name);
                count += 1;
            }
        }
        assert_eq!(count + 2, METHODS.len());
        assert_eq!(method("/evil/Method"), "_OTHER");
    }
}
