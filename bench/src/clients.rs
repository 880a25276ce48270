//! Clients that ask a server for the same thing again and again, each on a connection of its own.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{Failure, http::Http, samples::Samples};

/// Clients of a run.
pub(crate) const CLIENTS: usize = 64;

/// What a client sends.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Where to.
    pub(crate) path: &'static str,
    /// As whom; nobody where it is empty.
    pub(crate) token: String,
    /// Whether each request has an `Idempotency-Key` of its own.
    pub(crate) with_key: bool,
    /// The body of the POST.
    pub(crate) body: String,
}

/// What all of them were answered.
#[derive(Debug)]
pub(crate) struct Answered {
    /// When they began.
    pub(crate) begun: Instant,
    /// How many times.
    pub(crate) count: u32,
    /// How many times a second.
    pub(crate) rate: f64,
    /// From question to answer.
    pub(crate) waits: Samples,
}

/// Lets each client ask one question after the other for so long. An answer that is no success ends the run.
pub(crate) fn ask(address: SocketAddr, asked: &[Asked], long: Duration) -> Result<Answered, Failure> {
    let begun = Instant::now();
    let end = begun + long;
    let waits: Samples = std::thread::scope(|scope| {
        let clients: Vec<_> =
            asked.iter().map(|asked| scope.spawn(move || ask_until(address, asked, end))).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().map_err(|_panic| "a client panicked")??);
        }
        Ok::<_, Failure>(all.into_iter().collect())
    })?;
    let count = u32::try_from(waits.len())?;
    Ok(Answered { begun, count, rate: f64::from(count) / begun.elapsed().as_secs_f64(), waits })
}

fn ask_until(address: SocketAddr, asked: &Asked, end: Instant) -> Result<Vec<Duration>, Failure> {
    let mut http = Http::connect(address)?;
    let mut waits = Vec::new();
    while Instant::now() < end {
        let key =
            if asked.with_key { format!("Idempotency-Key: {}\r\n", waits.len()) } else { String::new() };
        let begun = Instant::now();
        let answer = http.post(asked.path, &asked.token, &key, &asked.body)?;
        waits.push(begun.elapsed());
        answer.success()?;
    }
    Ok(waits)
}
