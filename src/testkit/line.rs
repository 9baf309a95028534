//! The line between a desk and the relay, which can be cut, and can lose what the relay answers.
//!
//! Not a simulation: a TCP listener of this process that carries bytes and knows nothing of what
//! they are, so that TLS and gRPC meet on it what they meet on a bad network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes carried at once: the largest TLS record.
const CHUNK_BYTES: usize = 16 << 10;

/// How a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It carries both ways.
    Up,
    /// What the desk says arrives; what the relay answers is lost.
    Deaf,
    /// It carries nothing; who is on it is thrown off.
    Cut,
}

/// A line. Dropping it cuts it for good.
pub(super) struct Line {
    address: SocketAddr,
    lever: Lever,
    _carrying: JoinSet<()>,
}

/// What changes how a line stands, from anywhere.
#[derive(Clone)]
pub(super) struct Lever {
    state: watch::Sender<State>,
    /// Connections that are open on it.
    open: watch::Sender<usize>,
}

impl Lever {
    /// Changes how it stands.
    pub(super) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Throws off who is on it, and only then lets others on.
    pub(super) async fn break_and_mend(&self) {
        self.set(State::Cut);
        // This end is here, so there is somebody to tell.
        let mut open = self.open.subscribe();
        let _gone = open.wait_for(|open| *open == 0).await.is_ok();
        self.set(State::Up);
    }
}

impl Line {
    /// A line that is up, to wherever `relay` says that the relay is.
    ///
    /// # Errors
    /// When the system has no port.
    pub(super) async fn open(relay: watch::Receiver<Option<SocketAddr>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let lever = Lever { state: watch::Sender::new(State::Up), open: watch::Sender::new(0) };
        let mut carrying = JoinSet::new();
        carrying.spawn(accept(listener, relay, lever.clone()));
        Ok(Self { address, lever, _carrying: carrying })
    }

    /// Where the desk's end is.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it stands.
    pub(super) fn state(&self) -> State {
        *self.lever.state.borrow()
    }

    /// What changes how it stands.
    pub(super) const fn lever(&self) -> &Lever {
        &self.lever
    }
}

async fn accept(listener: TcpListener, relay: watch::Receiver<Option<SocketAddr>>, lever: Lever) {
    // Connections hang on this task, and it on the line.
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        let Ok((desk, _)) = accepted else { continue };
        let target = *relay.borrow();
        let mut state = lever.state.subscribe();
        if *state.borrow_and_update() == State::Cut {
            continue;
        }
        if let Some(target) = target {
            let on_it = OnLine::new(&lever.open);
            open.spawn(async move {
                // An error is the end of a connection like any other; both ends see it.
                drop(carry(desk, target, state).await);
                drop(on_it);
            });
        }
    }
}

/// A connection that is open; counted.
struct OnLine(watch::Sender<usize>);

impl OnLine {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for OnLine {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn carry(
    mut desk: TcpStream,
    target: SocketAddr,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut relay = TcpStream::connect(target).await?;
    relay.set_nodelay(true)?;
    desk.set_nodelay(true)?;
    let (from_desk, to_desk) = desk.split();
    let (from_relay, to_relay) = relay.split();
    let hears = state.clone();
    tokio::select! {
        ended = pump(from_desk, to_relay, || true) => ended,
        ended = pump(from_relay, to_desk, || *hears.borrow() == State::Up) => ended,
        // A line that is gone is cut.
        _cut = state.wait_for(|state| *state == State::Cut) => Ok(()),
    }
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    arrives: impl Fn() -> bool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        if arrives() {
            to.write_all(chunk.get(..read).unwrap_or_default()).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_carries_loses_and_is_cut() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (_relay, target) = watch::channel(Some(echo.local_addr().unwrap()));
        let line = Line::open(target).await.unwrap();
        let mut desk = TcpStream::connect(line.address()).await.unwrap();
        let (mut relay, _) = echo.accept().await.unwrap();
        let mut heard = [0; 2];
        desk.write_all(b"hi").await.unwrap();
        relay.read_exact(&mut heard).await.unwrap();
        relay.write_all(b"ho").await.unwrap();
        desk.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ho");
        line.lever().set(State::Deaf);
        relay.write_all(b"lost").await.unwrap();
        desk.write_all(b"on").await.unwrap();
        relay.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"on");
        line.lever().set(State::Cut);
        assert_eq!(desk.read(&mut heard).await.unwrap_or(0), 0);
        assert_eq!(relay.read(&mut heard).await.unwrap_or(0), 0);
        let mut again = TcpStream::connect(line.address()).await.unwrap();
        assert_eq!(again.read(&mut heard).await.unwrap_or(0), 0, "nobody gets through");
    }
}
