//! Paths: each leads to one thing. Routers are joined here, because settings name paths, too.

use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::StartError;

/// Joins routers that share no path.
pub(crate) fn join(routers: impl IntoIterator<Item = OpenApiRouter>) -> Result<OpenApiRouter, StartError> {
    routers.into_iter().try_fold(OpenApiRouter::new(), |joined, router| {
        distinct(joined.get_openapi(), router.get_openapi())?;
        Ok(joined.merge(router))
    })
}

/// Refuses paths of which one request could mean both. Those of the code are distinct, so it was a setting's.
pub(crate) fn distinct(first: &OpenApi, second: &OpenApi) -> Result<(), StartError> {
    for path in second.paths.paths.keys() {
        if let Some(known) = first.paths.paths.keys().find(|known| overlap(known, path)) {
            let short = |path: &str| path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
            let (known, path) = (short(known), short(path));
            return Err(StartError::Setting(format!(
                "`{known}` leads somewhere else already, to `{path}`: choose another path for [[ingest]]"
            )));
        }
    }
    Ok(())
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
