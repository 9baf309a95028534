//! `grpc.health.v1` on the operator's listener: SERVING only while the disk is seen to work.
//!
//! Not for the desks. The relay sends a probe through its queue and its sync every 10 s of
//! idleness; when the newest one is 30 s old, three have failed, and the relay is not serving. The
//! age stands in the response metadata as `detente-probe-age-ms`.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::trouble::Trouble;
use crate::relay::Relay;

/// The age of the newest probe, in milliseconds, at which the relay is not serving any more.
pub const PROBE_AGE_MS_MAX: i64 = 30_000;

/// How often the relay looks at a watched status.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The metadata key under which the age of the newest probe is reported.
const AGE_KEY: &str = "detente-probe-age-ms";

/// The services that can be asked about; the empty name is the relay as a whole.
const SERVICES: [&str; 2] = ["", "detente.desk.v1.DeskService"];

/// What health is judged by.
pub(super) trait Pulse: Clone + Send + Sync + 'static {
    /// Milliseconds since the queue and the sync were last seen to work.
    fn probe_age_ms(&self) -> i64;
    /// True once the relay has stopped.
    fn stopped(&self) -> bool;
}

impl Pulse for Relay {
    fn probe_age_ms(&self) -> i64 {
        Self::probe_age_ms(self)
    }

    fn stopped(&self) -> bool {
        self.why_stopped().is_some()
    }
}

/// The service.
pub(super) struct Service<P> {
    pub(super) pulse: P,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) look_every: Duration,
}

impl<P: Pulse> Service<P> {
    fn status(&self) -> ServingStatus {
        let well = !*self.stopping.borrow()
            && !self.pulse.stopped()
            && self.pulse.probe_age_ms() < PROBE_AGE_MS_MAX;
        if well { ServingStatus::Serving } else { ServingStatus::NotServing }
    }
}

#[tonic::async_trait]
impl<P: Pulse> Health for Service<P> {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        if !SERVICES.contains(&service.as_str()) {
            return Err(Trouble::UnknownResource(format!("service {service:?}")).status());
        }
        let mut response = Response::new(HealthCheckResponse { status: self.status().into() });
        response.metadata_mut().insert(AGE_KEY, self.pulse.probe_age_ms().max(0).into());
        Ok(response)
    }

    type WatchStream =
        Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send + 'static>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        let known = SERVICES.contains(&service.as_str());
        let (send, receive) = mpsc::channel(1);
        let (pulse, stopping) = (self.pulse.clone(), self.stopping.clone());
        let looker = Self { pulse, stopping, look_every: self.look_every };
        tokio::spawn(async move {
            let mut told = None;
            let mut stopping = looker.stopping.clone();
            let mut listening = true;
            loop {
                let status = if known { looker.status() } else { ServingStatus::ServiceUnknown };
                if told != Some(status) {
                    told = Some(status);
                    if send.send(Ok(HealthCheckResponse { status: status.into() })).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = send.closed() => return,
                    heard = stopping.changed(), if listening => listening = heard.is_ok(),
                    () = tokio::time::sleep(looker.look_every) => {}
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt as _;

    #[derive(Clone)]
    struct Fixed {
        age_ms: i64,
        stopped: bool,
    }

    impl Pulse for Fixed {
        fn probe_age_ms(&self) -> i64 {
            self.age_ms
        }
        fn stopped(&self) -> bool {
            self.stopped
        }
    }

    fn service(age_ms: i64, stopped: bool) -> (watch::Sender<bool>, Service<Fixed>) {
        let (stop, stopping) = watch::channel(false);
        // Whatever is heard in time is not heard by looking again.
        let look_every = Duration::from_secs(3_600);
        (stop, Service { pulse: Fixed { age_ms, stopped }, stopping, look_every })
    }

    #[tokio::test]
    async fn serving_only_while_the_probe_is_young_and_nothing_stops() {
        for (age, stopped, stopping, wanted) in [
            (0, false, false, ServingStatus::Serving),
            (29_999, false, false, ServingStatus::Serving),
            (30_000, false, false, ServingStatus::NotServing),
            (0, true, false, ServingStatus::NotServing),
            (0, false, true, ServingStatus::NotServing),
        ] {
            let (stop, service) = service(age, stopped);
            stop.send_replace(stopping);
            let answer = service.check(Request::new(HealthCheckRequest::default())).await.unwrap();
            assert_eq!(answer.get_ref().status, i32::from(wanted), "{age} {stopped} {stopping}");
            assert_eq!(answer.metadata().get(AGE_KEY).unwrap(), &age.to_string());
        }
    }

    #[tokio::test]
    async fn a_watcher_hears_of_the_stop_at_once() {
        let (stop, service) = service(0, false);
        let mut watched =
            service.watch(Request::new(HealthCheckRequest::default())).await.unwrap().into_inner();
        let next = watched.next().await.unwrap().unwrap().status;
        assert_eq!(next, i32::from(ServingStatus::Serving));
        stop.send_replace(true);
        let next = tokio::time::timeout(Duration::from_secs(60), watched.next()).await;
        let next = next.expect("before the next look").unwrap().unwrap().status;
        assert_eq!(next, i32::from(ServingStatus::NotServing));
    }
}
