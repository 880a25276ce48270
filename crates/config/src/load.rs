//! File, then environment: one table, checked once.

use std::path::Path;

use toml::{Table, Value};

use crate::Config;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        cause: String,
    },
    /// The file is no TOML, or a value has the wrong shape.
    #[error("{origin}: {reason}")]
    Invalid {
        /// The file or the variable.
        origin: String,
        /// What is wrong, and the nearest name for an unknown one.
        reason: String,
    },
    /// A value is outside what makes sense.
    #[error("{key} {reason}")]
    Check {
        /// The key.
        key: &'static str,
        /// What it must be.
        reason: String,
    },
}

/// Names people know, and the keys they set.
const WELL_KNOWN: [(&str, &str); 1] = [("DATABASE_URL", "database.url")];
/// The prefix of our own names.
const PREFIX: &str = "TIDINGS_";

/// Reads the settings: the file if there is one, then `environment`.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read {
            path: path.display().to_string(),
            cause: cause.to_string(),
        })?;
        table = text.parse().map_err(|cause: toml::de::Error| {
            invalid(&path.display().to_string(), cause.message().to_owned())
        })?;
        // The file alone first, so that an error names the file.
        check_shape(&table, &path.display().to_string())?;
    }
    for (name, value) in environment {
        let key = WELL_KNOWN.iter().find(|(known, _)| *known == name).map(|(_, key)| (*key).to_owned());
        let own = || name.strip_prefix(PREFIX).map(|rest| rest.to_ascii_lowercase().replace("__", "."));
        let Some(key) = key.or_else(own) else { continue };
        set(&mut table, &key, &value).map_err(|reason| invalid(&name, reason))?;
        check_shape(&table, &name)?;
    }
    let mut config = check_shape(&table, "settings")?;
    read_secret(&mut config)?;
    validate(&config)?;
    Ok(config)
}

fn invalid(origin: &str, reason: String) -> ConfigError {
    ConfigError::Invalid { origin: origin.to_owned(), reason }
}

fn check_shape(table: &Table, origin: &str) -> Result<Config, ConfigError> {
    table.clone().try_into().map_err(|cause: toml::de::Error| invalid(origin, nearest(cause.message())))
}

/// Adds the nearest known name to serde's sentence about an unknown one.
fn nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next().filter(|_| message.starts_with("unknown field")) else {
        return message.to_owned();
    };
    let best = quoted.max_by(|a, b| strsim::jaro(unknown, a).total_cmp(&strsim::jaro(unknown, b)));
    match best {
        Some(best) => format!("there is no key `{unknown}`; did you mean `{best}`?"),
        None => message.to_owned(),
    }
}

/// Sets a dotted key. What the default is decides how a text is read.
fn set(table: &mut Table, key: &str, text: &str) -> Result<(), String> {
    let defaults = Table::try_from(Config::default()).map_err(|cause| cause.to_string())?;
    let mut parts = key.split('.').peekable();
    let (mut here, mut default) = (table, Some(Value::Table(defaults)));
    while let Some(part) = parts.next() {
        let next_default = default.as_ref().and_then(|value| value.get(part)).cloned();
        if parts.peek().is_none() {
            here.insert(part.to_owned(), typed(text, next_default.as_ref())?);
            return Ok(());
        }
        let entry = here.entry(part).or_insert_with(|| Value::Table(Table::new()));
        here = entry.as_table_mut().ok_or_else(|| format!("`{key}` is no section"))?;
        default = next_default;
    }
    Ok(())
}

fn typed(text: &str, default: Option<&Value>) -> Result<Value, String> {
    let wrong = |what: &str| format!("`{text}` is not {what}");
    match default {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).map_err(|_cause| wrong("a whole number")),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).map_err(|_cause| wrong("true or false")),
        Some(Value::Array(_)) => Ok(Value::Array(
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| item.into()).collect(),
        )),
        Some(Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_)) | None => {
            Ok(Value::String(text.to_owned()))
        }
    }
}

fn read_secret(config: &mut Config) -> Result<(), ConfigError> {
    let Some(path) = config.auth.hs256_secret_file.clone() else { return Ok(()) };
    let text = std::fs::read_to_string(&path)
        .map_err(|cause| ConfigError::Read { path, cause: cause.to_string() })?;
    config.auth.hs256_secret = Some(text.trim_end().to_owned());
    Ok(())
}

fn validate(config: &Config) -> Result<(), ConfigError> {
    let check = |holds: bool, key, reason: &str| {
        if holds { Ok(()) } else { Err(ConfigError::Check { key, reason: reason.to_owned() }) }
    };
    check(config.gateway.heartbeat_secs >= 1, "gateway.heartbeat_secs", "must be at least 1")?;
    check(config.gateway.queue_frames >= 2, "gateway.queue_frames", "must be at least 2")?;
    check(
        config.gateway.queue_bytes >= 256 << 10,
        "gateway.queue_bytes",
        "must be at least 262144: one large frame",
    )?;
    check(config.gateway.connections_per_user >= 1, "gateway.connections_per_user", "must be at least 1")?;
    check(
        (1..=1000).contains(&config.gateway.catch_up_max),
        "gateway.catch_up_max",
        "must lie between 1 and 1000",
    )?;
    let secret_bytes = config.auth.hs256_secret.as_ref().map_or(32, String::len);
    check(
        secret_bytes >= 32,
        "auth.hs256_secret",
        "needs at least 32 bytes; make one with `openssl rand -hex 32`",
    )?;
    check(
        config.database.url.starts_with("sqlite://"),
        "database.url",
        "must begin with sqlite:// and name a file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let folder = std::env::temp_dir().join(format!("tidings-config-{}", std::process::id()));
        std::fs::write(&folder, "[server]\nlisten = \"127.0.0.1:1\"\n[gateway]\nheartbeat_secs = 3\n")
            .unwrap();
        let config = load(Some(&folder), env(&[("TIDINGS_SERVER__LISTEN", "127.0.0.1:2")])).unwrap();
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.gateway.heartbeat_secs, 3);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let error = load(None, env(&[("TIDINGS_SERVER__LISTN", "127.0.0.1:2")])).unwrap_err();
        assert!(error.to_string().contains("did you mean `listen`?"), "{error}");
    }

    #[test]
    fn a_value_outside_its_range_is_refused_with_its_key() {
        let error = load(None, env(&[("TIDINGS_GATEWAY__HEARTBEAT_SECS", "0")])).unwrap_err();
        assert_eq!(error.to_string(), "gateway.heartbeat_secs must be at least 1");
        let error = load(None, env(&[("TIDINGS_AUTH__HS256_SECRET", "short")])).unwrap_err();
        assert!(!error.to_string().contains("short"), "{error}");
    }
}
