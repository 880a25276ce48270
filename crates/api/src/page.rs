//! `/docs`: a page that shows both references to people. It has no script and no style but its own, and runs under a
//! policy that allows no others.

use axum::{Router, response::IntoResponse as _, routing::get};
use http::header;

/// The page may load what lies beside it, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Its files: where each is served, of which media type, and what it is.
const FILES: [(&str, &str, &str); 3] = [
    ("/docs", "text/html; charset=utf-8", include_str!("../page/page.html")),
    ("/docs/page.css", "text/css; charset=utf-8", include_str!("../page/page.css")),
    ("/docs/page.js", "text/javascript; charset=utf-8", include_str!("../page/page.js")),
];

/// The page and what it loads.
pub(crate) fn routes() -> Router {
    FILES.into_iter().fold(Router::new(), |routes, (path, media, text)| {
        let headers = [(header::CONTENT_TYPE, media), (header::CONTENT_SECURITY_POLICY, POLICY)];
        routes.route(path, get(async move || (headers, text).into_response()))
    })
}
