//! Why a certificate is not accepted: one stable code, one cause, one next action each.
//!
//! Not for what an accepted caller may not say: that is `rules::Refusal`. Codes are permanent: a
//! code is never given to another cause.

use std::fmt;

use crate::units::{DeskId, MemberId, Timestamp};

/// A certificate is refused, or is no longer good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// `I-101`: no certificate was shown.
    NoCertificate,
    /// `I-102`: the certificate cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
    /// `I-103`: not exactly one URI name.
    NotOneUri {
        /// How many there are.
        found: usize,
    },
    /// `I-104`: the URI is not in the grammar.
    BadUri {
        /// Why.
        why: String,
    },
    /// `I-105`: the URI names another network.
    OtherNetwork {
        /// The network it names.
        named: String,
    },
    /// `I-106`: the nation is not a member.
    UnknownMember(MemberId),
    /// `I-107`: the nation has no such desk.
    UnknownDesk(DeskId),
    /// `I-108`: not issued by the nation's own authority (or the relay's).
    UnknownIssuer {
        /// Whose authority it should have been ("NL", "relay").
        whose: String,
    },
    /// `I-109`: past its end.
    Expired {
        /// Its end.
        not_after: Timestamp,
    },
    /// `I-110`: before its beginning.
    NotYetValid {
        /// Its beginning.
        not_before: Timestamp,
    },
    /// `I-111`: not issued for this use (clientAuth for desks, serverAuth for the relay).
    WrongUse,
    /// `I-112`: its key, or its issuer's, is weaker than the policy allows.
    WeakKey {
        /// What it is.
        what: String,
    },
    /// `I-113`: it lives longer than the policy allows.
    LivesTooLong {
        /// Its life in days.
        days: i64,
        /// The most that is allowed, in days.
        days_max: i64,
    },
    /// `I-114`: revoked by its nation.
    Revoked {
        /// Its serial number in hexadecimal.
        serial: String,
    },
    /// `I-115`: there is no revocation list of its issuer.
    NoRevocationList {
        /// Whose.
        whose: String,
    },
    /// `I-116`: the revocation list of its issuer is past its next update.
    StaleRevocationList {
        /// Whose.
        whose: String,
        /// When the next one was due.
        due: Timestamp,
        /// True within the grace: refused only because the certificate was never seen before.
        in_grace: bool,
    },
    /// `I-117`: anything else that X.509 path validation refuses.
    Unacceptable {
        /// What.
        why: String,
    },
    /// `I-118`: the peer is a member of the network, but not the kind that belongs here.
    WrongKind {
        /// Who it says it is.
        is: String,
        /// Who belongs here ("the relay", "a desk").
        expected: &'static str,
    },
}

