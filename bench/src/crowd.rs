//! Many streams in one thread: the generator's end of a fan-out, which reads and counts and does nothing else.

use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::event::{Timespec, epoll};

use crate::{Failure, sse};

/// Streams that are opened at once: below what the server admits from its database.
const OPENING: usize = 32;
/// Events that one wait takes.
const EVENTS: usize = 512;
/// The most bytes of one read.
const READ_BYTES: usize = 64 << 10;
/// How long a wait may last before the deadline is looked at.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Open streams.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// The streams, in the order of their people.
    pub(crate) streams: Vec<TcpStream>,
}

/// A message that came: its number, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Its number.
    pub(crate) number: usize,
    /// When it was read.
    pub(crate) at: Instant,
}

impl Crowd {
    /// Opens one stream for each token, some at once, and waits until all are up to the present.
    pub(crate) fn open(address: SocketAddr, tokens: &[String]) -> Result<Self, Failure> {
        let next = AtomicUsize::new(0);
        let opened = Mutex::new(Vec::with_capacity(tokens.len()));
        std::thread::scope(|scope| {
            let open_some = || -> Result<(), Failure> {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(token) = tokens.get(index) else { return Ok(()) };
                    let stream = sse::open(address, token, &format!("device-{index}"))?;
                    opened.lock().unwrap_or_else(PoisonError::into_inner).push((index, stream));
                }
            };
            let openers: Vec<_> = (0..OPENING).map(|_| scope.spawn(open_some)).collect();
            openers.into_iter().try_for_each(|opener| opener.join().map_err(|_panic| "an opener panicked")?)
        })?;
        let mut opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
        opened.sort_unstable_by_key(|(index, _)| *index);
        Ok(Self { streams: opened.into_iter().map(|(_, stream)| stream).collect() })
    }

    /// Reads all streams until so many messages with a number of at least 1 came, or until the deadline.
    pub(crate) fn hear(&self, expected: usize, deadline: Instant) -> Result<Vec<Arrival>, Failure> {
        self.hear_each(expected, deadline, |_stream, _bytes| {})
    }

    /// The same, and shows what is read of each stream.
    pub(crate) fn hear_each(
        &self,
        expected: usize,
        deadline: Instant,
        mut show: impl FnMut(usize, &[u8]),
    ) -> Result<Vec<Arrival>, Failure> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, stream) in self.streams.iter().enumerate() {
            stream.set_nonblocking(true)?;
            epoll::add(&poll, stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        }
        let mut arrivals = Vec::with_capacity(expected);
        let mut events = Vec::with_capacity(EVENTS);
        let mut bytes = vec![0; READ_BYTES];
        while arrivals.len() < expected && Instant::now() < deadline {
            epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&LOOK))?;
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64())?;
                let Some(mut stream) = self.streams.get(index) else { continue };
                let read = match stream.read(&mut bytes) {
                    Ok(0) => return Err(format!("stream {index} ended").into()),
                    Ok(read) => read,
                    Err(cause) if cause.kind() == ErrorKind::WouldBlock => continue,
                    Err(cause) => return Err(cause.into()),
                };
                let at = Instant::now();
                let numbers = sse::numbers(&bytes[..read]).filter(|number| *number > 0);
                arrivals.extend(numbers.map(|number| Arrival { number, at }));
                show(index, &bytes[..read]);
            }
        }
        Ok(arrivals)
    }
}

/// How long each arrival came after its message's moment; `moments` begins with message 1.
pub(crate) fn delays<'a>(
    arrivals: &'a [Arrival],
    moments: &'a [Instant],
) -> impl Iterator<Item = Duration> + 'a {
    arrivals.iter().filter_map(|arrival| {
        let moment = moments.get(arrival.number.checked_sub(1)?)?;
        Some(arrival.at.saturating_duration_since(*moment))
    })
}
