//! File, then environment: one table, checked once.

use std::path::Path;

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
pub(crate) const WELL_KNOWN: [(&str, &str); 2] =
    [("DATABASE_URL", "database.url"), ("RUST_LOG", "logs.level")];
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
    for (name, value) in environment {
        let Some(key) = key_of(&name)? else { continue };
        set(&mut table, &key, &value).map_err(|reason| invalid(&name, reason))?;
        shape(&table, &name)?;
    }
    let mut config = shape(&table, "settings")?;
    read_secret(&mut config)?;
    check::check(&config)?;
    Ok(config)
}

/// The key that a variable sets; none for one that is no setting.
fn key_of(name: &str) -> Result<Option<String>, ConfigError> {
    if let Some((_, key)) = WELL_KNOWN.iter().find(|(known, _)| *known == name) {
        return Ok(Some((*key).to_owned()));
    }
    let Some(rest) = name.strip_prefix(PREFIX) else { return Ok(None) };
    if rest.contains("__") {
        let key = rest.to_ascii_lowercase().replace("__", ".");
        if key.starts_with("topics.") {
            return Err(invalid(
                name,
                "topics are set in the file: their names do not fit a variable's".to_owned(),
            ));
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
        Some(Value::Array(_)) => Ok(Value::Array(
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect(),
        )),
        Some(Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_)) | None => {
            Ok(Value::String(text.to_owned()))
        }
    }
}

fn read_secret(config: &mut Config) -> Result<(), ConfigError> {
    let Some(path) = config.auth.hs256_secret_file.clone() else { return Ok(()) };
    if config.auth.hs256_secret.is_some() {
        return Err(ConfigError::Check {
            key: "auth.hs256_secret_file".to_owned(),
            reason: "cannot stand beside auth.hs256_secret: keep one of them".to_owned(),
        });
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|cause| ConfigError::Read { path, cause: cause.to_string() })?;
    config.auth.hs256_secret = Some(text.trim_end().to_owned());
    Ok(())
}
