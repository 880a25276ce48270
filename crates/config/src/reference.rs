//! The reference and the file of defaults, made from the sections themselves.

use std::fmt::Write as _;

use toml::{Table, Value};

use crate::{
    AdminConfig, AuthConfig, Config, DatabaseConfig, GatewayConfig, GroupSettings, IngestSettings,
    KafkaConfig, LimitsConfig, LogKeeper, LogsConfig, ProofConfig, RouteSettings, ServerConfig,
    TestingConfig, TopicSettings, WebhookConfig,
    load::{WELL_KNOWN, variable_of},
    section::{Field, Section},
};

/// A section as the reference shows it.
struct Shown {
    key: &'static str,
    about: &'static str,
    fields: &'static [Field],
}

const fn shown<S: Section>() -> Shown {
    Shown { key: S::KEY, about: S::ABOUT, fields: S::FIELDS }
}

/// All sections with fixed names, in the order of the file.
const SECTIONS: [Shown; 11] = [
    shown::<ServerConfig>(),
    shown::<AdminConfig>(),
    shown::<DatabaseConfig>(),
    shown::<KafkaConfig>(),
    shown::<AuthConfig>(),
    shown::<LimitsConfig>(),
    shown::<GatewayConfig>(),
    shown::<WebhookConfig>(),
    shown::<ProofConfig>(),
    shown::<LogsConfig>(),
    shown::<TestingConfig>(),
];

/// Sections of which there may be many, with the heading of an example; they are set in the file alone.
const REPEATED: [(Shown, &str); 4] = [
    (shown::<TopicSettings>(), "[topics.\"broadcast-messages\"]"),
    (shown::<GroupSettings>(), "[groups.\"broadcast-service-group\"]"),
    (shown::<RouteSettings>(), "[[routes]]"),
    (shown::<IngestSettings>(), "[[ingest]]"),
];

/// All keys that a variable can set.
pub(crate) fn keys() -> impl Iterator<Item = String> {
    SECTIONS
        .iter()
        .flat_map(|section| section.fields.iter().map(|field| format!("{}.{}", section.key, field.name)))
}

fn defaults() -> Table {
    Table::try_from(Config::default()).unwrap_or_default()
}

fn default_of<'a>(defaults: &'a Table, section: &str, field: &str) -> Option<&'a Value> {
    defaults.get(section)?.get(field)
}

/// A `tidings.toml` in which every key has its default; what has none is a comment.
pub fn default_file() -> String {
    let mut text = "# All settings with their defaults. Keep only what you change.\n".to_owned();
    let defaults = defaults();
    let _infallible = write!(text, "\n# {}\nlog = \"auto\"\n", LogKeeper::MEANING);
    for section in &SECTIONS {
        let _infallible = write!(text, "\n#{}\n[{}]\n", section.about, section.key);
        for field in section.fields {
            let _infallible = writeln!(text, "#{}", field.meaning);
            let _infallible = match default_of(&defaults, section.key, field.name) {
                Some(value) => writeln!(text, "{} = {value}", field.name),
                None => writeln!(text, "# {} = \"\"", field.name),
            };
        }
    }
    for (section, heading) in &REPEATED {
        let _infallible = write!(text, "\n#{}\n# {heading}\n", section.about);
        for field in section.fields {
            let _infallible = write!(text, "#{}\n# {} =\n", field.meaning, field.name);
        }
    }
    text
}

/// The page `docs/reference/configuration.md`.
pub fn reference() -> String {
    let mut page = "# Configuration\n\n\
        <!-- Made by `tidings config doc` from the comments in crates/config/src/sections.rs. -->\n\n\
        Settings come from `tidings.toml` (or `--config FILE`), then from the environment, then from flags.\n\
        A key that does not exist is refused with the nearest one that does.\n\
        `tidings config default` prints a file with every default, `tidings config check` reads yours.\n"
        .to_owned();
    let defaults = defaults();
    let _infallible = write!(
        page,
        "\n## At the top\n\n| key | default | variable | meaning |\n|---|---|---|---|\n\
         | `log` | `\"auto\"` | `TIDINGS_LOG` | {} |\n",
        LogKeeper::MEANING
    );
    for section in &SECTIONS {
        heading(&mut page, section);
        page.push_str("| key | default | variable | meaning |\n|---|---|---|---|\n");
        for field in section.fields {
            let key = format!("{}.{}", section.key, field.name);
            let default = default_of(&defaults, section.key, field.name);
            // A table has no text to be read from.
            let variable = match default {
                Some(Value::Table(_)) => "–".to_owned(),
                Some(_) | None => format!("`{}`", variable_of(&key)),
            };
            let default = default.map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
            let known = WELL_KNOWN.iter().filter(|(_, known)| *known == key);
            let also: Vec<String> = known.map(|(name, _)| format!(", `{name}`")).collect();
            let also = also.concat();
            let _infallible = writeln!(
                page,
                "| `{}` | {default} | {variable}{also} | {} |",
                field.name,
                cell(field.meaning)
            );
        }
    }
    for (section, _example) in &REPEATED {
        heading(&mut page, section);
        page.push_str("| key | meaning |\n|---|---|\n");
        for field in section.fields {
            let _infallible = writeln!(page, "| `{}` | {} |", field.name, cell(field.meaning));
        }
    }
    page
}

fn heading(page: &mut String, section: &Shown) {
    let _infallible = write!(page, "\n## `[{}]`\n\n{}\n\n", section.key, section.about.trim());
}

fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|")
}
