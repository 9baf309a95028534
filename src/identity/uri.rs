//! The one name in a certificate: a SPIFFE-like URI, in one spelling.
//!
//! Not for any other name: DNS names, e-mail addresses and the subject are never read.
//!
//! ```text
//! uri     = "spiffe://" ( desk / relay )
//! desk    = nation "." network "/desk/" name      ; spiffe://nl.detente-dev/desk/cyber
//! relay   = "relay." network "/relay"             ; spiffe://relay.detente-dev/relay
//! nation  = 2( "a"-"z" )                          ; ISO 3166-1 alpha-2, lower case
//! network = name
//! name    = edge [ *30( edge / "-" ) edge ]       ; 1 to 32 bytes
//! edge    = "a"-"z" / "0"-"9"
//! ```
//!
//! Whatever else a URI may have (upper case, port, user, query, fragment, percent-encoding, dot
//! segments, an empty or trailing segment, anything beyond ASCII) is not in the grammar, so there
//! is nothing to normalise and no two spellings of one name. A nation's label has two letters,
//! "relay" has five: the two forms cannot be taken for each other.
//! Source: SPIFFE X.509-SVID section 2 (exactly one URI name) and SPIFFE-ID section 2.

use std::fmt;
use std::str::FromStr;

use crate::units::{DeskId, MemberId, Name, Unreadable};

/// The scheme, with its slashes.
const SCHEME: &str = "spiffe://";

/// The longest legal URI in bytes: scheme 9, nation 2, dot, network 32, "/desk/" 6, desk 32.
pub const URI_BYTES_MAX: usize = 82;

/// Who a certificate speaks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Uri {
    /// A desk of a network.
    Desk {
        /// The desk.
        desk: DeskId,
        /// The network.
        network: Name,
    },
    /// The relay of a network.
    Relay {
        /// The network.
        network: Name,
    },
}

impl Uri {
    /// The network it belongs to.
    pub const fn network(&self) -> &Name {
        match self {
            Self::Desk { network, .. } | Self::Relay { network } => network,
        }
    }
}

impl FromStr for Uri {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let refuse = |why: &str| Unreadable::new("identity URI", why.to_owned());
        if text.len() > URI_BYTES_MAX {
            return Err(refuse("it is longer than 82 bytes"));
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| refuse("it is not spiffe://"))?;
        let (domain, path) = rest.split_once('/').ok_or_else(|| refuse("it has no path"))?;
        let (first, network) =
            domain.split_once('.').ok_or_else(|| refuse("its host is not <nation>.<network>"))?;
        let network: Name = network
            .parse()
            .map_err(|_| refuse("the network is not 1 to 32 of a-z, 0-9 and inner hyphens"))?;
        if first == "relay" {
            return match path {
                "relay" => Ok(Self::Relay { network }),
                _ => Err(refuse("the relay's path is not /relay")),
            };
        }
        let member = MemberId::from_label(first)
            .map_err(|_| refuse("the nation is not two lower-case letters"))?;
        let name = path.strip_prefix("desk/").ok_or_else(|| refuse("its path is not /desk/..."))?;
        let name: Name = name
            .parse()
            .map_err(|_| refuse("the desk is not 1 to 32 of a-z, 0-9 and inner hyphens"))?;
        Ok(Self::Desk { desk: DeskId { member, name }, network })
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Desk { desk, network } => {
                write!(f, "{SCHEME}{}.{network}/desk/{}", desk.member.label(), desk.name)
            }
            Self::Relay { network } => write!(f, "{SCHEME}relay.{network}/relay"),
        }
    }
}

/// The URI of a desk's certificate.
pub fn render_desk(desk: &DeskId, network: &Name) -> String {
    Uri::Desk { desk: desk.clone(), network: network.clone() }.to_string()
}

/// The URI of the relay's certificate.
pub fn render_relay(network: &Name) -> String {
    Uri::Relay { network: network.clone() }.to_string()
}
