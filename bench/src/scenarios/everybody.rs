//! One message to a million people, with as many of them online as one process may have connections, beside the same with
//! nobody else: what a message costs must not depend on how many people it is for.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::to_all;
use crate::{
    Bench, Failure,
    crowd::{self, Crowd},
    http::Http,
    people,
    report::Figure,
    rows::Rows,
    samples::Samples,
    server::Server,
    sse,
};

/// Everybody.
const PEOPLE: usize = 1_000_000;
/// Those of them who are online: four of five of the 20,000 files that one process may open here are connections, some of
/// which are not streams.
const ONLINE: usize = 15_500;
/// Messages, one at a time.
const MESSAGES: usize = 20;
/// How long a message may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What messages to a directory took.
struct Everybody {
    people: u64,
    accepted: Samples,
    seen: Samples,
    rows: BTreeMap<String, u64>,
    memory_before: f64,
    memory_after: f64,
    cpu_millis: f64,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let few = measure(bench, ONLINE)?;
    let many = measure(bench, bench.amount(PEOPLE, ONLINE))?;
    let count = |rows: u64| f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
    let mut figures = vec![
        Figure::of("people the message is for (`targeted`)", count(many.people)).beside(count(few.people)),
        Figure::of("POST answered, p50, ms", many.accepted.p50()).beside(few.accepted.p50()),
        Figure::of("POST answered, max, ms", many.accepted.millis(1000)).beside(few.accepted.millis(1000)),
        Figure::of("answered → seen by all 15,500 online, p50, ms", many.seen.p50()).beside(few.seen.p50()),
        Figure::of("answered → seen by all 15,500 online, max, ms", many.seen.millis(1000))
            .beside(few.seen.millis(1000)),
        Figure::of("CPU of a message with its 15,500 deliveries, ms", many.cpu_millis).beside(few.cpu_millis),
        Figure::of("memory before, MiB", many.memory_before).beside(few.memory_before),
        Figure::of("memory after, MiB", many.memory_after).beside(few.memory_after),
    ];
    for (table, rows) in &many.rows {
        let few = few.rows.get(table).copied().unwrap_or(0);
        figures.push(
            Figure::of(format!("rows of {MESSAGES} messages in {table}"), count(*rows)).beside(count(few)),
        );
    }
    Ok(figures)
}

fn measure(bench: &Bench, people: usize) -> Result<Everybody, Failure> {
    let folder = TempDir::new_in(&bench.folder)?;
    people::enter(folder.path(), people)?;
    let server = Server::start_in(bench, folder, &[])?;
    let token = server.sender(&people::id(0))?;
    let tokens: Vec<String> =
        (0..ONLINE).map(|number| server.listener(&people::id(number))).collect::<Result<_, _>>()?;
    let crowd = Crowd::open(server.address, &tokens)?;
    let mut http = Http::connect(server.address)?;
    let mebibytes = |bytes: u64| f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0;

    let rows = Rows::open(&server.database())?;
    let (before, memory_before, cpu) = (rows.by_table()?, server.process.resident()?, server.process.cpu()?);
    let (mut accepted, mut seen) = (Vec::new(), Vec::new());
    let mut last = String::new();
    for number in 1..=MESSAGES {
        let (asked, answered, came) = std::thread::scope(|scope| -> Result<_, Failure> {
            let hearing = scope.spawn(|| crowd.hear(ONLINE, Instant::now() + LIMIT));
            let asked = Instant::now();
            let body =
                http.post("/api/v1/broadcasts", &token, "", &to_all(&sse::content(number)))?.success()?;
            let answered = Instant::now();
            let created: serde_json::Value = serde_json::from_slice(&body)?;
            created["id"].as_str().unwrap_or_default().clone_into(&mut last);
            Ok((asked, answered, hearing.join().map_err(|_panic| "the crowd panicked")??))
        })?;
        if came.len() != ONLINE || came.iter().any(|arrival| arrival.number != number) {
            return Err(format!("message {number} came {} times, not {ONLINE}", came.len()).into());
        }
        accepted.push(answered - asked);
        let moments = vec![answered; number];
        seen.extend(crowd::delays(&came, &moments).max());
    }
    let cpu = server.process.cpu_since(cpu)?;
    let memory_after = server.process.resident()?;
    let mut written = rows.by_table()?;
    for (table, rows) in &mut written {
        *rows = rows.saturating_sub(before.get(table).copied().unwrap_or(0));
    }
    written.retain(|_, rows| *rows > 0);
    let stats = http.get(&format!("/api/v1/broadcasts/{last}/stats"), &token)?.success()?;
    let stats: serde_json::Value = serde_json::from_slice(&stats)?;
    Ok(Everybody {
        people: stats["targeted"].as_u64().unwrap_or(0),
        accepted: accepted.into_iter().collect(),
        seen: seen.into_iter().collect(),
        rows: written,
        memory_before: mebibytes(memory_before),
        memory_after: mebibytes(memory_after),
        cpu_millis: cpu.as_secs_f64() * 1e3 / f64::from(u32::try_from(MESSAGES)?),
    })
}
