//! (to come)

pub mod genesis;
pub mod pki;
