//! Traces: one id that a request brings or is given, and that follows its message to the frame.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize, de};

/// The header of the W3C Trace Context.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// A place in a trace: W3C `traceparent`, version 00.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(Arc<str>);

/// A text that is not a `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// The whole header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 32 digits that all steps of one trace share.
    pub fn trace_id(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, parent, flags] = parts.as_slice() else { return Err(InvalidTraceParent) };
        let named = |part: &str| part.bytes().any(|byte| byte != b'0');
        if *version == "00"
            && digits(trace, 32)
            && digits(parent, 16)
            && digits(flags, 2)
            && named(trace)
            && named(parent)
        {
            return Ok(Self(text.into()));
        }
        Err(InvalidTraceParent)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TraceParent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Makes trace ids from the generator it was given.
#[derive(Debug)]
pub struct Traces(Mutex<fastrand::Rng>);

impl Traces {
    /// The same seed gives the same ids.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Continues the trace that a request brought; a missing or broken header begins a new one.
    pub fn of(&self, header: Option<&str>) -> TraceParent {
        if let Some(brought) = header.and_then(|header| header.parse().ok()) {
            return brought;
        }
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (trace, parent) = (random.u128(1..), random.u64(1..));
        TraceParent(format!("00-{trace:032x}-{parent:016x}-01").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_a_request_brings_goes_on_and_a_broken_one_does_not() {
        let traces = Traces::new(1);
        let brought = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traces.of(Some(brought)).as_str(), brought);
        assert_eq!(traces.of(Some(brought)).trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for broken in ["", "00-0-0-0", &brought.replace("4bf9", "4BF9"), &format!("{brought}-x"), "00-日"] {
            assert_ne!(traces.of(Some(broken)).as_str(), broken);
        }
        assert_ne!(traces.of(None), traces.of(None));
    }
}
