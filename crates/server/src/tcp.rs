//! A client's TCP connection: options that free what a dead client holds, and an end to writes that stall.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// How long a write may stand without a byte being taken.
const STALL: Duration = Duration::from_secs(10);
/// Unsent bytes that the kernel takes for one client. It would take megabytes for one that reads nothing, beyond
/// every queue that we count; what is on its way to a fast client is not limited by this.
const UNSENT_BYTES: u32 = 128 << 10;
/// How long the kernel keeps sending what nobody acknowledges.
const USER_TIMEOUT: Duration = Duration::from_secs(20);
/// Keepalive: the first probe, the pause between two, and how many.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

/// A connection whose writes do not stall for longer than [`STALL`].
#[derive(Debug)]
pub(crate) struct Tcp {
    stream: TcpStream,
    // Runs from the moment in which the client's window is full until it takes a byte.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Tcp {
    /// Sets the options of a connection that was just accepted.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
        let (first, pause, probes) = KEEPALIVE;
        let keepalive = TcpKeepalive::new().with_time(first).with_interval(pause).with_retries(probes);
        socket.set_tcp_keepalive(&keepalive)?;
        Ok(Self { stream, stalled: None })
    }

    /// Resolves when the client has said something, which stays to be read, or is gone.
    pub(crate) async fn first_byte(&self) -> io::Result<()> {
        self.stream.peek(&mut [0]).await.map(drop)
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL)));
        ready!(stall.as_mut().poll(context));
        // The kernel forgets what it still holds for this client, instead of waiting behind a closed window.
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpSocket},
        time::Instant,
    };

    use super::*;

    #[tokio::test]
    async fn a_write_that_nobody_takes_ends_after_the_stall() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpSocket::new_v4().unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = Tcp::new(listener.accept().await.unwrap().0).unwrap();
        let begun = Instant::now();
        let error = server.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= STALL);
        drop(client);
    }
}
