//! From a submission to the recipient's receipt, with a real agent at the other end.
//!
//! The sender follows its own stream, as an agent does, and waits for the receipt's record there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use detente::envelope::{Act, parse_header};
use detente::grpc::client::RelayClient;
use detente::service::{RunningAgent, RunningRelay};
use detente::units::{DeskIndex, MessageId};
use detente::wire::detente::desk::v1 as api;
use serde::Serialize;
use tonic::Streaming;

use crate::figures::{Figures, Round, Rounds, cpu};
use crate::network::{Network, question};
use crate::report::{Line, Section, duration};
use crate::{Plan, tables_settled};

#[derive(Default, Serialize)]
struct Measured {
    submit: Rounds,
    receipt: Rounds,
}

pub(crate) async fn run(plan: &Plan) -> Result<Section> {
    let network = Network::new(2, &["cyber"], 1)?;
    let relay = RunningRelay::start(&network.relay_config("delivery")?).await?;
    let address = relay.addresses().desks;
    let [from, to] = [&network.desks[0], &network.desks[1]];
    let agent = RunningAgent::start(&network.desk_config(to, address)?).await?;
    let client = network.client(from, address)?;
    let mut sender =
        Sender { stream: client.follow(DeskIndex(0)).await.map_err(anyhow::Error::msg)?, client };
    let (speaker, mould) = (network.speaker(from)?, network.mould(question())?);
    // Until the agent is connected, and what is made once has been made.
    for _ in 0..20 {
        sender.send(&speaker.ask(&mould, to)?).await?;
    }
    let mut measured = Measured::default();
    for _ in 0..plan.rounds {
        let [mut submit, mut receipt] = [Round::default(), Round::default()];
        let (spent, started) = (cpu(), Instant::now());
        for _ in 0..plan.calls(200) {
            let (submitted, receipted) = sender.send(&speaker.ask(&mould, to)?).await?;
            submit.latencies.push(submitted);
            receipt.latencies.push(receipted);
        }
        receipt.took = started.elapsed();
        submit.took = receipt.took;
        tables_settled(relay.relay()).await?;
        receipt.cpu = cpu() - spent;
        measured.submit.push(submit);
        measured.receipt.push(receipt);
    }
    agent.stop().await?;
    relay.stop().await.map_err(anyhow::Error::msg)?;
    let title = "From a submission to the recipient's receipt, a real agent receiving".to_owned();
    Section::new("delivery", title, measured.lines(), &measured)
}

/// A desk without an agent.
struct Sender {
    client: RelayClient,
    stream: Streaming<api::FollowResponse>,
}

impl Sender {
    /// Submits, and waits for the receipt: how long until the answer, and until the receipt.
    async fn send(
        &mut self,
        envelope: &detente::envelope::Envelope,
    ) -> Result<(Duration, Duration)> {
        let before = Instant::now();
        self.client.submit(envelope).await.map_err(anyhow::Error::msg)?;
        let submitted = before.elapsed();
        while self.receipt_of().await? != Some(envelope.statement.message) {}
        Ok((submitted, before.elapsed()))
    }

    /// What the next record is a receipt of, if it is one.
    async fn receipt_of(&mut self) -> Result<Option<MessageId>> {
        let next = self.stream.message().await?.context("the stream ended")?;
        let Some(api::follow_response::Item::Record(record)) = next.item else { return Ok(None) };
        let said = parse_header(&record.header).ok().map(|statement| statement.act);
        Ok(match said {
            Some(Act::Receipt { of, .. }) => Some(of),
            Some(_) | None => None,
        })
    }
}

impl Measured {
    fn lines(&self) -> Vec<Line> {
        let Self { submit, receipt } = self;
        let by = |of: fn(&Figures) -> f64| receipt.ratio(of, |round| of(&submit.round(round)));
        let line = |what: &str, of: fn(&Figures) -> f64| Line {
            what: what.to_owned(),
            figure: duration(receipt.median(of)),
            ratio: Some((by(of), "of the submission alone")),
            bar: None,
        };
        vec![
            line("p50, one at a time", |f| f.p50_us),
            line("p99, one at a time", |f| f.p99_us),
            Line {
                what: "processor time of one, relay and both desks".to_owned(),
                figure: duration(receipt.median(|f| f.cpu_us)),
                ratio: None,
                bar: None,
            },
        ]
    }
}
