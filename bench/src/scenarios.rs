//! Scenarios: each starts its own server on a fresh database, loads it, and answers figures.

mod broker;
mod chat;
mod consumer;
mod creates;
mod everybody;
mod fan_out;
mod ingest;
mod on_the_wire;
mod pace;
mod receipts;
mod relay;
mod selected;
mod sizes;

use clap::ValueEnum;

use crate::{Bench, Failure, report::Figure};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// From the answer of a POST to the frame at a client.
    OnTheWire,
    /// Creates a second by 64 clients.
    Creates,
    /// One message to 10,000 connections.
    FanOut,
    /// One message to a million people.
    Everybody,
    /// Confirmations by a thousand people.
    Receipts,
    /// Broadcasts to ten thousand people by name.
    Selected,
    /// Records of a topic of Kafka, read by consumers.
    Consumer,
    /// Events from an outbox in PostgreSQL to Kafka.
    Relay,
    /// Orders, answered when the log has them.
    Ingest,
    /// What grows with an installation: people, receipts, an inbox.
    Sizes,
    /// What people say to each other, two by two and in a group of 200.
    Chat,
}

impl Scenario {
    /// All, in the order of a run.
    pub(crate) const ALL: [Self; 11] = [
        Self::OnTheWire,
        Self::Creates,
        Self::FanOut,
        Self::Everybody,
        Self::Receipts,
        Self::Selected,
        Self::Consumer,
        Self::Relay,
        Self::Ingest,
        Self::Sizes,
        Self::Chat,
    ];

    /// What the table calls it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::OnTheWire => "Accepted → on the wire",
            Self::Creates => "Creates, 64 clients",
            Self::FanOut => "One message to 10,000 connections",
            Self::Everybody => "One message to 1,000,000 people, 15,500 of them online",
            Self::Receipts => "Receipts of 1,000 people",
            Self::Selected => "Ten broadcasts to 10,000 selected people",
            Self::Consumer => "Records of Kafka, read",
            Self::Relay => "Events, from PostgreSQL to Kafka",
            Self::Ingest => "Orders, 64 clients",
            Self::Sizes => "10,000,000 people, 1,000,000 receipts, an inbox of 10,000",
            Self::Chat => "Chat, said → on the other's screen, receipts on",
        }
    }

    /// Runs it.
    pub(crate) fn run(self, bench: &Bench) -> Result<Vec<Figure>, Failure> {
        match self {
            Self::OnTheWire => on_the_wire::run(bench),
            Self::Creates => creates::run(bench),
            Self::FanOut => fan_out::run(bench),
            Self::Everybody => everybody::run(bench),
            Self::Receipts => receipts::run(bench),
            Self::Selected => selected::run(bench),
            Self::Consumer => consumer::run(bench),
            Self::Relay => relay::run(bench),
            Self::Ingest => ingest::run(bench),
            Self::Sizes => sizes::run(bench),
            Self::Chat => chat::run(bench),
        }
    }
}

/// A broadcast to everybody, as a POST's body.
fn to_all(content: &str) -> String {
    serde_json::json!({ "content": content, "target": { "type": "all" } }).to_string()
}
