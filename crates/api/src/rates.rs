//! Rates: how much each may ask of this process, measured by one layer around all routes.
//!
//! A person has their own, a service key has larger ones, and who shows no name shares that of their address. The answer
//! says what is left in the headers of draft-ietf-httpapi-ratelimit-headers-10, `RateLimit-Policy` and `RateLimit`: the
//! policy is a quota of `q` that comes back steadily within `w` seconds, `r` is left of it, and after `t` seconds all of
//! it, or where nothing is left the next one.
//!
//! Streams are not cut, and of one that opens without a name in its head (`hello` or a ticket will say it) nothing is
//! taken here: how many open is the gateway's to judge.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use tidings_model::{Clock, Timestamp, UserId};

use crate::{
    Caller, Pace, Problem,
    audit::Peer,
    pace::{Left, whole_seconds},
    tickets,
};

/// Routes of the API begin with it; health and numbers do not, and are always told.
const API: &str = "/api/";
/// What says something to many.
const BROADCASTS: (Method, &str) = (Method::POST, "/api/v1/broadcasts");
/// The bits of an IPv6 address that one customer of a network has for themselves.
const OWN_BITS: u32 = 64;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// How much each may ask.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Requests of a person, or of an address, in a second.
    pub requests_per_second: u32,
    /// Requests of a service key in a second.
    pub key_requests_per_second: u32,
    /// Broadcasts of a person in a minute.
    pub broadcasts_per_minute: u32,
    /// Broadcasts of a service key in a minute.
    pub key_broadcasts_per_minute: u32,
}

/// Whose requests are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    Person(UserId),
    Service(UserId),
    Address(IpAddr),
}

/// One policy for one kind of caller.
#[derive(Debug)]
struct Rate<Who> {
    name: &'static str,
    // So many, which come back within so many seconds.
    quota: u32,
    window: u32,
    // What it is, for who has taken all of it.
    told: String,
    pace: Pace<Who>,
}

/// Measures what is asked of this process.
#[derive(Debug)]
pub struct Rates {
    clock: Arc<dyn Clock>,
    people: Rate<UserId>,
    services: Rate<UserId>,
    // Apart, so that a crowd without names leaves the room of those who have one.
    addresses: Rate<IpAddr>,
    broadcasts: Rate<UserId>,
    service_broadcasts: Rate<UserId>,
}

/// What an answer says of the rates; the frame writes it, around whatever becomes of the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    policies: Vec<String>,
    states: Vec<String>,
}

impl Rates {
    /// Rates that nobody has taken anything of yet.
    pub fn new(limits: RateLimits, clock: Arc<dyn Clock>) -> Self {
        let RateLimits {
            requests_per_second,
            key_requests_per_second,
            broadcasts_per_minute,
            key_broadcasts_per_minute,
        } = limits;
        Self {
            clock,
            people: requests(requests_per_second, "one person", "requests_per_second"),
            services: requests(key_requests_per_second, "one service key", "key_requests_per_second"),
            addresses: requests(requests_per_second, "one address without a token", "requests_per_second"),
            broadcasts: broadcasts(broadcasts_per_minute, "one person", "broadcasts_per_minute"),
            service_broadcasts: broadcasts(
                key_broadcasts_per_minute,
                "one service key",
                "key_broadcasts_per_minute",
            ),
        }
    }

    /// Takes one request into account, or refuses it.
    fn take(&self, whose: Whose, broadcast: bool, now: Timestamp) -> (Told, Result<(), Problem>) {
        let mut told = Told::default();
        let (requests, broadcasts, who) = match whose {
            Whose::Address(address) => {
                let taken = self.addresses.take(address, now, &mut told);
                return (told, taken);
            }
            Whose::Person(user) => (&self.people, &self.broadcasts, user),
            Whose::Service(key) => (&self.services, &self.service_broadcasts, key),
        };
        let mut taken = requests.take(who.clone(), now, &mut told);
        if taken.is_ok() && broadcast {
            taken = broadcasts.take(who, now, &mut told);
        }
        (told, taken)
    }
}

/// So many in a second, and twice as many at once.
fn requests<Who: Eq + std::hash::Hash>(per_second: u32, of: &str, key: &str) -> Rate<Who> {
    let per_second = per_second.max(1);
    let quota = per_second.saturating_mul(2);
    Rate {
        name: "requests",
        quota,
        window: 2,
        told: format!("{per_second} requests a second are what {of} may ask of this process (limits.{key})"),
        pace: Pace::new(quota, Duration::from_secs(1) / per_second),
    }
}

/// So many in a minute, and as many at once.
fn broadcasts(per_minute: u32, of: &str, key: &str) -> Rate<UserId> {
    let quota = per_minute.max(1);
    Rate {
        name: "broadcasts",
        quota,
        window: 60,
        told: format!("{quota} broadcasts a minute are what {of} may say at this process (limits.{key})"),
        pace: Pace::new(quota, Duration::from_mins(1) / quota),
    }
}

impl<Who: Eq + std::hash::Hash> Rate<Who> {
    fn take(&self, who: Who, now: Timestamp, told: &mut Told) -> Result<(), Problem> {
        let taken = self.pace.take(who, now);
        let (left, wait) = match taken {
            Ok(Left { count, whole_in }) => (count, whole_in),
            Err(wait) => (0, wait),
        };
        let Self { name, quota, window, .. } = self;
        told.policies.push(format!("\"{name}\";q={quota};w={window}"));
        told.states.push(format!("\"{name}\";r={left};t={}", whole_seconds(wait)));
        taken.map(|_left| ()).map_err(|wait| Problem::too_many(&self.told, wait))
    }
}

