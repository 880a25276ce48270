//! What the gateway itself says and understands, for the reference.

use serde_json::json;
use tidings_api::{Done, Spoken, SpokenCommand};

use crate::{
    commands::{AckText, AuthText, HelloText, ReadText},
    wire::{Digest, Expiring, Reached, Ready, Shutdown},
};

const CURSOR: &str = "3kq7v2m9x1.1042";
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";
const EXPIRES_AT: &str = "2026-01-31T10:30:00.000Z";

/// The frames of the session: they have no id, and nothing but their `data`.
pub fn session_frames() -> Vec<Spoken> {
    vec![
        Spoken::of::<Ready>(
            "ready",
            "The stream is open. Where `recovered` is false, reload what you show; `reason` says why.",
            json!({
                "session_id": "ses_01k3x9qk3m8v6t2n4p5r7s9w0y", "user_id": "ada", "recovered": false,
                "reason": "no_cursor", "cursor": CURSOR, "heartbeat_secs": 15,
            }),
        ),
        Spoken::of::<Reached<'static>>(
            "cursor",
            "Everything up to here was sent: the catch-up is over, or nothing was for you for a while.",
            json!({ "cursor": CURSOR }),
        ),
        Spoken::of::<Digest>(
            "digest",
            "So many more messages are pending than were sent; the inbox has them, page by page.",
            json!({ "pending": 300 }),
        ),
        Spoken::of::<Expiring>(
            "token.expiring",
            "The stream ends then, unless the token is renewed.",
            json!({ "expires_at": EXPIRES_AT }),
        ),
        Spoken::of::<Shutdown>(
            "shutdown",
            "The server stops: come back after so many milliseconds.",
            json!({ "reconnect_ms": 1500 }),
        ),
    ]
}

/// The commands that every WebSocket understands.
pub fn own_commands() -> Vec<SpokenCommand> {
    vec![
        SpokenCommand::new::<HelloText>(
            "hello",
            "The first word of a client: who it is, where the handshake did not say, and from where it goes on. It is answered by `ready`.",
            json!({ "token": TOKEN, "cursor": CURSOR, "session": "phone" }),
        ),
        SpokenCommand::new::<AckText>(
            "ack",
            "Everything up to a cursor has arrived. It is not answered: the newest one counts.",
            json!({ "cursor": CURSOR }),
        ),
        SpokenCommand::new::<ReadText>(
            "read",
            "Its reader read these.",
            json!({ "ref": "2", "ids": ["brd_01k3x9qk3m8v6t2n4p5r7s9w0y"] }),
        )
        .answered::<Done>(json!({})),
        SpokenCommand::new::<AuthText>(
            "auth",
            "A new token, before the old one ends; the answer says until when the stream may go on.",
            json!({ "ref": "3", "token": TOKEN }),
        )
        .answered::<Expiring>(json!({ "expires_at": EXPIRES_AT })),
        SpokenCommand::new::<Done>("ping", "Asks whether the server is there.", json!({ "ref": "4" }))
            .answered::<Done>(json!({})),
    ]
}
