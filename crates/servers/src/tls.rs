//! A certificate authority of the test's own.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate for this machine, and who signed it.
#[derive(Debug)]
pub struct Certificates {
    /// Who signed it, as PEM.
    pub authority: String,
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its private key, as PEM.
    pub key: String,
}

impl Default for Certificates {
    /// For `127.0.0.1`.
    fn default() -> Self {
        Self::naming("127.0.0.1")
    }
}

impl Certificates {
    /// For a host of this name.
    pub fn naming(host: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Or it would be called like those that it signs.
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        Self { authority, certificate, key: key.serialize_pem() }
    }

    /// Writes the authority's certificate to a file.
    pub fn keep_authority(&self, path: &Path) {
        std::fs::write(path, &self.authority).unwrap();
    }
}
