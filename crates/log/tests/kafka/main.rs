//! Kafka keeps what a log promises, also when its brokers and members are killed. `scripts/kafka with cargo test …`
//! runs these tests with a broker; without one they are passed over.

mod scoped;
mod world;

mod conformance {
    tidings_log::conformance!(crate::world::Kafka::fresh());
}
