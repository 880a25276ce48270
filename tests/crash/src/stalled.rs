//! A stalled reader: opens a stream, sees that it is open, and never reads again.
//!
//! Its own buffer is small, so that what the server sends soon stays with the server.

use std::{
    io,
    net::{SocketAddr, TcpStream},
};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::people::Person;

/// What the reader's kernel takes on its behalf, in bytes; Linux doubles it.
const BUFFER: usize = 4096;

/// An open stream that nobody reads.
#[derive(Debug)]
pub struct Stalled {
    socket: tokio::net::TcpStream,
}

impl Stalled {
    /// Opens the stream of a person and reads until it is said to be open.
    pub async fn open(server: SocketAddr, person: &Person) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // Before it connects: the window is agreed on then.
        socket.set_recv_buffer_size(BUFFER)?;
        socket.connect(&server.into())?;
        socket.set_nonblocking(true)?;
        let mut socket = tokio::net::TcpStream::from_std(TcpStream::from(socket))?;
        let token = person.token();
        let request = format!(
            "GET /api/v1/stream?session={}-stalled HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {token}\r\n\r\n",
            person.id
        );
        socket.write_all(request.as_bytes()).await?;
        let mut read = Vec::new();
        while !contains(&read, b"event: ready") {
            if socket.read_buf(&mut read).await? == 0 {
                let answer = String::from_utf8_lossy(&read).into_owned();
                return Err(io::Error::other(format!("the stream did not open: {answer}")));
            }
        }
        Ok(Self { socket })
    }

    /// This end of the connection.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
