//! Broadcasts to selected people: each of them is an event and a delivery of their own. From the first POST until the
//! last person's delivery lies in their channel, and a stream has shown it.

use std::time::{Duration, Instant};

use crate::{
    Bench, Failure, http::Http, pairs::Pair, people, report::Figure, samples::Samples, server::Server,
};

/// People of a broadcast: the most that one may name.
const PEOPLE: usize = 10_000;
/// Broadcasts, one after the other.
const BROADCASTS: usize = 10;
/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(5);
/// Between two looks: the least, and the most. Each costs the server a count of all that waits.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    bench.on_each_pair(measure)
}

fn measure(bench: &Bench, pair: &Pair<'_>) -> Result<Vec<Figure>, Failure> {
    let server = Server::start_with(bench, &pair.environment)?;
    let (sender, people) = (server.sender(&people::id(0))?, bench.amount(PEOPLE, 100));
    let ids: Vec<String> = (0..people).map(people::id).collect();
    let body = serde_json::json!({ "content": "Yours", "target": { "type": "selected", "ids": ids } });
    let (body, mut http) = (body.to_string(), Http::connect(server.address)?);
    let (place, cpu, own) = (server.shown()?, pair.cpu(&server)?, server.process.cpu()?);
    let (begun, mut answered) = (Instant::now(), Vec::new());
    for _broadcast in 0..BROADCASTS {
        let asked = Instant::now();
        http.post("/api/v1/broadcasts", &sender, "", &body)?.success()?;
        answered.push(asked.elapsed());
    }
    let all = people * BROADCASTS;
    let mut shown = 0;
    while shown < all as u64 {
        if begun.elapsed() > LIMIT {
            return Err(format!("{shown} of {all} were delivered within {LIMIT:?}").into());
        }
        // Half of what is left, as it seems.
        let left = (all as u64).saturating_sub(shown);
        let passed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_millis(passed * left / (2 * shown.max(1))).clamp(LOOK.0, LOOK.1));
        shown = server.shown()? - place;
    }
    let (took, own) = (begun.elapsed(), server.process.cpu_since(own)?);
    let cpu = pair.cpu(&server)?.saturating_sub(cpu);
    let all = f64::from(u32::try_from(all)?);
    let answered: Samples = answered.into_iter().collect();
    let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / all;
    Ok(vec![
        Figure::of(pair.line("people/s, POST → delivery in their channel"), all / took.as_secs_f64())
            .goal(pair.goal("≥ 20,000", "≥ 10,000")),
        Figure::of(pair.line("CPU of a person, µs"), micros(own)),
        Figure::of(pair.line("CPU of a person, broker and database too, µs"), micros(cpu)),
        Figure::of(pair.line("POST of 10,000 ids answered, p50, ms"), answered.p50()),
    ])
}
