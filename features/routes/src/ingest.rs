//! A way in leads from HTTP to a topic: where it is served, what it takes, who may use it.

use serde_json::Value;
use tidings::{api::FieldError, config::IngestSettings};

use crate::{
    config::{self, InvalidSetting},
    template::Pointer,
};

/// The longest path, below `/api/v1`.
const MAX_PATH: usize = 100;
/// What this feature serves itself.
const OWN_PATH: &str = "/messages";
/// Values of one body that are named when they do not match the schema.
const MAX_ERRORS: usize = 20;
/// What is shown of a sentence about a value.
const MAX_DETAIL: usize = 300;

/// One way in.
#[derive(Debug)]
pub(crate) struct WayIn {
    /// Below `/api/v1`: `/clicks`.
    pub(crate) path: String,
    /// The topic, by the name features know it by.
    pub(crate) topic: String,
    /// The scope that a token needs.
    pub(crate) scope: String,
    key: Option<Pointer>,
    schema: Option<jsonschema::Validator>,
}

impl WayIn {
    /// Reads a way in, and its schema; `key` is its place in the settings.
    pub(crate) fn new(key: &str, settings: &IngestSettings) -> Result<Self, InvalidSetting> {
        let refuse = |field: &str, reason: String| Err(InvalidSetting::new(format!("{key}.{field}"), reason));
        config::topic(key, &settings.topic)?;
        let path = &settings.path;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let segment =
            |part: &str| !part.is_empty() && part.bytes().all(letters) && !matches!(part, "." | "..");
        let named = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
        if !named || path.len() > MAX_PATH {
            let shown = path.escape_debug();
            return refuse(
                "path",
                format!("`{shown}` is no path such as `/clicks`, of letters, digits, `.`, `_` and `-`"),
            );
        }
        // The server sees to the paths of others.
        if path == OWN_PATH {
            return refuse("path", format!("`{path}` leads somewhere else already: choose another"));
        }
        let scope = &settings.scope;
        if scope.is_empty() || scope.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return refuse(
                "scope",
                "must name the scope that a token needs, for example `clicks:write`".to_owned(),
            );
        }
        let pointer = settings.key.as_deref().map(Pointer::parse).transpose();
        let pointer =
            pointer.map_err(|invalid| InvalidSetting::new(format!("{key}.key"), invalid.to_string()))?;
        let schema = settings.schema.as_deref().map(schema).transpose();
        let schema = schema.map_err(|reason| InvalidSetting::new(format!("{key}.schema"), reason))?;
        Ok(Self {
            path: path.clone(),
            topic: settings.topic.clone(),
            scope: scope.clone(),
            key: pointer,
            schema,
        })
    }

    /// The key of a value's record, or what is wrong with the value.
    pub(crate) fn admit(&self, value: &Value) -> Result<Option<String>, Vec<FieldError>> {
        if let Some(schema) = &self.schema {
            let errors: Vec<FieldError> =
                schema.iter_errors(value).take(MAX_ERRORS).map(|error| field_error(&error)).collect();
            if !errors.is_empty() {
                return Err(errors);
            }
        }
        let Some(pointer) = &self.key else { return Ok(None) };
        let key = pointer.text_of(value).map_err(|unfilled| {
            let detail = format!("it orders the records: {unfilled}");
            vec![FieldError { pointer: pointer.to_string(), detail }]
        })?;
        Ok(Some(key))
    }
}

/// Reads a schema; nothing is fetched for it.
fn schema(path: &str) -> Result<jsonschema::Validator, String> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| format!("cannot be read from {path}: {cause}"))?;
    let schema: Value = serde_json::from_str(&text).map_err(|cause| format!("{path} is no JSON: {cause}"))?;
    jsonschema::validator_for(&schema).map_err(|cause| format!("{path} is no JSON Schema: {cause}"))
}

/// Where and what, without the value itself, which may be long.
fn field_error(error: &jsonschema::ValidationError<'_>) -> FieldError {
    let detail = error.masked().to_string().chars().take(MAX_DETAIL).collect();
    FieldError { pointer: error.instance_path().to_string(), detail }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> IngestSettings {
        IngestSettings {
            path: "/clicks".to_owned(),
            topic: "clicks".to_owned(),
            scope: "clicks:write".to_owned(),
            ..IngestSettings::default()
        }
    }

    fn refused(change: impl FnOnce(&mut IngestSettings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        config::ways_in(&[settings]).unwrap_err().to_string()
    }

    #[test]
    fn a_setting_that_does_not_hold_is_named_with_its_key() {
        for path in ["", "clicks", "/", "/a/", "/a//b", "/../x", "/{id}", "/a b"] {
            let said = refused(|settings| settings.path = path.to_owned());
            assert!(said.starts_with("ingest[0].path `") && said.contains("is no path"), "{said}");
        }
        assert!(refused(|s| s.topic.clear()).starts_with("ingest[0].topic must name a topic"));
        assert!(refused(|s| s.topic = "__x".into()).contains("is internal"));
        assert!(refused(|s| s.scope.clear()).starts_with("ingest[0].scope must name the scope"));
        assert!(refused(|s| s.scope = "a b".into()).starts_with("ingest[0].scope must name the scope"));
        assert!(
            refused(|s| s.key = Some("user".into())).starts_with("ingest[0].key `user` is no JSON Pointer")
        );
        let missing = refused(|s| s.schema = Some("/nowhere.json".into()));
        assert!(missing.starts_with("ingest[0].schema cannot be read from /nowhere.json"), "{missing}");
        let twice = config::ways_in(&[settings(), settings()]).unwrap_err().to_string();
        assert!(twice.starts_with("ingest[1].path `/clicks` is there twice"), "{twice}");
    }

    #[test]
    fn a_value_that_does_not_match_is_refused_with_pointers() {
        let schema = json!({
            "type": "object", "required": ["user_id"],
            "properties": { "user_id": { "type": "string" }, "at": { "type": "array", "items": { "minimum": 0 } } },
        });
        let way = WayIn {
            schema: Some(jsonschema::validator_for(&schema).unwrap()),
            key: Some(Pointer::parse("/user_id").unwrap()),
            ..WayIn::new("ingest[0]", &settings()).unwrap()
        };
        assert_eq!(way.admit(&json!({ "user_id": "alice", "at": [1] })).unwrap(), Some("alice".to_owned()));
        let pointers = |value: Value| -> Vec<String> {
            let errors = way.admit(&value).unwrap_err();
            errors.into_iter().map(|error| error.pointer).collect()
        };
        assert_eq!(pointers(json!([])), [""]);
        assert_eq!(pointers(json!({})), [""]);
        assert_eq!(pointers(json!({ "user_id": 7, "at": [0, -1] })), ["/at/1", "/user_id"]);
        let keyless = WayIn { schema: None, ..way };
        let errors = keyless.admit(&json!({ "user_id": {} })).unwrap_err();
        assert_eq!(errors[0].pointer, "/user_id");
        assert!(errors[0].detail.contains("has an object"), "{}", errors[0].detail);
    }
}
