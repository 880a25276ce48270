//! A device: one open stream, and what it showed.

use std::time::Instant;

use serde_json::Value;
use tidings_client::{Client, ClientError, Frame, ListenOptions, Ready, Stream};

use crate::{LIMIT, Words};

/// One open stream, read frame by frame; each must be as documented.
#[derive(Debug)]
pub struct Device {
    stream: Stream,
    words: &'static Words,
    /// The first frame.
    pub ready: Ready,
    /// The newest cursor that it was given.
    pub cursor: Option<String>,
}

impl Device {
    /// Opens a stream and reads `ready`.
    pub async fn open(client: &Client, options: ListenOptions) -> Self {
        let mut stream = Self::admitted(client, &options).await;
        let first = tokio::time::timeout(LIMIT, stream.next()).await.expect("`ready` in time").unwrap();
        let words = Words::known(client).await;
        words.judge(&first);
        let Frame::Ready(ready) = first else { panic!("the first frame was {first:?}") };
        let cursor = ready.cursor.clone();
        Self { stream, words, ready, cursor }
    }

    /// A stream, as soon as the server has room for it: it may ask to come back.
    async fn admitted(client: &Client, options: &ListenOptions) -> Stream {
        let started = Instant::now();
        loop {
            match client.listen(options).await {
                Ok(stream) => return stream,
                Err(ClientError::Refused(refusal)) if refusal.status == 503 && started.elapsed() < LIMIT => {
                    tokio::time::sleep(refusal.retry_after.unwrap_or_default()).await;
                }
                Err(refused) => panic!("the stream opens: {refused}"),
            }
        }
    }

    /// The next frame of any kind.
    pub async fn frame(&mut self) -> Frame {
        let frame = tokio::time::timeout(LIMIT, self.stream.next()).await.expect("a frame in time").unwrap();
        self.words.judge(&frame);
        if let Frame::Event { cursor: Some(cursor), .. } | Frame::Cursor { cursor } = &frame {
            self.cursor = Some(cursor.clone());
        }
        frame
    }

    /// Reads until the stream ends; answers how.
    pub async fn end(&mut self) -> ClientError {
        loop {
            if let Err(end) = tokio::time::timeout(LIMIT, self.stream.next()).await.expect("an end in time") {
                return end;
            }
        }
    }

    /// The next event, as (type, data); cursors on the way are kept.
    pub async fn event(&mut self) -> (String, Value) {
        loop {
            if let Frame::Event { event, .. } = self.frame().await {
                return (event.event_type.clone(), serde_json::to_value(&event.data).unwrap());
            }
        }
    }

    /// The data of the next signal of a type, and of the events before it.
    pub async fn signal(&mut self, wanted: &str) -> (Value, Vec<Value>) {
        let mut before = Vec::new();
        loop {
            let frame = self.frame().await;
            match frame {
                Frame::Signal(signal) if signal.signal_type == wanted => return (signal.data, before),
                Frame::Event { event, .. } => before.push(event.data),
                Frame::Signal(_)
                | Frame::Ready(_)
                | Frame::Cursor { .. }
                | Frame::Digest(_)
                | Frame::TokenExpiring { .. }
                | Frame::Shutdown { .. }
                | Frame::Reply(_)
                | Frame::Unknown { .. } => {}
            }
        }
    }

    /// The next event's `content`.
    pub async fn content(&mut self) -> String {
        let (_, data) = self.event().await;
        data["content"].as_str().unwrap_or_default().to_owned()
    }

    /// Reads until the catch-up has ended, and answers the contents that came in it.
    pub async fn catch_up(&mut self) -> Vec<String> {
        let mut contents = Vec::new();
        if self.cursor.is_some() {
            return contents;
        }
        loop {
            let frame = self.frame().await;
            if let Frame::Event { event, .. } = &frame {
                let data = serde_json::to_value(&event.data).unwrap();
                contents.push(data["content"].as_str().unwrap_or_default().to_owned());
            } else if let Frame::Cursor { .. } = frame {
                return contents;
            }
        }
    }

    /// Reads until a broadcast of this content came; answers the contents before it.
    pub async fn until(&mut self, content: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let next = self.content().await;
            if next == content {
                return before;
            }
            before.push(next);
        }
    }

    /// The newest cursor.
    pub fn cursor(&self) -> &str {
        self.cursor.as_deref().expect("a cursor was given")
    }
}
