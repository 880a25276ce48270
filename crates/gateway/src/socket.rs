//! A WebSocket whose messages are read by tungstenite and whose frames are written as ready bytes.
//!
//! Frames are encoded once for all connections, so nothing here encodes: the outlet takes what waits, several
//! frames in one piece, and writes it. What the protocol itself answers (pongs, the echo of a close) is taken
//! from tungstenite and written between two pieces.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, future::poll_fn, task::AtomicWaker};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::wire;

/// What the protocol answers may wait up to here; then nothing more is read.
const REPLIES_BYTES: usize = 64 << 10;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);
/// A client is read in small pieces: it says little, and there are many of them.
const READ_BYTES: usize = 4096;

/// One WebSocket, on the server's side.
#[derive(Debug)]
pub struct Socket<Io> {
    reader: WebSocketStream<Inlet<Io>>,
    writer: WriteHalf<Io>,
    replies: Arc<Replies>,
    // The rest of what is being written: whole frames.
    writing: Bytes,
}

/// What came first.
#[derive(Debug)]
pub enum Turn {
    /// The client said something.
    Message(Message),
    /// There is nothing more to write.
    Drained,
    /// The line ended; an error that is the client's fault has a close code.
    Ended(Option<u16>),
}

/// What the protocol answers by itself.
#[derive(Debug, Default)]
struct Replies {
    bytes: Mutex<BytesMut>,
    waker: AtomicWaker,
}

impl Replies {
    fn bytes(&self) -> MutexGuard<'_, BytesMut> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.bytes()).freeze()
    }

    fn poll_any(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.bytes().is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// What tungstenite reads from; what it writes is kept as replies.
#[derive(Debug)]
struct Inlet<Io> {
    io: ReadHalf<Io>,
    replies: Arc<Replies>,
}

impl<Io: AsyncRead + AsyncWrite> AsyncRead for Inlet<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io> AsyncWrite for Inlet<Io> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.replies.bytes().extend_from_slice(bytes);
        self.replies.waker.wake();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Socket<Io> {
    /// Speaks WebSocket on a connection that has shaken hands; larger messages end it with 1009.
    pub async fn new(io: Io, max_message_bytes: usize) -> Self {
        let (read, writer) = tokio::io::split(io);
        let replies = Arc::new(Replies::default());
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let inlet = Inlet { io: read, replies: Arc::clone(&replies) };
        let reader = WebSocketStream::from_raw_socket(inlet, Role::Server, Some(config)).await;
        Self { reader, writer, replies, writing: Bytes::new() }
    }

    /// Writes what `outlet` brings until the client says something (while `reading`), the outlet ends, or the
    /// line does. Cancel safe: a turn that is dropped goes on in the next.
    pub async fn turn(
        &mut self,
        reading: bool,
        mut outlet: impl FnMut(&mut Context<'_>) -> Poll<Option<Bytes>>,
    ) -> Turn {
        let Self { reader, writer, replies, writing } = self;
        loop {
            if writing.is_empty() {
                *writing = replies.take();
            }
            let idle = writing.is_empty();
            let reading = reading && replies.bytes().len() < REPLIES_BYTES;
            tokio::select! {
                written = writer.write_buf(writing), if !idle => match written {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Turn::Ended(None),
                },
                run = poll_fn(&mut outlet), if idle => match run {
                    Some(run) => *writing = run,
                    None => return Turn::Drained,
                },
                message = reader.next(), if reading => match message {
                    Some(Ok(message)) => return Turn::Message(message),
                    Some(Err(cause)) => return Turn::Ended(fault(&cause)),
                    None => return Turn::Ended(None),
                },
                () = poll_fn(|context| replies.poll_any(context)), if idle => {}
            }
        }
    }

    /// Says goodbye: what is being written, a close frame where there is a code, and then waits a moment for
    /// the client's own, so that the last frames are not lost to a reset.
    pub async fn close(mut self, code: Option<(u16, &str)>) {
        let goodbye = async {
            let mut last = BytesMut::from(std::mem::take(&mut self.writing));
            last.extend_from_slice(&self.replies.take());
            if let Some((code, reason)) = code {
                last.extend_from_slice(&wire::close(code, reason));
            }
            self.writer.write_all(&last).await?;
            self.writer.shutdown().await?;
            if code.is_some() {
                while let Some(Ok(_late)) = self.reader.next().await {}
            }
            std::io::Result::Ok(())
        };
        // A line that is cut needs no goodbye.
        drop(tokio::time::timeout(GOODBYE, goodbye).await);
    }
}

/// The close code of an error that is the client's fault.
fn fault(cause: &Error) -> Option<u16> {
    match cause {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => None,
        Error::Protocol(_) | Error::AttackAttempt => Some(1002),
        Error::Utf8(_) => Some(1007),
        Error::Capacity(_) | Error::WriteBufferFull(_) => Some(1009),
    }
}

/// The word beside a close code of RFC 6455.
pub(crate) fn fault_reason(code: u16) -> &'static str {
    match code {
        1007 => "invalid_utf8",
        1009 => "too_large",
        _protocol => "protocol_error",
    }
}
