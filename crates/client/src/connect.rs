//! Connections to the server: TCP, and TLS with the feature `tls`; one connector for requests and both transports.

use std::time::Duration;

use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tower_service::Service as _;

use crate::{ClientError, client};

/// How long a connection may take to come about.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

#[cfg(feature = "tls")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
pub(crate) type Connector = HttpConnector;

/// The bytes of a connection that left the request pool.
pub(crate) type Io = TokioIo<<Connector as tower_service::Service<Uri>>::Response>;

/// Whether a scheme can be spoken.
pub(crate) fn speaks(scheme: &str) -> bool {
    scheme == "http" || (scheme == "https" && cfg!(feature = "tls"))
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.enforce_http(!cfg!(feature = "tls"));
    tcp
}

#[cfg(feature = "tls")]
pub(crate) fn connector() -> Connector {
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp())
}

#[cfg(not(feature = "tls"))]
pub(crate) fn connector() -> Connector {
    tcp()
}

/// Opens a connection of its own.
pub(crate) async fn open(mut connector: Connector, to: Uri) -> Result<Io, ClientError> {
    let opening = connector.call(to);
    match tokio::time::timeout(CONNECT, opening).await {
        Ok(Ok(io)) => Ok(TokioIo::new(io)),
        Ok(Err(cause)) => Err(client::unreachable(cause)),
        Err(_elapsed) => Err(ClientError::Timeout { after: CONNECT }),
    }
}
