//! What confirmed deliveries cost: each of a thousand people confirms messages by cursor, first one by one, then many
//! at once. There is no floor: nothing simpler proves who got a message.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use super::to_all;
use crate::{
    Bench, Failure, crowd::Crowd, http::Http, people, report::Figure, samples::Samples, server::Server, sse,
};

/// People, each with an open stream.
const PEOPLE: usize = 1000;
/// Messages of each of the two rounds.
const MESSAGES: usize = 20;
/// Connections that confirm.
const CLIENTS: usize = 64;

/// What a round of receipts took.
struct Round {
    receipts: f64,
    waits: Samples,
    long: Duration,
    cpu: Duration,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let server = Server::start(bench)?;
    let people = bench.amount(PEOPLE, 50);
    let tokens: Vec<String> =
        (0..people).map(|number| server.listener(&people::id(number))).collect::<Result<_, _>>()?;
    let mut crowd = Crowd::open(server.address, &tokens)?;
    let first = crowd.streams.first_mut().ok_or("there are no streams")?;
    let sender = server.sender(&people::id(0))?;
    let one_by_one = broadcast(&server, &sender, first, 1)?;
    let single = confirm(&server, &tokens, &one_by_one.cursors)?;
    let at_once = broadcast(&server, &sender, first, 1 + MESSAGES)?;
    let newest = at_once.cursors.last().cloned().into_iter().collect::<Vec<_>>();
    let together = confirm(&server, &tokens, &newest)?;
    let mut http = Http::connect(server.address)?;
    for id in [&one_by_one.last, &at_once.last] {
        let stats = http.get(&format!("/api/v1/broadcasts/{id}/stats"), &sender)?.success()?;
        let stats: serde_json::Value = serde_json::from_slice(&stats)?;
        if stats["delivered"].as_u64() != Some(people as u64) {
            return Err(format!("{people} people confirmed, the counts say {stats}").into());
        }
    }
    let messages = f64::from(u32::try_from(MESSAGES)?);
    let micros = |round: &Round| round.cpu.as_secs_f64() * 1e6 / round.receipts;
    Ok(vec![
        Figure::of("receipts/s, each confirms one delivery", single.receipts / single.long.as_secs_f64())
            .goal("≥ 20,000"),
        Figure::of("CPU of a confirmed delivery, one by one, µs", micros(&single)).goal("≤ 2"),
        Figure::of("p50, ms", single.waits.p50()),
        Figure::of("p99, ms", single.waits.p99()),
        Figure::of(
            "deliveries confirmed/s, 20 by each receipt",
            together.receipts * messages / together.long.as_secs_f64(),
        )
        .goal("≥ 20,000"),
        Figure::of("CPU of a confirmed delivery, 20 by each receipt, µs", micros(&together) / messages)
            .goal("≤ 2"),
    ])
}

/// Messages that were sent: the cursor of each, and the id of the last.
struct Broadcasts {
    cursors: Vec<String>,
    last: String,
}

fn broadcast(
    server: &Server,
    sender: &str,
    stream: &mut TcpStream,
    first: usize,
) -> Result<Broadcasts, Failure> {
    // A connection of its own: the server ends one that is quiet for as long as a round of receipts may take.
    let mut http = Http::connect(server.address)?;
    let mut sent = Broadcasts { cursors: Vec::new(), last: String::new() };
    for number in first..first + MESSAGES {
        let body = http.post("/api/v1/broadcasts", sender, "", &to_all(&sse::content(number)))?.success()?;
        let created: serde_json::Value = serde_json::from_slice(&body)?;
        created["id"].as_str().unwrap_or_default().clone_into(&mut sent.last);
        let frame = sse::capture(stream, number)?;
        let text = String::from_utf8_lossy(&frame);
        let cursor = text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back();
        sent.cursors.push(cursor.ok_or("a frame has no cursor")?.to_owned());
    }
    Ok(sent)
}

/// Everybody confirms each of the cursors, in order.
fn confirm(server: &Server, tokens: &[String], cursors: &[String]) -> Result<Round, Failure> {
    let (cpu, begun) = (server.process.cpu()?, Instant::now());
    let waits: Samples = std::thread::scope(|scope| {
        let client = |lane: usize| -> Result<Vec<Duration>, Failure> {
            let mut http = Http::connect(server.address)?;
            let mut waits = Vec::new();
            for cursor in cursors {
                for (index, token) in tokens.iter().enumerate().skip(lane).step_by(CLIENTS) {
                    let body = format!(r#"{{"cursor":"{cursor}","session":"device-{index}"}}"#);
                    let asked = Instant::now();
                    let answer = http.post("/api/v1/receipts", token, "", &body)?;
                    waits.push(asked.elapsed());
                    answer.success()?;
                }
            }
            Ok(waits)
        };
        let clients: Vec<_> = (0..CLIENTS).map(|lane| scope.spawn(move || client(lane))).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().map_err(|_panic| "a client panicked")??);
        }
        Ok::<_, Failure>(all.into_iter().collect())
    })?;
    let receipts = f64::from(u32::try_from(waits.len())?);
    Ok(Round { receipts, waits, long: begun.elapsed(), cpu: server.process.cpu_since(cpu)? })
}
