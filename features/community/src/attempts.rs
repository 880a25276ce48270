//! Attempts to log in: so many in a minute with one user name, and so many from one address.
//!
//! An entry is a single moment, from which on all attempts are free again; each attempt moves it on by its share of a
//! minute. Entries whose moment has passed are forgotten.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tidings::{
    api::{Code, Problem},
    model::{Clock, Timestamp, UserId},
};

/// The time in which all attempts come back.
const WINDOW_MS: i64 = 60_000;
/// The most entries. Where all of them are in use, whoever has none yet waits.
const MOST: usize = 100_000;
/// Pause between two looks for entries that may be forgotten.
const SWEEP: Duration = Duration::from_secs(1);
/// The bits of an IPv6 address that one customer of a network has for themselves.
const OWN_BITS: u32 = 64;

/// Whose attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Name(UserId),
    Address(IpAddr),
}

/// Counts attempts; in this process alone.
#[derive(Debug)]
pub(crate) struct Attempts {
    per_minute: u32,
    clock: Arc<dyn Clock>,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    free_at: HashMap<Whose, Timestamp>,
    // When those whose moment has passed were last looked for.
    swept_at: Timestamp,
}

impl Entries {
    /// Makes room for a new one, if there is any; a crowd does not make it look through all of them each time.
    fn sweep(&mut self, now: Timestamp) {
        if self.free_at.len() >= MOST && now >= self.swept_at.plus(SWEEP) {
            self.free_at.retain(|_, at| *at > now);
            self.swept_at = now;
        }
    }
}

impl Attempts {
    pub(crate) fn new(per_minute: u32, clock: Arc<dyn Clock>) -> Self {
        Self { per_minute: per_minute.max(1), clock, entries: Mutex::default() }
    }

    /// Takes an attempt, or says how long to wait. An address that has none left costs no name anything.
    pub(crate) fn take(&self, name: &UserId, from: IpAddr) -> Result<(), Problem> {
        self.one(Whose::Address(network(from)), "from your address")?;
        self.one(Whose::Name(name.clone()), "with this user name")
    }

    fn one(&self, whose: Whose, of: &str) -> Result<(), Problem> {
        let now = self.clock.now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.sweep(now);
        let free_at = &mut entries.free_at;
        let wait_ms = match free_at.get(&whose) {
            None if free_at.len() >= MOST => WINDOW_MS,
            known => {
                let from = known.map_or(now, |at| now.max(*at));
                let at = from.plus(Duration::from_mins(1) / self.per_minute);
                let wait_ms = at.millis() - now.millis() - WINDOW_MS;
                if wait_ms <= 0 {
                    free_at.insert(whose, at);
                    return Ok(());
                }
                wait_ms
            }
        };
        let wait = u32::try_from(wait_ms.div_euclid(1000) + 1).unwrap_or(u32::MAX);
        let detail = format!(
            "{} attempts to log in {of} in a minute are enough; wait {wait} seconds, then try again",
            self.per_minute
        );
        Err(Problem::new(Code::TooManyRequests, detail).retry_after(wait))
    }
}

/// An address, or of IPv6 the network that it is one of very many of.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> OWN_BITS << OWN_BITS).into(),
    }
}

#[cfg(test)]
mod tests {
    use tidings::model::ManualClock;

    use super::*;

    fn attempts() -> (Arc<ManualClock>, Attempts) {
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000)));
        (Arc::clone(&clock), Attempts::new(10, clock))
    }

    fn from(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn ten_are_free_at_once_and_then_one_each_six_seconds() {
        let (clock, attempts) = attempts();
        let alice: UserId = "alice".parse().unwrap();
        let of = |address: u32| attempts.take(&alice, from(address)).is_ok();
        assert!((0..10).all(of), "from ten addresses");
        assert!(!of(10), "one name, wherever it comes from");
        clock.advance(Duration::from_secs(6));
        assert!(of(11) && !of(12));
    }

    #[test]
    fn an_address_has_its_own_count_whatever_names_it_tries() {
        let (_clock, attempts) = attempts();
        let of = |name: u32, address| attempts.take(&format!("u{name}").parse().unwrap(), address).is_ok();
        assert!((0..10).all(|name| of(name, from(1))) && !of(10, from(1)));
        assert!(of(10, from(2)), "who was refused by address cost the name nothing");
        let v6 = |host: u128| Ipv6Addr::from_bits(0x2001_0db8 << 96 | host).into();
        assert!((20..30).all(|name| of(name, v6(name.into()))) && !of(30, v6(30)), "one network");
        assert!(of(30, v6(1 << 64)), "another one");
    }

    #[test]
    fn entries_are_bounded_and_forgotten_in_time() {
        let (clock, attempts) = attempts();
        for number in 0..60_000_u32 {
            let _counted = attempts.take(&format!("u{number}").parse().unwrap(), from(number));
        }
        assert_eq!(attempts.entries.lock().unwrap().free_at.len(), MOST);
        let late: UserId = "late".parse().unwrap();
        assert!(attempts.take(&late, from(u32::MAX)).is_err());
        clock.advance(Duration::from_mins(1));
        assert!(attempts.take(&late, from(u32::MAX)).is_ok());
        assert_eq!(attempts.entries.lock().unwrap().free_at.len(), 2);
    }
}
