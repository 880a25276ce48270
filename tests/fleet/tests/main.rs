//! Several processes of the real binary, which share one Kafka and one PostgreSQL.

mod chat;
mod gateways;
mod leases;
mod log;
mod roles;
mod world;
