//! What every client of Kafka tells us on the side: its log lines, its troubles, when a producer is warm, and that it
//! knows no broker any more.

use std::sync::{Mutex, PoisonError};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::sync::watch;

use super::{
    failure::{Meaning, code_of, meaning},
    native::Bootstrap,
    statistics::Statistics,
};

/// What a client told on the side.
#[derive(Debug)]
pub(super) struct Told {
    // The last trouble of each kind.
    refused: Mutex<Option<(RDKafkaErrorCode, String)>>,
    away: Mutex<Option<String>>,
    warm: watch::Sender<bool>,
    /// Begins anew when every broker is forgotten.
    pub(super) bootstrap: Bootstrap,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            refused: Mutex::default(),
            away: Mutex::default(),
            warm: watch::Sender::new(false),
            bootstrap: Bootstrap::default(),
        }
    }
}

impl Told {
    /// That the brokers do not know or do not want us, with librdkafka's sentence.
    pub(super) fn refused(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last sentence about a broker that could not be reached.
    pub(super) fn away(&self) -> Option<String> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Becomes true when the producer has its id, without which its first record would wait for half a second.
    pub(super) fn warm(&self) -> watch::Receiver<bool> {
        self.warm.subscribe()
    }

    /// What a client tells of itself.
    pub(super) fn look_at(&self, statistics: &[u8]) {
        let Some(statistics) = Statistics::read(statistics) else { return };
        if statistics.is_cut_off() {
            tracing::warn!("no broker that Kafka named can be asked; asking those of the settings again");
            self.bootstrap.again();
        }
        // Once is enough.
        if !*self.warm.borrow() && statistics.is_warm() {
            self.warm.send_replace(true);
        }
    }

    fn note(&self, error: &KafkaError, reason: &str) {
        let Some(code) = code_of(error) else { return };
        match meaning(code) {
            Meaning::Refused => {
                tracing::warn!(%code, reason, "Kafka refuses us");
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((code, reason.to_owned()));
            }
            Meaning::Away => {
                tracing::debug!(%code, reason, "a broker is away");
                *self.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
            }
            Meaning::Missing | Meaning::Failed => tracing::warn!(%code, reason, "Kafka reports an error"),
        }
    }
}

/// librdkafka's own log lines; what it only remarks, or will try again, is for those who look for it.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning
        | RDKafkaLogLevel::Notice
        | RDKafkaLogLevel::Info
        | RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// Listens to a client that is no member of a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Listener(pub(super) std::sync::Arc<Told>);

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.note(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.0.look_at(statistics);
    }
}

impl ConsumerContext for Listener {}
