//! Paths that settings name: each must lead to nothing else. And names of shapes: each must mean one.

use utoipa::openapi::{OpenApi, PathItem};

use crate::StartError;

/// The tag of the routes whose paths come from the settings.
const INGEST: &str = "ingest";

/// Refuses a path of the settings where one request could mean another route, too, and a shape of the reference that has
/// the name of another: who reads it would take one for the other.
pub(crate) fn distinct(first: &OpenApi, second: &OpenApi) -> Result<(), StartError> {
    for (path, item) in &second.paths.paths {
        let clashes =
            |(known, other): &(&String, &PathItem)| (is_set(item) || is_set(other)) && overlap(known, path);
        if let Some((known, _)) = first.paths.paths.iter().find(clashes) {
            let short = |path: &str| path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
            let (known, path) = (short(known), short(path));
            return Err(StartError::Setting(format!(
                "`{known}` leads somewhere else already, to `{path}`: choose another path for [[ingest]]"
            )));
        }
    }
    let shapes = |api: &OpenApi| api.components.clone().unwrap_or_default().schemas;
    let known = shapes(first);
    match shapes(second).into_iter().find(|(name, shape)| known.get(name).is_some_and(|known| known != shape))
    {
        Some((name, _)) => {
            Err(StartError::Setting(format!("two shapes of the reference are called `{name}`")))
        }
        None => Ok(()),
    }
}

fn is_set(item: &PathItem) -> bool {
    let tags = item.post.as_ref().and_then(|operation| operation.tags.as_ref());
    tags.is_some_and(|tags| tags.iter().any(|tag| tag == INGEST))
}

/// Whether one request could mean both.
fn overlap(first: &str, second: &str) -> bool {
    let is_parameter = |part: &str| part.starts_with('{');
    let (first, second): (Vec<&str>, Vec<&str>) = (first.split('/').collect(), second.split('/').collect());
    first.len() == second.len()
        && first.iter().zip(&second).all(|(a, b)| a == b || is_parameter(a) || is_parameter(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_overlap_where_one_request_could_mean_both() {
        for (first, second, both) in [
            ("/api/v1/clicks", "/api/v1/clicks", true),
            ("/api/v1/clicks", "/api/v1/click", false),
            ("/api/v1/inbox/{id}", "/api/v1/inbox/clicks", true),
            ("/api/v1/inbox/{id}", "/api/v1/inbox/clicks/all", false),
        ] {
            assert_eq!(overlap(first, second), both, "{first} {second}");
        }
    }
}
