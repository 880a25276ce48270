//! `PUT /directory/users`: a directory of any size, entered by one body of lines.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
};

use axum::{
    Json,
    extract::{Request, State},
};
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Code, FailedLines, Lines, Problem, Scope};
use tidings_model::{Channel, UserId};
use tidings_store::Lane;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::{DeliveryApi, directory::PutUser};
use crate::{
    change::{self, ChangeError, Wish},
    directory::DirectoryUser,
};

/// People that an import holds back, so that those enter together whose rows lie beside each other.
const WINDOW: usize = 10_000;
/// Bytes of their names, roles, groups and channels that it holds back.
const WINDOW_BYTES: usize = 4 << 20;
/// Rows of people and of their channels that one transaction enters, or one person more; a turn of the writer may change
/// as many and the counts of the channels.
const SLICE_ROWS: usize = 400;
/// Bytes of their names, roles, groups and channels that one transaction enters, or one person more: it is one record of
/// the log.
const SLICE_BYTES: usize = 128 << 10;
/// Transactions of one import on their way at once: they share commits, and the waits for what comes back from the log.
const AT_ONCE: usize = 8;

/// A line of an import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportLine {
    #[schema(value_type = String, example = "alice")]
    user_id: UserId,
    display_name: Option<String>,
    roles: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    channels: Option<Vec<String>>,
    disabled: Option<bool>,
}

/// What became of an import.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Imported {
    /// Lines that were taken.
    accepted: u64,
    #[serde(flatten)]
    failed: FailedLines,
}

/// Enter many people, one a line, however many they are.
#[utoipa::path(
    put, path = "/api/v1/directory/users", tag = "directory", security(("token" = ["directory:write"])),
    request_body(content = ImportLine, content_type = "application/x-ndjson", description = "one person a line"),
    responses((status = 200, body = Imported, description = "what was taken, and what was not"))
)]
pub(super) async fn import_users(
    State(api): State<DeliveryApi>,
    caller: Caller,
    request: Request,
) -> Result<Json<Imported>, Problem> {
    caller.require(Scope::DirectoryWrite)?;
    let mut lines = Lines::of(request)?;
    let mut import = Import {
        api,
        imported: Imported::default(),
        unfinished: HashSet::new(),
        window: Window::default(),
        sent: JoinSet::new(),
    };
    while let Some((line, said)) = lines.next::<ImportLine>().await? {
        import.take(line, said).await?;
    }
    import.finish().await?;
    Ok(Json(import.imported))
}

/// An import on its way: it holds a line, a window and some slices, never the body.
struct Import {
    api: DeliveryApi,
    imported: Imported,
    // The people of the window, and of all slices whose transactions run.
    unfinished: HashSet<UserId>,
    window: Window,
    // Each answers whom it entered.
    sent: JoinSet<Result<Vec<DirectoryUser>, ChangeError>>,
}

/// People that wait to be entered. They are taken in the order of their channels, around and around, while others come:
/// a row of a channel lies beside those of its other people, and a transaction that touches few pages is written fast.
#[derive(Default)]
struct Window {
    waiting: BTreeMap<Position, Wish>,
    bytes: usize,
    // Where the last one was taken.
    taken: Option<Position>,
}

/// One of the channels of somebody, and their id.
type Position = (String, UserId);

impl Import {
    async fn take(&mut self, line: u64, said: Result<ImportLine, Problem>) -> Result<(), Problem> {
        let checked = said.and_then(|said| {
            let ImportLine { user_id, display_name, roles, groups, channels, disabled } = said;
            let user = PutUser { display_name, roles, groups, channels, disabled };
            user.check().map(|()| (user_id, user))
        });
        match checked {
            Ok((user_id, user)) => {
                // Somebody who comes twice: the second line is said of what the first made of them.
                if self.unfinished.contains(&user_id) {
                    self.finish().await?;
                }
                self.unfinished.insert(user_id.clone());
                self.window.push(user.wish(user_id));
            }
            Err(problem) => self.imported.failed.note(line, &problem),
        }
        while self.window.is_full() {
            self.send().await?;
        }
        Ok(())
    }

    /// Lets the transaction of the next slice run, when not too many do.
    async fn send(&mut self) -> Result<(), Problem> {
        while self.sent.len() >= AT_ONCE {
            self.await_one().await?;
        }
        let (wishes, store, now) = (self.window.slice(), self.api.store.clone(), self.api.clock.now());
        self.sent.spawn(async move { change::change(&store, Lane::Bulk, wishes, now).await });
        Ok(())
    }

