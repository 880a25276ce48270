//! Origins: which pages may open a stream here.
//!
//! A browser names the page in `Origin`; whatever is no browser sends none. A page may come in if its origin is
//! configured, or if it was served from the very address it calls, as long as that address is no name: a name can
//! be made to point here by anybody (DNS rebinding), `localhost` and IP addresses cannot.

use http::{HeaderMap, Uri, header};
use tidings_api::{Code, Problem};

/// The configured origins.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Exact origins: `https://app.example.com`, with the port where it is not the scheme's own.
    pub fn new(list: &[String]) -> Self {
        Self(list.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    /// Refuses a page from elsewhere with 403.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let one = origins.next().is_none();
        if one && (self.0.contains(&origin) || is_own_address(&origin, host)) {
            return Ok(());
        }
        Err(Problem::new(
            Code::Forbidden,
            "a page of this origin may not open a stream here; the operator can add it to server.origins",
        ))
    }
}

fn is_own_address(origin: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let Some(authority) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else {
        return false;
    };
    if authority != host {
        return false;
    }
    let Ok(uri) = format!("http://{host}").parse::<Uri>() else { return false };
    let name = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(host: &'static str, origins: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        Origins::new(&["https://app.example.com".to_owned()]).check(&headers).is_ok()
    }

    #[test]
    fn no_browser_the_own_address_and_configured_origins_may_come_in() {
        assert!(check("127.0.0.1:8080", &[]));
        assert!(check("127.0.0.1:8080", &["http://127.0.0.1:8080"]));
        assert!(check("localhost:8080", &["http://LOCALHOST:8080"]));
        assert!(check("[::1]:8080", &["http://[::1]:8080"]));
        assert!(check("gateway.internal", &["https://app.example.com"]));
    }

    #[test]
    fn tricks_with_prefix_suffix_port_scheme_null_repetition_and_names_are_refused() {
        for origins in [
            &["https://evil.example"][..],
            &["null"],
            &[""],
            &["http://127.0.0.1:8080.evil.example"],
            &["http://evil127.0.0.1:8080"],
            &["http://127.0.0.1:8081"],
            &["ftp://127.0.0.1:8080"],
            &["http://127.0.0.1:8080", "https://evil.example"],
            &["https://app.example.com.evil.example"],
            &["http://app.example.com"],
        ] {
            assert!(!check("127.0.0.1:8080", origins), "{origins:?}");
        }
        assert!(!check("evil.example", &["http://evil.example"]));
    }
}
