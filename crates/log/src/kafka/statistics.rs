//! What a client tells of itself every few seconds, as librdkafka writes it (its `STATISTICS.md`), and what that says about
//! a state that librdkafka 2.12 does not leave by itself.

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;

/// How long a broker that nobody connects to may stand so: between two attempts there is a second at most.
const UNTRIED: Duration = Duration::from_secs(3);

/// What a client tells of itself, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Statistics {
    brokers: HashMap<String, Broker>,
    #[serde(rename = "eos")]
    idempotence: Option<Idempotence>,
}

#[derive(Deserialize)]
struct Broker {
    source: String,
    state: String,
    // In microseconds.
    stateage: u64,
}

impl Broker {
    /// Whether it is one, and not a connection kept under another name, as that to a group's coordinator.
    fn is_one(&self) -> bool {
        matches!(self.source.as_str(), "configured" | "learned")
    }

    /// Whether nobody connects to it.
    fn is_left_alone(&self) -> bool {
        matches!(self.state.as_str(), "INIT" | "TRY_CONNECT")
            && Duration::from_micros(self.stateage) >= UNTRIED
    }
}

#[derive(Deserialize)]
struct Idempotence {
    idemp_state: String,
}

impl Statistics {
    /// None where it reads otherwise some day, which is no reason for anything.
    pub(super) fn read(statistics: &[u8]) -> Option<Self> {
        serde_json::from_slice(statistics).ok()
    }

    /// Whether there is no broker that the client is connected to or tries to reach.
    ///
    /// A broker that its controller does not count answers that there are none, and a client gives up those it had. One
    /// of them may stay in its list for ever, with nobody connecting to it, where something still refers to it.
    pub(super) fn is_cut_off(&self) -> bool {
        self.brokers.values().filter(|broker| broker.is_one()).all(Broker::is_left_alone)
    }

    /// Whether a producer has its id.
    pub(super) fn is_warm(&self) -> bool {
        self.idempotence.as_ref().is_some_and(|idempotence| idempotence.idemp_state == "Assigned")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn broker(source: &str, state: &str, age: u64) -> serde_json::Value {
        serde_json::json!({ "source": source, "state": state, "stateage": age, "nodename": "kafka:9092" })
    }

    fn told(brokers: &[serde_json::Value]) -> Statistics {
        let brokers: serde_json::Map<_, _> =
            brokers.iter().enumerate().map(|(at, broker)| (at.to_string(), broker.clone())).collect();
        let statistics = serde_json::json!({
            "name": "tidings#producer-1", "brokers": brokers, "eos": { "idemp_state": "Assigned" },
        });
        Statistics::read(statistics.to_string().as_bytes()).expect("they read so")
    }

    #[test]
    fn a_client_is_cut_off_if_nobody_connects_to_any_broker_that_it_lists() {
        let coordinator = broker("logical", "TRY_CONNECT", 83 * SECOND);
        let given_up = broker("learned", "INIT", 83 * SECOND);
        for (cut, brokers) in [
            (true, vec![coordinator.clone()]),
            (true, vec![coordinator.clone(), given_up.clone()]),
            (true, vec![broker("learned", "TRY_CONNECT", 83 * SECOND)]),
            (false, vec![given_up.clone(), broker("configured", "UP", SECOND)]),
            (false, vec![broker("learned", "CONNECT", 20 * SECOND)]),
            (false, vec![broker("learned", "TRY_CONNECT", SECOND)]),
        ] {
            assert_eq!(told(&brokers).is_cut_off(), cut, "{brokers:?}");
        }
    }

    #[test]
    fn what_reads_otherwise_is_no_reason_for_anything() {
        assert!(Statistics::read(b"[]").is_none());
        let producer =
            Statistics::read(br#"{"brokers": {}, "eos": {"idemp_state": "Init"}}"#).expect("it reads so");
        assert!(!producer.is_warm());
        assert!(told(&[]).is_warm());
    }
}
