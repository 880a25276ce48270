//! Listening: clients are taken until the server drains; what they asked until then is finished.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use http::Request;
use hyper::{body::Incoming, rt::Executor};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tidings_api::audit::Peer;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{limits, tcp::Tcp};

/// How long a client may take to send the head of a request, the first byte included.
const HEAD: Duration = Duration::from_secs(10);
/// The most bytes of a request's head; more is 431.
const HEAD_BYTES: usize = 16 << 10;
/// The most headers of a request; more is 431.
const HEADERS: usize = 100;
/// Streams of one HTTP/2 connection.
const HTTP2_STREAMS: u32 = 128;
/// Pause between two HTTP/2 pings, and how long the answer may take.
const HTTP2_PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// The first and the longest pause after an accept that failed, for example because no file may be opened.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// What a client is told when no more connections may be open.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Spawns where shutdown waits for it.
#[derive(Clone, Debug)]
struct Tracked(TaskTracker);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tracked {
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// Serves a router on a listener until `drain`. Connections run on `tasks`; the last ends when it has answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tasks: TaskTracker,
    drain: CancellationToken,
) {
    let (limit, open) = (limits::connections(), Arc::new(AtomicUsize::new(0)));
    let mut pause = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) if is_the_clients(&cause) => continue,
            Err(cause) => {
                let wait = pause.map_or(BACKOFF.0, |last: Duration| (last * 2).min(BACKOFF.1));
                if pause.is_none() {
                    tracing::error!(%cause, "no client can be taken; open streams go on");
                }
                pause = Some(wait);
                tokio::time::sleep(wait).await;
                continue;
            }
        };
        if pause.take().is_some() {
            tracing::info!("clients are taken again");
        }
        if open.fetch_add(1, Ordering::Relaxed) >= limit {
            open.fetch_sub(1, Ordering::Relaxed);
            refuse(stream).await;
            continue;
        }
        let (router, drain, executor) = (router.clone(), drain.clone(), Tracked(tasks.clone()));
        let counted = Counted(Arc::clone(&open));
        tasks.spawn(async move {
            if let Err(cause) = connection(stream, peer, router, executor, drain).await {
                tracing::debug!(%cause, "a connection ended early");
            }
            drop(counted);
        });
    }
}

/// One open connection less when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether only this client's connection failed.
fn is_the_clients(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Says 503 without reading; it fits every socket's buffer.
async fn refuse(mut stream: TcpStream) {
    if let Err(cause) = stream.write_all(FULL).await {
        tracing::debug!(%cause, "a client left before it was refused");
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    executor: Tracked,
    drain: CancellationToken,
) -> Result<(), Failure> {
    let tcp = Tcp::new(stream)?;
    // Which HTTP it speaks is seen from its first bytes, and hyper waits for them without a limit.
    tokio::select! {
        biased;
        () = drain.cancelled() => return Ok(()),
        first = tokio::time::timeout(HEAD, tcp.first_byte()) => first??,
    }
    let mut http = auto::Builder::new(executor);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(HTTP2_STREAMS)
        .keep_alive_interval(HTTP2_PING.0)
        .keep_alive_timeout(HTTP2_PING.1);
    let router = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let serving = http.serve_connection_with_upgrades(TokioIo::new(tcp), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return served,
        () = drain.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    serving.await
}
