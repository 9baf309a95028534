//! The operator's end of the wire: typed calls to the operator's listener of a relay.
//!
//! Not for desks, and not over TLS: that listener is on loopback and nowhere else.

use tonic::transport::{Channel, Endpoint};

pub use crate::wire::detente::desk::v1 as desk;
pub use crate::wire::detente::operator::v1 as api;
use api::operator_service_client::OperatorServiceClient;

/// An operator's end. A clone uses the same connection.
pub type Operator = OperatorServiceClient<Channel>;

/// The largest message that is taken, in bytes: a page of 500 requests or groups.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// Connects to the operator's listener at `address`, as "127.0.0.1:7402".
///
/// # Errors
/// When it is no address, or nobody answers there.
pub async fn connect(address: &str) -> Result<Operator, tonic::transport::Error> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    Ok(OperatorServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
}