impl Denied {
    /// The permanent code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "I-101",
            Self::Unreadable { .. } => "I-102",
            Self::NotOneUri { .. } => "I-103",
            Self::BadUri { .. } => "I-104",
            Self::OtherNetwork { .. } => "I-105",
            Self::UnknownMember(_) => "I-106",
            Self::UnknownDesk(_) => "I-107",
            Self::UnknownIssuer { .. } => "I-108",
            Self::Expired { .. } => "I-109",
            Self::NotYetValid { .. } => "I-110",
            Self::WrongUse => "I-111",
            Self::WeakKey { .. } => "I-112",
            Self::LivesTooLong { .. } => "I-113",
            Self::Revoked { .. } => "I-114",
            Self::NoRevocationList { .. } => "I-115",
            Self::StaleRevocationList { .. } => "I-116",
            Self::Unacceptable { .. } => "I-117",
            Self::WrongKind { .. } => "I-118",
        }
    }

    /// The name of the cause, as it stands in `google.rpc.ErrorInfo.reason`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoCertificate => "NO_CERTIFICATE",
            Self::Unreadable { .. } => "CERTIFICATE_UNREADABLE",
            Self::NotOneUri { .. } => "NOT_ONE_URI",
            Self::BadUri { .. } => "BAD_URI",
            Self::OtherNetwork { .. } => "OTHER_NETWORK",
            Self::UnknownMember(_) => "UNKNOWN_MEMBER",
            Self::UnknownDesk(_) => "UNKNOWN_DESK",
            Self::UnknownIssuer { .. } => "UNKNOWN_ISSUER",
            Self::Expired { .. } => "CERTIFICATE_EXPIRED",
            Self::NotYetValid { .. } => "CERTIFICATE_NOT_YET_VALID",
            Self::WrongUse => "CERTIFICATE_WRONG_USE",
            Self::WeakKey { .. } => "CERTIFICATE_WEAK_KEY",
            Self::LivesTooLong { .. } => "CERTIFICATE_LIVES_TOO_LONG",
            Self::Revoked { .. } => "CERTIFICATE_REVOKED",
            Self::NoRevocationList { .. } => "REVOCATION_LIST_MISSING",
            Self::StaleRevocationList { .. } => "REVOCATION_LIST_STALE",
            Self::Unacceptable { .. } => "CERTIFICATE_UNACCEPTABLE",
            Self::WrongKind { .. } => "WRONG_KIND_OF_PEER",
        }
    }

    /// What to do about it, for the person who reads the refusal.
    pub const fn next_action(&self) -> &'static str {
        match self {
            Self::NoCertificate => "configure the desk's certificate and key ([tls])",
            Self::Unreadable { .. }
            | Self::NotOneUri { .. }
            | Self::BadUri { .. }
            | Self::Unacceptable { .. } => {
                "have your authority issue a certificate with the one URI name of the README"
            }
            Self::OtherNetwork { .. } => "use the certificate issued for this network",
            Self::UnknownMember(_) => "ask the secretariat: membership changes only by records",
            Self::UnknownDesk(_) => "have your nation add the desk to its directory entry",
            Self::UnknownIssuer { .. } => {
                "use a certificate issued by the authority that the genesis names"
            }
            Self::Expired { .. } => "renew the certificate and install it; no restart is needed",
            Self::NotYetValid { .. } => "compare both clocks with UTC, or wait",
            Self::WrongUse => {
                "have it issued with extended key usage clientAuth (serverAuth for \
                 the relay)"
            }
            Self::WeakKey { .. } => {
                "use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits or more"
            }
            Self::LivesTooLong { .. } => "have a shorter-lived certificate issued (90 days)",
            Self::Revoked { .. } => "have a new certificate issued for a new key",
            Self::NoRevocationList { .. } | Self::StaleRevocationList { .. } => {
                "have that authority issue a new revocation list and the relay's operator install \
                 it"
            }
            Self::WrongKind { .. } => "check the address: desks connect to the relay only",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => write!(f, "no certificate was shown"),
            Self::Unreadable { why } => write!(f, "the certificate cannot be read: {why}"),
            Self::NotOneUri { found } => {
                write!(f, "the certificate has {found} URI names where exactly one belongs")
            }
            Self::BadUri { why } => write!(f, "the certificate's URI is not one of ours: {why}"),
            Self::OtherNetwork { named } => {
                write!(f, "the certificate is for the network {named:?}")
            }
            Self::UnknownMember(member) => write!(f, "{member} is not a member of this network"),
            Self::UnknownDesk(desk) => write!(f, "{desk} is not a desk of its nation"),
            Self::UnknownIssuer { whose } => {
                write!(f, "the certificate was not issued by the authority of {whose}")
            }
            Self::Expired { not_after } => write!(f, "the certificate ended at {not_after}"),
            Self::NotYetValid { not_before } => {
                write!(f, "the certificate begins only at {not_before}")
            }
            Self::WrongUse => write!(f, "the certificate was not issued for this use"),
            Self::WeakKey { what } => write!(f, "the certificate's key is too weak: {what}"),
            Self::LivesTooLong { days, days_max } => {
                write!(f, "the certificate lives {days} days where {days_max} are allowed")
            }
            Self::Revoked { serial } => write!(f, "the certificate {serial} is revoked"),
            Self::NoRevocationList { whose } => {
                write!(f, "there is no revocation list of {whose}")
            }
            Self::StaleRevocationList { whose, due, in_grace } => {
                let rest = if *in_grace { "; known certificates are still accepted" } else { "" };
                write!(f, "the revocation list of {whose} was due again at {due}{rest}")
            }
            Self::Unacceptable { why } => write!(f, "the certificate is not acceptable: {why}"),
            Self::WrongKind { is, expected } => write!(f, "the peer is {is}, not {expected}"),
        }
    }
}

impl std::error::Error for Denied {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_code_and_words() {
        let text = || "x".to_owned();
        let at = Timestamp(0);
        let all = [
            Denied::NoCertificate,
            Denied::Unreadable { why: text() },
            Denied::NotOneUri { found: 2 },
            Denied::BadUri { why: text() },
            Denied::OtherNetwork { named: text() },
            Denied::UnknownMember("NL".parse().unwrap()),
            Denied::UnknownDesk("NL/cyber".parse().unwrap()),
            Denied::UnknownIssuer { whose: text() },
            Denied::Expired { not_after: at },
            Denied::NotYetValid { not_before: at },
            Denied::WrongUse,
            Denied::WeakKey { what: text() },
            Denied::LivesTooLong { days: 2, days_max: 1 },
            Denied::Revoked { serial: text() },
            Denied::NoRevocationList { whose: text() },
            Denied::StaleRevocationList { whose: text(), due: at, in_grace: true },
            Denied::Unacceptable { why: text() },
            Denied::WrongKind { is: text(), expected: "a desk" },
        ];
        let mut reasons = std::collections::BTreeSet::new();
        for (denied, number) in all.iter().zip(101..) {
            assert_eq!(denied.code(), format!("I-{number}"));
            assert!(reasons.insert(denied.reason()), "{} twice", denied.reason());
            assert!(denied.reason().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
            for words in [denied.to_string(), denied.next_action().to_owned()] {
                assert!(!words.is_empty() && !words.ends_with('.') && !words.contains("  "));
            }
        }
    }
}
