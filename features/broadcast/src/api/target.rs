//! Who a broadcast is for, as a request says it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidings::{
    api::Problem,
    model::{Channel, UserId},
    store::Store,
};
use utoipa::ToSchema;

use crate::{
    audience,
    model::{ListName, Target},
};

/// People named one by one.
const MAX_SELECTED: usize = 10_000;
/// Roles, groups or channels of one broadcast.
const MAX_CHANNELS: usize = 100;

/// Who it is for: everybody, roles, groups, people, a list of people; or, without a type, whoever listens to any of some
/// channels and to none of others.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Target)]
pub(super) struct TargetBody {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<TargetType>,
    /// Roles, groups or people; for `list` its name; absent for `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["editor"]))]
    ids: Vec<String>,
    /// Without a type: one of these channels is enough. `all`, `role:…`, `group:…`, `user:…` or `app:…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    any: Vec<String>,
    /// Without a type: one of these channels is too much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    none: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TargetType {
    All,
    Role,
    Group,
    Selected,
    List,
}

impl From<&Target> for TargetBody {
    fn from(target: &Target) -> Self {
        let typed =
            |kind, ids: Vec<String>| Self { kind: Some(kind), ids, any: Vec::new(), none: Vec::new() };
        let texts = |channels: &[Channel]| channels.iter().map(ToString::to_string).collect();
        match target {
            Target::All => typed(TargetType::All, Vec::new()),
            Target::Role { ids } => typed(TargetType::Role, ids.clone()),
            Target::Group { ids } => typed(TargetType::Group, ids.clone()),
            Target::Selected { ids } => {
                typed(TargetType::Selected, ids.iter().map(ToString::to_string).collect())
            }
            Target::List { name, .. } => typed(TargetType::List, vec![name.as_str().to_owned()]),
            Target::Custom { any, none } => {
                Self { kind: None, ids: Vec::new(), any: texts(any), none: texts(none) }
            }
        }
    }
}

impl TargetBody {
    /// Whether it names people one by one, so that the body may be longer.
    pub(super) fn names_people(&self) -> bool {
        self.kind == Some(TargetType::Selected)
    }

    /// The target, with what a list's name means now.
    pub(super) async fn resolve(self, store: &Store) -> Result<Target, Problem> {
        let ids = |detail: String| Problem::field("/target/ids", detail);
        match self.kind {
            None => self.custom(),
            Some(_) if !(self.any.is_empty() && self.none.is_empty()) => Err(Problem::field(
                "/target/type",
                "leave the type out where `any` and `none` say who is meant".to_owned(),
            )),
            Some(TargetType::All) if !self.ids.is_empty() => Err(ids("`all` takes no ids".to_owned())),
            Some(TargetType::All) => Ok(Target::All),
            Some(TargetType::Role) => Ok(Target::Role { ids: named(self.ids)? }),
            Some(TargetType::Group) => Ok(Target::Group { ids: named(self.ids)? }),
            Some(TargetType::Selected) => {
                let people: Result<BTreeSet<UserId>, _> = self.ids.iter().map(|id| id.parse()).collect();
                let people = people.map_err(|cause| ids(cause.to_string()))?;
                if people.is_empty() || people.len() > MAX_SELECTED {
                    return Err(ids(format!(
                        "name 1 to {MAX_SELECTED} people; more of them are put as a list with PUT /api/v1/audiences/{{name}}"
                    )));
                }
                Ok(Target::Selected { ids: people })
            }
            Some(TargetType::List) => {
                let [name] = self.ids.as_slice() else {
                    return Err(ids("name one list".to_owned()));
                };
                let name: ListName = name.parse().map_err(ids)?;
                let wanted = name.clone();
                let list = store.read(move |tx| async move { audience::find(&tx, &wanted).await }).await?;
                let missing = || {
                    ids(format!(
                        "there is no list `{0}`; put it with PUT /api/v1/audiences/{0}",
                        name.as_str()
                    ))
                };
                let list = list.ok_or_else(missing)?;
                Ok(Target::List { name, list: list.id, people: list.people })
            }
        }
    }

    fn custom(self) -> Result<Target, Problem> {
        if !self.ids.is_empty() || self.any.is_empty() {
            let detail = "say a `type`: all, role, group, selected or list; or name channels in `any`";
            return Err(Problem::field("/target", detail.to_owned()));
        }
        let channels = |pointer: &'static str, texts: Vec<String>| {
            if texts.len() > MAX_CHANNELS {
                return Err(Problem::field(format!("/target/{pointer}"), format!("at most {MAX_CHANNELS}")));
            }
            let mut channels: Vec<Channel> = Vec::new();
            for (at, text) in texts.into_iter().enumerate() {
                let wrong = |detail: String| Problem::field(format!("/target/{pointer}/{at}"), detail);
                let channel: Channel = text.parse().map_err(|cause| wrong(format!("{cause}")))?;
                if matches!(channel, Channel::Conversation(_) | Channel::Author(_)) {
                    return Err(wrong(format!(
                        "`{}` is no channel of broadcasts: use `all`, `role:…`, `group:…`, `user:…` or `app:…`",
                        channel.family()
                    )));
                }
                if !channels.contains(&channel) {
                    channels.push(channel);
                }
            }
            Ok(channels)
        };
        Ok(Target::Custom { any: channels("any", self.any)?, none: channels("none", self.none)? })
    }
}

/// Roles or groups, each once.
fn named(ids: Vec<String>) -> Result<Vec<String>, Problem> {
    let wrong = |detail: String| Problem::field("/target/ids", detail);
    let ids: BTreeSet<String> = ids.into_iter().collect();
    if ids.is_empty() || ids.len() > MAX_CHANNELS {
        return Err(wrong(format!("name 1 to {MAX_CHANNELS} of them")));
    }
    // A role or group has the limits of a user id.
    match ids.iter().find(|id| id.parse::<UserId>().is_err()) {
        Some(id) => {
            Err(wrong(format!("`{}` has no 1 to 256 bytes without control characters", id.escape_debug())))
        }
        None => Ok(ids.into_iter().collect()),
    }
}
