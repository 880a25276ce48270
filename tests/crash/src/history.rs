//! A history is what a driver noted while it tormented a server: one JSON object a line, only ever appended to.
//!
//! The sender's ids (`m`) are the driver's own, so that no answer of the server can hide what was sent. Clocks
//! play no part: what counts is the order of the lines of one device, and that a `try` stands before its send.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

/// What a server stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The log.
    Broker,
    /// Everything else.
    Database,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Line {
    /// A message is about to be sent: the `n`-th of its `key`, to these people.
    Try {
        /// The sender's own id.
        m: String,
        /// Messages of one key are promised in the order of `n`.
        key: String,
        /// The place within the key.
        n: u64,
        /// Everybody it is for.
        to: Vec<String>,
    },
    /// The server took it: 2xx.
    Ack {
        /// The sender's own id.
        m: String,
        /// The server's id.
        id: String,
    },
    /// The server refused it for good: 4xx.
    Nak {
        /// The sender's own id.
        m: String,
    },
    /// A device got it.
    Recv {
        /// The person.
        u: String,
        /// The device.
        dev: String,
        /// The sender's own id.
        m: String,
        /// The key.
        key: String,
        /// The place within the key.
        n: u64,
        /// The server's id.
        id: String,
        /// The event's id: one delivery.
        event: String,
        /// Whether the server said that it comes later than its place.
        late: bool,
        /// True: a raw frame. False: what the person sees, after repeats by `event` were dropped.
        wire: bool,
    },
    /// A device will be demanded everything: it listens from before the first send.
    Open {
        /// The person.
        u: String,
        /// The device.
        dev: String,
    },
    /// A device came back after a cut.
    Reconnect {
        /// The person.
        u: String,
        /// The device.
        dev: String,
    },
    /// A device saw its final marker.
    End {
        /// The person.
        u: String,
        /// The device.
        dev: String,
    },
    /// The server told a device that its history is lost.
    Gap {
        /// The person.
        u: String,
        /// The device.
        dev: String,
        /// The server's word.
        reason: String,
    },
    /// What a device of who sent messages is told: somebody came so far.
    Standing {
        /// Who sent it.
        u: String,
        /// The device.
        dev: String,
        /// The server's id of the message.
        id: String,
        /// Whose word it is.
        by: String,
        /// Whether they read it; they have it in any case.
        read: bool,
        /// Of how many it was delivered and read, where many are counted.
        counts: Option<(u64, u64)>,
    },
    /// What the sender was told of a message.
    Status {
        /// The sender's own id.
        m: String,
        /// `sent`, `delivered` or `read`.
        s: String,
        /// Who was told.
        at: String,
    },
    /// The server was asked to take a message while a part of it was away, and is to answer within a time.
    Asked {
        /// What was away.
        part: Part,
        /// The answer's status; none if none came.
        status: Option<u16>,
        /// Whether the answer said when to come back.
        retry_after: bool,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// A part was back, and after so many milliseconds a message had passed through everything.
    Back {
        /// What was away.
        part: Part,
        /// From its return to the sight of the message on every device.
        ms: u64,
    },
    /// Something was broken on purpose.
    Fault {
        /// What.
        what: String,
    },
}

/// The history of a run, open for appending.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    file: Mutex<BufWriter<File>>,
}

impl History {
    /// Opens a history; what it holds already stays.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(BufWriter::new(file)) })
    }

    /// Appends a line. A history that cannot be written is no history, so the driver ends.
    pub fn note(&self, line: &Line) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_writer(&mut *file, line).map_err(io::Error::from);
        written.and_then(|()| file.write_all(b"\n")).expect("the history can be written");
    }

    /// Everything noted so far, from the file.
    pub fn lines(&self) -> io::Result<impl Iterator<Item = io::Result<Line>> + use<>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()?;
        read(&self.path)
    }

    /// Forgets everything noted so far.
    pub fn forget(&self) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()?;
        std::fs::remove_file(&self.path)
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The lines of a history file.
pub fn read(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Line>> + use<>> {
    let lines = BufReader::new(File::open(path)?).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}
