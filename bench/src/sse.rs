//! Streams as the generator reads them: opened in full, then only searched for the marks of messages.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use memchr::memmem;

use crate::Failure;

/// How long a stream may take to come up to the present.
const LIMIT: Duration = Duration::from_mins(1);
/// How the answer begins of a server that is to be asked again.
const BUSY: &[u8] = b"HTTP/1.1 503";
/// The pause before that.
const AGAIN: Duration = Duration::from_millis(100);
/// How a message's number stands in its content.
const MARK: &[u8] = b"seq=";
/// Its digits.
const DIGITS: usize = 7;

/// The content of a message with a number: about 200 bytes.
pub(crate) fn content(number: usize) -> String {
    format!("seq={number:07}; {}", "The canteen closes at two today. ".repeat(6).trim_end())
}

/// The numbers of the messages in what was read.
pub(crate) fn numbers(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    memmem::find_iter(bytes, MARK).filter_map(|at| {
        let digits = bytes.get(at + MARK.len()..at + MARK.len() + DIGITS)?;
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + usize::from(digit - b'0'))
        })
    })
}

/// The last cursor in what was read, if all of its line is there.
pub(crate) fn last_cursor(bytes: &[u8]) -> Option<&str> {
    const FIELD: &[u8] = b"\nid: ";
    let ends = memchr::memrchr(b'\n', bytes)?;
    let begins = memmem::rfind(&bytes[..ends], FIELD)? + FIELD.len();
    let line = &bytes[begins..ends];
    let cursor = std::str::from_utf8(&line[..memchr::memchr(b'\n', line).unwrap_or(line.len())]).ok()?;
    Some(cursor.trim_end())
}

/// Opens a stream and reads it until it is up to the present, which a cursor shows. A server that has no room for one more
/// right now says so, and is asked again.
pub(crate) fn open(address: SocketAddr, token: &str, session: &str) -> Result<TcpStream, Failure> {
    let begun = Instant::now();
    loop {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let request = format!(
            "GET /api/v1/stream?session={session} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
             Accept: text/event-stream\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let read = read_until(&mut stream, |bytes| {
            bytes.starts_with(BUSY) || memmem::find(bytes, br#""cursor":""#).is_some()
        })?;
        if !read.starts_with(BUSY) {
            return Ok(stream);
        }
        if begun.elapsed() > LIMIT {
            return Err(format!("no stream within {LIMIT:?}: {}", String::from_utf8_lossy(&read)).into());
        }
        std::thread::sleep(AGAIN);
    }
}

/// The bytes of the one message with a number, as they came on the wire, with nothing before them.
pub(crate) fn capture(stream: &mut TcpStream, number: usize) -> Result<Vec<u8>, Failure> {
    read_until(stream, |bytes| numbers(bytes).any(|seen| seen == number) && bytes.ends_with(b"\n\r\n"))
}

fn read_until(stream: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    while !enough(&bytes) {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err(format!("a stream ended: {}", String::from_utf8_lossy(&bytes)).into());
        }
        bytes.extend_from_slice(&piece[..read]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_order_of_the_bytes() {
        let bytes = format!("data: {}\n\ndata: {}\n\n: hb\n\nseq=12", content(7), content(1_234_567));
        assert_eq!(numbers(bytes.as_bytes()).collect::<Vec<_>>(), [7, 1_234_567]);
    }

    #[test]
    fn the_last_cursor_is_that_of_the_last_whole_line() {
        assert_eq!(last_cursor(b"\nid: a\nevent: e\n\nid: b\ndata: {}\n"), Some("b"));
        assert_eq!(last_cursor(b"\nid: a\n\nid: b"), Some("a"));
        assert_eq!(last_cursor(b": hb\n\n"), None);
    }
}
