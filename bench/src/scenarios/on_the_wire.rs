//! From the answer of a POST to the frame at a connected client: embedded beside what the disk itself answers, and on Kafka
//! and PostgreSQL beside what the broker itself takes from one client to another.

use std::{
    io::Read as _,
    net::TcpStream,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use super::{broker, pace::Pace, to_all};
use crate::{
    Bench, Failure, crowd::Arrival, disk, http::Http, pairs::Pair, report::Figure, samples::Samples,
    server::Server, sse,
};

/// Messages one at a time.
const IDLE: usize = 2000;
/// Messages a second under load.
const RATE: u32 = 200;
/// How many of those.
const LOADED: usize = 4000;
/// Connections that send them.
const SENDERS: usize = 8;
/// How long a frame may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The moments of one message.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: usize,
    asked: Instant,
    answered: Instant,
}

/// What the waits stand beside: one message at a time, and at the rate.
struct Floor {
    idle: Samples,
    loaded: Samples,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    bench.on_each_pair(measure)
}

/// The disk's own, where there is no broker; it does not depend on the rate.
fn floor(bench: &Bench, pair: &Pair<'_>) -> Result<Floor, Failure> {
    let (idle, loaded) = amounts(bench);
    let Some(brokers) = pair.brokers else {
        let disk = disk::append_and_sync(&bench.folder, idle)?;
        return Ok(Floor { idle: disk.clone(), loaded: disk });
    };
    let broker = broker::produce_and_consume(brokers, idle, loaded, RATE)?;
    Ok(Floor { idle: broker.idle, loaded: broker.loaded })
}

/// Messages one at a time, and at the rate.
fn amounts(bench: &Bench) -> (usize, usize) {
    (bench.amount(IDLE, 50), bench.amount(LOADED, 200))
}

fn measure(bench: &Bench, pair: &Pair<'_>) -> Result<Vec<Figure>, Failure> {
    let floor = floor(bench, pair)?;
    let server = Server::start_with(bench, &pair.environment)?;
    let (idle, loaded) = amounts(bench);
    let token = server.sender("sender")?;
    let (arrived, arrivals) = sync_channel(idle + loaded);
    let mut stream = sse::open(server.address, &server.listener("reader")?, "reader")?;

    std::thread::scope(|scope| {
        let last = idle + loaded;
        let reader = scope.spawn(move || read_to(&mut stream, last, &arrived));
        let (before, whole_before) = (server.process.cpu()?, pair.cpu(&server)?);
        let (waits, asked) = one_at_a_time(&server, &token, idle, &arrivals)?;
        let cpu = server.process.cpu_since(before)?;
        let all = pair.cpu(&server)?.saturating_sub(whole_before);
        let (busy, busy_asked) = at_a_rate(&server, &token, idle, loaded, &arrivals)?;
        reader.join().map_err(|_panic| "the reader panicked")??;
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / idle as f64;
        let line = |what: &str, samples: &Samples, floor: &Samples, which: fn(&Samples) -> f64| {
            Figure::of(pair.line(&format!("{what}, ms")), which(samples)).beside(which(floor))
        };
        let rate = |what: &str| format!("{RATE}/s: {what}");
        Ok(vec![
            line("idle: answered → frame read, p50", &waits, &floor.idle, Samples::p50)
                .goal(pair.goal("≤ 3 ms", "≤ 12 ms")),
            line("idle: answered → frame read, p99", &waits, &floor.idle, Samples::p99),
            line("idle: asked → frame read, p50", &asked, &floor.idle, Samples::p50),
            line("idle: asked → frame read, p99", &asked, &floor.idle, Samples::p99),
            Figure::of(pair.line("idle: CPU of the whole way, µs a message"), each(cpu)),
            Figure::of(pair.line("idle: the same with broker and database, µs"), each(all)),
            line(&rate("answered → frame read, p50"), &busy, &floor.loaded, Samples::p50),
            line(&rate("answered → frame read, p99"), &busy, &floor.loaded, Samples::p99)
                .goal(pair.goal("≤ 20 ms", "≤ 60 ms")),
            line(&rate("asked → frame read, p50"), &busy_asked, &floor.loaded, Samples::p50),
            line(&rate("asked → frame read, p99"), &busy_asked, &floor.loaded, Samples::p99),
        ])
    })
}

