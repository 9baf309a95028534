//! One durable submission, and many, beside the two floors and a relay that gives no receipts.

use std::sync::Arc;

use anyhow::Result;
use detente::envelope::Envelope;
use detente::grpc::client::RelayClient;
use detente::service::RunningRelay;
use serde::Serialize;

use crate::drive::{self, Load};
use crate::figures::{Figures, Round, Rounds};
use crate::floors::{Append, Echo};
use crate::network::{Mould, Network, Speaker, question};
use crate::report::{Bar, Line, Section, duration, rate};
use crate::{Plan, tables_settled};

/// Desks that submit, each over its own connection.
const SENDERS: usize = 8;
/// In flight at the same time.
const LOADS: [usize; 3] = [1, 64, 256];

/// What was measured at one load.
#[derive(Serialize)]
struct Measured {
    in_flight: usize,
    echo: Rounds,
    append: Rounds,
    /// Without receipts.
    plain: Rounds,
    submit: Rounds,
}

/// The desks' connections.
struct Bench {
    relay: RunningRelay,
    /// One that gives no receipts.
    plain: RunningRelay,
    append: Append,
    mould: Mould,
    to: detente::units::DeskId,
    senders: Vec<Sender>,
}

struct Sender {
    speaker: Speaker,
    to_echo: RelayClient,
    to_plain: RelayClient,
    to_relay: RelayClient,
}

pub(crate) async fn run(plan: &Plan) -> Result<Section> {
    let network = Network::new(SENDERS + 1, &["cyber"], 1)?;
    let bench = Bench::start(&network).await?;
    let bytes = bench.envelopes(1)?[0][0].to_bytes();
    let mut all = Vec::new();
    // What is made once is made before anything is measured.
    bench.round(&bytes, LOADS[2], plan.calls(1_000), false).await?;
    for (in_flight, calls) in LOADS.into_iter().zip([400, 4_000, 6_000]) {
        let mut measured = Measured {
            in_flight,
            echo: Rounds::default(),
            append: Rounds::default(),
            plain: Rounds::default(),
            submit: Rounds::default(),
        };
        for round in 0..plan.rounds {
            let calls = plan.calls(calls);
            // With and without receipts by turns, and by turns first.
            let first = round % 2 == 0;
            let [echo, append, plain, submit] =
                bench.round(&bytes, in_flight, calls, first).await?;
            measured.echo.push(echo);
            measured.append.push(append);
            measured.plain.push(plain);
            measured.submit.push(submit);
        }
        all.push(measured);
    }
    for relay in [bench.relay, bench.plain] {
        relay.stop().await.map_err(|why| anyhow::anyhow!(why))?;
    }
    let title = format!("Submit of one sealed envelope of {} bytes", bytes.len());
    let lines = all.iter().flat_map(Measured::lines).collect();
    Section::new("submit", title, lines, &all)
}

impl Bench {
    async fn start(network: &Network) -> Result<Self> {
        let relay = RunningRelay::start(&network.relay_config("submit")?).await?;
        let plain = network.relay_config("submit-plain")?;
        let plain = RunningRelay::start_without_receipts(&plain).await?;
        let echo = Echo::start(network).await?;
        let mut senders = Vec::new();
        for desk in &network.desks[..SENDERS] {
            senders.push(Sender {
                speaker: network.speaker(desk)?,
                to_echo: network.client(desk, echo)?,
                to_plain: network.client(desk, plain.addresses().desks)?,
                to_relay: network.client(desk, relay.addresses().desks)?,
            });
        }
        Ok(Self {
            relay,
            plain,
            append: Append::new(network.path())?,
            mould: network.mould(question())?,
            to: network.desks[SENDERS].clone(),
            senders,
        })
    }

    /// So many by each sender.
    fn envelopes(&self, each: usize) -> Result<Vec<Arc<[Envelope]>>> {
        let by = |sender: &Sender| -> Result<Arc<[Envelope]>> {
            (0..each).map(|_| sender.speaker.ask(&self.mould, &self.to)).collect()
        };
        self.senders.iter().map(by).collect()
    }

    /// The same envelopes to the echo and to both relays, and as many bytes to the file.
    async fn round(
        &self,
        bytes: &[u8],
        in_flight: usize,
        calls: usize,
        plain_first: bool,
    ) -> Result<[Round; 4]> {
        let senders = in_flight.min(SENDERS);
        let envelopes = self.envelopes(calls.div_ceil(senders))?;
        let loads = |client: fn(&Sender) -> &RelayClient| -> Vec<Load> {
            let clients = self.senders.iter().map(|sender| client(sender).clone());
            clients.zip(envelopes.iter().cloned()).take(senders).collect()
        };
        let (to_echo, to_plain) = (loads(|s| &s.to_echo), loads(|s| &s.to_plain));
        let to_relay = loads(|s| &s.to_relay);
        let submit = async |loads: &[Load], relay: &RunningRelay| {
            let relay = relay.relay();
            drive::submit_until(loads, in_flight, async || tables_settled(relay).await).await
        };
        let echo = drive::submit_until(&to_echo, in_flight, async || Ok(())).await?;
        let append = self.append.run(bytes, in_flight, calls)?;
        let (plain, with) = if plain_first {
            let plain = submit(&to_plain, &self.plain).await?;
            (plain, submit(&to_relay, &self.relay).await?)
        } else {
            let with = submit(&to_relay, &self.relay).await?;
            (submit(&to_plain, &self.plain).await?, with)
        };
        Ok([echo, append, plain, with])
    }
}

impl Measured {
    fn lines(&self) -> Vec<Line> {
        let Self { in_flight, echo, append, plain, submit } = self;
        let floor = |round: usize| echo.round(round).p50_us + append.round(round).p50_us;
        let p50 = submit.ratio(|figures| figures.p50_us, floor);
        let per_second = submit.ratio(|f| f.per_second, |round| echo.round(round).per_second);
        let cpu = submit.ratio(|f| f.cpu_us, |round| echo.round(round).cpu_us);
        let show = |of: fn(&Figures) -> f64, show: fn(f64) -> String| {
            let shown = [echo, append, submit].map(|rounds| show(rounds.median(of)));
            format!("{} (echo {}, append {})", shown[2], shown[0], shown[1])
        };
        let mut lines = vec![Line {
            what: format!("p50, {in_flight} in flight"),
            figure: show(|f| f.p50_us, duration),
            ratio: Some((p50, "of echo + append")),
            bar: (*in_flight == 1).then_some(Bar::AtMost(1.5)),
        }];
        let receipts = submit.ratio(|figures| figures.p50_us, |round| plain.round(round).p50_us);
        lines.push(Line {
            what: format!("p50 without receipts, {in_flight} in flight"),
            figure: duration(plain.median(|figures| figures.p50_us)),
            ratio: Some((receipts, "with them, of this")),
            bar: (*in_flight <= 64).then_some(Bar::AtMost(1.15)),
        });
        lines.push(Line {
            what: format!("p99, {in_flight} in flight"),
            figure: show(|f| f.p99_us, duration),
            ratio: None,
            bar: None,
        });
        lines.push(Line {
            what: format!("per second, {in_flight} in flight"),
            figure: show(|f| f.per_second, rate),
            ratio: Some((per_second, "of echo")),
            bar: (*in_flight == 256).then_some(Bar::AtLeast(0.6)),
        });
        lines.push(Line {
            what: format!("processor time of one, {in_flight} in flight"),
            figure: show(|f| f.cpu_us, duration),
            ratio: Some((cpu, "of echo")),
            bar: None,
        });
        lines
    }
}
