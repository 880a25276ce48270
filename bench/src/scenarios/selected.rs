//! Broadcasts to selected people: each of them is an event and a delivery of their own. From the first POST until the
//! last person's delivery lies in their channel.

use std::time::{Duration, Instant};

use crate::{
    Bench, Failure, http::Http, people, report::Figure, rows::Rows, samples::Samples, server::Server,
};

/// People of a broadcast: the most that one may name.
const PEOPLE: usize = 10_000;
/// Broadcasts, one after the other.
const BROADCASTS: usize = 10;
/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let server = Server::start(bench)?;
    let (sender, people) = (server.sender(&people::id(0))?, bench.amount(PEOPLE, 100));
    let ids: Vec<String> = (0..people).map(people::id).collect();
    let body = serde_json::json!({ "content": "Yours", "target": { "type": "selected", "ids": ids } });
    let (body, rows) = (body.to_string(), Rows::open(&server.database())?);
    let mut http = Http::connect(server.address)?;
    let (cpu, begun) = (server.process.cpu()?, Instant::now());
    let mut answered = Vec::new();
    for _broadcast in 0..BROADCASTS {
        let asked = Instant::now();
        http.post("/api/v1/broadcasts", &sender, "", &body)?.success()?;
        answered.push(asked.elapsed());
    }
    let all = people * BROADCASTS;
    while rows.delivered()? < all as u64 {
        if begun.elapsed() > LIMIT {
            return Err(format!("{} of {all} were delivered within {LIMIT:?}", rows.delivered()?).into());
        }
        std::thread::sleep(LOOK);
    }
    let (took, cpu) = (begun.elapsed(), server.process.cpu_since(cpu)?);
    let all = f64::from(u32::try_from(all)?);
    let answered: Samples = answered.into_iter().collect();
    Ok(vec![
        Figure::of("people/s, POST → delivery in their channel", all / took.as_secs_f64()).goal("≥ 20,000"),
        Figure::of("CPU of a person, µs", cpu.as_secs_f64() * 1e6 / all),
        Figure::of("POST of 10,000 ids answered, p50, ms", answered.p50()),
    ])
}
