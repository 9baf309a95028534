//! Ports, sockets and the connection to the relay.
//!
//! Not for what is said over it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Report, secret};
use crate::config::{Desk, Relay};
use crate::envelope::genesis::Genesis;
use crate::grpc::counter::{self, api::GetAgentStatusRequest};
use crate::identity;
use crate::service::agent::Link;
use crate::units::Timestamp;

/// How long a connection may take.
const WITHIN: Duration = Duration::from_secs(5);
/// What clocks may differ by, in seconds: the relay says whole ones, and answers within a few.
const SKEW_S_MAX: i64 = 10;

/// A relay's listeners: its own, or free.
pub(super) async fn relay(report: &mut Report, relay: &Relay) {
    let listen = &relay.listen;
    let runs = health(report, listen.operator).await;
    let mut listeners = vec![("listen.desks", listen.desks)];
    if !runs {
        listeners.push(("listen.operator", listen.operator));
    }
    listeners.extend(listen.metrics.map(|metrics| ("listen.metrics", metrics)));
    listeners.extend(listen.log.map(|log| ("listen.log", log)));
    for (key, address) in listeners {
        let answers = timeout(WITHIN, TcpStream::connect(address)).await.is_ok_and(|c| c.is_ok());
        if runs && answers {
            report.ok("port", format!("{key}: {address} answers"));
        } else if runs {
            let says = format!("{key}: {address} does not answer although the relay runs");
            report.warn("port", says, "does the relay run with this configuration? restart it");
        } else {
            match TcpListener::bind(address).await {
                Ok(_free) => report.ok("port", format!("{key}: {address} is free")),
                Err(error) => report.fail(
                    "port",
                    format!("{key}: {address}: {error}"),
                    "choose another address, or stop what listens there",
                ),
            }
        }
    }
}

/// Asks a relay that runs how it is. True when one answers.
async fn health(report: &mut Report, operator: SocketAddr) -> bool {
    let Ok(endpoint) = Endpoint::from_shared(format!("http://{operator}")) else { return false };
    let Ok(channel) = endpoint.connect_timeout(WITHIN).timeout(WITHIN).connect().await else {
        report.ok("relay", "it does not run");
        return false;
    };
    let asked = HealthClient::<Channel>::new(channel).check(HealthCheckRequest::default()).await;
    match asked {
        Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => {
            let age = answer.metadata().get("detente-probe-age-ms").and_then(|v| v.to_str().ok());
            let age = age.unwrap_or("?").to_owned();
            report.ok("relay", format!("it runs and serves; its disk answered {age} ms ago"));
            true
        }
        Ok(_) => {
            let next = "read its log: nothing has reached its disk for 30 s, or it is stopping";
            report.fail("relay", "it runs, but does not serve", next);
            true
        }
        Err(status) => {
            let says = format!("listen.operator: {operator} is no relay: {}", status.message());
            report.fail("relay", says, "stop what listens there, or choose another address");
            false
        }
    }
}

/// A desk's socket and its connection to the relay.
pub(super) async fn desk(report: &mut Report, desk: &Desk, genesis: Option<&Genesis>) {
    socket(report, desk).await;
    let (Some(genesis), Some(unlock)) = (genesis, secret(&desk.unlock)) else { return };
    // What stands in the way of a link has been reported before.
    let Ok(link) = Link::new(desk, genesis, unlock) else { return };
    let address = desk.relay.address.to_string();
    match identity::connect(&address, link.tls()).await {
        Ok(stream) => {
            let (_, tls) = stream.get_ref();
            let group = tls.negotiated_key_exchange_group().map(|group| group.name());
            let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
            let details: Vec<String> =
                [group.map(|group| format!("{group:?}")), suite.map(|suite| format!("{suite:?}"))]
                    .into_iter()
                    .flatten()
                    .collect();
            let details = details.join(", ");
            report.ok("tls", format!("{address}: TLS 1.3, {details}; it is the genesis' relay"));
        }
        Err(error) => {
            let next = "check relay.address, the way there, and that the relay runs; a code says \
                        why a peer is not our relay";
            return report.fail("tls", format!("{address}: {error}"), next);
        }
    }
    match link.client().clock().await {
        Ok(theirs) => {
            report.ok("relay", "it takes this desk's certificate and answers");
            skew(report, theirs);
        }
        Err(failure) => {
            let next = "ask the relay's operator: its log names the code and the reason";
            report.fail("relay", failure, next);
        }
    }
}

/// The relay's clock against ours.
fn skew(report: &mut Report, theirs: Option<Timestamp>) {
    let Some(theirs) = theirs else {
        return report.ok("clock-skew", "the relay does not say what time it is");
    };
    let ours = Timestamp(jiff::Timestamp::now().as_millisecond());
    let seconds = ours.since_ms(theirs).div_euclid(1000);
    let says = format!("this clock is {seconds} s ahead of the relay's");
    if seconds.abs() > SKEW_S_MAX {
        report.warn("clock-skew", says, "set this clock, or tell the relay's operator");
    } else {
        report.ok("clock-skew", says);
    }
}

/// A desk's agent: whether it answers, and what it has against the relay.
async fn socket(report: &mut Report, desk: &Desk) {
    let path = &desk.counter.socket;
    let shown = path.display();
    if !path.exists() {
        return report.ok("agent", format!("{shown}: none; the agent does not run"));
    }
    let mut agent = match timeout(WITHIN, counter::connect(path)).await {
        Ok(Ok(agent)) => agent,
        Ok(Err(error)) => {
            let next = "start the agent: it makes the socket anew; or run this as a user who may \
                        call there";
            return report.warn("agent", format!("{shown}: {}", innermost(&error)), next);
        }
        Err(_elapsed) => {
            return report.warn("agent", format!("{shown}: no answer"), "restart the agent");
        }
    };
    match timeout(WITHIN, agent.get_agent_status(GetAgentStatusRequest {})).await {
        Ok(Ok(status)) => {
            report.ok("agent", format!("{shown}: the agent runs"));
            for alarm in status.into_inner().alarms {
                let says = format!("{} {}: {}", alarm.code, alarm.reason, alarm.what);
                report.fail("alarm", says, &alarm.next);
            }
        }
        Ok(Err(status)) => {
            let next = "run this as the agent's user, who is told whether an alarm stands";
            report.warn("agent", format!("{shown}: {}", status.message()), next);
        }
        Err(_elapsed) => report.warn("agent", format!("{shown}: no answer"), "restart the agent"),
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
