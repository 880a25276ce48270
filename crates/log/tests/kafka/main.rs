//! Kafka keeps what a log promises, also when its brokers and members are killed. `scripts/kafka with one secure --
//! cargo test …` runs these tests with brokers; without them they are passed over.

mod broker;
mod child;
mod killed;
mod reading;
mod rebalance;
mod scoped;
mod secure;
mod tools;
mod world;

mod conformance {
    tidings_log::conformance!(crate::world::Kafka::fresh());
}

/// The same rules with the newer protocol of groups, which brokers before 4.0 do not know.
mod conformance_of_the_newer_groups {
    tidings_log::conformance!(crate::world::Kafka::newer());
}