/// Sends the next message when the last one came. Answers the waits from the answer, and from the question.
fn one_at_a_time(
    server: &Server,
    token: &str,
    messages: usize,
    arrivals: &Receiver<Arrival>,
) -> Result<(Samples, Samples), Failure> {
    let mut http = Http::connect(server.address)?;
    let mut moments = Vec::with_capacity(messages);
    for number in 1..=messages {
        let sent = send(&mut http, token, number)?;
        let arrival = arrivals.recv_timeout(LIMIT)?;
        if arrival.number != number {
            return Err(format!("message {} came instead of {number}", arrival.number).into());
        }
        moments.push((sent, arrival));
    }
    Ok(waits(&moments))
}

/// Sends at a rate, whatever comes back.
fn at_a_rate(
    server: &Server,
    token: &str,
    first: usize,
    messages: usize,
    arrivals: &Receiver<Arrival>,
) -> Result<(Samples, Samples), Failure> {
    let sent = Mutex::new(Vec::with_capacity(messages));
    let pace = Pace::per_second(RATE);
    std::thread::scope(|scope| {
        let sent = &sent;
        let sender = |lane: usize| -> Result<(), Failure> {
            let mut http = Http::connect(server.address)?;
            for index in (lane..messages).step_by(SENDERS) {
                pace.wait(index);
                let moment = send(&mut http, token, first + index + 1)?;
                sent.lock().unwrap_or_else(PoisonError::into_inner).push(moment);
            }
            Ok(())
        };
        let senders: Vec<_> = (0..SENDERS).map(|lane| scope.spawn(move || sender(lane))).collect();
        senders.into_iter().try_for_each(|sender| sender.join().map_err(|_panic| "a sender panicked")?)
    })?;
    let mut sent = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
    sent.sort_unstable_by_key(|sent| sent.number);
    let mut came = (0..messages).map(|_| arrivals.recv_timeout(LIMIT)).collect::<Result<Vec<_>, _>>()?;
    came.sort_unstable_by_key(|arrival| arrival.number);
    if sent.iter().zip(&came).any(|(sent, arrival)| sent.number != arrival.number) {
        return Err("a message came twice, or not".into());
    }
    Ok(waits(&sent.into_iter().zip(came).collect::<Vec<_>>()))
}

fn waits(moments: &[(Sent, Arrival)]) -> (Samples, Samples) {
    let since = |from: fn(&Sent) -> Instant| {
        moments.iter().map(|(sent, arrival)| arrival.at.saturating_duration_since(from(sent))).collect()
    };
    (since(|sent| sent.answered), since(|sent| sent.asked))
}

fn send(http: &mut Http, token: &str, number: usize) -> Result<Sent, Failure> {
    let body = to_all(&sse::content(number));
    let asked = Instant::now();
    let answer = http.post("/api/v1/broadcasts", token, "", &body)?;
    let answered = Instant::now();
    answer.success()?;
    Ok(Sent { number, asked, answered })
}

/// Tells of each message until the last one.
fn read_to(stream: &mut TcpStream, messages: usize, arrived: &SyncSender<Arrival>) -> Result<(), Failure> {
    let mut bytes = vec![0; 64 << 10];
    let mut seen = 0;
    while seen < messages {
        let read = stream.read(&mut bytes)?;
        let at = Instant::now();
        if read == 0 {
            return Err("the stream ended".into());
        }
        for number in sse::numbers(&bytes[..read]) {
            seen += 1;
            arrived.send(Arrival { number, at })?;
        }
    }
    Ok(())
}
