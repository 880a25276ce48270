//! `GET /broadcasts/{id}/proof`: a signed file of who got it and who did not, and why; `GET /proof-keys`: the key that
//! checks it.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use http::header;
use serde::Serialize;
use tidings::{
    Deps,
    api::{Caller, Code, Problem, Scope, Segment},
    model::{BroadcastId, Timestamp, UserId},
    proof::{Person, Signer, Writer, hex, sha256},
};
use utoipa::ToSchema;

use super::{deliveries::kept, target::TargetBody};
use crate::{
    deliveries::{self, Reasoned},
    model::{Broadcast, Stats, Status},
    store,
};

/// People that one read looks at: each reason takes a dozen questions to the database, and a read is not to last.
const CHUNK: usize = 5;

/// What the routes of proofs need.
#[derive(Clone, Debug)]
pub(crate) struct Proofs {
    pub(crate) deps: Deps,
    /// None where no key is set.
    pub(crate) signer: Option<Arc<Signer>>,
}

/// What the head of a proof says of its broadcast.
#[derive(Debug, Serialize)]
struct About {
    message_id: BroadcastId,
    made_at: Timestamp,
    sender_id: UserId,
    audience: TargetBody,
    late_joiners: bool,
    fire_and_forget: bool,
    status: Status,
    created_at: Timestamp,
    scheduled_at: Option<Timestamp>,
    expires_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Of what was said, so that a proof can be held against it without telling it.
    content_sha256: String,
    /// As they were when it was made.
    stats: Stats,
}

impl About {
    fn new(broadcast: Broadcast, stats: Stats, made_at: Timestamp) -> Self {
        Self {
            message_id: broadcast.id,
            made_at,
            audience: (&broadcast.target).into(),
            sender_id: broadcast.sender_id,
            late_joiners: broadcast.late_joiners,
            fire_and_forget: broadcast.fire_and_forget,
            status: broadcast.status,
            created_at: broadcast.created_at,
            scheduled_at: broadcast.scheduled_at,
            expires_at: broadcast.expires_at,
            ended_at: broadcast.ended_at,
            content_sha256: hex(&sha256(broadcast.said.content.as_bytes())),
            stats,
        }
    }
}

/// A signed proof of who got a broadcast: a head, a line for each person, and an end with the signature. `tidings proof
/// verify` checks it without a server.
#[utoipa::path(
    get, path = "/api/v1/broadcasts/{id}/proof", tag = "broadcasts", security(("token" = ["broadcast:read"])),
    params(("id" = String, Path)),
    responses(
        (status = 200, content((Object = "application/x-ndjson", example = json!({
            "user_id": "ada", "state": "pending", "reason": "muted", "delivered_at": null, "read_at": null,
            "chain": "7d546abf71e4f5e676671f898515862f8306a72c6c39790cbcec15e4ba962a76"
        }))), description = "an object a line: the head, which says what it proves; each person; the end, signed"),
        (status = 409, description = "no key is set that signs proofs"))
)]
pub(crate) async fn get_proof(
    State(proofs): State<Proofs>,
    caller: Caller,
    Segment(id): Segment<BroadcastId>,
) -> Result<Response, Problem> {
    caller.require(Scope::BroadcastRead)?;
    let Proofs { deps, signer } = proofs;
    let now = deps.clock.now();
    let (broadcast, stats) = deps
        .store
        .read(move |tx| async move {
            let broadcast = store::find(&tx, id).await?.ok_or_else(|| Problem::not_found("broadcast"))?;
            kept(&broadcast, now)?;
            let stats = store::stats(&tx, &broadcast).await?;
            Ok::<_, Problem>((broadcast, stats))
        })
        .await?;
    let signer = signer.ok_or_else(|| {
        let sentence = "no key signs proofs: make one with `openssl genpkey -algorithm ed25519 -out proof.pem`, and \
             name it in proof.signing_key_file (TIDINGS_PROOF__SIGNING_KEY_FILE)";
        Problem::new(Code::Conflict, sentence)
    })?;
    let name = format!("attachment; filename=\"{id}.proof.ndjson\"");
    let headers =
        [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (header::CONTENT_DISPOSITION, name)];
    let (writer, head) = Writer::begin(&signer, About::new(broadcast, stats, now));
    let at = At { writer, after: None, head: Some(head) };
    Ok((headers, Body::from_stream(lines(deps, signer, id, at))).into_response())
}

/// Where a proof is on its way.
struct At {
    writer: Writer,
    after: Option<UserId>,
    /// Before it was sent.
    head: Option<String>,
}

/// All lines, written as they are read: neither side holds them all.
fn lines(
    deps: Deps,
    signer: Arc<Signer>,
    id: BroadcastId,
    at: At,
) -> impl stream::Stream<Item = Result<String, std::io::Error>> {
    stream::try_unfold(Some(at), move |at| {
        let (deps, signer) = (deps.clone(), Arc::clone(&signer));
        async move {
            let Some(mut at) = at else { return Ok(None) };
            if let Some(head) = at.head.take() {
                return Ok(Some((head, Some(at))));
            }
            // Whoever reads it sees that it was cut: it has no signature.
            let cut = |problem: Problem| std::io::Error::other(problem.detail().to_owned());
            let (people, next) = read(&deps, id, at.after.take()).await.map_err(cut)?;
            let mut text: String = people.iter().map(|person| at.writer.person(&line(person))).collect();
            if next.is_some() {
                return Ok(Some((text, Some(At { after: next, ..at }))));
            }
            text.push_str(&at.writer.end(&signer));
            Ok(Some((text, None)))
        }
    })
}

async fn read(
    deps: &Deps,
    id: BroadcastId,
    after: Option<UserId>,
) -> Result<(Vec<Reasoned>, Option<UserId>), Problem> {
    let now = deps.clock.now();
    deps.store
        .read(move |tx| async move {
            let broadcast = store::find(&tx, id).await?.ok_or_else(|| Problem::not_found("broadcast"))?;
            let (page, next) = deliveries::page(&tx, &broadcast, None, after, CHUNK).await?;
            Ok((deliveries::reasons(&tx, &broadcast, page, now).await?, next))
        })
        .await
}

fn line(person: &Reasoned) -> Person<'_, Timestamp> {
    let Reasoned { delivery, reason } = person;
    Person {
        user_id: delivery.user_id.as_str(),
        state: delivery.state.as_str(),
        reason: *reason,
        delivered_at: delivery.delivered_at,
        read_at: delivery.read_at,
    }
}

/// The public keys that check proofs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProofKeys {
    /// As RFC 7517 says; none where no key is set.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<serde_json::Value>,
}

/// The public keys that check proofs, as a set (JWKS). Anybody may have them.
#[utoipa::path(
    get, path = "/api/v1/proof-keys", tag = "broadcasts", security(()), responses((status = 200, body = ProofKeys))
)]
pub(crate) async fn get_proof_keys(State(proofs): State<Proofs>) -> Json<ProofKeys> {
    let keys = proofs.signer.iter().map(|signer| signer.public_key().member()).collect();
    Json(ProofKeys { keys })
}
