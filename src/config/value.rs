//! Single values of a configuration: read, and refused when out of range.
//!
//! Not for what two values mean together.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use crate::units::Unreadable;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// From 4 KiB, which holds the smallest form with its header, to 1 MiB, the envelope's hard limit.
const ENVELOPE_BYTES: RangeInclusive<u64> = 4 * KIB..=MIB;
const TABLES_CACHE_BYTES: RangeInclusive<u64> = MIB..=1024 * MIB;
/// What a file of the journal may be: at least two batches of the largest envelope.
const SEGMENT_BYTES: RangeInclusive<u64> = 4 * MIB..=1024 * MIB;
/// Seconds between published heads: a head each second is all that witnesses keep up with; after
/// a minute of silence nobody knows whether there is nothing new.
const PUBLISH_SECONDS: RangeInclusive<u64> = 1..=60;
/// Seconds that a start waits for its witnesses. Whoever would rather not carry requests than not
/// know takes a day.
const WITNESSES_SECONDS: RangeInclusive<u64> = 0..=86_400;

/// A host name or address with a port, not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort(String);

impl HostPort {
    /// The text, as "relay.example:7410".
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostPort {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let help = "is not HOST:PORT (relay.example:7410, [2001:db8::1]:7410)";
        let bad = || Unreadable::new("address", format!("{text:?} {help}"));
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port_ok = port.parse::<u16>().is_ok_and(|port| port != 0);
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        let host_ok = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(name),
        };
        if port_ok && host_ok { Ok(Self(text.to_owned())) } else { Err(bad()) }
    }
}

/// Anything that is read from text.
pub(super) fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// An address to listen on.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!("{text:?} is not ADDRESS:PORT (127.0.0.1:7410, [::]:7410)"))
    })
}

/// The same, where it may be left out.
pub(super) fn address_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address(deserializer).map(Some)
}

/// An address to listen on that only this machine reaches.
pub(super) fn loopback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let address = address(deserializer)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(D::Error::custom(format!(
            "{address} is not a loopback address; this listener has neither encryption nor login"
        )))
    }
}

/// The same, where it may be left out.
pub(super) fn loopback_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    loopback(deserializer).map(Some)
}

pub(super) const fn tables_cache_default() -> u64 {
    32 * MIB
}

pub(super) fn tables_cache<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    within(deserializer, &TABLES_CACHE_BYTES, "bytes")
}

pub(super) const fn segment_default() -> u64 {
    64 * MIB
}

pub(super) fn segment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    within(deserializer, &SEGMENT_BYTES, "bytes")
}

pub(super) const fn envelope_bytes_default() -> u32 {
    256 * 1024
}

pub(super) fn envelope_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let bytes = within(deserializer, &ENVELOPE_BYTES, "bytes")?;
    u32::try_from(bytes).map_err(D::Error::custom)
}

pub(super) fn publish_interval<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    within(deserializer, &PUBLISH_SECONDS, "seconds").map(Duration::from_secs)
}

/// As long as deadlines wait after a start. A desk offers its witness again every 5 s at least.
pub(super) const fn witnesses_default() -> Duration {
    Duration::from_secs(10)
}

pub(super) fn witnesses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    within(deserializer, &WITNESSES_SECONDS, "seconds").map(Duration::from_secs)
}

fn within<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: &RangeInclusive<u64>,
    unit: &str,
) -> Result<u64, D::Error> {
    let value = u64::deserialize(deserializer)?;
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(D::Error::custom(format!(
            "{value} is out of range: {} to {} {unit} are taken",
            range.start(),
            range.end()
        )))
    }
}

/// Where systems keep the authorities that they trust (Debian, Fedora).
pub const SYSTEM_AUTHORITIES: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

pub(super) fn authorities_default() -> std::path::PathBuf {
    SYSTEM_AUTHORITIES[0].into()
}
