//! What confirmed deliveries cost: each of a thousand people confirms messages by cursor, first one by one, then many
//! at once. There is no floor: nothing simpler proves who got a message.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use super::to_all;
use crate::{
    Bench, Failure, crowd::Crowd, http::Http, pairs::Pair, people, report::Figure, samples::Samples,
    server::Server, sse,
};

/// People, each with an open stream.
const PEOPLE: usize = 1000;
/// Messages of each of the two rounds.
const MESSAGES: usize = 20;
/// Connections that confirm.
const CLIENTS: usize = 64;
/// How long the counts may take to say what was confirmed.
const LIMIT: Duration = Duration::from_mins(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What a round of receipts took.
struct Round {
    receipts: f64,
    waits: Samples,
    long: Duration,
    cpu: Duration,
}

/// Who runs, and who has a stream there.
struct World<'a> {
    pair: &'a Pair<'a>,
    server: Server,
    crowd: Crowd,
    sender: String,
    tokens: Vec<String>,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    bench.on_each_pair(measure)
}

fn measure(bench: &Bench, pair: &Pair<'_>) -> Result<Vec<Figure>, Failure> {
    let server = Server::start_with(bench, &pair.environment)?;
    let people = bench.amount(PEOPLE, 50);
    let tokens: Vec<String> =
        (0..people).map(|number| server.listener(&people::id(number))).collect::<Result<_, _>>()?;
    let crowd = Crowd::open(server.address, &tokens)?;
    let sender = server.sender(&people::id(0))?;
    let mut world = World { pair, server, crowd, sender, tokens };
    let (single, single_whole) = world.round(1, |cursors| cursors)?;
    let newest = |cursors: Vec<String>| cursors.into_iter().next_back().into_iter().collect();
    let (together, together_whole) = world.round(1 + MESSAGES, newest)?;
    let messages = f64::from(u32::try_from(MESSAGES)?);
    let micros = |round: &Round| round.cpu.as_secs_f64() * 1e6 / round.receipts;
    // A second for a million is a microsecond for each.
    let seconds = |whole: Duration| {
        whole.as_secs_f64() * 1e6 / (f64::from(u32::try_from(people).unwrap_or(1)) * messages)
    };
    Ok(vec![
        Figure::of(
            pair.line("receipts/s, each confirms one delivery"),
            single.receipts / single.long.as_secs_f64(),
        )
        .goal("≥ 20,000"),
        Figure::of(pair.line("CPU of a confirmed delivery, one by one, µs"), micros(&single)).goal("≤ 2"),
        Figure::of(pair.line("p50, ms"), single.waits.p50()),
        Figure::of(pair.line("p99, ms"), single.waits.p99()),
        Figure::of(
            pair.line("deliveries confirmed/s, 20 by each receipt"),
            together.receipts * messages / together.long.as_secs_f64(),
        )
        .goal("≥ 20,000"),
        Figure::of(
            pair.line("CPU of a confirmed delivery, 20 by each receipt, µs"),
            micros(&together) / messages,
        )
        .goal("≤ 2"),
        Figure::of(pair.line("CPU-s of 10⁶ sent and confirmed, one by one, all"), seconds(single_whole))
            .goal(pair.goal("≤ 40", "≤ 120")),
        Figure::of(pair.line("CPU-s of 10⁶ sent and confirmed, 20 at once, all"), seconds(together_whole))
            .goal(pair.goal("≤ 40", "≤ 120")),
    ])
}

impl World<'_> {
    /// Sends messages and lets everybody confirm those of the cursors that `which` names. Answers what the receipts took,
    /// and the processor time of all of it, from the first message until the counts are right: the server's, the broker's
    /// and the database's.
    fn round(
        &mut self,
        first: usize,
        which: impl FnOnce(Vec<String>) -> Vec<String>,
    ) -> Result<(Round, Duration), Failure> {
        let before = self.pair.cpu(&self.server)?;
        let stream = self.crowd.streams.first_mut().ok_or("there are no streams")?;
        let sent = broadcast(&self.server, &self.sender, stream, first)?;
        let round = confirm(&self.server, &self.tokens, &which(sent.cursors))?;
        self.counted(&sent.last)?;
        Ok((round, self.pair.cpu(&self.server)?.saturating_sub(before)))
    }

    /// Waits until the counts of a message say that everybody confirmed it.
    fn counted(&self, id: &str) -> Result<(), Failure> {
        let (mut http, begun) = (Http::connect(self.server.address)?, Instant::now());
        loop {
            let stats = http.get(&format!("/api/v1/broadcasts/{id}/stats"), &self.sender)?.success()?;
            let stats: serde_json::Value = serde_json::from_slice(&stats)?;
            if stats["delivered"].as_u64() == Some(self.tokens.len() as u64) {
                return Ok(());
            }
            if begun.elapsed() > LIMIT {
                return Err(format!("{} people confirmed, the counts say {stats}", self.tokens.len()).into());
            }
            std::thread::sleep(LOOK);
        }
    }
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
