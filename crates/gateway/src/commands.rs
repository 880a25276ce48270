//! What clients say on a WebSocket: `hello` first, then commands.

use serde::Deserialize;
use tidings_api::{Code, Problem};
use tidings_model::SessionId;

/// The longest `ref`.
const REFERENCE_BYTES: usize = 64;
/// The most ids in one command.
const MAX_IDS: usize = 1000;

/// The first text of a client.
#[derive(Debug, Deserialize)]
pub(crate) struct HelloText {
    /// Who it is, where the handshake did not say.
    pub(crate) token: Option<String>,
    /// After which cursor to go on.
    pub(crate) cursor: Option<String>,
    /// Which device.
    pub(crate) session: Option<SessionId>,
    /// To what it narrows its channels.
    pub(crate) channels: Option<Vec<String>>,
}

/// A later text of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// It has everything up to a cursor.
    Ack { cursor: String },
    /// Its reader read these.
    Read { ids: Vec<String> },
    /// Its new token.
    Auth { token: String },
    /// Is the server there?
    Ping,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[derive(Deserialize)]
struct AckText {
    cursor: String,
}

#[derive(Deserialize)]
struct ReadText {
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct AuthText {
    token: String,
}

/// The `ref` of a text, if it has one, and the command or what is wrong with it.
pub(crate) fn parse(text: &str) -> (Option<String>, Result<Command, Problem>) {
    let envelope: Envelope = match read(text) {
        Ok(envelope) => envelope,
        Err(problem) => return (None, Err(problem)),
    };
    if envelope.reference.as_ref().is_some_and(|reference| reference.len() > REFERENCE_BYTES) {
        return (None, Err(bad(format!("a ref has at most {REFERENCE_BYTES} bytes"))));
    }
    (envelope.reference, command(&envelope.kind, text))
}

fn command(kind: &str, text: &str) -> Result<Command, Problem> {
    match kind {
        "ack" => Ok(Command::Ack { cursor: read::<AckText>(text)?.cursor }),
        "read" => {
            let ids = read::<ReadText>(text)?.ids;
            if ids.len() > MAX_IDS {
                return Err(bad(format!("ids: at most {MAX_IDS}")));
            }
            Ok(Command::Read { ids })
        }
        "auth" => Ok(Command::Auth { token: read::<AuthText>(text)?.token }),
        "ping" => Ok(Command::Ping),
        "hello" => Err(bad("hello was said already".to_owned())),
        unknown => {
            let unknown: String = unknown.chars().take(64).collect();
            Err(bad(format!("there is no command `{unknown}`; use ack, read, auth or ping")))
        }
    }
}

/// The first text, which must be `hello`.
pub(crate) fn parse_hello(text: &str) -> Result<HelloText, Problem> {
    let envelope: Envelope = read(text)?;
    if envelope.kind != "hello" {
        return Err(bad("say `{\"type\":\"hello\"}` first".to_owned()));
    }
    read(text)
}

fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|cause| bad(format!("not a command as documented: {cause}")))
}

fn bad(detail: String) -> Problem {
    Problem::new(Code::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_with_its_reference() {
        let (reference, command) = parse(r#"{"type":"read","ref":"7","ids":["brd_1"]}"#);
        assert_eq!(reference.as_deref(), Some("7"));
        assert_eq!(command.unwrap(), Command::Read { ids: vec!["brd_1".to_owned()] });
        assert_eq!(parse(r#"{"type":"ping"}"#).1.unwrap(), Command::Ping);
    }

    #[test]
    fn what_is_no_command_is_refused_with_a_sentence_and_its_reference() {
        for (text, reference) in [
            ("", None),
            ("hi", None),
            ("[]", None),
            ("{}", None),
            (r#"{"type":1}"#, None),
            (r#"{"type":"ack","ref":"1"}"#, Some("1")),
            (r#"{"type":"fly","ref":"2"}"#, Some("2")),
            (r#"{"type":"hello","ref":"3"}"#, Some("3")),
            (r#"{"type":"read","ref":"4","ids":"all"}"#, Some("4")),
        ] {
            let (found, command) = parse(text);
            assert_eq!(found.as_deref(), reference, "{text}");
            assert!(!command.unwrap_err().detail().is_empty(), "{text}");
        }
        let long = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(65));
        assert!(parse(&long).1.is_err());
    }

    #[test]
    fn hello_comes_first() {
        let hello =
            parse_hello(r#"{"type":"hello","token":"t","session":"phone","channels":["all"]}"#).unwrap();
        assert_eq!(hello.session.unwrap().as_str(), "phone");
        assert!(parse_hello(r#"{"type":"ping"}"#).is_err());
        assert!(parse_hello(r#"{"type":"hello","session":""}"#).is_err());
    }
}
