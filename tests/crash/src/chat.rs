//! Conversations of two and of groups: each message is sent under a name, over HTTP or on a stream, until it is answered,
//! and comes to every device of every member, who say now and then that they read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tidings_client::{Answer, Client, Event};
use tokio::time::Instant;

use crate::{
    field::{Field, Marks},
    load::import,
    pages::pages_when_back,
    people::Target,
    talk::{Saying, Standing, Talk, Told, with},
};

const CONVERSATIONS: &str = "/api/v1/conversations";
/// Conversations of two, at most: chance may choose the same two again.
const PAIRS: usize = 15;
/// Groups.
const GROUPS: usize = 4;
/// People of a group, from the least to the most.
const MEMBERS: (usize, usize) = (3, 7);
/// How soon the server must answer a question.
const ANSWERED: Duration = Duration::from_mins(2);
/// Between two tries.
const LOOK: Duration = Duration::from_millis(100);

/// Who speaks with whom.
#[derive(Clone, Debug)]
pub struct Chat {
    conversations: Vec<Conversation>,
}

#[derive(Clone, Debug)]
struct Conversation {
    id: String,
    members: Vec<String>,
}

impl Chat {
    /// Lets people begin conversations, as chance chooses them.
    pub(crate) async fn begin(field: &Field) -> Result<Self, String> {
        // Nobody speaks with people whom the directory does not know.
        import(field).await?;
        let mut random = fastrand::Rng::with_seed(field.seed.wrapping_add(4));
        let mut wanted = BTreeSet::new();
        for _pair in 0..PAIRS {
            wanted.insert(some(field, 2, &mut random));
        }
        for _group in 0..GROUPS {
            let size = random.usize(MEMBERS.0..=MEMBERS.1);
            wanted.insert(some(field, size, &mut random));
        }
        let mut conversations = Vec::new();
        for members in wanted {
            conversations.push(Conversation { id: open(field, &members).await?, members });
        }
        Ok(Self { conversations })
    }
}

/// So many people, in the order of their ids.
fn some(field: &Field, count: usize, random: &mut fastrand::Rng) -> Vec<String> {
    let mut some = random.choose_multiple(field.people.iter().map(|person| person.id.clone()), count);
    some.sort_unstable();
    some
}

/// Begins a conversation as the first of its members; its id.
async fn open(field: &Field, members: &[String]) -> Result<String, String> {
    let (Some(first), others) = (members.first(), members.get(1..).unwrap_or_default()) else {
        return Err("a conversation has members".to_owned());
    };
    let body = json!({ "members": others });
    let (until, key) = (Instant::now() + ANSWERED, members.join("-"));
    loop {
        let asked = field.caller(first, 0).post_once(CONVERSATIONS, &key, &body).await;
        match asked.and_then(Answer::success).and_then(|answer| answer.json::<Value>()) {
            Ok(made) => {
                let id = made.get("conversation_id").and_then(Value::as_str);
                return id.map(str::to_owned).ok_or_else(|| format!("no conversation, but {made}"));
            }
            Err(cause) if Instant::now() >= until => return Err(cause.to_string()),
            Err(_away) => tokio::time::sleep(LOOK).await,
        }
    }
}

impl Talk for Chat {
    fn say(&self, field: &Field, marks: &Marks, _patient: bool, random: &mut fastrand::Rng) -> Saying {
        let conversation = random.choice(&self.conversations).expect("there are conversations");
        let by = random.choice(&conversation.members).expect("a conversation has members");
        let content = format!("{} {}", marks.m, field.padding);
        Saying {
            by: by.clone(),
            target: Target::Selected(conversation.members.clone()),
            path: format!("{CONVERSATIONS}/{}/messages", conversation.id),
            // The name in the body does it alone.
            key: None,
            body: json!({ "content": content, "client_id": marks.m }),
            command: Some(json!({
                "type": "message.send",
                "ref": marks.m,
                "conversation_id": conversation.id,
                "content": content,
                "client_id": marks.m,
            })),
        }
    }

    fn refused(&self, saying: Saying) -> Saying {
        with(saying, "content", "")
    }

    fn id(&self, answer: &Value) -> Option<String> {
        Some(answer.get("message_id")?.as_str()?.to_owned())
    }

    fn told(&self, event: &Event) -> Option<Told> {
        let text = |key: &str| Some(event.data.get(key)?.as_str()?.to_owned());
        match event.event_type.as_str() {
            "message.created" => {
                let n = event.data.get("seq")?.as_u64()?;
                let marks = Marks { m: text("client_id")?, key: text("conversation_id")?, n };
                Some(Told::Message(marks, text("message_id")?))
            }
            "message.status" => {
                let count = |key: &str| event.data.get(key)?.as_u64();
                Some(Told::Standing(Standing {
                    id: text("up_to")?,
                    by: text("user_id")?,
                    read: text("status")? == "READ",
                    counts: count("delivered").zip(count("read")),
                }))
            }
            _other => None,
        }
    }

    fn read(&self, event: &Event) -> Option<(String, Value)> {
        let Some(Told::Message(marks, id)) = self.told(event) else { return None };
        Some((format!("{CONVERSATIONS}/{}/read", marks.key), json!({ "up_to": id })))
    }
}

/// A message as its conversation shows it.
#[derive(Clone, Debug, Deserialize)]
struct Said {
    message_id: String,
    conversation_id: String,
    seq: u64,
    client_id: Option<String>,
}

/// Compares what the conversations hold with what was acknowledged: each message is there once, as it was answered, and
/// their numbers begin with one and have no holes. Answers what is wrong.
pub async fn wrong_conversations(field: &Field) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (conversation, member) in conversations(field).await {
        let Some(said) = history(field.caller(&member, 0), &conversation).await else {
            wrong.push(format!("{conversation} cannot be read"));
            continue;
        };
        // The newest first.
        let numbers: Vec<u64> = said.iter().rev().map(|said| said.seq).collect();
        if !numbers.iter().copied().eq((1..).take(numbers.len())) {
            wrong.push(format!("{conversation} has the numbers {numbers:?}"));
        }
        for Said { message_id, client_id, .. } in said {
            let name = client_id.unwrap_or_default();
            if let Some(first) = known.insert(name.clone(), message_id) {
                wrong.push(format!("{name} was said twice, first as {first}"));
            }
        }
    }
    let marker = field.final_marker("");
    for acknowledged in field.all_acknowledged().iter().filter(|known| !known.m.starts_with(&marker)) {
        if known.get(&acknowledged.m) != Some(&acknowledged.id) {
            let found = known.get(&acknowledged.m);
            wrong.push(format!("{} was answered as {}, and is {found:?}", acknowledged.m, acknowledged.id));
        }
    }
    wrong
}

/// All conversations, each with one of its members.
async fn conversations(field: &Field) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Found {
        conversation_id: String,
    }
    let mut all = BTreeMap::new();
    for person in &field.people {
        let found: Result<Vec<Found>, _> = pages_when_back(field.caller(&person.id, 0), CONVERSATIONS).await;
        let found = found.unwrap_or_default().into_iter();
        all.extend(found.map(|found| (found.conversation_id, person.id.clone())));
    }
    all
}

/// All that was said in a conversation, the newest first.
async fn history(member: &Client, conversation: &str) -> Option<Vec<Said>> {
    let path = format!("{CONVERSATIONS}/{conversation}/messages");
    let said: Vec<Said> = pages_when_back(member, &path).await.ok()?;
    said.iter().all(|said| said.conversation_id == conversation).then_some(said)
}
