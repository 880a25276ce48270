//! A *proof* says of one message whom it was for, and what became of it for each of them, so that anybody can check it
//! offline. It is a file of lines: a head, one line for each person, and an end with a signature.
//!
//! Each line is a JSON object whose last member is `chain`: the SHA-256, in hex, of the chain of the line before (32 bytes;
//! zeros before the first line) and of the line's own bytes up to `,"chain":"`. So whoever checks it can name the first
//! line that was changed, left out, put in or moved. The end has `signature` behind its `chain`: Ed25519, in base64url, over
//! `tidings-proof-1`, a line feed, and that chain in hex. Who makes all chains fit again still lacks the signature.

mod keys;
mod verify;
mod write;

use sha2::{Digest as _, Sha256};

pub use keys::{InvalidKey, PublicKey, Signer};
pub use verify::{Broken, Verified, verify};
pub use write::{Person, Writer};

/// The name of the format, which every head and every signature has.
pub const FORMAT: &str = "tidings-proof-1";
/// The algorithm of the signature, as heads name it.
pub const ALGORITHM: &str = "Ed25519";

/// What stands before a line's chain.
const CHAIN: &str = ",\"chain\":\"";
/// What stands before the signature.
const SIGNATURE: &str = "\",\"signature\":\"";
/// What ends every line.
const END: &str = "\"}";

/// The chain of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Chain([u8; 32]);

impl Chain {
    /// The chain of the next line, of which these are the bytes before it.
    fn next(self, line: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(line).finalize().into())
    }

    fn hex(self) -> String {
        hex(&self.0)
    }

    /// What is signed.
    fn signed(self) -> Vec<u8> {
        format!("{FORMAT}\n{}", self.hex()).into_bytes()
    }
}

/// Of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower case, as chains are written.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests;
