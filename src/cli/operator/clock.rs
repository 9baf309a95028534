//! `detente operator confirm-clock`: the wall clock is right, deadlines may pass.
//!
//! Not for setting a clock.

use clap::Args;
use serde_json::json;

use super::limited;
use crate::cli::{Exit, Failure, Screen};
use crate::grpc::operator::{Operator, api};

/// Say that the relay's wall clock is right
///
/// After a jump of the wall clock no deadline passes until more than half of the connected desks
/// agree with it, or until you say that it is right. Look at another clock first. It is recorded.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  date --utc; detente operator confirm-clock --config relay.toml")]
pub(super) struct ConfirmClock {}

impl ConfirmClock {
    pub(super) async fn run(
        self,
        relay: &mut Operator,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let Self {} = self;
        let call = relay.confirm_clock(api::ConfirmClockRequest {});
        let api::ConfirmClockResponse { confirmed } =
            limited("the clock was not confirmed", call).await?;
        if screen.is_json() {
            screen.document(&json!({ "confirmed": confirmed }))?;
        } else if confirmed {
            screen.text("the wall clock is confirmed: deadlines pass again\n")?;
        } else {
            screen.text("the wall clock was not in doubt: nothing has changed\n")?;
        }
        Ok(Exit::Success)
    }
}
