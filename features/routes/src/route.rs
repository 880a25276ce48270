//! A route brings the records of a topic to screens: it says of each record who sees it and what they see.
//!
//! It is read once from the settings, and decides alone: the same record gives the same message. A record of which it
//! can make none becomes a dead letter, with a sentence that names the route and the place.

use tidings::{
    config::RouteSettings,
    model::{Audience, Channel, InvalidChannel, Kind, MessageId, Record, Timestamp},
};

use crate::{
    config::{self, InvalidSetting},
    envelope::{Envelope, Unreadable},
    model::{FrameType, InvalidType, Keep, MAX_CHANNELS, Message, Said, Unsayable, derived_ids},
    template::{InvalidTemplate, Pointer, Template, Unfilled},
};

/// The kind of the inbox items of routes.
const ITEM: &str = "event";
/// The longest name of a group.
const MAX_GROUP: usize = 200;

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    topic: String,
    group: String,
    to: Vec<Template>,
    frame_type: FrameType,
    title: Option<Template>,
    content: Option<Template>,
    data: Option<Pointer>,
    action_url: Option<Template>,
    keep: Keep,
    /// A feature brings it: its frames have the shape that the feature promises.
    built_in: bool,
}

/// What a route makes of a record, for who tries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The message's id.
    pub id: MessageId,
    /// Who sees it.
    pub to: Vec<Channel>,
    /// The frame's type.
    pub frame_type: String,
    /// How long it is promised.
    pub kind: Kind,
    /// Whether it is an item of the inbox.
    pub listed: bool,
    /// When it is over; none for what has no end.
    pub expires_at: Option<Timestamp>,
    /// The frame's data.
    pub data: serde_json::Value,
}

