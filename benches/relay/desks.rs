//! Submissions while few or many desks are connected and have nothing to hear.
//!
//! A genesis holds about 600 desks at most, so a thousand streams are four of each of 250 desks,
//! which is what a desk may have; each has a connection of its own.

use std::sync::Arc;

use anyhow::Result;
use detente::grpc::client::RelayClient;
use detente::service::RunningRelay;
use detente::units::{DeskId, DeskIndex};
use detente::wire::detente::desk::v1 as api;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::drive::{self, Load};
use crate::figures::{Round, Rounds};
use crate::network::{Mould, Network, Speaker, question};
use crate::report::{Line, Section, duration, rate};
use crate::{Plan, tables_settled};

/// Desks of each member.
const DESKS: [&str; 3] = ["court", "crime", "cyber"];
/// Streams that are connected.
const CONNECTED: [usize; 3] = [1, 100, 1_000];
/// Desks that submit, of as many members: the open requests of a member are limited.
const SENDERS: usize = 4;
/// Streams of one desk.
const OF_ONE_DESK: usize = 4;
/// Connections made at once: fewer than the relay lets in unproven from one address.
const AT_ONCE: usize = 16;

/// What was measured with so many connected.
#[derive(Serialize)]
struct Measured {
    connected: usize,
    one: Rounds,
    many: Rounds,
}

struct Bench {
    relay: RunningRelay,
    /// Each submits to the next, and none of them follows.
    clients: Vec<RelayClient>,
    _streams: Vec<(RelayClient, tonic::Streaming<api::FollowResponse>)>,
}

pub(crate) async fn run(plan: &Plan) -> Result<Section> {
    // Making the keys of so many takes most of a quick run.
    let members = if plan.quick { 10 } else { 90 };
    let network = Network::new(members, &DESKS, 1)?;
    let speakers: Vec<Speaker> =
        senders(&network).map(|desk| network.speaker(desk)).collect::<Result<_>>()?;
    let mould = network.mould(question())?;
    let to = network.desks.last().expect("the network has desks");
    let (mut benches, mut all) = (Vec::new(), Vec::new());
    for connected in CONNECTED {
        let bench = Bench::start(&network, connected, plan).await?;
        bench.round(&speakers, &mould, to, 64, plan.calls(500)).await?;
        benches.push(bench);
        all.push(Measured { connected, one: Rounds::default(), many: Rounds::default() });
    }
    for _ in 0..plan.rounds {
        for (bench, measured) in benches.iter().zip(&mut all) {
            measured.one.push(bench.round(&speakers, &mould, to, 1, plan.calls(300)).await?);
            measured.many.push(bench.round(&speakers, &mould, to, 64, plan.calls(3_000)).await?);
        }
    }
    for bench in benches {
        bench.relay.stop().await.map_err(anyhow::Error::msg)?;
    }
    let lines = all.iter().flat_map(|measured| measured.lines(&all[0])).collect();
    let title = "Submit while desks are connected and idle".to_owned();
    Section::new("desks", title, lines, &all)
}

/// The first desk of each of the first members.
fn senders(network: &Network) -> impl Iterator<Item = &DeskId> {
    network.desks.iter().step_by(DESKS.len()).take(SENDERS)
}

impl Bench {
    async fn start(network: &Network, wanted: usize, plan: &Plan) -> Result<Self> {
        let connected = if plan.quick { wanted.min(50) } else { wanted };
        let store = format!("desks-{wanted}");
        let relay = RunningRelay::start(&network.relay_config(&store)?).await?;
        let address = relay.addresses().desks;
        // Neither those who submit nor the last one, who is submitted to.
        let listeners = network.desks.iter().skip(SENDERS * DESKS.len()).rev().skip(1);
        let each = listeners.flat_map(|desk| std::iter::repeat_n(desk, OF_ONE_DESK));
        let mut streams = Vec::new();
        let clients: Vec<RelayClient> = each
            .take(connected)
            .map(|desk| network.client(desk, address))
            .collect::<Result<_>>()?;
        anyhow::ensure!(clients.len() == connected, "the network has too few desks");
        for group in clients.chunks(AT_ONCE) {
            let mut connecting = JoinSet::new();
            for client in group.iter().cloned() {
                connecting.spawn(async move {
                    let stream = client.follow(DeskIndex(0)).await;
                    stream.map(|stream| (client, stream))
                });
            }
            while let Some(done) = connecting.join_next().await {
                streams.push(done?.map_err(anyhow::Error::msg)?);
            }
        }
        let clients =
            senders(network).map(|desk| network.client(desk, address)).collect::<Result<_>>()?;
        Ok(Self { relay, clients, _streams: streams })
    }

    async fn round(
        &self,
        speakers: &[Speaker],
        mould: &Mould,
        to: &DeskId,
        in_flight: usize,
        calls: usize,
    ) -> Result<Round> {
        let senders = in_flight.min(SENDERS);
        let mut loads: Vec<Load> = Vec::new();
        for (speaker, client) in speakers.iter().zip(&self.clients).take(senders) {
            let each = 0..calls.div_ceil(senders);
            let envelopes = each.map(|_| speaker.ask(mould, to)).collect::<Result<Arc<[_]>>>()?;
            loads.push((client.clone(), envelopes));
        }
        let relay = self.relay.relay();
        drive::submit_until(&loads, in_flight, async || tables_settled(relay).await).await
    }
}

impl Measured {
    fn lines(&self, first: &Self) -> Vec<Line> {
        let Self { connected, one, many } = self;
        let p50 = one.ratio(|f| f.p50_us, |round| first.one.round(round).p50_us);
        let per_second = many.ratio(|f| f.per_second, |n| first.many.round(n).per_second);
        let beside = |ratio: f64| (*connected > 1).then_some((ratio, "of one connected"));
        vec![
            Line {
                what: format!("p50, 1 in flight, {connected} connected"),
                figure: duration(one.median(|f| f.p50_us)),
                ratio: beside(p50),
                bar: None,
            },
            Line {
                what: format!("per second, 64 in flight, {connected} connected"),
                figure: rate(many.median(|f| f.per_second)),
                ratio: beside(per_second),
                bar: None,
            },
        ]
    }
}