impl Told {
    /// Writes it into the head of an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, items) in [(POLICY, &self.policies), (STATE, &self.states)] {
            if let Ok(value) = HeaderValue::from_str(&items.join(", ")) {
                headers.insert(name, value);
            }
        }
    }
}

/// The layer: what is too much is refused before the route sees it.
pub(crate) async fn measure(
    State(rates): State<Arc<Rates>>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let nameless = !request.headers().contains_key(header::AUTHORIZATION);
    if !are_measured(route.as_str()) || (nameless && tickets::PATHS.contains(&route.as_str())) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let broadcast = (&parts.method, route.as_str()) == (&BROADCASTS.0, BROADCASTS.1);
    let (told, taken) = rates.take(whose(&mut parts).await, broadcast, rates.clock.now());
    let mut response = match taken {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(told);
    response
}

/// Whether requests of a route are counted.
pub(crate) fn are_measured(route: &str) -> bool {
    route.starts_with(API)
}

/// Who asks: whom the token names, and where there is none that holds, the address.
async fn whose(parts: &mut Parts) -> Whose {
    match Caller::brought(parts).await {
        Ok(Some(Caller { user_id, service: true, .. })) => Whose::Service(user_id),
        Ok(Some(Caller { user_id, .. })) => Whose::Person(user_id),
        Ok(None) | Err(_) => Whose::Address(network(Peer::of(parts).0.ip())),
    }
}

/// An address, or of IPv6 the network that it is one of very many of.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> OWN_BITS << OWN_BITS).into(),
    }
}

#[cfg(test)]
mod tests {
    use tidings_model::SystemClock;

    use super::*;
    use crate::Code;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    fn rates() -> Rates {
        let limits = RateLimits {
            requests_per_second: 50,
            key_requests_per_second: 1_000,
            broadcasts_per_minute: 60,
            key_broadcasts_per_minute: 30_000,
        };
        Rates::new(limits, Arc::new(SystemClock))
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    /// The two headers of an answer, the policy first.
    fn heads(told: &Told) -> [String; 2] {
        let mut headers = HeaderMap::new();
        told.write(&mut headers);
        [POLICY, STATE].map(|name| headers[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_person_has_twice_a_second_at_once_then_the_pace_and_is_told_what_is_left() {
        let rates = rates();
        let ask = |now| rates.take(Whose::Person(user("alice")), false, now);
        let (told, taken) = ask(START);
        assert!(taken.is_ok());
        assert_eq!(heads(&told), [r#""requests";q=100;w=2"#, r#""requests";r=99;t=1"#]);
        assert!((1..100).all(|_time| ask(START).1.is_ok()));
        let (told, refused) = ask(START);
        assert_eq!(heads(&told)[1], r#""requests";r=0;t=1"#);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::TooManyRequests);
        let sentence = "50 requests a second are what one person may ask of this process (limits.requests_per_second); wait 1 second, then try again";
        assert_eq!(refused.detail(), sentence);
        assert_eq!(refused.into_response().headers()[header::RETRY_AFTER], "1");
        let later = START.plus(Duration::from_secs(1));
        assert_eq!((0..60).filter(|_time| ask(later).1.is_ok()).count(), 50);
        assert!(rates.take(Whose::Person(user("bob")), false, START).1.is_ok(), "nobody pays for another");
    }

    #[test]
    fn a_service_key_has_rates_of_its_own_and_so_has_an_address() {
        let rates = rates();
        let count = |whose: &Whose| {
            (0..3_000).filter(|_time| rates.take(whose.clone(), false, START).1.is_ok()).count()
        };
        let from = |host: u128| Whose::Address(network(Ipv6Addr::from_bits(0x2001_0db8 << 96 | host).into()));
        assert_eq!(count(&Whose::Service(user("alice"))), 2_000);
        assert_eq!(count(&Whose::Person(user("alice"))), 100);
        assert_eq!(count(&from(1)), 100);
        assert_eq!(count(&from(2)), 0, "one network");
        assert_eq!(count(&from(1 << 64)), 100, "another one");
    }

    #[test]
    fn broadcasts_have_a_rate_beside_that_of_requests() {
        let rates = rates();
        let say = |now| rates.take(Whose::Person(user("alice")), true, now);
        let both = [
            r#""requests";q=100;w=2, "broadcasts";q=60;w=60"#,
            r#""requests";r=99;t=1, "broadcasts";r=59;t=1"#,
        ];
        assert_eq!(heads(&say(START).0), both);
        assert!((1..60).all(|_time| say(START).1.is_ok()));
        let (told, refused) = say(START);
        assert!(heads(&told)[1].ends_with(r#""broadcasts";r=0;t=1"#), "{told:?}");
        assert!(
            refused.unwrap_err().detail().starts_with("60 broadcasts a minute are what one person may say")
        );
        assert!(rates.take(Whose::Person(user("alice")), false, START).1.is_ok(), "the rest goes on");
        assert!(say(START.plus(Duration::from_secs(1))).1.is_ok());
        assert!(say(START.plus(Duration::from_secs(1))).1.is_err());
        let key = |_time| rates.take(Whose::Service(user("key")), true, START).1.is_ok();
        assert!((0..2_000).all(key), "many more for a service");
    }
}
