//! `POST /signup`: an account, and the event that it was made, in one transaction.
//!
//! The account's row is there with the answer; the profile follows when the event comes out of the log. Under an
//! `Idempotency-Key` the body is remembered with a slow hash in the place of the password.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings::{
    api::{
        Code, FieldError, Problem, RawBody, TraceParent,
        idempotency::{Answer, IdempotencyKey, OpenKey},
    },
    model::{Timestamp, UserId},
};
use utoipa::ToSchema;

use super::{DOOR_BYTES, Door};
use crate::{
    events::{self, Cause},
    model::{Status, check_shown, user_name},
    password::Password,
    store::people,
};

/// Somebody who wants an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignUp {
    /// 1 to 64 bytes; it is the user id.
    #[schema(example = "ada")]
    username: String,
    /// 8 to 256 bytes.
    #[schema(value_type = String, format = Password, example = "correct horse battery")]
    password: Password,
    /// How others see you: 1 to 128 bytes.
    #[schema(example = "Ada Lovelace")]
    display_name: String,
}

/// An account that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountBody {
    #[schema(value_type = String, example = "ada")]
    user_id: UserId,
    display_name: String,
    /// `pending`: the profile follows.
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Make an account with a name and a password.
#[utoipa::path(
    post, path = "/api/v1/signup", tag = "community", security(()), request_body = SignUp,
    responses((status = 201, description = "the account is made; log in", body = AccountBody),
        (status = 409, description = "the name is taken, or nobody makes an account on this server"),
        (status = 422, description = "the Idempotency-Key came with another body before"))
)]
pub(super) async fn sign_up(
    State(door): State<Door>,
    key: OpenKey,
    trace: TraceParent,
    body: RawBody,
) -> Result<Answer, Problem> {
    body.limit(DOOR_BYTES)?;
    let SignUp { username, password, display_name } = body.parse()?;
    let user_id = check(&username, &password, &display_name)?;
    door.mint()?;
    if !door.signup {
        return Err(Problem::new(Code::Conflict, "this server gives accounts by hand (auth.signup is off)"));
    }
    let key = key.of(&username);
    let said = remembered(&door, &key, &password, (&user_id, &display_name)).await?;
    let hash = door.passwords.hash(password).await?;
    let (now, cause) =
        (door.deps.clock.now(), Cause { id: door.deps.ids.event(), trace_parent: Some(trace.to_string()) });
    door.deps
        .store
        .transact(move |tx| async move {
            if let Some(answer) = key.seen(&tx, &said).await? {
                return Ok(answer);
            }
            if !people::open_account(&tx, &user_id, &hash, &display_name, now).await? {
                return Err(Problem::new(Code::Conflict, format!("the user name `{user_id}` is taken")));
            }
            tx.put_event(&events::signed_up(cause, user_id.clone(), display_name.clone(), now)).await?;
            let made = AccountBody { user_id, display_name, status: Status::Pending, created_at: now };
            let answer = Answer::new(StatusCode::CREATED, &made);
            key.keep(&tx, &said, &answer, now).await?;
            Ok(answer)
        })
        .await
}

/// All that is wrong, or the user id.
fn check(username: &str, password: &Password, display_name: &str) -> Result<UserId, Problem> {
    let user_id = user_name(username);
    let checks = [
        ("/username", user_id.as_ref().err().copied()),
        ("/password", password.check()),
        ("/display_name", check_shown(display_name)),
    ];
    let wrong = checks.into_iter().filter_map(|(pointer, wrong)| {
        Some(FieldError { pointer: pointer.to_owned(), detail: wrong?.to_owned() })
    });
    let wrong: Vec<FieldError> = wrong.collect();
    match user_id {
        Ok(user_id) if wrong.is_empty() => Ok(user_id),
        Ok(_) | Err(_) => Err(Problem::fields(wrong)),
    }
}

/// The body as its key remembers it. A plain hash of it would tell the password to whoever can guess it fast.
async fn remembered(
    door: &Door,
    key: &IdempotencyKey,
    password: &Password,
    (user_id, display_name): (&UserId, &str),
) -> Result<Vec<u8>, Problem> {
    // Whoever comes with the same key has to find the same hash, so its salt follows from the key.
    let Some(salt) = key.event_id(&[], 0) else { return Ok(Vec::new()) };
    let slow = door.passwords.fingerprint(password.clone(), salt.as_str().as_bytes().to_vec()).await?;
    Ok(serde_json::to_vec(&(user_id, display_name, slow)).unwrap_or_default())
}
