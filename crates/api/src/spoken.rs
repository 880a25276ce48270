//! What is said on streams and topics, for the reference: the name of each word, its shape, and an example.
//!
//! The shape is that of the type by which the word is written, so it cannot say anything else than the word does.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Value, json};
use tidings_model::Kind;
use utoipa::ToSchema;

/// The shape of a value, as JSON Schema that names no other.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape(Value);

impl Shape {
    /// The shape of a type.
    pub fn of<T: ToSchema>() -> Self {
        let mut named = Vec::new();
        T::schemas(&mut named);
        let named: HashMap<String, Value> = named
            .into_iter()
            .filter_map(|(name, schema)| {
                Some((format!("#/components/schemas/{name}"), serde_json::to_value(schema).ok()?))
            })
            .collect();
        let mut shape = serde_json::to_value(T::schema()).unwrap_or_default();
        spell_out(&mut shape, &named);
        Self(shape)
    }

    /// The shape of whatever is JSON.
    pub fn any() -> Self {
        Self(json!({}))
    }

    /// The same, where one of its fields has another shape.
    pub fn with(mut self, field: &str, shape: Value) -> Self {
        let Value::Object(of) = &mut self.0 else { return self };
        let fields = of.entry("properties").or_insert_with(|| json!({}));
        fields[field] = shape;
        let required = of.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut().filter(|all| !all.iter().any(|name| name == field)) {
            required.push(field.into());
        }
        self
    }

    /// It, as JSON Schema.
    pub fn into_value(self) -> Value {
        self.0
    }
}

/// Puts each shape where it is named. None of ours contains itself.
fn spell_out(schema: &mut Value, named: &HashMap<String, Value>) {
    if let Some(meant) = schema["$ref"].as_str().and_then(|name| named.get(name)) {
        *schema = meant.clone();
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(|field| spell_out(field, named)),
        Value::Array(items) => items.iter_mut().for_each(|item| spell_out(item, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// One word: what it is called, what it says, and how.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// The `type` of a frame or command, the `ce_type` of a record.
    pub name: Cow<'static, str>,
    /// What it says, as one sentence.
    pub summary: Cow<'static, str>,
    /// Its shape: of a frame its `data`, of a record its value.
    pub shape: Shape,
    /// One as it may come.
    pub example: Value,
}

impl Spoken {
    /// A word that is written by a type.
    pub fn of<T: ToSchema>(name: &'static str, summary: &'static str, example: Value) -> Self {
        Self { name: name.into(), summary: summary.into(), shape: Shape::of::<T>(), example }
    }
}

/// A frame that streams show: an event or a signal.
#[derive(Clone, Debug)]
pub struct SpokenFrame {
    /// How long it is promised.
    pub kind: Kind,
    /// What it says; the example is its `data`.
    pub word: Spoken,
    /// What its `subject` is, in the example.
    pub subject: Cow<'static, str>,
    /// By which channel it comes, in the example.
    pub channel: Cow<'static, str>,
    /// Whether it stands for all types that callers make up; its name is one of them.
    pub made_up: bool,
    /// Whether callers without a right of operators may know of it: not of what the settings name.
    pub public: bool,
}

impl SpokenFrame {
    /// An event of a type: about what it is, and by which channel it comes.
    pub fn new(kind: Kind, (subject, channel): (&'static str, &'static str), word: Spoken) -> Self {
        Self { kind, word, subject: subject.into(), channel: channel.into(), made_up: false, public: true }
    }
}

/// A record of a topic.
#[derive(Clone, Debug)]
pub struct SpokenRecord {
    /// The topic, by the name features know it by.
    pub topic: Cow<'static, str>,
    /// Its key, in the example; none where it has none.
    pub key: Option<&'static str>,
    /// What it says.
    pub word: Spoken,
    /// Whether callers without a right of operators may know of it: not of what is internal, and not of what the
    /// settings name.
    pub public: bool,
}

impl SpokenRecord {
    /// A record that is documented for everybody.
    pub fn new(topic: &'static str, key: Option<&'static str>, word: Spoken) -> Self {
        Self { topic: topic.into(), key, word, public: true }
    }
}

/// A command that clients say on a WebSocket, and how it is answered.
#[derive(Clone, Debug)]
pub struct SpokenCommand {
    /// The command; its shape has `type`, and may have `ref`.
    pub word: Spoken,
    /// The `data` of its `ok`; none where it is not answered, or by another frame.
    pub answer: Option<(Shape, Value)>,
    /// Who may say it, where not everybody may.
    pub scope: Option<&'static str>,
}

impl SpokenCommand {
    /// A command that is read by a type; the example needs no `type`.
    pub fn new<T: ToSchema>(name: &'static str, summary: &'static str, mut example: Value) -> Self {
        example["type"] = name.into();
        let mut word = Spoken::of::<T>(name, summary, example);
        word.shape = word.shape.with("type", json!({ "const": name }));
        Self { word, answer: None, scope: None }
    }

    /// It is answered by `ok` with such `data`.
    #[must_use]
    pub fn answered<T: ToSchema>(self, example: Value) -> Self {
        Self { answer: Some((Shape::of::<T>(), example)), ..self }
    }

    /// Only who has a scope may say it.
    #[must_use]
    pub fn only(self, scope: &'static str) -> Self {
        Self { scope: Some(scope), ..self }
    }
}

/// Nothing more is said.
#[derive(Clone, Copy, Debug, ToSchema)]
pub struct Done {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its shape is asked for")]
    struct Outer<'a> {
        inner: Option<Inner>,
        text: &'a str,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its shape is asked for")]
    struct Inner {
        number: u64,
    }

    #[test]
    fn a_shape_names_no_other_and_takes_another_field() {
        let shape = Shape::of::<Outer<'static>>().with("type", json!({ "const": "outer" })).into_value();
        assert!(!shape.to_string().contains("$ref"), "{shape}");
        let inner = &shape["properties"]["inner"];
        assert!(inner.to_string().contains("\"number\":{"), "{inner}");
        assert_eq!(shape["required"], json!(["text", "type"]));
    }
}
