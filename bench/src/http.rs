//! The generator's HTTP: one kept connection, one request at a time, as little work as possible.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use memchr::memmem;

use crate::Failure;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Lines that are sent at once, in bytes.
const CHUNK: usize = 64 << 10;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body of a success; an error of anything else.
    pub(crate) fn success(self) -> Result<Vec<u8>, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        Err(format!("the server answered {}: {}", self.status, String::from_utf8_lossy(&self.body)).into())
    }
}

impl Http {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// A GET.
    pub(crate) fn get(&mut self, path: &str, token: &str) -> Result<Answer, Failure> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"))
    }

    /// A POST of JSON; `headers` are whole lines.
    pub(crate) fn post(
        &mut self,
        path: &str,
        token: &str,
        headers: &str,
        body: &str,
    ) -> Result<Answer, Failure> {
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// A PUT of lines, sent as they are made.
    pub(crate) fn put_lines(
        &mut self,
        path: &str,
        token: &str,
        lines: impl Iterator<Item = String>,
    ) -> Result<Answer, Failure> {
        write!(
            self.stream,
            "PUT {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )?;
        let mut chunk = String::new();
        for line in lines {
            chunk.push_str(&line);
            if chunk.len() >= CHUNK {
                write!(self.stream, "{:x}\r\n{chunk}\r\n", chunk.len())?;
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            write!(self.stream, "{:x}\r\n{chunk}\r\n", chunk.len())?;
        }
        self.ask("0\r\n\r\n")
    }

    fn ask(&mut self, request: &str) -> Result<Answer, Failure> {
        self.stream.write_all(request.as_bytes())?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read()?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        while self.buffer.len() < head + length {
            self.read()?;
        }
        let status = status.ok_or("the answer has no status")?;
        Ok(Answer { status, body: self.buffer[head..head + length].to_vec() })
    }

    fn read(&mut self) -> Result<(), Failure> {
        let mut bytes = [0; 8192];
        let read = self.stream.read(&mut bytes)?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        self.buffer.extend_from_slice(&bytes[..read]);
        Ok(())
    }
}
