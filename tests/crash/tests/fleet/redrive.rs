//! Dead letters sent through again: of what was cancelled, of what expired, of what was delivered meanwhile, and the
//! same one twice at once. What ended does not come back, and nobody sees anything twice.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_model::{Clock as _, SystemClock};
use tidings_tests_crash::{
    device::Habits,
    field::Marks,
    fleet::Fleet,
    history::Line,
    judge::Demands,
    kcat::{self, Written},
    letters::{Desk, Letter},
    load::{Load, Shape},
    parts::Brokers,
    people::Target,
    run::say,
    statistics,
};

/// Broadcasts of each kind.
const EACH: usize = 5;
/// How soon a letter must be as it is waited for.
const SOON: Duration = Duration::from_mins(3);
/// How long what expires is there.
const LIFE: Duration = Duration::from_secs(3);
/// The topic on which all of them fail.
const TOPIC: &str = "broadcast-messages";

/// What becomes of a broadcast between its failure and its redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cancelled,
    Expired,
    /// Another tool copied its record back, and it was delivered.
    Delivered,
    /// Nothing.
    Waiting,
}

/// A broadcast whose step to the audience fails.
struct Failing {
    m: String,
    id: String,
    kind: Kind,
}

async fn say_failing(load: &Load, kind: Kind, at: usize) -> Failing {
    let field = load.field();
    let m = format!("{kind:?}-{at}");
    let marks = Marks { key: m.clone(), m: m.clone(), n: 0 };
    let to = Target::All.to(&field.people);
    field.history.note(&Line::Try { m: m.clone(), key: m.clone(), n: 0, to });
    let mut body = json!({
        "content": m, "data": field.data(&marks), "target": { "type": "all" }, "simulate_failure": "permanent",
    });
    if kind == Kind::Expired {
        body["expires_at"] = json!(SystemClock.now().plus(LIFE));
    }
    let answer = field.operator(0).post("/api/v1/broadcasts", &body).await.expect("the server answers");
    assert_eq!(answer.status, StatusCode::CREATED);
    let body: Value = answer.json().expect("an answer is JSON");
    let id = body["id"].as_str().expect("a broadcast has an id").to_owned();
    match kind {
        Kind::Cancelled | Kind::Expired => field.history.note(&Line::Nak { m: m.clone() }),
        Kind::Delivered | Kind::Waiting => field.acknowledged(&m, &id, &Target::All),
    }
    Failing { m, id, kind }
}

/// The letters of a broadcast: of its step to the audience, and of its end where that failed too.
fn of<'a>(letters: &'a [Letter], broadcast: &Failing) -> Vec<&'a Letter> {
    letters.iter().filter(|letter| letter.key.as_deref() == Some(&broadcast.id)).collect()
}

/// Waits until each broadcast has all its letters, in a state.
async fn letters(desk: &Desk, all: &[Failing], state: &str) -> Vec<Letter> {
    let is_there = |letters: &[Letter], broadcast: &Failing| {
        let ends = matches!(broadcast.kind, Kind::Cancelled | Kind::Expired);
        let found = of(letters, broadcast);
        found.len() == 1 + usize::from(ends) && found.iter().all(|letter| letter.state == state)
    };
    let letters =
        desk.letters_when(SOON, |letters| all.iter().all(|broadcast| is_there(letters, broadcast))).await;
    let missing: Vec<&str> = all
        .iter()
        .filter(|broadcast| !is_there(&letters, broadcast))
        .map(|broadcast| broadcast.m.as_str())
        .collect();
    assert!(missing.is_empty(), "these have not all their letters, {state}: {missing:?}");
    letters
}

/// Writes a letter's record to its topic once more, as a tool that knows nothing of ours does.
fn copy_back(brokers: &str, letter: &Letter) {
    let headers = letter.headers.iter().filter(|(name, _)| name != "tidings-seq");
    let bytes = |text: &str| text.as_bytes().to_vec();
    let record = Written {
        key: bytes(letter.key.as_deref().unwrap_or_default()),
        value: letter.value.as_deref().map(bytes),
        headers: headers.map(|(name, value)| (bytes(name), bytes(value))).collect(),
    };
    kcat::write(brokers, TOPIC, &record);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; scripts/crash runs it"]
async fn what_is_redriven_comes_once_unless_it_ended_meanwhile() {
    let fleet = Fleet::start_with("redrive", Brokers::One, 2, &[("TIDINGS_TESTING__FAULTS", "true")]).await;
    let shape = Shape { people: 10, habits: |_every| Habits::CALM, ..Shape::restless(10) };
    let mut load = fleet.load(shape).await;
    let desks = [fleet.run.server.desk(), fleet.run.others.first().expect("there are two nodes").desk()];
    let mut all = Vec::new();
    for kind in [Kind::Cancelled, Kind::Expired, Kind::Delivered, Kind::Waiting] {
        for at in 0..EACH {
            all.push(say_failing(&load, kind, at).await);
        }
    }
    for broadcast in all.iter().filter(|broadcast| broadcast.kind == Kind::Cancelled) {
        let path = format!("/api/v1/broadcasts/{}/cancel", broadcast.id);
        let answer = load.field().operator(1).post(&path, &json!({})).await.expect("the server answers");
        assert_eq!(answer.status, StatusCode::OK);
    }
    let dead = letters(&desks[0], &all, "open").await;
    assert_eq!(desks[0].clear_faults().await.expect("the server answers"), StatusCode::NO_CONTENT);
    for broadcast in all.iter().filter(|broadcast| broadcast.kind == Kind::Delivered) {
        for letter in of(&dead, broadcast) {
            copy_back(fleet.parts.brokers(), letter);
        }
        assert!(load.field().somebody_sees(&broadcast.m, SOON).await, "{} was not delivered", broadcast.m);
    }

    // Each of them twice at once, by two nodes.
    for letter in &dead {
        load.fault(format!("{} is redriven twice at once", letter.id));
        let (one, other) = tokio::join!(desks[0].redrive(&letter.id), desks[1].redrive(&letter.id));
        let mut statuses = [one.expect("the server answers"), other.expect("the server answers")];
        statuses.sort_unstable();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT], "{}", letter.id);
    }
    let handled = letters(&desks[1], &all, "handled").await;
    assert!(handled.iter().all(|letter| letter.redrives == 1), "each was sent through again once");
    for letter in &handled {
        assert_eq!(desks[0].redrive(&letter.id).await.expect("the server answers"), StatusCode::CONFLICT);
    }
    let sent = kcat::read_once(fleet.parts.brokers(), TOPIC);
    for letter in &dead {
        let mark = format!("tidings-dead-letter={}", letter.id);
        let times = sent.iter().filter(|headers| headers.contains(&mark)).count();
        assert_eq!(times, 1, "{} is in the log once", letter.id);
    }

    let demands = Demands {
        faults: dead.len() as u64,
        acknowledged: 2 * EACH,
        reconnects: 0,
        repeats_allowed: false,
        ..Demands::HONEST
    };
    let judgement = fleet.judge(&mut load, &demands).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 1000).await;
    assert_eq!(wrong, Vec::<String>::new());
    for broadcast in all.iter().filter(|broadcast| matches!(broadcast.kind, Kind::Cancelled | Kind::Expired))
    {
        let counts = statistics::of(load.field(), &broadcast.id).await.expect("the server answers");
        assert_eq!((counts.delivered, counts.read, counts.pending), (0, 0, 0), "{}", broadcast.m);
    }
    say(&format!("redrive: {} letters of {} broadcasts, each redriven twice at once", dead.len(), all.len()));
}
