//! How a command reaches Kafka itself: any cluster, whether Tidings uses it or not.

use std::path::PathBuf;

use clap::Args;
use tidings_config::LogKeeper;
use tidings_log::{KafkaLog, KafkaSettings, LogError};

use crate::{
    commands::settings,
    failure::{Failure, Kind},
};

/// Which cluster, for commands that speak to Kafka alone.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Kafka")]
pub(crate) struct Cluster {
    /// Some of its brokers. How to log in comes from the settings, `KAFKA_SASL_USERNAME` and its like.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', required = true)]
    pub(crate) brokers: Vec<String>,
    /// The settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Cluster {
    pub(crate) async fn look(&self) -> Result<KafkaLog, Failure> {
        look(&self.brokers, self.config.as_ref()).await
    }

    pub(crate) async fn write(&self) -> Result<KafkaLog, Failure> {
        let settings = reached(&self.brokers, self.config.as_ref())?;
        KafkaLog::connect(settings).await.map_err(|cause| failed(&cause))
    }
}

/// Connects to look.
pub(crate) async fn look(brokers: &[String], config: Option<&PathBuf>) -> Result<KafkaLog, Failure> {
    let settings = reached(brokers, config)?;
    KafkaLog::connect_to_look(settings).await.map_err(|cause| failed(&cause))
}

fn reached(brokers: &[String], config: Option<&PathBuf>) -> Result<KafkaSettings, Failure> {
    let mut config = settings(config)?;
    config.log = LogKeeper::Kafka;
    config.kafka.brokers = brokers.to_vec();
    tidings_server::kafka_settings(&config).ok_or_else(|| Failure::usage("name at least one broker"))
}

/// What Kafka says, with the exit code of a server that is not there or refuses.
pub(crate) fn failed(cause: &LogError) -> Failure {
    let kind = match cause {
        LogError::Setting { key, .. } if key == "brokers" => Kind::Unreachable,
        LogError::Setting { .. } => Kind::Usage,
        LogError::Refused { .. } | LogError::GroupActive { .. } => Kind::Refused,
        LogError::Away { .. } | LogError::Silent { .. } => Kind::Unreachable,
        LogError::Store { .. }
        | LogError::UnknownTopic { .. }
        | LogError::UnknownPartition { .. }
        | LogError::InvalidTopic { .. }
        | LogError::InvalidRecord { .. }
        | LogError::Kafka { .. }
        | LogError::Unknown { .. }
        | LogError::Full => Kind::Failed,
    };
    Failure::of(cause).with_kind(kind)
}
