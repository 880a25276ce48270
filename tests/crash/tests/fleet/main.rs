//! The fleet's set-up, Kafka and PostgreSQL, under load: each part of it is killed, frozen, cut off and fed with what it
//! cannot digest, and what was acknowledged is there, once, in order, and the counts are true.

mod answers;
mod away;
mod brokers;
mod killed;
mod nodes;
mod poison;
mod redrive;
mod webhook;
