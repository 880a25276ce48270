//! The routes of the community.

mod announce;
mod follow;
mod login;
mod posts;
mod profile;
mod signup;

use std::sync::Arc;

use tidings::{
    Deps, OpenApiRouter,
    api::{Code, Mint, Problem},
    routes,
    store::{StoreError, Tx},
};

use crate::{
    Entrance,
    attempts::Attempts,
    events::{self, Cause},
    model::{Announcement, Said},
    password::Passwords,
};

/// Who may announce something.
pub(crate) const WRITE: &str = "announce:write";

/// The largest body of those who sign up or log in, in bytes.
const DOOR_BYTES: usize = 16 << 10;

/// What the routes need that let people in.
#[derive(Clone, Debug)]
struct Door {
    deps: Deps,
    mint: Option<Arc<Mint>>,
    signup: bool,
    passwords: Passwords,
    attempts: Arc<Attempts>,
}

impl Door {
    /// The mint of the tokens that accounts are for.
    fn mint(&self) -> Result<&Mint, Problem> {
        self.mint.as_deref().ok_or_else(|| {
            let detail = "this server makes no tokens: it verifies those of another issuer, where you sign up and log in; \
                          with auth.hs256_secret it makes its own";
            Problem::new(Code::Conflict, detail)
        })
    }
}

pub(crate) fn routes(deps: Deps, entrance: Entrance) -> OpenApiRouter {
    let Entrance { mint, signup, logins_per_minute } = entrance;
    let attempts = Arc::new(Attempts::new(logins_per_minute, Arc::clone(&deps.clock)));
    let mint = mint.map(Arc::new);
    let door = Door { deps: deps.clone(), mint, signup, passwords: Passwords::new(), attempts };
    let door =
        OpenApiRouter::new().routes(routes!(signup::sign_up)).routes(routes!(login::log_in)).with_state(door);
    OpenApiRouter::new()
        .routes(routes!(profile::get_profile))
        .routes(routes!(follow::follow, follow::unfollow))
        .routes(routes!(posts::create_post, posts::list_posts))
        .routes(routes!(posts::delete_post))
        .routes(routes!(announce::announce))
        .with_state(deps)
        .merge(door)
}

/// What is wrong with what somebody wants to say.
fn check(said: &Said) -> Result<(), Problem> {
    said.check().map_err(|wrong| match wrong.field() {
        Some(field) => Problem::fields(vec![field]),
        None => Problem::new(Code::TooLarge, wrong.to_string()),
    })
}

/// The announcement of what somebody said, or what is wrong with it.
pub(crate) fn announcement(deps: &Deps, said: Said) -> Result<Announcement, Problem> {
    check(&said)?;
    Ok(Announcement { id: deps.ids.notification(), said, created_at: deps.clock.now() })
}

/// Announces it with this transaction.
pub(crate) async fn put(tx: &Tx, cause: Cause, announcement: &Announcement) -> Result<(), StoreError> {
    tx.put_event(&events::announced(cause, announcement)).await?;
    Ok(())
}
