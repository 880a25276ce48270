//! Every setting: `tidings.toml`, then the environment, then flags.
//!
//! Keys are nouns with their unit in the name; unknown ones are refused with the nearest known name.
//! `TIDINGS_SERVER__LISTEN` sets `server.listen`; a key whose name ends in `_file` names a file that holds it.

mod load;
mod sections;

pub use load::{ConfigError, load};
pub use sections::{AdminConfig, AuthConfig, Config, DatabaseConfig, GatewayConfig, ServerConfig};
