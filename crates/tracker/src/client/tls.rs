//! TLS settings: rustls with ring, and the roots that the caller hands in.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The certificates that a tracker's must lead to. Cheap to clone; make it once and share it, for
/// connections are kept per set of roots.
#[derive(Clone)]
pub struct TlsRoots(Arc<Inner>);

struct Inner {
    certificates: Vec<CertificateDer<'static>>,
    /// Built at the first use: most clients never meet an `https:` tracker.
    config: OnceLock<Option<ClientConfig>>,
}

impl TlsRoots {
    /// Roots in DER.
    pub fn from_der(certificates: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::new(certificates.into_iter().map(CertificateDer::from).collect())
    }

    /// Roots in PEM, any number in one text (the content of `NODE_EXTRA_CA_CERTS`), any number of
    /// texts (Node's `tls.rootCertificates`). What is not a certificate is left out, as in Node.
    pub fn from_pem<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut certificates = Vec::new();
        for text in texts {
            certificates
                .extend(CertificateDer::pem_slice_iter(text.as_ref()).filter_map(Result::ok));
        }
        Self::new(certificates)
    }

    /// How many certificates there are.
    pub fn len(&self) -> usize {
        self.0.certificates.len()
    }

    /// Whether there are none: every certificate is refused then.
    pub fn is_empty(&self) -> bool {
        self.0.certificates.is_empty()
    }

    fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Inner {
            certificates,
            config: OnceLock::new(),
        }))
    }

    /// Whether both are the same set: clones of one another.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether both trust the same, wherever they were made: by each JavaScript thread.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is(other) || self.0.certificates == other.0.certificates
    }

    /// The settings for a connection; `None` if the cryptography cannot be set up.
    pub(super) fn config(&self) -> Option<ClientConfig> {
        self.0
            .config
            .get_or_init(|| {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(self.0.certificates.iter().cloned());
                client_config(roots)
            })
            .clone()
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsRoots({})", self.len())
    }
}

/// Settings that trust nobody, for plain HTTP.
pub(super) fn no_roots() -> Option<ClientConfig> {
    client_config(RootCertStore::empty())
}

fn client_config(roots: RootCertStore) -> Option<ClientConfig> {
    // Named, not taken from the process: another crate may install its own as the default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(config)
}
