//! A workload in Rust, on the crates spiffe and spiffe-rustls. See tests/clients/README.md for what each command prints.

mod check;
mod tls;

use anyhow::{bail, Context as _, Result};
use serde_json::{json, Value};
use spiffe::{JwtSvid, WorkloadApiClient, X509Source};
use std::future::Future;
use std::time::Duration;
use tokio::signal::unix::{signal, SignalKind};

pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

pub fn print(line: Value) {
    println!("{line}");
}

async fn within_time<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(CALL_TIMEOUT, call).await.context("no answer in time")?
}

async fn fetch() -> Result<()> {
    let context = WorkloadApiClient::connect_env().await?.fetch_x509_context().await?;
    print(check::identity(&context)?);
    Ok(())
}

async fn watch(count: u64) -> Result<()> {
    let source = X509Source::new().await?;
    let mut updates = source.updated();
    let mut seen = 0;
    loop {
        match source.x509_context().map_err(Into::into).and_then(|context| check::identity(&context)) {
            Ok(line) => print(line),
            Err(error) => print(json!({ "error": format!("{error:#}") })),
        }
        seen += 1;
        if seen == count {
            return Ok(());
        }
        updates.changed().await?;
    }
}

async fn jwt(audience: &str) -> Result<()> {
    let svid = WorkloadApiClient::connect_env().await?.fetch_jwt_svid([audience], None).await?;
    print(json!({ "spiffe_id": svid.spiffe_id().to_string(), "token": svid.token() }));
    Ok(())
}

async fn validate(audience: &str, token: &str) -> Result<()> {
    let svid = WorkloadApiClient::connect_env().await?.validate_jwt_token(audience, token).await?;
    print(json!({ "spiffe_id": svid.spiffe_id().to_string() }));
    Ok(())
}

async fn verify(audience: &str, token: &str) -> Result<()> {
    let bundles = WorkloadApiClient::connect_env().await?.fetch_jwt_bundles().await?;
    let svid = JwtSvid::parse_and_validate(token, &bundles, &[audience])?;
    let domains: Vec<String> = bundles.iter().map(|(domain, _)| domain.to_string()).collect();
    print(json!({ "spiffe_id": svid.spiffe_id().to_string(), "trust_domains": domains }));
    Ok(())
}

async fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["fetch"] => within_time(fetch()).await,
        ["watch"] => watch(0).await,
        ["watch", count] => watch(count.parse()?).await,
        ["jwt", audience] => within_time(jwt(audience)).await,
        ["validate", audience, token] => within_time(validate(audience, token)).await,
        ["verify", audience, token] => within_time(verify(audience, token)).await,
        ["serve", allowed @ ..] => tls::serve(allowed).await,
        ["dial", targets @ ..] => within_time(tls::dial(targets)).await,
        _ => bail!("usage: client fetch | watch [N] | jwt AUDIENCE | validate AUDIENCE TOKEN | verify AUDIENCE TOKEN | serve ID... | dial ID@ADDRESS..."),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut terminated = signal(SignalKind::terminate()).expect("no signal handler");
    let outcome = tokio::select! {
        outcome = run(&arguments) => outcome,
        _ = terminated.recv() => Ok(()),
    };
    if let Err(error) = outcome {
        print(json!({ "error": format!("{error:#}") }));
        return 1.into();
    }
    0.into()
}
