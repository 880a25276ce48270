//! `tidings proof`: who got a broadcast, signed; and whether a proof holds.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;
use tidings_proof::{PublicKey, Verified, verify};

use crate::{
    failure::Failure,
    reach::{self, Reach},
    terminal::{harmless, say, say_json},
};

/// Fetch the signed proof of who got a broadcast, or check one.
#[derive(Debug, Args)]
pub(crate) struct Proof {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch the proof of a broadcast.
    Get(Get),
    /// Check a proof without a server; name the first line that was changed.
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Get {
    /// The broadcast: brd_…
    broadcast: String,
    /// The file that it becomes; the standard output where it is absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct Verify {
    /// The proof; `-` is the standard input.
    file: PathBuf,
    /// The sender's public key: PEM, or a set (JWKS) as /api/v1/proof-keys answers it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Print what it adds up to as JSON.
    #[arg(long)]
    json: bool,
}

impl Proof {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Get(get) => get.run().await,
            Action::Verify(verify) => verify.run(),
        }
    }
}

impl Get {
    async fn run(self) -> Result<(), Failure> {
        let path = format!("/api/v1/broadcasts/{}/proof", reach::segment(&self.broadcast));
        let client = self.reach.client(None)?;
        let Some(out) = self.out else {
            let mut stdout = io::stdout().lock();
            if stdout.is_terminal() {
                return Err(Failure::usage(
                    "a proof is a file: name it with --out, or lead the output into one",
                ));
            }
            reach::download(&client, &path, |bytes| stdout.write_all(bytes)).await?;
            return Ok(stdout.flush()?);
        };
        // Under its name it stands only once it is whole.
        let mut part = out.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let fetched = fetch(&client, &path, &part).await;
        match fetched {
            Ok(()) => fs::rename(&part, &out).map_err(|cause| unwritable(&out, &cause)),
            Err(failure) => {
                // What is left of it is of no use; that it stays is no harm.
                drop(fs::remove_file(&part));
                Err(failure)
            }
        }
    }
}

async fn fetch(client: &tidings_client::Client, path: &str, part: &Path) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(part).map_err(|cause| unwritable(part, &cause))?);
    reach::download(client, path, |bytes| file.write_all(bytes)).await?;
    file.flush().map_err(|cause| unwritable(part, &cause))
}

impl Verify {
    fn run(self) -> Result<(), Failure> {
        let key = fs::read_to_string(&self.key).map_err(|cause| unreadable(&self.key, &cause))?;
        let keys = PublicKey::read(&key)
            .map_err(|invalid| Failure::usage(format!("{} {invalid}", self.key.display())))?;
        let proof: Box<dyn BufRead> = if self.file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(&self.file).map_err(|cause| unreadable(&self.file, &cause))?))
        };
        let Verified { message_id, made_at, key_id, people, states } =
            verify(proof, &keys).map_err(|broken| Failure::of(&broken))?;
        if self.json {
            return say_json(&json!({ "message_id": message_id, "made_at": made_at, "key_id": key_id,
                                     "people": people, "states": states }));
        }
        let states: Vec<String> =
            states.iter().map(|(state, people)| format!("{people} {}", harmless(state))).collect();
        let counted = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
        let (message_id, made_at) = (harmless(&message_id), harmless(&made_at));
        say(format!("the proof holds: {message_id} at {made_at}, {people} people{counted}"))
    }
}

fn unreadable(path: &Path, cause: &io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {cause}", path.display()))
}

fn unwritable(path: &Path, cause: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {cause}", path.display()))
}
