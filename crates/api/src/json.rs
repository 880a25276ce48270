//! Strict JSON: what every body must be before its own shape is looked at.
//!
//! One value and nothing after it, no key twice in an object, no U+0000, at most [`MAX_DEPTH`] levels and
//! [`MAX_ITEMS`] items in a list. A problem points at the place.

use std::{collections::HashSet, fmt};

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::{FieldError, Problem};

/// The deepest nesting of lists and objects.
const MAX_DEPTH: usize = 32;
/// The most items of one list, and the most keys of one object.
const MAX_ITEMS: usize = 10_000;

/// Reads strict JSON into a shape; the problem points at the value that is wrong.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    check(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| refuse(error.path(), error.inner().to_string()))
}

fn check(bytes: &[u8]) -> Result<(), Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    Strict { depth: 0 }
        .deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut track))
        .map_err(|cause| refuse(&track.path(), cause.to_string()))?;
    reader.end().map_err(|_more| Problem::field("", "something follows the JSON value"))
}

fn refuse(path: &serde_path_to_error::Path, detail: String) -> Problem {
    Problem::fields(vec![FieldError { pointer: pointer(path), detail }])
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
            serde_path_to_error::Segment::Map { key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            serde_path_to_error::Segment::Enum { variant } => format!("/{variant}"),
            serde_path_to_error::Segment::Unknown => String::new(),
        })
        .collect()
}

/// Passes over a value and keeps nothing of it.
struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("lists and objects are nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

fn text<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        // PostgreSQL cannot store it in text, so no database of ours takes it.
        return Err(E::custom("the character U+0000 is not allowed"));
    }
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _value: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        text(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut count = 0;
        while items.next_element_seed(self.inner()?)?.is_some() {
            count += 1;
            if count > MAX_ITEMS {
                return Err(A::Error::custom(format!("a list has at most {MAX_ITEMS} items")));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            text(&key)?;
            if keys.len() == MAX_ITEMS {
                return Err(A::Error::custom(format!("an object has at most {MAX_ITEMS} keys")));
            }
            entries.next_value_seed(self.inner()?)?;
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format!("the key `{}` is there twice", twice.escape_debug())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        parse::<serde_json::Value>(json.as_bytes()).unwrap_err().detail().to_owned()
    }

    #[test]
    fn what_is_not_one_plain_value_is_refused() {
        for json in ["", "{", "[1,]", "1e400", "NaN", "{\"a\":1}x", "\"\\ud800\"", "{\"a\":\"\u{0}\"}"] {
            assert!(parse::<serde_json::Value>(json.as_bytes()).is_err(), "{json}");
        }
        assert!(parse::<serde_json::Value>(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_wherever_it_is() {
        assert!(refused(r#"{"a":1,"\u0061":2}"#).contains("`a` is there twice"));
        assert!(refused(r#"{"data":[{"b":{"c":1,"c":1}}]}"#).starts_with("/data/0/b"));
    }

    #[test]
    fn the_character_nul_is_refused_and_its_harmless_twin_is_not() {
        assert!(refused(r#"{"content":"a\u0000b"}"#).starts_with("/content: "));
        assert!(parse::<serde_json::Value>(br#""a\\u0000b""#).is_ok());
    }

    #[test]
    fn depth_and_length_have_limits() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse::<serde_json::Value>(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refused(&deep(MAX_DEPTH + 2)).contains("nested deeper"));
        assert!(refused(&deep(100_000)).contains("nested deeper"));
        assert!(refused(&format!("[{}0]", "0,".repeat(MAX_ITEMS))).contains("at most"));
    }
}
