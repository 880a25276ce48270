//! A proxy between the servers and a broker. On demand it lets requests pass and loses their answers: what was asked for
//! is done, and who asked for it cannot know.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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
    AreLost,
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
    // However it ends, both ends see it.
    tokio::select! {
        _ = requests(from_client, to_broker) => {}
        _ = replies(from_broker, to_client, answers, &lost) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await.map(drop)
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut answers: watch::Receiver<Answers>,
    lost: &AtomicU64,
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
        if *answers.borrow() == Answers::Pass && !has_lost {
            to.write_all(bytes).await?;
        } else {
            has_lost = true;
            lost.fetch_add(count as u64, Ordering::Relaxed);
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
