//! What the library leaves to others: that the chain leads to the bundle and the key belongs to the certificate.

use anyhow::{anyhow, Context as _, Result};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, TrustAnchor, UnixTime};
use serde_json::{json, Value};
use spiffe::{X509Bundle, X509Context, X509Svid};
use webpki::{anchor_from_trusted_cert, EndEntityCert, KeyUsage};

fn verify_chain(svid: &X509Svid, bundle: &X509Bundle) -> Result<()> {
    let roots: Vec<CertificateDer> = bundle.authorities().iter().map(|root| CertificateDer::from(root.as_bytes())).collect();
    let anchors = roots.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<TrustAnchor>, _>>()?;
    let chain: Vec<CertificateDer> = svid.cert_chain().iter().map(|one| CertificateDer::from(one.as_bytes())).collect();
    let (leaf, intermediates) = chain.split_first().context("an SVID without a certificate")?;
    EndEntityCert::try_from(leaf)?
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, intermediates, UnixTime::now(), KeyUsage::client_auth(), None, None)
        .map_err(|error| anyhow!("the chain does not lead to the bundle: {error}"))?;
    Ok(())
}

fn verify_key(svid: &X509Svid) -> Result<()> {
    let chain = svid.cert_chain().iter().map(|one| CertificateDer::from(one.as_bytes().to_vec())).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(svid.private_key().as_bytes().to_vec()));
    // Fails unless the key belongs to the first certificate.
    rustls::sign::CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
    Ok(())
}

/// Verifies the default SVID of a context and tells what it is.
pub fn identity(context: &X509Context) -> Result<Value> {
    let svid = context.default_svid().context("no default SVID")?;
    let bundle = context.bundle_set().get(svid.spiffe_id().trust_domain()).context("no bundle of the own trust domain")?;
    verify_chain(svid, &bundle)?;
    verify_key(svid)?;
    let leaf = svid.cert_chain().first().context("an SVID without a certificate")?;
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf.as_bytes())?;
    let domains: Vec<String> = context.bundle_set().iter().map(|(domain, _)| domain.to_string()).collect();
    Ok(json!({
        "spiffe_id": svid.spiffe_id().to_string(),
        "serial": certificate.serial.to_str_radix(16),
        "trust_domains": domains,
    }))
}
