//! What grows with an installation and must not slow it: ten million people entered by lines, the counts of a message to
//! all of them, the counts of a message that a million confirmed, and a page of an inbox of ten thousand items.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::to_all;
use crate::{
    Bench, Failure,
    clients::CLIENTS,
    http::Http,
    people,
    report::Figure,
    samples::Samples,
    server::{self, Server},
};

/// Everybody.
const PEOPLE: usize = 10_000_000;
/// Who confirms one message.
const CONFIRM: usize = 1_000_000;
/// What lies in one inbox.
const ITEMS: usize = 10_000;
/// How often a question is asked.
const ASKED: usize = 1000;
/// The most that one connection works off.
const TURN: usize = 5000;

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let people = bench.amount(PEOPLE, 1000);
    let server = Server::start(bench)?;
    let mut figures = import(&server, people)?;

    let sender = server.sender(&people::id(0))?;
    let body = Http::connect(server.address)?.post("/api/v1/broadcasts", &sender, "", &to_all("Hello"))?;
    let created: serde_json::Value = serde_json::from_slice(&body.success()?)?;
    let id = created["id"].as_str().unwrap_or_default();
    let stats = format!("/api/v1/broadcasts/{id}/stats");
    let counted = |what: &str| -> Result<usize, Failure> {
        let answer = Http::connect(server.address)?.get(&stats, &sender)?.success()?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        Ok(usize::try_from(answer[what].as_u64().unwrap_or_default())?)
    };
    if counted("targeted")? != people {
        return Err(format!("{people} people are there, it is for {}", counted("targeted")?).into());
    }
    let asked = ask(&server, &stats, &sender)?;
    figures.push(Figure::of("counts of a message to all of them, p50, ms", asked.p50()).goal("≤ 2 ms"));
    figures.push(Figure::of("the same, p99, ms", asked.p99()));

    let confirming = people.min(bench.amount(CONFIRM, 1000));
    confirm(&server, id, confirming)?;
    if counted("delivered")? != confirming {
        return Err(format!("{confirming} confirmed, {} are counted", counted("delivered")?).into());
    }
    let asked = ask(&server, &stats, &sender)?;
    figures.push(
        Figure::of("counts of a message that 1,000,000 confirmed, p50, ms", asked.p50()).goal("≤ 2 ms"),
    );
    figures.push(Figure::of("the same, p99, ms", asked.p99()));

    let items = bench.amount(ITEMS, 1000);
    fill(&server, items)?;
    let owner = server.listener(&people::id(0))?;
    let inbox = |what: &str, path: &str| -> Result<[Figure; 2], Failure> {
        let asked = ask(&server, path, &owner)?;
        let figure = Figure::of(format!("inbox of 10,000: {what}, p50, ms"), asked.p50()).goal("≤ 10 ms");
        Ok([figure, Figure::of("the same, p99, ms", asked.p99())])
    };
    figures.extend(inbox("the newest 50", "/api/v1/inbox?limit=50")?);
    figures.extend(inbox("how many are unread", "/api/v1/inbox/unread-count")?);
    Ok(figures)
}

/// Enters people over HTTP, by one body of as many lines.
fn import(server: &Server, people: usize) -> Result<Vec<Figure>, Failure> {
    let token = server.with_scope("importer", "directory:write")?;
    let lines = (0..people).map(|number| {
        format!(
            "{{\"user_id\":\"{}\",\"display_name\":\"Person {number}\",\"groups\":[\"group-{}\"]}}\n",
            people::id(number),
            number % 1000
        )
    });
    let (cpu, begun) = (server.process.cpu()?, Instant::now());
    let answer =
        Http::connect(server.address)?.put_lines("/api/v1/directory/users", &token, lines)?.success()?;
    let (long, cpu) = (begun.elapsed(), server.process.cpu_since(cpu)?);
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    if answer["accepted"].as_u64() != Some(people as u64) {
        return Err(format!("{people} were sent, the answer is {answer}").into());
    }
    let count = f64::from(u32::try_from(people)?);
    let bytes = std::fs::metadata(server.database())?.len();
    Ok(vec![
        Figure::of("people entered", count),
        Figure::of("people entered a second", count / long.as_secs_f64()).goal("≥ 30,000"),
        Figure::of("CPU of one, µs", cpu.as_secs_f64() * 1e6 / count),
        Figure::of("bytes of the database for one", f64::from(u32::try_from(bytes / people as u64)?)),
    ])
}

/// Everybody of them confirms the message by its id.
fn confirm(server: &Server, id: &str, people: usize) -> Result<(), Failure> {
    let body = format!(r#"{{"delivered":["{id}"]}}"#);
    each(people, |range| {
        let mut http = Http::connect(server.address)?;
        for number in range {
            let token = server.listener(&people::id(number))?;
            http.post("/api/v1/receipts", &token, "", &body)?.success()?;
        }
        Ok(())
    })
}

/// Puts so many items into the inbox of the first person.
fn fill(server: &Server, items: usize) -> Result<(), Failure> {
    let token = server.with_scope("writer", "message:write")?;
    let to = people::id(0);
    each(items, |range| {
        let mut http = Http::connect(server.address)?;
        for number in range {
            let body = format!(r#"{{"to":["user:{to}"],"type":"item","title":"Item {number}"}}"#);
            http.post("/api/v1/messages", &token, "", &body)?.success()?;
        }
        Ok(())
    })?;
    // What was said last may still be on its way.
    let (owner, mut http) = (server.listener(&to)?, Http::connect(server.address)?);
    let limit = Instant::now() + Duration::from_mins(2);
    loop {
        let answer = http.get("/api/v1/inbox/unread-count", &owner)?.success()?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        if answer["unread_count"].as_u64() >= Some(items as u64) {
            return Ok(());
        }
        if Instant::now() > limit {
            return Err(format!("{items} items were said, there are {answer}").into());
        }
        std::thread::sleep(server::LOOK);
    }
}

/// Does a piece of work for all of so many numbers, by all clients at once.
fn each(
    count: usize,
    work: impl Fn(std::ops::Range<usize>) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let (next, turn) = (AtomicUsize::new(0), TURN.min(count / CLIENTS + 1));
    std::thread::scope(|scope| {
        let client = || -> Result<(), Failure> {
            loop {
                let first = next.fetch_add(turn, Ordering::Relaxed);
                if first >= count {
                    return Ok(());
                }
                work(first..(first + turn).min(count))?;
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_panic| "a client panicked")?)
    })
}

/// Asks the same question again and again.
fn ask(server: &Server, path: &str, token: &str) -> Result<Samples, Failure> {
    let mut http = Http::connect(server.address)?;
    let mut waits = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let asked = Instant::now();
        let answer = http.get(path, token)?;
        waits.push(asked.elapsed());
        answer.success()?;
    }
    Ok(waits.into_iter().collect())
}
