//! Talk: what a load is about. Each kind says how something is said, and what a device tells of an event.

use std::fmt;

use serde_json::{Value, json};
use tidings_client::Event;

use crate::{
    chat::Chat,
    field::{Field, Marks},
    orders::Orders,
    people::{Aim, OPERATOR, Target},
    sender::BROADCASTS,
};

/// The most people that a broadcast selects.
const SELECTED: usize = 5;

/// What the messages of a load are.
#[derive(Clone, Copy, Debug)]
pub enum About {
    /// Broadcasts of the operator, to whom chance aims them at.
    Broadcasts(Aim),
    /// Orders of people, each told to who ordered.
    Orders,
    /// What people say in conversations.
    Chat,
}

impl About {
    /// Makes what is needed before anybody connects; the server answers already.
    pub(crate) async fn begin(self, field: &Field) -> Result<Box<dyn Talk>, String> {
        Ok(match self {
            Self::Broadcasts(aim) => Box::new(Broadcasts { aim }),
            Self::Orders => Box::new(Orders),
            Self::Chat => Box::new(Chat::begin(field).await?),
        })
    }
}

/// Something to be said, and by whom.
#[derive(Clone, Debug)]
pub struct Saying {
    /// Whose token it is said with.
    pub by: String,
    /// Whom it is for.
    pub target: Target,
    /// Where it is posted to.
    pub path: String,
    /// The `Idempotency-Key`; none where the body bears a name that does the same.
    pub key: Option<String>,
    /// What is posted.
    pub body: Value,
    /// The same as a command on a stream, where there is one.
    pub command: Option<Value>,
}

/// What a device tells of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A message: its marks, and the server's id.
    Message(Marks, String),
    /// How far a message came.
    Standing(Standing),
}

/// How far a message came, as who sent it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The server's id of the message.
    pub id: String,
    /// Whose word it is.
    pub by: String,
    /// Whether they read it; they have it in any case.
    pub read: bool,
    /// Of how many it was delivered and read, where many are counted.
    pub counts: Option<(u64, u64)>,
}

/// One kind of messages.
pub trait Talk: fmt::Debug + Send + Sync {
    /// Something that is to be taken, as chance chooses it. What is said with patience is one record for all it is for.
    fn say(&self, field: &Field, marks: &Marks, patient: bool, random: &mut fastrand::Rng) -> Saying;

    /// The same with a body that must be refused.
    fn refused(&self, saying: Saying) -> Saying;

    /// The server's id, from its answer.
    fn id(&self, answer: &Value) -> Option<String>;

    /// What an event is, if it is of this kind.
    fn told(&self, event: &Event) -> Option<Told>;

    /// How somebody who saw an event says that they read it: where to, and what.
    fn read(&self, _event: &Event) -> Option<(String, Value)> {
        None
    }

    /// Whether messages that are sent one after the other's sight are promised to come in that order.
    fn keeps_keys(&self) -> bool {
        false
    }
}

/// Broadcasts of the operator.
#[derive(Clone, Copy, Debug)]
pub struct Broadcasts {
    /// Whom they are for.
    pub aim: Aim,
}

impl Broadcasts {
    /// A broadcast to these.
    pub fn to(field: &Field, marks: &Marks, target: &Target) -> Saying {
        let body = json!({
            "content": format!("{} {}", marks.m, field.padding),
            "data": field.data(marks),
            "target": target.json(),
        });
        Saying {
            by: OPERATOR.to_owned(),
            target: target.clone(),
            path: BROADCASTS.to_owned(),
            key: Some(marks.m.clone()),
            body,
            command: None,
        }
    }

    /// The marks of a broadcast.
    pub fn marks(event: &Event) -> Option<Marks> {
        let text = |key: &str| Some(event.data.pointer(key)?.as_str()?.to_owned());
        Some(Marks {
            m: text("/data/m")?,
            key: text("/data/key")?,
            n: event.data.pointer("/data/n")?.as_u64()?,
        })
    }
}

impl Talk for Broadcasts {
    fn say(&self, field: &Field, marks: &Marks, patient: bool, random: &mut fastrand::Rng) -> Saying {
        // Each selected person has a record of their own: that one of them saw it says nothing of the others.
        let selected = if patient { 1 } else { SELECTED };
        Self::to(field, marks, &(self.aim)(&field.people, selected, random))
    }

    fn refused(&self, saying: Saying) -> Saying {
        with(saying, "content", " ")
    }

    fn id(&self, answer: &Value) -> Option<String> {
        Some(answer.get("id")?.as_str()?.to_owned())
    }

    fn told(&self, event: &Event) -> Option<Told> {
        Some(Told::Message(Self::marks(event)?, event.subject.clone()))
    }

    fn keeps_keys(&self) -> bool {
        true
    }
}

/// The same with another text in a field.
pub(crate) fn with(mut saying: Saying, field: &str, text: &str) -> Saying {
    for said in [Some(&mut saying.body), saying.command.as_mut()].into_iter().flatten() {
        if let Some(place) = said.get_mut(field) {
            *place = text.into();
        }
    }
    saying
}
