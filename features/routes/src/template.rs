//! A template is a text with places for values of a record: `Invoice {/number} is paid`.
//!
//! Between braces stands a JSON Pointer (RFC 6901) into the record's value; a brace itself is written twice. Templates
//! are read once, when the server starts, and filled for each record.

use std::fmt;

use serde_json::Value;

/// The most texts that one template makes of a list.
const MAX_TEXTS: usize = 100;

/// A place in a JSON value: `/customer/id`; the empty one is the whole value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(String);

/// Why a text is no template or pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTemplate {
    #[error("`{{{0}}}` is no JSON Pointer: it begins with a slash, as in `{{/customer_id}}`")]
    NoSlash(String),
    #[error("`{0}` is no JSON Pointer: it begins with a slash, as in `/customer_id`")]
    NoPointer(String),
    #[error("in `{0}` a `~` is followed by neither 0 nor 1, which stand for `~` and `/` in a JSON Pointer")]
    Escape(String),
    #[error("a `{{` has no `}}`; a brace itself is written twice: `{{{{`")]
    Open,
    #[error("a `}}` has no `{{`; a brace itself is written twice: `}}}}`")]
    Closed,
}

/// Why a template cannot be filled from a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfilled {
    #[error("the value has nothing at `{0}`")]
    Nothing(Pointer),
    #[error("at `{0}` the value has {1}, where a text or a number is needed")]
    NoText(Pointer, &'static str),
    #[error("at `{0}` the value has a list of {1}, at most {MAX_TEXTS} are allowed")]
    Many(Pointer, usize),
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pointer {
    /// Reads a pointer.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(InvalidTemplate::NoPointer(text.to_owned()));
        }
        let escapes = text.split('~').skip(1);
        if escapes.into_iter().any(|rest| !rest.starts_with(['0', '1'])) {
            return Err(InvalidTemplate::Escape(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a pointer of which `/` is the whole value, too: nobody means a field without a name by it.
    pub(crate) fn parse_part(text: &str) -> Result<Self, InvalidTemplate> {
        Self::parse(if text == "/" { "" } else { text })
    }

    /// What a value has here; null is nothing.
    pub(crate) fn of<'v>(&self, value: &'v Value) -> Result<&'v Value, Unfilled> {
        let found = value.pointer(&self.0).filter(|found| !found.is_null());
        found.ok_or_else(|| Unfilled::Nothing(self.clone()))
    }

    /// The text or number that a value has here, as text.
    pub(crate) fn text_of(&self, value: &Value) -> Result<String, Unfilled> {
        self.text(self.of(value)?)
    }

    fn text(&self, found: &Value) -> Result<String, Unfilled> {
        let no_text = |what| Err(Unfilled::NoText(self.clone(), what));
        match found {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Null => no_text("null"),
            Value::Array(_) => no_text("a list"),
            Value::Object(_) => no_text("an object"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Pointer),
}

/// A text with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            rest = if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                after
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                after
            } else if let Some(after) = from.strip_prefix('{') {
                let (pointer, after) = after.split_once('}').ok_or(InvalidTemplate::Open)?;
                if !pointer.starts_with('/') {
                    return Err(InvalidTemplate::NoSlash(pointer.to_owned()));
                }
                let before = std::mem::take(&mut plain);
                parts.extend((!before.is_empty()).then_some(Part::Text(before)));
                parts.push(Part::Value(Pointer::parse(pointer)?));
                after
            } else {
                return Err(InvalidTemplate::Closed);
            };
        }
        plain.push_str(rest);
        parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The text of a template that has no place for values.
    pub(crate) fn fixed(&self) -> Option<String> {
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Value(_) => None,
        });
        texts.collect()
    }

    /// The text with the values of a record in it.
    pub(crate) fn fill(&self, value: &Value) -> Result<String, Unfilled> {
        self.parts.iter().try_fold(String::new(), |text, part| {
            Ok(text
                + &match part {
                    Part::Text(plain) => plain.clone(),
                    Part::Value(pointer) => pointer.text_of(value)?,
                })
        })
    }

    /// One text, or one for each item of the lists that the value has at its places.
    pub(crate) fn fill_each(&self, value: &Value) -> Result<Vec<String>, Unfilled> {
        let mut texts = vec![String::new()];
        for part in &self.parts {
            match part {
                Part::Text(plain) => texts.iter_mut().for_each(|text| text.push_str(plain)),
                Part::Value(pointer) => {
                    let found = pointer.of(value)?;
                    let items: Vec<String> = match found.as_array() {
                        Some(items) => {
                            items.iter().map(|item| pointer.text(item)).collect::<Result<_, _>>()?
                        }
                        None => vec![pointer.text(found)?],
                    };
                    if texts.len().saturating_mul(items.len()) > MAX_TEXTS {
                        return Err(Unfilled::Many(pointer.clone(), items.len()));
                    }
                    let with = |text: &String| {
                        let text = text.clone();
                        items.iter().map(move |item| format!("{text}{item}")).collect::<Vec<_>>()
                    };
                    texts = texts.iter().flat_map(with).collect();
                }
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filled(template: &str, value: &Value) -> String {
        match Template::parse(template).map(|template| template.fill(value)) {
            Ok(Ok(text)) => text,
            Ok(Err(unfilled)) => unfilled.to_string(),
            Err(invalid) => invalid.to_string(),
        }
    }

    #[test]
    fn values_stand_where_their_pointers_stood() {
        let value = json!({ "a": "x", "b": { "c": 7, "d/e": true }, "l": [1.5, null], "": "nameless" });
        for (template, text) in [
            ("", ""),
            ("plain", "plain"),
            ("{/a}", "x"),
            ("{/a}{/b/c}, {/b/d~1e}", "x7, true"),
            ("{/l/0}", "1.5"),
            ("{{{/a}}}", "{x}"),
            ("{/}", "nameless"),
        ] {
            assert_eq!(filled(template, &value), text, "{template}");
        }
    }

    #[test]
    fn what_is_not_there_or_is_no_text_is_said_with_its_pointer() {
        let value = json!({ "o": {}, "n": null, "l": ["a", {}] });
        for (template, sentence) in [
            ("{/x}", "the value has nothing at `/x`"),
            ("{/n}", "the value has nothing at `/n`"),
            ("{/l/2}", "the value has nothing at `/l/2`"),
            ("{/o}", "at `/o` the value has an object, where a text or a number is needed"),
            ("{/l}", "at `/l` the value has a list, where a text or a number is needed"),
        ] {
            assert_eq!(filled(template, &value), sentence);
        }
    }

    #[test]
    fn a_list_makes_a_text_for_each_of_its_items() {
        let each = |template: &str, value: Value| {
            let texts = Template::parse(template).unwrap().fill_each(&value);
            texts.map_err(|unfilled| unfilled.to_string())
        };
        assert_eq!(each("user:{/ids}", json!({ "ids": ["a", 7] })).unwrap(), ["user:a", "user:7"]);
        assert_eq!(each("user:{/ids}", json!({ "ids": [] })).unwrap(), [""; 0]);
        assert_eq!(each("user:{/ids}", json!({ "ids": "a" })).unwrap(), ["user:a"]);
        assert!(each("{/ids}", json!({ "ids": [["a"]] })).unwrap_err().contains("has a list"));
        assert!(each("{/ids}", json!({ "ids": vec![1; 101] })).unwrap_err().contains("a list of 101"));
    }

    #[test]
    fn a_slip_in_a_template_is_said_when_it_is_read() {
        for (template, sentence) in [
            ("{customer}", "`{customer}` is no JSON Pointer: it begins with a slash, as in `{/customer_id}`"),
            ("{}", "`{}` is no JSON Pointer"),
            ("{/a", "a `{` has no `}`"),
            ("a}", "a `}` has no `{`"),
            ("{/a~2}", "in `/a~2` a `~` is followed by neither 0 nor 1"),
        ] {
            let invalid = Template::parse(template).unwrap_err().to_string();
            assert!(invalid.starts_with(sentence), "{invalid}");
        }
    }

    proptest! {
        #[test]
        fn no_text_and_no_value_makes_a_template_fail_otherwise(text in ".*", key in ".*") {
            if let Ok(template) = Template::parse(&text) {
                let _either = template.fill_each(&json!({ key: text.clone() }));
                prop_assert_eq!(template.fixed().is_some(), template.fill(&Value::Null).is_ok());
            }
            let doubled = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::parse(&doubled).unwrap().fixed(), Some(text));
        }
    }
}
