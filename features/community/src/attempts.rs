//! Attempts to log in: so many in a minute with one user name, and so many from one address.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tidings::{
    api::{Pace, Problem, network},
    model::{Clock, UserId},
};

/// The time in which all attempts come back.
const WINDOW: Duration = Duration::from_mins(1);

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
    pace: Pace<Whose>,
}

impl Attempts {
    pub(crate) fn new(per_minute: u32, clock: Arc<dyn Clock>) -> Self {
        let per_minute = per_minute.max(1);
        Self { per_minute, clock, pace: Pace::new(per_minute, WINDOW / per_minute) }
    }

    /// Takes an attempt, or says how long to wait. An address that has none left costs no name anything.
    pub(crate) fn take(&self, name: &UserId, from: IpAddr) -> Result<(), Problem> {
        self.one(Whose::Address(network(from)), "from your address")?;
        self.one(Whose::Name(name.clone()), "with this user name")
    }

    fn one(&self, whose: Whose, of: &str) -> Result<(), Problem> {
        let limit = self.per_minute;
        let told = |wait| {
            Problem::too_many(&format!("{limit} attempts to log in {of} in a minute are enough"), wait)
        };
        self.pace.take(whose, self.clock.now()).map(|_left| ()).map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use tidings::model::{ManualClock, Timestamp};

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
}
