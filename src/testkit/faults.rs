//! What can go wrong: a desk is cut off, an answer is lost, a certificate ends, a clock jumps.
//!
//! Not for wrong statements: a test makes those itself.

use std::time::Duration;

use super::line::State;
use super::settle::until;
use super::{Error, Network};
use crate::identity;
use crate::pki;
use crate::pki::authority::{BACKDATE_MS, LEAF_DAYS};
use crate::units::{DAY_MS, DeskId, Timestamp};

/// How often it is looked whether the relay has recorded what the desk is not to hear of.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long a certificate that is to end lives on: long enough to connect with it.
const LAST_SECONDS_MS: i64 = 3_000;

impl Network {
    /// Cuts a desk off from the relay. When this answers, both have noticed.
    ///
    /// # Errors
    /// [`Error::NoDesk`], [`Error::Unsettled`].
    pub async fn cut_off(&mut self, desk: &str) -> Result<(), Error> {
        let id = self.resolve(desk)?;
        self.post(&id)?.line.lever().set(State::Cut);
        self.unlinked(&id).await
    }

    /// Mends a desk's line, and waits until all is settled.
    ///
    /// # Errors
    /// As [`Network::settle`].
    pub async fn reconnect(&mut self, desk: &str) -> Result<(), Error> {
        let id = self.resolve(desk)?;
        self.post(&id)?.line.lever().set(State::Up);
        self.settle().await
    }

    /// Stops a desk's agent cleanly; its case file stays.
    ///
    /// # Errors
    /// [`Error::NoDesk`], [`Error::Agent`].
    pub async fn stop_desk(&mut self, desk: &str) -> Result<(), Error> {
        let id = self.resolve(desk)?;
        self.post_mut(&id)?.stop().await?;
        self.unlinked(&id).await
    }

    /// Starts a desk's agent again, and waits until all is settled. Handles to the desk from
    /// before are of no use any more.
    ///
    /// # Errors
    /// As [`Network::settle`], or [`Error::Start`].
    pub async fn start_desk(&mut self, desk: &str) -> Result<(), Error> {
        let (id, clock) = (self.resolve(desk)?, self.clock.clone());
        self.post_mut(&id)?.start_again(&clock).await?;
        self.settle().await
    }

    /// Loses the relay's answer to the next thing that a desk says: it is carried out, but the
    /// desk does not hear of it. The line then breaks and is mended at once, and the desk asks
    /// again.
    ///
    /// # Errors
    /// [`Error::NoDesk`], or [`Error::Stopped`] when the relay does not run.
    pub fn lose_next_answer(&mut self, desk: &str) -> Result<(), Error> {
        let id = self.resolve(desk)?;
        let running = self.relay.as_ref().ok_or_else(|| Error::Stopped("the relay".to_owned()))?;
        let relay = running.relay().clone();
        let lever = self.post(&id)?.line.lever().clone();
        let before = relay.published().state().next_desk_index(&id);
        lever.set(State::Deaf);
        tokio::spawn(async move {
            while relay.published().state().next_desk_index(&id) == before {
                if relay.why_stopped().is_some() {
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            lever.break_and_mend().await;
        });
        Ok(())
    }

    /// Puts a desk's certificate on its nation's revocation list, and waits until the relay has
    /// thrown it off: within seconds, as in earnest.
    ///
    /// # Errors
    /// [`Error::NoDesk`], [`Error::Setup`] when the list cannot be issued, [`Error::Unsettled`].
    pub async fn revoke_certificate(&mut self, desk: &str) -> Result<(), Error> {
        let id = self.resolve(desk)?;
        pki::revoke_desk(self.directory(), &id, None, identity::now()).map_err(issuing)?;
        self.post_mut(&id)?.is_admitted = false;
        if let Some(relay) = &self.relay {
            relay.reload();
        }
        self.unlinked(&id).await
    }

    /// Gives a desk a certificate that ends within seconds, and waits until it has and the relay
    /// has thrown the desk off.
    ///
    /// # Errors
    /// As [`Network::revoke_certificate`].
    pub async fn expire_certificate(&mut self, desk: &str) -> Result<(), Error> {
        // An agent loads none that has ended: this one ends while it is in use.
        let life_ms = LEAF_DAYS * DAY_MS - BACKDATE_MS;
        let end = identity::now().plus_ms(LAST_SECONDS_MS);
        let id = self.issue(desk, end.plus_ms(-life_ms))?;
        self.post_mut(&id)?.is_admitted = false;
        self.post(&id)?.line.lever().break_and_mend().await;
        until(&format!("the certificate of {id} is still good"), || {
            (identity::now() > end).then_some(())
        })
        .await?;
        self.unlinked(&id).await
    }

    /// Gives a desk a new certificate, and waits until all is settled.
    ///
    /// # Errors
    /// [`Error::NoDesk`], [`Error::Setup`] when it cannot be issued; as [`Network::settle`].
    pub async fn renew_certificate(&mut self, desk: &str) -> Result<(), Error> {
        let id = self.issue(desk, identity::now())?;
        self.post_mut(&id)?.is_admitted = true;
        self.settle().await
    }

    /// Moves the relay's wall clock, and nobody else's: as far as the relay can tell, it jumped.
    /// It then holds its deadlines until more than half of the desks agree with it, or its operator
    /// confirms.
    ///
    /// # Errors
    /// As [`Network::settle`].
    pub async fn jump_relay_clock(&mut self, by_ms: i64) -> Result<(), Error> {
        self.clock.jump_relay(by_ms);
        self.settle().await
    }

    fn issue(&mut self, desk: &str, at: Timestamp) -> Result<DeskId, Error> {
        let id = self.resolve(desk)?;
        pki::renew_desk(self.directory(), &id, at).map_err(issuing)?;
        if let Some(agent) = self.post(&id)?.agent() {
            agent.reload();
        }
        Ok(id)
    }

    /// Waits until neither the desk nor the relay thinks that they are connected.
    async fn unlinked(&self, id: &DeskId) -> Result<(), Error> {
        let post = self.post(id)?;
        until(&format!("{id} is still connected"), || {
            let followed = self.relay.as_ref().is_some_and(|relay| relay.is_followed_by(id));
            let linked = post.agent().is_some_and(|agent| agent.handle().status().link.connected);
            (!followed && !linked).then_some(())
        })
        .await
    }

    pub(super) async fn all_unlinked(&self) -> Result<(), Error> {
        for id in self.posts.keys() {
            self.unlinked(id).await?;
        }
        Ok(())
    }
}

fn issuing(error: anyhow::Error) -> Error {
    Error::Setup(format!("{error:#}"))
}
