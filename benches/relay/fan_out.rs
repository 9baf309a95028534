//! One case to many: so many envelopes, and how long until the last desk has its own.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use detente::envelope::{Envelope, parse_header};
use detente::grpc::client::RelayClient;
use detente::service::RunningRelay;
use detente::units::{CaseId, DeskId, DeskIndex, MessageId};
use detente::wire::detente::desk::v1 as api;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::figures::{Round, Rounds};
use crate::network::{Mould, Network, Said, Speaker, now, question, random};
use crate::report::{Line, Section, duration};
use crate::{Plan, tables_settled};

/// Addressees of a case.
const ADDRESSEES: [usize; 3] = [1, 10, 90];

/// What was measured with so many addressees.
#[derive(Serialize)]
struct Measured {
    addressees: usize,
    /// Until the last submission was answered.
    recorded: Rounds,
    /// Until the last addressee had the offer.
    offered: Rounds,
}

struct Bench {
    relay: RunningRelay,
    client: RelayClient,
    speaker: Speaker,
    mould: Mould,
    desks: Vec<DeskId>,
    offers: mpsc::UnboundedReceiver<MessageId>,
}

pub(crate) async fn run(plan: &Plan) -> Result<Section> {
    // Making the keys of so many takes most of a quick run.
    let addressees = ADDRESSEES.map(|many| if plan.quick { many.min(12) } else { many });
    let network = Network::new(addressees[2] + 1, &["cyber"], 1)?;
    let mut bench = Bench::start(&network).await?;
    let mut all = addressees.map(|addressees| Measured {
        addressees,
        recorded: Rounds::default(),
        offered: Rounds::default(),
    });
    bench.send(addressees[2]).await?;
    for _ in 0..plan.rounds {
        for measured in &mut all {
            let [mut recorded, mut offered] = [Round::default(), Round::default()];
            for _ in 0..plan.calls(15) {
                let (until_recorded, until_offered) = bench.send(measured.addressees).await?;
                recorded.latencies.push(until_recorded);
                offered.latencies.push(until_offered);
            }
            recorded.took = recorded.latencies.iter().sum();
            offered.took = offered.latencies.iter().sum();
            measured.recorded.push(recorded);
            measured.offered.push(offered);
        }
    }
    bench.relay.stop().await.map_err(anyhow::Error::msg)?;
    let one = |round: usize| all[0].offered.round(round).p50_us;
    let line = |measured: &Measured| Line {
        what: format!("to {}: until the last desk has the offer", measured.addressees),
        figure: format!(
            "{} (recorded after {})",
            duration(measured.offered.median(|f| f.p50_us)),
            duration(measured.recorded.median(|f| f.p50_us)),
        ),
        ratio: (measured.addressees > 1)
            .then(|| (measured.offered.ratio(|f| f.p50_us, one), "of one addressee")),
        bar: None,
    };
    let lines = all.iter().map(line).collect();
    let title = "One case to many addressees, all connected".to_owned();
    Section::new("fan_out", title, lines, &all)
}

impl Bench {
    /// A relay, and every desk but the first following it.
    async fn start(network: &Network) -> Result<Self> {
        let relay = RunningRelay::start(&network.relay_config("fan-out")?).await?;
        let address = relay.addresses().desks;
        let (tell, offers) = mpsc::unbounded_channel();
        let (first, others) = network.desks.split_first().context("a network has desks")?;
        for desk in others {
            let client = network.client(desk, address)?;
            let stream = client.follow(DeskIndex(0)).await.map_err(anyhow::Error::msg)?;
            tokio::spawn(listen(client, stream, tell.clone()));
        }
        Ok(Self {
            client: network.client(first, address)?,
            relay,
            speaker: network.speaker(first)?,
            mould: network.mould(question())?,
            desks: others.to_vec(),
            offers,
        })
    }

    /// One case to the first so many: until all are on record, and until all have it.
    async fn send(
        &mut self,
        addressees: usize,
    ) -> Result<(std::time::Duration, std::time::Duration)> {
        let case = CaseId(random());
        let cast = |to| self.mould.cast(&self.speaker, &Said { case, ..Said::new(to, now()) });
        let envelopes = self.desks[..addressees].iter().map(cast).collect::<Result<Vec<_>>>()?;
        let mut missing: std::collections::BTreeSet<_> =
            envelopes.iter().map(|envelope| envelope.statement.message).collect();
        let before = Instant::now();
        let mut submitting = JoinSet::new();
        for envelope in envelopes {
            let (client, envelope): (_, Arc<Envelope>) = (self.client.clone(), Arc::new(envelope));
            submitting.spawn(async move { client.submit(&envelope).await.map(|_| ()) });
        }
        while let Some(done) = submitting.join_next().await {
            done?.map_err(anyhow::Error::msg)?;
        }
        let recorded = before.elapsed();
        while !missing.is_empty() {
            missing.remove(&self.offers.recv().await.context("no desk listens any more")?);
        }
        let offered = before.elapsed();
        tables_settled(self.relay.relay()).await?;
        Ok((recorded, offered))
    }
}

/// Tells of every statement that comes. The client keeps the connection.
async fn listen(
    _client: RelayClient,
    mut stream: tonic::Streaming<api::FollowResponse>,
    tell: mpsc::UnboundedSender<MessageId>,
) {
    while let Ok(Some(next)) = stream.message().await {
        let Some(api::follow_response::Item::Record(record)) = next.item else { continue };
        if let Ok(statement) = parse_header(&record.header)
            && tell.send(statement.message).is_err()
        {
            return;
        }
    }
}
