//! People: their accounts and their profiles.

use tidings::{
    delivery::directory,
    model::{Timestamp, UserId},
    store::{StoreError, Tx, params},
};

use super::counts;
use crate::model::{Profile, Status};

/// Opens an account. False: somebody has the name, by an account, a profile or an entry of the directory; whoever knows
/// a password must not become them.
pub(crate) async fn open_account(
    tx: &Tx,
    user: &UserId,
    password: &str,
    display_name: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    directory::hold(tx, user).await?;
    if directory::find(tx, user).await?.is_some() || profile(tx, user).await?.is_some() {
        return Ok(false);
    }
    let opened = tx
        .execute(
            "INSERT INTO community_accounts (user_id, password, display_name, created_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) DO NOTHING",
            params![user.as_str(), password, display_name, now],
        )
        .await?;
    Ok(opened == 1)
}

/// The hash of an account's password.
pub(crate) async fn password_of(tx: &Tx, user: &UserId) -> Result<Option<String>, StoreError> {
    let row = tx
        .optional("SELECT password FROM community_accounts WHERE user_id = $1", params![user.as_str()])
        .await?;
    row.map(|row| row.get(0)).transpose()
}

/// Makes a profile. False: it is there already, and stays as it is.
pub(crate) async fn put_profile(
    tx: &Tx,
    user: &UserId,
    display_name: &str,
    created_at: Timestamp,
) -> Result<bool, StoreError> {
    let made = tx
        .execute(
            "INSERT INTO community_profiles (user_id, display_name, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO NOTHING",
            params![user.as_str(), display_name, created_at],
        )
        .await?;
    Ok(made == 1)
}

/// Somebody's profile; where there is only their account, it is pending.
pub(crate) async fn profile(tx: &Tx, user: &UserId) -> Result<Option<Profile>, StoreError> {
    let row = tx
        .optional(
            "SELECT display_name, created_at, 1 FROM community_profiles WHERE user_id = $1
             UNION ALL
             SELECT display_name, created_at, 0 FROM community_accounts WHERE user_id = $1
             ORDER BY 3 DESC
             LIMIT 1",
            params![user.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let status = if row.get::<u32>(2)? == 1 { Status::Active } else { Status::Pending };
    let counts = counts::of(tx, user).await?;
    let (display_name, created_at) = (row.get(0)?, row.get(1)?);
    Ok(Some(Profile { user_id: user.clone(), display_name, status, counts, created_at }))
}
