//! Journals as years make them, in minutes.
//!
//! Requests are made, received, opened, acknowledged, determined, executed and closed, 300 a day,
//! through the relay's own door: every statement is signed, verified, decided and synced like any
//! other. Only the clock is ours. In the end a month passes, all of them are forgotten, and those
//! that stay open are made. There are no streams, so no offers are noted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use detente::envelope::words::{Extent, Outcome, WillAnswer};
use detente::envelope::{Act, Envelope, Statement};
use detente::relay::{self, Clock, Relay};
use detente::units::{Caller, DAY_MS, HOUR_MS, Timestamp};
use tokio::task::JoinSet;

use crate::network::{Mould, Network, Said, Speaker, now, question};

/// Requests made on one day: with a month each, about as many open ones as a network has.
const A_DAY: i64 = 300;
/// Days until the last settled request is forgotten.
const FORGOTTEN_DAYS: i64 = 31;
/// Records of one life.
const RECORDS_OF_LIFE: usize = 11;
/// Lives at the same time.
const AT_ONCE: usize = 256;

/// Days that `records` records take.
pub(crate) fn days(records: usize) -> i64 {
    let lives = i64::try_from(records / RECORDS_OF_LIFE).unwrap_or(i64::MAX);
    lives / A_DAY + FORGOTTEN_DAYS + 2
}

/// A clock that is moved by hand: wall and boot together, so that it never jumps.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn boot_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Hand {
    fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

struct World {
    relay: Relay,
    clock: Arc<Hand>,
    speakers: Vec<Speaker>,
    moulds: [Mould; 5],
    next: AtomicUsize,
}

/// What one statement of a life is cast from.
#[derive(Clone, Copy)]
enum What {
    Request,
    Acknowledge,
    Determine,
    Execute,
    Close,
}

/// Makes a store in `directory` with `records` records, `open` of which are open requests and the
/// newest; the end is an hour ago.
pub(crate) async fn play(
    network: &Network,
    directory: PathBuf,
    records: usize,
    open: usize,
) -> Result<()> {
    let lives = records.saturating_sub(open + 1) / RECORDS_OF_LIFE;
    let start = now().plus_ms(-HOUR_MS - (days(records) - 1) * DAY_MS);
    let clock = Arc::new(Hand(AtomicI64::new(start.0)));
    let options = options(network, directory)?;
    let (signed, hand) = (network.signed.clone(), Arc::clone(&clock));
    let opening = move || Relay::open(&options, &signed, hand);
    let (relay, running) = tokio::task::spawn_blocking(opening).await??;
    let speakers = network.desks.iter().map(|desk| network.speaker(desk)).collect::<Result<_>>()?;
    let will_answer = WillAnswer::Yes;
    let (extent, preserved_until) = (Extent::Executed, None);
    let moulds = [
        network.mould(question())?,
        network.mould(Act::Acknowledge { will_answer, estimated_at: now().plus_ms(HOUR_MS) })?,
        network.mould(Act::Determine { outcome: Outcome::Accepted, review_at: None })?,
        network.mould(Act::Execute { extent, preserved_until, mla_demanded: false })?,
        network.mould(Act::Close)?,
    ];
    let next = AtomicUsize::new(0);
    let world = Arc::new(World { relay, clock, speakers, moulds, next });
    world.all(lives, true).await?;
    world.clock.pass(FORGOTTEN_DAYS * DAY_MS);
    world.next.store(0, Ordering::Relaxed);
    world.all(open, false).await?;
    drop(world);
    tokio::task::spawn_blocking(move || running.join()).await?.map_err(anyhow::Error::msg)
}

/// The store's options, as the relay's configuration has them.
pub(crate) fn options(network: &Network, directory: PathBuf) -> Result<relay::Options> {
    let config = network.relay_config("unused")?;
    Ok(relay::Options {
        directory,
        journal: Default::default(),
        tables_cache_bytes: config.store.tables_cache_bytes,
        envelope_bytes_max: config.limits.envelope_bytes_max as usize,
        genesis_hash: config.network.genesis_sha256,
        signers: None,
        policy: None,
        witnesses_within: Duration::ZERO,
    })
}

impl World {
    /// So many requests, each with its whole life or only begun.
    async fn all(self: &Arc<Self>, count: usize, whole: bool) -> Result<()> {
        let mut tasks = JoinSet::new();
        for _ in 0..AT_ONCE {
            let world = Arc::clone(self);
            tasks.spawn(async move {
                loop {
                    let number = world.next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, anyhow::Error>(());
                    }
                    if whole {
                        world.clock.pass(DAY_MS / A_DAY);
                    }
                    world.life(number, whole).await?;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn life(&self, number: usize, whole: bool) -> Result<()> {
        let count = self.speakers.len();
        let asking = &self.speakers[number % count];
        let asked = &self.speakers[(number + 1 + number / count % (count - 1)) % count];
        let first = Said::new(&asked.desk, self.clock.wall());
        let request = self.say(asking, What::Request, first).await?;
        if !whole {
            return Ok(());
        }
        self.receive(asked, &request).await?;
        let (of, header) = (request.message, request.header);
        let retrieval = Act::Retrieval { of, header, failed: None };
        let opened = asked.machine(&self.reply(&request), retrieval)?;
        self.submit(asked, opened).await?;
        let mut newest = request;
        for what in [What::Acknowledge, What::Determine, What::Execute, What::Close] {
            newest = self
                .say(asked, what, Said { to: asking.desk.clone(), ..self.reply(&newest) })
                .await?;
            self.receive(asking, &newest).await?;
        }
        Ok(())
    }

    /// What is said to the desk that said `of`, on the same request.
    fn reply(&self, of: &Statement) -> Said {
        Said {
            case: of.case,
            request: of.request,
            in_reply_to: Some(of.header),
            ..Said::new(&of.from, self.clock.wall())
        }
    }

    async fn say(&self, by: &Speaker, what: What, said: Said) -> Result<Statement> {
        self.submit(by, self.moulds[what as usize].cast(by, &said)?).await
    }

    /// The machine's receipt.
    async fn receive(&self, by: &Speaker, statement: &Statement) -> Result<()> {
        let (of, header) = (statement.message, statement.header);
        let receipt = Act::Receipt { of, header, rejected: None };
        self.submit(by, by.machine(&self.reply(statement), receipt)?).await.map(|_| ())
    }

    async fn submit(&self, by: &Speaker, envelope: Envelope) -> Result<Statement> {
        let statement = envelope.statement.clone();
        let caller = Caller { desk: by.desk.clone() };
        match self.relay.submit(&caller, envelope).await {
            Ok(_) => Ok(statement),
            Err(relay::Error::Refused(refusal)) => {
                anyhow::bail!("{}: {}", refusal.code(), refusal.cause())
            }
            Err(error) => Err(error.into()),
        }
    }
}
