//! File, then environment: one table, checked once.

use std::{collections::BTreeMap, path::Path};

use toml::{Table, Value};

use crate::{Config, check, reference};

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
        key: String,
        /// What it must be.
        reason: String,
    },
}

/// Names people know, and the keys they set.
pub(crate) const WELL_KNOWN: [(&str, &str); 13] = [
    ("DATABASE_URL", "database.url"),
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka.brokers"),
    ("KAFKA_BROKERS", "kafka.brokers"),
    ("KAFKA_SECURITY_PROTOCOL", "kafka.security_protocol"),
    ("KAFKA_SASL_MECHANISM", "kafka.sasl_mechanism"),
    ("KAFKA_SASL_USERNAME", "kafka.sasl_username"),
    ("KAFKA_SASL_PASSWORD", "kafka.sasl_password"),
    ("KAFKA_SASL_PASSWORD_FILE", "kafka.sasl_password_file"),
    ("KAFKA_SSL_CA_LOCATION", "kafka.ssl_ca_location"),
    ("KAFKA_TOPIC", "kafka.topic"),
    ("KAFKA_RETRY_MAX", "kafka.retry_max"),
    ("KAFKA_REQUIRED_ACKS", "kafka.required_acks"),
    ("RUST_LOG", "logs.level"),
];
/// The prefix of our own names.
pub(crate) const PREFIX: &str = "TIDINGS_";

/// The environment of this process; a name or value that is not UTF-8 sets nothing of ours.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// One variable that is no setting of the server: `HOME`, `NO_COLOR`. None where it is empty, as for one that is not set.
pub fn variable(name: &str) -> Option<String> {
    environment().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value)
}

/// Reads the settings: the file if there is one, then `environment`.
///
/// `TIDINGS_SERVER__LISTEN` sets `server.listen`. A name without `__` is no setting.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    if let Some(path) = file {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Read { path: origin.clone(), cause: cause.to_string() })?;
        table = text.parse().map_err(|cause: toml::de::Error| invalid(&origin, line_of(&text, &cause)))?;
        // The file alone first, so that an error names the file.
        shape(&table, &origin)?;
    }
    let mut set_by: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (name, value) in environment {
        let Some(key) = key_of(&name)? else { continue };
        let before = set_by.insert(key.clone(), (name.clone(), value.clone()));
        if let Some((other, _)) = before.filter(|(_, other)| *other != value) {
            return Err(invalid(
                &name,
                format!("sets {key}, which {other} sets otherwise: keep one of them"),
            ));
        }
        set(&mut table, &key, &value).map_err(|reason| invalid(&name, reason))?;
        shape(&table, &name)?;
    }
    let mut config = shape(&table, "settings")?;
    let auth = &mut config.auth;
    read_secret(&mut auth.hs256_secret, auth.hs256_secret_file.as_deref(), "auth.hs256_secret")?;
    let webhook = &mut config.webhook;
    read_secret(&mut webhook.secret, webhook.secret_file.as_deref(), "webhook.secret")?;
    let proof = &mut config.proof;
    read_secret(&mut proof.signing_key, proof.signing_key_file.as_deref(), "proof.signing_key")?;
    let kafka = &mut config.kafka;
    read_secret(&mut kafka.sasl_password, kafka.sasl_password_file.as_deref(), "kafka.sasl_password")?;
    check::holds(
        config.name_orders(),
        "kafka.topic",
        "cannot stand beside another name in [topics.\"coffee_orders\"]: keep one of them",
    )?;
    check::check(&config)?;
    Ok(config)
}

/// The key that a variable sets; none for one that is no setting.
fn key_of(name: &str) -> Result<Option<String>, ConfigError> {
    if let Some((_, key)) = WELL_KNOWN.iter().find(|(known, _)| *known == name) {
        return Ok(Some((*key).to_owned()));
    }
    let Some(rest) = name.strip_prefix(PREFIX) else { return Ok(None) };
    if rest == "LOG" {
        return Ok(Some("log".to_owned()));
    }
    if rest.contains("__") {
        let key = rest.to_ascii_lowercase().replace("__", ".");
        if key.starts_with("topics.") || key.starts_with("groups.") {
            return Err(invalid(
                name,
                "topics and groups are set in the file: their names do not fit a variable's".to_owned(),
            ));
        }
        if key.starts_with("routes.") || key.starts_with("ingest.") {
            return Err(invalid(name, "is a list of tables: set it in the file".to_owned()));
        }
        return Ok(Some(key));
    }
    // One underscore too few is a likely slip, and would be passed over in silence.
    let meant = reference::keys().find(|key| key.replace('.', "_").eq_ignore_ascii_case(rest));
    match meant {
        Some(key) => {
            Err(invalid(name, format!("there is no such name; did you mean `{}`?", variable_of(&key))))
        }
        None => Ok(None),
    }
}

/// The variable that sets a key.
pub(crate) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

fn invalid(origin: &str, reason: String) -> ConfigError {
    ConfigError::Invalid { origin: origin.to_owned(), reason }
}

/// What the parser says, with the line; never the line itself, which may hold a secret.
fn line_of(text: &str, cause: &toml::de::Error) -> String {
    let before = cause.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
    format!("line {line}: {}", cause.message())
}

fn shape(table: &Table, origin: &str) -> Result<Config, ConfigError> {
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
        Some(best) => format!("there is no key `{}`; did you mean `{best}`?", unknown.escape_debug()),
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
    let wrong = |what: &str| format!("`{}` is not {what}", text.escape_debug());
    match default {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).map_err(|_cause| wrong("a whole number")),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).map_err(|_cause| wrong("true or false")),
        Some(Value::Array(items)) => {
            let texts = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            texts.map(|text| typed(text, items.first())).collect::<Result<_, _>>().map(Value::Array)
        }
        Some(Value::Table(_)) => Err("is a table: set it in the file".to_owned()),
        Some(Value::String(_) | Value::Float(_) | Value::Datetime(_)) | None => {
            Ok(Value::String(text.to_owned()))
        }
    }
}

/// Reads a secret from the file that `key` with `_file` names, if it names one.
fn read_secret(secret: &mut Option<String>, file: Option<&str>, key: &str) -> Result<(), ConfigError> {
    let Some(path) = file else { return Ok(()) };
    if secret.is_some() {
        return Err(ConfigError::Check {
            key: format!("{key}_file"),
            reason: format!("cannot stand beside {key}: keep one of them"),
        });
    }
    let text = std::fs::read_to_string(path)
        .map_err(|cause| ConfigError::Read { path: path.to_owned(), cause: cause.to_string() })?;
    *secret = Some(text.trim_end().to_owned());
    Ok(())
}
