//! TLS to the database, as the address says: `sslmode` and `sslrootcert` mean what they mean to `psql`.
//!
//! `disable`: none. `prefer`, and nothing said: where the server has it, believed blindly. `require`: or no
//! connection; believed blindly too, unless `sslrootcert` is given. `verify-full`: the server's certificate must
//! name the host and come from `sslrootcert` or, without one, from the roots that browsers trust.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What an address says of TLS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The address without it: the client would not know all of its words.
    pub(super) rest: String,
    mode: Mode,
    roots: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

impl Said {
    /// Takes what is said of TLS out of an address.
    pub(super) fn take(url: &str) -> Result<Self, String> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut others) = (Mode::Prefer, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "disable")) => mode = Mode::Disable,
                Some(("sslmode", "prefer")) => mode = Mode::Prefer,
                Some(("sslmode", "require")) => mode = Mode::Require,
                Some(("sslmode", "verify-full")) => mode = Mode::VerifyFull,
                Some(("sslmode", other)) => {
                    return Err(format!(
                        "sslmode is `{other}`; it can be disable, prefer, require or verify-full"
                    ));
                }
                Some(("sslrootcert", file)) => roots = Some(file.replace("%2F", "/").replace("%2f", "/")),
                _ => others.push(pair),
            }
        }
        let mark = if others.is_empty() { "" } else { "?" };
        Ok(Self { rest: format!("{place}{mark}{}", others.join("&")), mode, roots })
    }

    /// Whether TLS is used.
    pub(super) fn mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// What makes the TLS of a connection.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|cause| cause.to_string())?;
        let verified = match self.mode {
            Mode::VerifyFull => true,
            Mode::Require => self.roots.is_some(),
            Mode::Disable | Mode::Prefer => false,
        };
        let config = if verified {
            builder.with_root_certificates(self.trusted()?).with_no_client_auth()
        } else {
            let blind = Arc::new(Blind(provider));
            builder.dangerous().with_custom_certificate_verifier(blind).with_no_client_auth()
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn trusted(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let Some(file) = &self.roots else {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            return Ok(roots);
        };
        let refused = |cause: String| format!("sslrootcert {file} cannot be used: {cause}");
        let found =
            CertificateDer::pem_file_iter(Path::new(file)).map_err(|cause| refused(cause.to_string()))?;
        for certificate in found {
            let certificate = certificate.map_err(|cause| refused(cause.to_string()))?;
            roots.add(certificate).map_err(|cause| refused(cause.to_string()))?;
        }
        if roots.is_empty() { Err(refused("there is no certificate in it".to_owned())) } else { Ok(roots) }
    }
}

/// Believes any certificate, as `sslmode=require` does: nobody listens along, but it may be anybody's server.
#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_says_of_tls_is_taken_out_of_it() {
        let said = Said::take("postgres://a@b/c?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fca.pem");
        let expected = Said {
            rest: "postgres://a@b/c?connect_timeout=3".to_owned(),
            mode: Mode::VerifyFull,
            roots: Some("/ca.pem".to_owned()),
        };
        assert_eq!(said, Ok(expected));
        assert_eq!(Said::take("postgres://a@b/c").unwrap().mode, Mode::Prefer);
        let refused = Said::take("postgres://a@b/c?sslmode=verify-ca").unwrap_err();
        assert!(refused.contains("verify-full"), "{refused}");
    }

    #[test]
    fn roots_that_cannot_be_read_are_refused_with_their_name() {
        let said = Said::take("postgres://a@b/c?sslmode=require&sslrootcert=/nowhere/ca.pem").unwrap();
        let refused = said.connector().err().unwrap_or_default();
        assert!(refused.contains("/nowhere/ca.pem"), "{refused}");
    }
}
