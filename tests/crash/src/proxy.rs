//! A proxy between the servers and a broker. On demand it lets requests pass and loses their answers: what was asked for
//! is done, and who asked for it cannot know. It may do so to those alone who write, so that others go on reading, and
//! cause what is to be written.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// Bytes that are passed on at once.
const CHUNK: usize = 16 << 10;

/// What becomes of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Pass,
    /// On connections that write.
    AcknowledgementsAreLost,
    AreLost,
}

/// What a broker is asked first of all that it is asked to write: the key of `Produce`.
const PRODUCE: [u8; 2] = [0, 0];

/// Finds out of the bytes of requests whether some of them write. A request is its length in four bytes, its key in two, and
/// the rest of it.
#[derive(Debug, Default)]
struct Requests {
    // Of the one that began last: its first bytes, and how many are to come behind them.
    head: Vec<u8>,
    rest: usize,
}

impl Requests {
    /// Takes what passes. Answers whether a request that writes began in it.
    fn pass(&mut self, mut bytes: &[u8]) -> bool {
        let mut writes = false;
        while !bytes.is_empty() {
            let inside = self.rest.min(bytes.len());
            (_, bytes) = bytes.split_at(inside);
            self.rest -= inside;
            let Some((byte, others)) = bytes.split_first() else { break };
            bytes = others;
            self.head.push(*byte);
            if let Ok([a, b, c, d, key @ ..]) = <[u8; 6]>::try_from(self.head.as_slice()) {
                writes |= key == PRODUCE;
                let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                self.rest = length.saturating_sub(key.len());
                self.head.clear();
            }
        }
        writes
    }
}

/// A proxy; it ends with this.
#[derive(Debug)]
pub struct Proxy {
    answers: watch::Sender<Answers>,
    lost: Arc<AtomicU64>,
    // Aborted when dropped.
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Listens at one address for the broker at another one.
    pub async fn open(listen: &str, behind: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let (answers, watched) = watch::channel(Answers::Pass);
        let (lost, behind) = (Arc::new(AtomicU64::new(0)), behind.to_owned());
        let counted = Arc::clone(&lost);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(connection(client, behind.clone(), watched.clone(), Arc::clone(&counted)));
            }
        });
        Ok(Self { answers, lost, _accepting: accepting })
    }

    /// From now on requests pass and their answers are lost.
    pub fn lose_answers(&self) {
        self.answers.send_replace(Answers::AreLost);
    }

    /// The same on the connections that write, and on no others.
    pub fn lose_acknowledgements(&self) {
        self.answers.send_replace(Answers::AcknowledgementsAreLost);
    }

    /// Answers pass again, and connections that lost some are cut: nobody could make sense of what follows.
    pub fn mend(&self) {
        self.answers.send_replace(Answers::Pass);
    }

    /// Bytes of answers that were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// One connection, until either end closes it or it is cut.
async fn connection(
    client: TcpStream,
    behind: String,
    answers: watch::Receiver<Answers>,
    lost: Arc<AtomicU64>,
) {
    // A broker that is dead refuses; so does the proxy, by closing.
    let Ok(broker) = TcpStream::connect(&behind).await else { return };
    // What is small is not held back for company.
    if client.set_nodelay(true).and(broker.set_nodelay(true)).is_err() {
        return;
    }
    let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
    let writes = AtomicBool::new(false);
    // However it ends, both ends see it.
    tokio::select! {
        _ = requests(from_client, to_broker, &writes) => {}
        _ = replies(from_broker, to_client, answers, (&writes, &lost)) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, writes: &AtomicBool) -> io::Result<()> {
    let (mut chunk, mut requests) = (vec![0; CHUNK], Requests::default());
    loop {
        let count = from.read(&mut chunk).await?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        // Known before the broker can answer it.
        if requests.pass(bytes) {
            writes.store(true, Ordering::SeqCst);
        }
        to.write_all(bytes).await?;
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut answers: watch::Receiver<Answers>,
    (writes, lost): (&AtomicBool, &AtomicU64),
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut has_lost = false;
    loop {
        let count = tokio::select! {
            biased;
            _ = answers.wait_for(|answers| *answers == Answers::Pass), if has_lost => return Ok(()),
            count = from.read(&mut chunk) => count?,
        };
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let loses = match *answers.borrow() {
            Answers::Pass => false,
            Answers::AcknowledgementsAreLost => writes.load(Ordering::SeqCst),
            Answers::AreLost => true,
        };
        has_lost |= loses;
        if has_lost {
            lost.fetch_add(count as u64, Ordering::Relaxed);
        } else {
            to.write_all(bytes).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker that answers each byte with itself.
    async fn echo() -> (String, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (mut from, mut to) = stream.into_split();
                all.spawn(async move {
                    // It ends when the other end does.
                    tokio::io::copy(&mut from, &mut to).await.unwrap_or_default();
                });
            }
        });
        (address, tasks)
    }

    #[test]
    fn a_request_that_writes_is_known_however_its_bytes_come() {
        let request = |key: [u8; 2], rest: &[u8]| {
            let length = u32::try_from(key.len() + rest.len()).unwrap();
            [&length.to_be_bytes(), key.as_slice(), rest].concat()
        };
        let reads = [request([0, 3], &[0; 9]), request([0, 1], b"")].concat();
        let writes = request(PRODUCE, &[7; 5]);
        for size in 1..=reads.len() {
            let mut requests = Requests::default();
            assert!(!reads.chunks(size).any(|bytes| requests.pass(bytes)), "{size}");
            assert!(writes.chunks(size).any(|bytes| requests.pass(bytes)), "{size}");
        }
    }

    #[tokio::test]
    async fn what_lost_its_answers_is_cut_when_they_pass_again() {
        let (behind, _tasks) = echo().await;
        let listen = {
            let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
            taken.local_addr().unwrap().to_string()
        };
        let proxy = Proxy::open(&listen, &behind).await.unwrap();
        let mut client = TcpStream::connect(&listen).await.unwrap();
        client.write_all(b"a").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'a');

        proxy.lose_answers();
        client.write_all(b"b").await.unwrap();
        while proxy.lost() == 0 {
            tokio::task::yield_now().await;
        }
        proxy.mend();
        assert_eq!(
            client.read(&mut [0]).await.unwrap_or_default(),
            0,
            "the answer is gone, and so is the connection"
        );

        let mut client = TcpStream::connect(&listen).await.unwrap();
        client.write_all(b"c").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'c');
    }
}