    /// Enters all who wait.
    async fn finish(&mut self) -> Result<(), Problem> {
        while !self.window.waiting.is_empty() {
            self.send().await?;
        }
        while !self.sent.is_empty() {
            self.await_one().await?;
        }
        Ok(())
    }

    async fn await_one(&mut self) -> Result<(), Problem> {
        let Some(ended) = self.sent.join_next().await else { return Ok(()) };
        let entered = ended.map_err(|_ended| Problem::new(Code::Unavailable, "the server is stopping"))??;
        for user in &entered {
            self.unfinished.remove(&user.user_id);
        }
        self.imported.accepted += entered.len() as u64;
        Ok(())
    }
}

/// The roles, groups and app channels that somebody is to have.
fn channels(wish: &Wish) -> impl Iterator<Item = &Channel> {
    [&wish.groups, &wish.apps, &wish.roles].into_iter().flatten().flatten()
}

/// Bytes of the names of a wish.
fn bytes(wish: &Wish) -> usize {
    let names = wish.user_id.as_str().len() + wish.display_name.as_ref().map_or(0, String::len);
    names + channels(wish).map(|channel| channel.name().len()).sum::<usize>()
}

impl Window {
    fn push(&mut self, wish: Wish) {
        // There are more groups than roles.
        let channel = channels(&wish).next().map_or_else(String::new, Channel::to_string);
        self.bytes += bytes(&wish);
        self.waiting.insert((channel, wish.user_id.clone()), wish);
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= WINDOW || self.bytes >= WINDOW_BYTES
    }

    /// The next people that one transaction is to enter.
    fn slice(&mut self) -> Vec<Wish> {
        let (mut slice, mut rows, mut taken) = (Vec::new(), 0, 0);
        while rows < SLICE_ROWS && taken < SLICE_BYTES {
            let Some(wish) = self.next() else { break };
            rows += 1 + channels(&wish).count();
            taken += bytes(&wish);
            slice.push(wish);
        }
        self.bytes -= taken;
        slice
    }

    /// The one behind who was taken last, or the first again.
    fn next(&mut self) -> Option<Wish> {
        let behind = match &self.taken {
            Some(taken) => self.waiting.range((Bound::Excluded(taken), Bound::Unbounded)).next(),
            None => None,
        };
        let (position, _) = behind.or_else(|| self.waiting.first_key_value())?;
        let position = position.clone();
        let wish = self.waiting.remove(&position);
        self.taken = Some(position);
        wish
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::directory::MAX_CHANNELS;

    fn wish(user: usize, groups: &[usize]) -> Wish {
        let groups = groups.iter().map(|group| Channel::Group(format!("{group:03}"))).collect();
        Wish { groups: Some(groups), ..Wish::of(format!("{user:05}").parse().unwrap()) }
    }

    #[test]
    fn a_window_gives_everybody_once_and_those_of_a_channel_together() {
        const CHANNELS: usize = 100;
        let (mut window, mut given) = (Window::default(), HashSet::new());
        let mut give = |slice: &[Wish]| {
            assert!(slice.is_empty() || slice.len() == SLICE_ROWS / 2);
            assert!(slice.iter().all(|wish| given.insert(wish.user_id.clone())), "nobody comes twice");
            given.len()
        };
        for number in 0..3 * WINDOW {
            window.push(wish(number, &[number % CHANNELS]));
            if window.is_full() {
                let slice = window.slice();
                give(&slice);
                let distinct: HashSet<_> = slice.iter().flat_map(channels).collect();
                assert!(distinct.len() <= 4, "of {CHANNELS} channels, {} in a slice", distinct.len());
            }
        }
        assert!(window.waiting.len() < WINDOW);
        while !window.waiting.is_empty() {
            let slice = window.slice();
            give(&slice);
        }
        assert_eq!((give(&[]), window.bytes), (3 * WINDOW, 0));
    }

    #[test]
    fn a_window_is_full_and_a_slice_ends_by_what_it_holds_not_by_people_alone() {
        let all: Vec<usize> = (0..MAX_CHANNELS).collect();
        let mut window = Window::default();
        for number in 0..10 {
            window.push(wish(number, &all));
        }
        assert_eq!(window.slice().len(), 2, "each of them is two hundred rows and one");
        let long = |number| Wish { display_name: Some("x".repeat(SLICE_BYTES)), ..wish(number, &[]) };
        for number in 100..140 {
            window.push(long(number));
        }
        assert!(window.is_full());
        let sizes: Vec<usize> = (0..6).map(|_| window.slice().len()).collect();
        assert_eq!(sizes, [2, 2, 2, 2, 1, 1], "the others, and then those of long names");
    }
}
