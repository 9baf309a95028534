//! Figures over HTTP for Prometheus, on this machine alone.
//!
//! Not for other machines: a collector runs beside the program or reaches it through one that does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long an answer that is under way at the end may still take.
const DRAIN: Duration = Duration::from_secs(1);

/// OpenMetrics 1.0 text.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why figures cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The listener is reachable from other machines.
    #[error("the metrics listener {address} is not a loopback address")]
    NotLoopback {
        /// Where it listens.
        address: SocketAddr,
    },
    /// The listener failed.
    #[error("serving figures")]
    Listen(#[source] io::Error),
}

/// Serves `GET /metrics` until `end`.
///
/// # Errors
/// See [`EndpointError`].
pub async fn serve(
    listener: TcpListener,
    registry: Arc<Registry>,
    end: impl Future<Output = ()>,
) -> Result<(), EndpointError> {
    let address = listener.local_addr().map_err(EndpointError::Listen)?;
    if !address.ip().is_loopback() {
        return Err(EndpointError::NotLoopback { address });
    }
    let router = Router::new().route("/metrics", get(figures)).with_state(registry);
    let (ended, mut heard) = watch::channel(false);
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        // The sender outlives this future.
        let _ended = heard.wait_for(|ended| *ended).await;
    });
    let late = async {
        end.await;
        ended.send_replace(true);
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = async { serving.await } => served.map_err(EndpointError::Listen),
        () = late => Ok(()),
    }
}

async fn figures(State(registry): State<Arc<Registry>>) -> Response {
    // Figures may look at many requests: not on a thread that serves calls.
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).map(|()| text)
    });
    match text.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn figures_are_served_on_loopback_only() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let registry = Arc::new(crate::telemetry::registry("relay"));
        let refused = serve(listener, Arc::clone(&registry), std::future::pending()).await;
        assert!(matches!(refused, Err(EndpointError::NotLoopback { .. })));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, mut ended) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, registry, async move {
            let _ended = ended.wait_for(|ended| *ended).await;
        }));
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("application/openmetrics-text"), "{answer}");
        assert!(answer.contains("detente_build_info{program=\"relay\",version="), "{answer}");
        assert!(answer.trim_end().ends_with("# EOF"), "{answer}");
        end.send_replace(true);
        serving.await.unwrap().unwrap();
    }
}
