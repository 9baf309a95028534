//! Places for connections of peers that have not said who they are: so many in all, and so many
//! from one address.
//!
//! Not for those who have: see `connections.rs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The places. A clone is the same.
#[derive(Debug, Clone)]
pub struct Crowd {
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    max: usize,
    per_address_max: usize,
}

/// A place in the crowd; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// `max` places, of which one IPv4 address or IPv6 /64 network gets `per_address_max`.
    pub fn new(max: usize, per_address_max: usize) -> Self {
        Self { taken: Arc::default(), max, per_address_max }
    }

    /// A place for a peer at this address; none when there is none left for it.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = holder(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let here = taken.get(&address).copied().unwrap_or(0);
        if all >= self.max || here >= self.per_address_max {
            return None;
        }
        taken.insert(address, here + 1);
        Some(Place { crowd: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.crowd.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = taken.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// Who counts as one holder of places: an IPv4 address, or the /64 network that one host of IPv6
/// has to itself (RFC 4291 section 2.5.4).
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_one_holder() {
        let cases = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
        ];
        for (address, expected) in cases {
            assert_eq!(holder(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }

    #[test]
    fn places_run_out_by_address_and_in_all_and_come_back() {
        let crowd = Crowd::new(3, 2);
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let (first, _second) = (crowd.enter(a).unwrap(), crowd.enter(a).unwrap());
        assert!(crowd.enter(a).is_none(), "the third of one address");
        let _third = crowd.enter(b).unwrap();
        assert!(crowd.enter(b).is_none(), "the fourth in all");
        drop(first);
        assert!(crowd.enter(b).is_some());
    }
}
