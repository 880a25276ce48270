//! How many broadcasts a second 64 clients create, beside the same statements behind a bare route.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::to_all;
use crate::{
    Bench, Failure,
    http::Http,
    process::Process,
    report::Figure,
    rows::Rows,
    samples::Samples,
    server::{self, Server},
    sse,
};

/// Clients, each with a connection and a person of its own.
const CLIENTS: usize = 64;
/// How long they create.
const LONG: Duration = Duration::from_secs(8);
/// How long what was created may take to be delivered.
const LIMIT: Duration = Duration::from_mins(2);
/// Between two looks into the database.
const LOOK: Duration = Duration::from_millis(20);

/// What one server did.
struct Creates {
    /// Created a second.
    rate: f64,
    /// From question to answer.
    waits: Samples,
    /// Processor time of accepting and delivering one, in microseconds.
    micros: f64,
    /// Delivered a second, until the last one was; 0 where nothing delivers.
    delivered: f64,
}

/// What a client sends.
struct Asked<'a> {
    token: &'a str,
    with_key: bool,
    body: String,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let long = bench.duration(LONG);
    let accepting = floor(bench, long, false)?;
    let floor = floor(bench, long, true)?;
    let keyed = ours(bench, long, true)?;
    let ours = ours(bench, long, false)?;
    Ok(vec![
        Figure::of("creates/s", ours.rate).beside(floor.rate).goal("≥ 0.80"),
        Figure::of("creates/s with an Idempotency-Key", keyed.rate).beside(floor.rate),
        Figure::of("creates/s, floor without handlers", ours.rate).beside(accepting.rate),
        Figure::of("p50, ms", ours.waits.p50()).beside(floor.waits.p50()),
        Figure::of("p99, ms", ours.waits.p99()).beside(floor.waits.p99()).goal("≤ 5 ms"),
        Figure::of("delivered/s, from the first create to the last delivery", ours.delivered)
            .beside(floor.delivered),
        Figure::of("CPU of the whole way, µs a broadcast", ours.micros).beside(floor.micros),
        Figure::of("CPU with an Idempotency-Key, µs a broadcast", keyed.micros).beside(floor.micros),
        Figure::of("CPU, floor without handlers, µs a broadcast", ours.micros).beside(accepting.micros),
    ])
}

fn ours(bench: &Bench, long: Duration, with_key: bool) -> Result<Creates, Failure> {
    let server = Server::start(bench)?;
    let tokens: Vec<String> =
        (0..CLIENTS).map(|client| server.sender(&format!("sender-{client}"))).collect::<Result<_, _>>()?;
    let asked: Vec<Asked<'_>> =
        tokens.iter().map(|token| Asked { token, with_key, body: to_all(&sse::content(0)) }).collect();
    measure(&server.process, server.address, &server.database(), &asked, long, true)
}

fn floor(bench: &Bench, long: Duration, handlers: bool) -> Result<Creates, Failure> {
    let folder = TempDir::new_in(&bench.folder)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", "creates", "--folder"]).arg(folder.path());
    if handlers {
        command.arg("--handlers");
    }
    let (process, address) = Process::listening(&mut command)?;
    let asked: Vec<Asked<'_>> =
        (0..CLIENTS).map(|_| Asked { token: "", with_key: false, body: sse::content(0) }).collect();
    measure(&process, address, &server::database(folder.path()), &asked, long, handlers)
}

fn measure(
    process: &Process,
    address: SocketAddr,
    database: &Path,
    asked: &[Asked<'_>],
    long: Duration,
    delivers: bool,
) -> Result<Creates, Failure> {
    let before = process.cpu()?;
    let begun = Instant::now();
    let end = begun + long;
    let waits: Samples = std::thread::scope(|scope| {
        let clients: Vec<_> =
            asked.iter().map(|asked| scope.spawn(move || create(address, asked, end))).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().map_err(|_panic| "a client panicked")??);
        }
        Ok::<_, Failure>(all.into_iter().collect())
    })?;
    let created = u32::try_from(waits.len())?;
    let rate = f64::from(created) / begun.elapsed().as_secs_f64();
    let delivered = if delivers { until_delivered(database, u64::from(created))? } else { Instant::now() };
    let cpu = process.cpu_since(before)?;
    Ok(Creates {
        rate,
        waits,
        micros: cpu.as_secs_f64() * 1e6 / f64::from(created),
        delivered: if delivers { f64::from(created) / (delivered - begun).as_secs_f64() } else { 0.0 },
    })
}

/// Creates one after the other until the end. Answers how long each took.
fn create(address: SocketAddr, asked: &Asked<'_>, end: Instant) -> Result<Vec<Duration>, Failure> {
    let mut http = Http::connect(address)?;
    let mut waits = Vec::new();
    while Instant::now() < end {
        let key =
            if asked.with_key { format!("Idempotency-Key: {}\r\n", waits.len()) } else { String::new() };
        let begun = Instant::now();
        let answer = http.post("/api/v1/broadcasts", asked.token, &key, &asked.body)?;
        waits.push(begun.elapsed());
        answer.success()?;
    }
    Ok(waits)
}

/// Waits until so many messages are delivered, and answers when that was.
fn until_delivered(database: &Path, messages: u64) -> Result<Instant, Failure> {
    let rows = Rows::open(database)?;
    let begun = Instant::now();
    while rows.delivered()? < messages {
        if begun.elapsed() > LIMIT {
            let delivered = rows.delivered()?;
            return Err(
                format!("{delivered} of {messages} were delivered within {} s", LIMIT.as_secs()).into()
            );
        }
        std::thread::sleep(LOOK);
    }
    Ok(Instant::now())
}
