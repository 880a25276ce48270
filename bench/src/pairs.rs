//! What a server keeps its tables and its log in: one file, or PostgreSQL and Kafka where the run was given them.

use std::time::Duration;

use crate::{Bench, Failure, keepers::Keepers, report::Figure, server::Server};

/// A database and a log.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    /// What lines of the table call it.
    pub(crate) name: &'static str,
    /// What tells a server of it.
    pub(crate) environment: Vec<(&'static str, &'a str)>,
    /// Where its brokers are, if it has any.
    pub(crate) brokers: Option<&'a str>,
    /// The processes that it consists of, beside the server.
    pub(crate) keepers: Keepers,
}

impl Bench {
    /// PostgreSQL and Kafka, if the run was given both. Every server of a run that has them goes on where the one before
    /// ended: database and log belong together.
    pub(crate) fn fleet(&self) -> Result<Option<Pair<'_>>, Failure> {
        let (Some(brokers), Some(database)) = (self.brokers.as_deref(), self.postgres.as_deref()) else {
            return Ok(None);
        };
        Ok(Some(Pair {
            name: "Kafka and PostgreSQL",
            brokers: Some(brokers),
            environment: vec![("KAFKA_BROKERS", brokers), ("DATABASE_URL", database)],
            keepers: Keepers::at(&[brokers, database])?,
        }))
    }

    /// Measures on each pair that this run has, one after the other.
    pub(crate) fn on_each_pair(
        &self,
        measure: impl Fn(&Self, &Pair<'_>) -> Result<Vec<Figure>, Failure>,
    ) -> Result<Vec<Figure>, Failure> {
        let embedded =
            Pair { name: "embedded", environment: Vec::new(), brokers: None, keepers: Keepers::default() };
        let mut figures = measure(self, &embedded)?;
        if let Some(fleet) = self.fleet()? {
            figures.extend(measure(self, &fleet)?);
        }
        Ok(figures)
    }
}

impl Pair<'_> {
    /// The one of two goals that is this pair's.
    pub(crate) fn goal(&self, embedded: &'static str, fleet: &'static str) -> &'static str {
        if self.brokers.is_none() { embedded } else { fleet }
    }

    /// What a line of the table says.
    pub(crate) fn line(&self, what: &str) -> String {
        format!("{what}, {}", self.name)
    }

    /// The seconds of processors that a server and all that keeps its data have used.
    pub(crate) fn cpu(&self, server: &Server) -> Result<Duration, Failure> {
        Ok(server.process.cpu()? + self.keepers.cpu()?)
    }
}
