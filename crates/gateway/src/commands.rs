//! What clients say on a WebSocket: `hello` first, then commands: a stream's own, and those that features bring.

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;
use tidings_api::{Code, Problem, SpokenCommand};
use tidings_model::SessionId;
use utoipa::ToSchema;

/// The longest `ref`.
const REFERENCE_BYTES: usize = 64;
/// The most ids in one command.
const MAX_IDS: usize = 1000;

/// The first text of a client.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct HelloText {
    /// Who it is, where the handshake did not say.
    pub(crate) token: Option<String>,
    /// After which cursor to go on.
    pub(crate) cursor: Option<String>,
    /// Which device.
    #[schema(value_type = Option<String>, max_length = 64)]
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
    /// What a feature understands: the command of this number.
    OfFeature(usize),
}

/// The commands that every stream understands.
const OWN: [&str; 5] = ["hello", "ack", "read", "auth", "ping"];

/// What features understand, beside what every stream does.
#[derive(Clone, Debug, Default)]
pub struct Commands(Arc<[Arc<dyn tidings_api::Command>]>);

impl Commands {
    /// Takes the commands of all features; the error is the name that two of them share, or one shares with a
    /// stream's own.
    pub fn new(commands: Vec<Arc<dyn tidings_api::Command>>) -> Result<Self, &'static str> {
        let mut names = BTreeSet::from(OWN);
        match commands.iter().find(|command| !names.insert(command.name())) {
            Some(twice) => Err(twice.name()),
            None => Ok(Self(commands.into())),
        }
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Arc<dyn tidings_api::Command>> {
        self.0.get(number)
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|command| command.name() == name)
    }

    /// What clients are told of those of features.
    pub fn spoken(&self) -> Vec<SpokenCommand> {
        self.0.iter().map(|command| command.spoken()).collect()
    }

    /// All that a client may say, for a sentence.
    fn names(&self) -> String {
        let own = OWN.into_iter().skip(1);
        own.chain(self.0.iter().map(|command| command.name())).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct AckText {
    /// Everything up to it has arrived; it is a cursor that this session was given.
    cursor: String,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct ReadText {
    /// The `subject` of each; at most 1000.
    ids: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct AuthText {
    /// The new token, of the same person.
    token: String,
}

/// The `ref` of a text, if it has one, and the command or what is wrong with it.
pub(crate) fn parse(text: &str, commands: &Commands) -> (Option<String>, Result<Command, Problem>) {
    let envelope: Envelope = match read(text) {
        Ok(envelope) => envelope,
        Err(problem) => return (None, Err(problem)),
    };
    if envelope.reference.as_ref().is_some_and(|reference| reference.len() > REFERENCE_BYTES) {
        return (None, Err(bad(format!("a ref has at most {REFERENCE_BYTES} bytes"))));
    }
    (envelope.reference, command(&envelope.kind, text, commands))
}

fn command(kind: &str, text: &str, commands: &Commands) -> Result<Command, Problem> {
    if let Some(number) = commands.number(kind) {
        return Ok(Command::OfFeature(number));
    }
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
            Err(bad(format!("there is no command `{unknown}`; there are {}", commands.names())))
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
        let own = Commands::default();
        let (reference, command) = parse(r#"{"type":"read","ref":"7","ids":["brd_1"]}"#, &own);
        assert_eq!(reference.as_deref(), Some("7"));
        assert_eq!(command.unwrap(), Command::Read { ids: vec!["brd_1".to_owned()] });
        assert_eq!(parse(r#"{"type":"ping"}"#, &own).1.unwrap(), Command::Ping);
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
            let (found, command) = parse(text, &Commands::default());
            assert_eq!(found.as_deref(), reference, "{text}");
            assert!(!command.unwrap_err().detail().is_empty(), "{text}");
        }
        let long = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(65));
        assert!(parse(&long, &Commands::default()).1.is_err());
    }

    #[derive(Debug)]
    struct Wave(&'static str);

    #[async_trait::async_trait]
    impl tidings_api::Command for Wave {
        fn name(&self) -> &'static str {
            self.0
        }

        fn spoken(&self) -> SpokenCommand {
            SpokenCommand::new::<tidings_api::Done>(self.0, "Waves.", serde_json::json!({}))
        }

        async fn run(
            &self,
            _caller: &tidings_api::Caller,
            _text: &str,
        ) -> Result<serde_json::Value, Problem> {
            Ok(serde_json::Value::Null)
        }
    }

    #[test]
    fn a_feature_brings_commands_whose_names_nobody_else_has() {
        let of = |names: &[&'static str]| {
            Commands::new(names.iter().map(|name| Arc::new(Wave(name)) as Arc<_>).collect())
        };
        let commands = of(&["wave", "nod"]).unwrap();
        assert_eq!(parse(r#"{"type":"nod"}"#, &commands).1.unwrap(), Command::OfFeature(1));
        let refused = parse(r#"{"type":"fly"}"#, &commands).1.unwrap_err();
        assert!(refused.detail().ends_with("there are ack, read, auth, ping, wave, nod"), "{refused:?}");
        assert_eq!(of(&["wave", "wave"]).unwrap_err(), "wave");
        assert_eq!(of(&["ack"]).unwrap_err(), "ack");
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
