//! Every setting: `tidings.toml`, then the environment, then flags.
//!
//! Keys are nouns with their unit in the name; unknown ones are refused with the nearest known name.
//! `TIDINGS_SERVER__LISTEN` sets `server.listen`; a key whose name ends in `_file` names a file that holds it.
//! What a field means stands beside it in `sections`, and from there in the reference.

mod check;
mod load;
mod reference;
mod roles;
mod section;
mod sections;

pub use load::{ConfigError, environment, load, variable};
pub use reference::{default_file, reference};
pub use roles::{Role, UnknownRole};
pub use section::Field;
pub use sections::{
    AdminConfig, AuthConfig, Config, DatabaseConfig, GatewayConfig, GroupProtocol, GroupSettings,
    IngestSettings, KafkaConfig, LimitsConfig, LogFormat, LogKeeper, LogsConfig, ProofConfig, RequiredAcks,
    RouteSettings, ServerConfig, TestingConfig, TopicSettings, WebhookConfig,
};
