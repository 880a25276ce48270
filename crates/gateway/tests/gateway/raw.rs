//! Requests written byte by byte, for what a well-behaved client cannot say.

use tidings_testkit::{LIMIT, Person, TestApp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// A raw connection and what came over it so far.
pub(crate) struct Raw {
    stream: TcpStream,
    pub(crate) bytes: Vec<u8>,
}

impl Raw {
    /// Sends the head of a request; `head` brings its own header lines.
    pub(crate) async fn request(app: &TestApp, request_line: &str, headers: &[(&str, &str)]) -> Self {
        let host = host(app);
        let mut head = format!("{request_line}\r\n");
        let own = [("Host", host.as_str())];
        let own = own.iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        for (name, value) in own.chain(headers) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(&host).await.unwrap();
        // The server may refuse before it has read a head that is too long.
        stream.write_all(head.as_bytes()).await.ok();
        Self { stream, bytes: Vec::new() }
    }

    /// Opens a stream with a tiny window and reads nothing of it.
    pub(crate) async fn stalled(app: &TestApp, person: &Person) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(host(app).parse().unwrap()).await.unwrap();
        let head =
            format!("GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n", bearer(person));
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, bytes: Vec::new() }
    }

    /// Sends more.
    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until the server ends the connection.
    pub(crate) async fn end(&mut self) -> String {
        // However it ends, what came until then is there.
        let reading = self.stream.read_to_end(&mut self.bytes);
        let ended = tokio::time::timeout(LIMIT, reading).await;
        assert!(ended.is_ok(), "not ended in time; {} bytes came", self.bytes.len());
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Reads until what came satisfies `enough` or the server ends the connection.
    pub(crate) async fn until(&mut self, what: &str, enough: impl Fn(&str) -> bool) -> String {
        let reading = async {
            while !enough(&String::from_utf8_lossy(&self.bytes)) {
                let mut chunk = [0; 4096];
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => break,
                    Ok(read) => self.bytes.extend_from_slice(&chunk[..read]),
                }
            }
        };
        tokio::time::timeout(LIMIT, reading).await.unwrap_or_else(|_| panic!("did not come in time: {what}"));
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The status of the answer.
    pub(crate) async fn status(mut self) -> u16 {
        let head = self.until("a status line", |text| text.contains("\r\n")).await;
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// The server's own address, as a client writes it.
pub(crate) fn host(app: &TestApp) -> String {
    app.url().trim_start_matches("http://").to_owned()
}

/// The header that says who somebody is.
pub(crate) fn bearer(person: &Person) -> String {
    format!("Bearer {}", person.client.token().unwrap())
}
