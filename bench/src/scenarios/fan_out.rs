//! One message to 10,000 connections, beside a loop that writes the same bytes to as many sockets.

use std::{
    io::Write as _,
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use super::{pace::Pace, to_all};
use crate::{
    Bench, Failure,
    crowd::{self, Crowd},
    http::Http,
    people,
    process::Process,
    report::Figure,
    samples::Samples,
    server::Server,
    sse,
};

/// Streams, each of a person of its own.
const STREAMS: usize = 10_000;
/// Messages to all of them.
const MESSAGES: usize = 50;
/// Messages a second.
const RATE: u32 = 5;
/// How long the last message may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What a fan-out took.
struct FanOut {
    /// Processor time of one delivery, in microseconds.
    micros: f64,
    /// From the message's moment to its arrival.
    delays: Samples,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let (streams, messages) = (bench.amount(STREAMS, 100), bench.amount(MESSAGES, 10));
    let server = Server::start(bench)?;
    let tokens: Vec<String> =
        (0..streams).map(|number| server.listener(&people::id(number))).collect::<Result<_, _>>()?;
    let (memory, cpu, begun) = (server.process.resident()?, server.process.cpu()?, Instant::now());
    let mut crowd = Crowd::open(server.address, &tokens)?;
    let count = f64::from(u32::try_from(streams)?);
    let connects = count / begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "memory far below 2^52 bytes")]
    let each = (server.process.resident()? - memory) as f64 / 1024.0 / count;
    let connect = server.process.cpu_since(cpu)?.as_secs_f64() * 1e6 / count;

    let (ours, frame) = ours(&server, &mut crowd, messages)?;
    drop(crowd);
    drop(server);
    let floor = floor(&tokens, messages, &frame)?;
    Ok(vec![
        Figure::of("CPU of a delivery, µs", ours.micros).beside(floor.micros).goal("≤ 2.5"),
        Figure::of("arrival, p50, ms", ours.delays.p50()).beside(floor.delays.p50()),
        Figure::of("arrival, p99, ms", ours.delays.p99()).beside(floor.delays.p99()),
        Figure::of("bytes of a frame", f64::from(u32::try_from(frame.len())?)),
        Figure::of("memory of an idle connection, KiB", each).goal("≤ 3"),
        Figure::of("CPU of a connect with its session and directory rows, µs", connect).goal("≤ 40"),
        Figure::of("connects/s, 32 at once", connects),
    ])
}

/// The server's fan-out, and the bytes of one of its frames.
fn ours(server: &Server, crowd: &mut Crowd, messages: usize) -> Result<(FanOut, Vec<u8>), Failure> {
    let token = server.sender("sender")?;
    let mut http = Http::connect(server.address)?;
    let first = crowd.streams.first_mut().ok_or("there are no streams")?;
    // Message 0 warms up, and shows what one frame is.
    http.post("/api/v1/broadcasts", &token, "", &to_all(&sse::content(0)))?.success()?;
    let frame = sse::capture(first, 0)?;
    let moment = |number: usize| -> Result<Instant, Failure> {
        http.post("/api/v1/broadcasts", &token, "", &to_all(&sse::content(number)))?.success()?;
        Ok(Instant::now())
    };
    Ok((fan_out(&server.process, crowd, messages, moment)?, frame))
}

/// The floor's fan-out of the same frame.
fn floor(tokens: &[String], messages: usize, frame: &[u8]) -> Result<FanOut, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", "fan-out", "--streams", &tokens.len().to_string()]);
    let (process, address) = Process::listening(&mut command)?;
    let crowd = Crowd::open(address, tokens)?;
    let mut control = TcpStream::connect(address)?;
    control.set_nodelay(true)?;
    let length = u32::try_from(frame.len())?.to_be_bytes();
    let mut order = [&length[..], frame].concat();
    let digits = memchr::memmem::find(&order, b"seq=").ok_or("the frame has no number")? + 4;
    let moment = |number: usize| -> Result<Instant, Failure> {
        order[digits..digits + 7].copy_from_slice(format!("{number:07}").as_bytes());
        let moment = Instant::now();
        control.write_all(&order)?;
        Ok(moment)
    };
    fan_out(&process, &crowd, messages, moment)
}

/// Sends messages at the rate while the crowd listens.
fn fan_out(
    process: &Process,
    crowd: &Crowd,
    messages: usize,
    mut send: impl FnMut(usize) -> Result<Instant, Failure>,
) -> Result<FanOut, Failure> {
    let expected = crowd.streams.len() * messages;
    let deadline = Instant::now() + Duration::from_secs(1) / RATE * u32::try_from(messages)? + LIMIT;
    std::thread::scope(|scope| {
        let hearing = scope.spawn(|| crowd.hear(expected, deadline));
        let before = process.cpu()?;
        let pace = Pace::per_second(RATE);
        let mut moments = Vec::with_capacity(messages);
        for number in 1..=messages {
            pace.wait(number - 1);
            moments.push(send(number)?);
        }
        let arrivals = hearing.join().map_err(|_panic| "the crowd panicked")??;
        let cpu = process.cpu_since(before)?;
        if arrivals.len() != expected {
            return Err(format!("{} of {expected} deliveries came", arrivals.len()).into());
        }
        let micros = cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(expected)?);
        Ok(FanOut { micros, delays: crowd::delays(&arrivals, &moments).collect() })
    })
}