/// Why a route makes no message of a record, and never will.
#[derive(Debug, thiserror::Error)]
#[error("route `{group}` cannot show the record: {why}")]
pub struct Unroutable {
    group: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("{key} = \"{template}\": {unfilled}")]
    Unfilled { key: &'static str, template: String, unfilled: Unfilled },
    #[error("to = \"{template}\": {invalid}")]
    Channel { template: String, invalid: InvalidChannel },
    #[error("`to` names nobody: the lists that it points to are empty")]
    Nobody,
    #[error("`to` names {0} channels, at most {MAX_CHANNELS} are allowed")]
    Many(usize),
    #[error(transparent)]
    Unsayable(#[from] Unsayable),
}

impl Route {
    /// Reads a route; `key` is its place in the settings.
    pub(crate) fn new(key: &str, settings: &RouteSettings) -> Result<Self, InvalidSetting> {
        Self::of_type(key, settings, settings.r#type.parse())
    }

    /// Reads the route of a feature. Its type may be one of Tidings' own, its frames have nothing but what `data` points
    /// to, and a record that names nobody is for nobody.
    pub(crate) fn built_in(key: &str, settings: &RouteSettings) -> Result<Self, InvalidSetting> {
        let route = Self::of_type(key, settings, Ok(FrameType::own(&settings.r#type)))?;
        Ok(Self { built_in: true, ..route })
    }

    fn of_type(
        key: &str,
        settings: &RouteSettings,
        frame_type: Result<FrameType, InvalidType>,
    ) -> Result<Self, InvalidSetting> {
        let at = |field: &str| format!("{key}.{field}");
        let refuse = |field: &str, reason: &dyn std::fmt::Display| {
            Err(InvalidSetting::new(at(field), reason.to_string()))
        };
        config::topic(key, &settings.topic)?;
        let parsed = |field: &str, text: &str| {
            Template::parse(text)
                .map_err(|cause: InvalidTemplate| InvalidSetting::new(at(field), cause.to_string()))
        };
        let optional =
            |field: &str, text: &Option<String>| text.as_deref().map(|text| parsed(field, text)).transpose();
        if settings.to.is_empty() {
            return refuse("to", &"must name at least one channel, for example \"user:{/customer_id}\"");
        }
        let mut to = Vec::with_capacity(settings.to.len());
        for (number, text) in settings.to.iter().enumerate() {
            let template = parsed(&format!("to[{number}]"), text)?;
            if let Some(Err(invalid)) = template.fixed().map(|fixed| fixed.parse::<Channel>()) {
                return refuse(&format!("to[{number}]"), &invalid);
            }
            to.push(template);
        }
        let frame_type = match frame_type {
            Ok(frame_type) => frame_type,
            Err(invalid) => return refuse("type", &invalid),
        };
        let keep = match settings.keep.parse::<Keep>() {
            Ok(keep) => keep,
            Err(invalid) => return refuse("keep", &invalid),
        };
        if settings.title.is_some() && keep.kind() != Kind::Message {
            let reason = format!(
                "makes it an item of the inbox, which `keep = \"{}\"` is not: leave one of them out",
                settings.keep
            );
            return refuse("title", &reason);
        }
        let data = settings.data.as_deref().map(Pointer::parse_part).transpose();
        let data = data.map_err(|cause| InvalidSetting::new(at("data"), cause.to_string()))?;
        let group =
            settings.group.clone().unwrap_or_else(|| format!("route-{}-{frame_type}", settings.topic));
        if group.is_empty() || group.len() > MAX_GROUP || group.chars().any(char::is_control) {
            let reason = format!("must have 1 to {MAX_GROUP} bytes without control characters");
            return refuse("group", &reason);
        }
        Ok(Self {
            topic: settings.topic.clone(),
            group,
            to,
            frame_type,
            title: optional("title", &settings.title)?,
            content: optional("content", &settings.content)?,
            data,
            action_url: optional("action_url", &settings.action_url)?,
            keep,
            built_in: false,
        })
    }

    /// The topic, by the name features know it by.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Its consumer group, which is its name, too.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Who sees its records, as the settings say it.
    pub fn to(&self) -> impl Iterator<Item = String> {
        self.to.iter().map(ToString::to_string)
    }

    /// The type of its frames.
    pub fn frame_type(&self) -> &str {
        self.frame_type.as_str()
    }

    /// How long its messages are promised.
    pub fn kind(&self) -> Kind {
        self.keep.kind()
    }

    /// What it makes of a record. None for a tombstone, and for what is over already.
    pub fn show(&self, record: &Record, now: Timestamp) -> Result<Option<Shown>, Unroutable> {
        let message = self.message(record, now)?;
        Ok(message.map(|message| Shown {
            id: message.id,
            to: message.audience.any.clone(),
            frame_type: message.frame_type.to_string(),
            kind: message.kind,
            listed: message.said.title.is_some(),
            expires_at: message.expires_at,
            data: message.data(),
        }))
    }

    /// Whether a feature brings it.
    pub(crate) fn is_built_in(&self) -> bool {
        self.built_in
    }

    /// How long its frames are promised, and their type.
    pub(crate) fn shows(&self) -> (Kind, &str) {
        (self.keep.kind(), self.frame_type.as_str())
    }

    /// The message that a record is. None for a tombstone, and for what is over already.
    pub(crate) fn message(&self, record: &Record, now: Timestamp) -> Result<Option<Message>, Unroutable> {
        self.made_of(record, now).map_err(|why| Unroutable { group: self.group.clone(), why })
    }

    fn made_of(&self, record: &Record, now: Timestamp) -> Result<Option<Message>, Why> {
        let Some(Envelope { source, id, time, value }) = Envelope::open(record, now)? else {
            return Ok(None);
        };
        let expires_at = self.keep.ends(time);
        if expires_at.is_some_and(|at| at <= now) {
            return Ok(None);
        }
        let audience = match self.audience(&value) {
            Err(Why::Nobody | Why::Unfilled { unfilled: Unfilled::Nothing(_), .. }) if self.built_in => {
                return Ok(None);
            }
            audience => audience?,
        };
        let filled = |key: &'static str, template: &Option<Template>| {
            let Some(template) = template else { return Ok(None) };
            template.fill(&value).map(Some).map_err(unfilled(key, template))
        };
        let data = self.data.as_ref().map(|part| part.of(&value).cloned().map_err(unfilled("data", part)));
        let said = Said {
            title: filled("title", &self.title)?,
            content: filled("content", &self.content)?,
            data: data.transpose()?,
            action_url: filled("action_url", &self.action_url)?,
        };
        said.check()?;
        let (id, event_id) = derived_ids(&self.group, [&source, &id], time);
        Ok(Some(Message {
            id,
            event_id,
            item: (!self.built_in).then_some(ITEM),
            frame_type: self.frame_type.clone(),
            audience,
            said,
            kind: self.keep.kind(),
            time,
            expires_at,
        }))
    }

    fn audience(&self, value: &serde_json::Value) -> Result<Audience, Why> {
        let mut any: Vec<Channel> = Vec::new();
        for template in &self.to {
            for name in template.fill_each(value).map_err(unfilled("to", template))? {
                let channel: Channel = name.parse().map_err(|invalid: InvalidChannel| Why::Channel {
                    template: template.to_string(),
                    invalid,
                })?;
                if !any.contains(&channel) {
                    any.push(channel);
                }
            }
        }
        match any.len() {
            0 => Err(Why::Nobody),
            1..=MAX_CHANNELS => Ok(Audience { any, none: Vec::new() }),
            many => Err(Why::Many(many)),
        }
    }
}

/// Names the setting whose place in the value did not hold.
fn unfilled<T: ToString>(key: &'static str, template: &T) -> impl FnOnce(Unfilled) -> Why {
    let template = template.to_string();
    move |unfilled| Why::Unfilled { key, template, unfilled }
}

#[cfg(test)]
mod tests;
