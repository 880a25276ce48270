//! The show: two people listen, one is away, and a broadcast is followed from its POST to the receipts.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use tidings_client::{Client, Frame, ListenOptions, Listener, Waits};
use tidings_delivery::change::{self, Wish};
use tidings_model::{Channel, Clock, SystemClock};
use tidings_server::Server;
use tidings_store::Lane;

use super::{ADMIN, Demo, PEOPLE};
use crate::{
    failure::Failure,
    reach,
    terminal::{Paint, say},
};

/// What the administrator says.
const CONTENT: &str = "The canteen closes at two today.";
/// How long the show may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long the tokens of the show are valid.
const LIFE: Duration = Duration::from_mins(5);

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
struct Stats {
    targeted: u64,
    delivered: u64,
    pending: u64,
}

/// Enters the demo's people into the directory, as the application would.
pub(crate) async fn enter_people(server: &Server) -> Result<(), Failure> {
    let mut wishes = Vec::new();
    for (user, name, roles) in PEOPLE {
        let user_id = user.parse().map_err(|cause| Failure::of(&cause))?;
        let roles = roles.iter().map(|role| Channel::Role((*role).to_owned())).collect();
        wishes.push(Wish { display_name: Some(name.to_owned()), roles: Some(roles), ..Wish::of(user_id) });
    }
    change::change(server.store(), Lane::People, wishes, SystemClock.now())
        .await
        .map_err(|cause| Failure::of(&cause))?;
    Ok(())
}

/// Plays the show and prints what happens; answers the broadcast's id.
pub(crate) async fn play(paint: Paint, demo: &Demo, base: &str) -> Result<String, Failure> {
    let playing = Box::pin(follow(paint, demo, base));
    tokio::time::timeout(LIMIT, playing).await.unwrap_or_else(|_elapsed| {
        Err(Failure::new(format!("the broadcast did not arrive within {} s", LIMIT.as_secs())))
    })
}

async fn follow(paint: Paint, demo: &Demo, base: &str) -> Result<String, Failure> {
    let mut alice = listen(demo, base, "alice").await?;
    let mut bob = listen(demo, base, "bob").await?;
    let admin = Client::new(base, Some(&demo.token(ADMIN, LIFE)?))?;
    say("alice and bob listen, carol is away. The administrator tells everybody:\n")?;

    let started = Instant::now();
    let body = json!({ "title": "Canteen", "content": CONTENT, "target": { "type": "all" } });
    let answer = admin.post("/api/v1/broadcasts", &body).await?.success()?;
    let Created { id } = answer.json()?;
    let saved = started.elapsed();
    let (at_alice, at_bob) =
        tokio::try_join!(arrival(&mut alice, &id, started), arrival(&mut bob, &id, started))?;
    let step = |who: &str, what: String| say(format!("  {}  {what}", paint.bold(format!("{who:6}"))));
    step("admin", format!("\"{CONTENT}\"  saved after {}  {}", shown(saved), paint.faint(&id)))?;
    step("alice", format!("{} after {}", paint.green("has it"), shown(at_alice)))?;
    step("bob", format!("{} after {}", paint.green("has it"), shown(at_bob)))?;

    alice.ack().await?;
    bob.ack().await?;
    let Stats { targeted, delivered, pending } =
        reach::get(&admin, &format!("/api/v1/broadcasts/{id}/stats")).await?;
    step("stats", format!("targeted {targeted}, delivered {delivered}, pending {pending}\n"))?;
    Ok(id)
}

/// A listener whose stream is open and whose past was shown.
async fn listen(demo: &Demo, base: &str, person: &str) -> Result<Listener, Failure> {
    let client = Client::new(base, Some(&demo.token(person, LIFE)?))?;
    let session = "demo-show".parse().map_err(|cause| Failure::of(&cause as &dyn std::error::Error))?;
    let options = ListenOptions { session: Some(session), ..ListenOptions::default() };
    let mut listener = Listener::new(client, options, Waits::default(), 1);
    loop {
        // What was pending from an earlier start comes first; then, or at once, the stream has a cursor.
        let frame = listener.next().await?;
        if matches!(frame, Frame::Cursor { .. })
            || matches!(frame, Frame::Ready(ready) if ready.cursor.is_some())
        {
            return Ok(listener);
        }
    }
}

async fn arrival(listener: &mut Listener, id: &str, started: Instant) -> Result<Duration, Failure> {
    loop {
        if let Frame::Event { event, .. } = listener.next().await?
            && event.subject == id
        {
            return Ok(started.elapsed());
        }
    }
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
