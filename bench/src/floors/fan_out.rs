//! The floor of a fan-out: a loop of non-blocking writes of the very bytes that the server wrote.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use crate::Failure;

/// What a stream is answered: it is up to the present.
const READY: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: ready\ndata: {\"cursor\":\"floor\"}\n\n";

/// Takes so many streams, then one connection that says what to write to all of them: a length of four bytes, and so
/// many bytes.
pub(super) fn serve(streams: usize) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    super::say(listener.local_addr()?)?;
    let mut sockets = Vec::with_capacity(streams);
    while sockets.len() < streams {
        let (mut socket, _peer) = listener.accept()?;
        read_head(&mut socket)?;
        socket.set_nodelay(true)?;
        socket.write_all(READY)?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let (mut control, _peer) = listener.accept()?;
    let mut frame = Vec::new();
    loop {
        let mut length = [0; 4];
        match control.read_exact(&mut length) {
            Ok(()) => {}
            Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(cause) => return Err(cause.into()),
        }
        frame.resize(usize::try_from(u32::from_be_bytes(length))?, 0);
        control.read_exact(&mut frame)?;
        for mut socket in &sockets {
            // A full socket would need a queue; the generator reads faster than that.
            if socket.write(&frame)? != frame.len() {
                return Err("a socket was full".into());
            }
        }
    }
}

fn read_head(socket: &mut TcpStream) -> Result<(), Failure> {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut bytes)? {
            0 => return Err("a client left".into()),
            read => head.extend_from_slice(&bytes[..read]),
        }
    }
    Ok(())
}
