//! Narrowing: the list in `?channels=` or in `hello`, by which a session listens to a part of its channels.

use std::collections::BTreeSet;

use tidings_api::{Code, Problem};
use tidings_model::Channel;

/// The most channels in one list.
const MAX: usize = 100;

/// Reads `a,b,c`; nothing and an empty list mean all of one's channels.
pub(crate) fn parse_list(text: Option<&str>) -> Result<Option<BTreeSet<Channel>>, Problem> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => parse(text.split(',')),
    }
}

/// Reads names; an empty list means all of one's channels. A name that one does not have narrows to nothing.
pub(crate) fn parse<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Option<BTreeSet<Channel>>, Problem> {
    let mut channels = BTreeSet::new();
    for name in names {
        let channel =
            name.parse().map_err(|cause| Problem::new(Code::BadRequest, format!("channels: {cause}")))?;
        channels.insert(channel);
        if channels.len() > MAX {
            return Err(Problem::new(Code::BadRequest, format!("channels: at most {MAX} in one list")));
        }
    }
    Ok((!channels.is_empty()).then_some(channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_a_bad_name_is_refused_with_a_sentence() {
        assert_eq!(parse_list(None).unwrap(), None);
        assert_eq!(parse_list(Some("")).unwrap(), None);
        let some = parse_list(Some("all,role:editor,all")).unwrap().unwrap();
        assert_eq!(some, BTreeSet::from([Channel::All, Channel::Role("editor".to_owned())]));
        for bad in ["nobody", "all,", "role:", "all;role:a"] {
            let problem = parse_list(Some(bad)).unwrap_err();
            assert!(problem.detail().starts_with("channels: `"), "{bad}: {}", problem.detail());
        }
    }
}
