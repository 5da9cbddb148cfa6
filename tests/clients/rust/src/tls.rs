//! Mutual TLS with spiffe-rustls.

use crate::{print, CALL_TIMEOUT};
use anyhow::{Context as _, Result};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{json, Value};
use spiffe::X509Source;
use spiffe_rustls::{authorizer, mtls_client, mtls_server};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

fn peer_id(chain: Option<&[CertificateDer]>) -> Result<String> {
    let leaf = chain.and_then(<[_]>::first).context("the peer shows no certificate")?;
    Ok(spiffe::cert::spiffe_id_from_der(leaf)?.to_string())
}

async fn answer(acceptor: TlsAcceptor, socket: TcpStream) -> Result<String> {
    let mut connection = BufReader::new(acceptor.accept(socket).await?);
    let mut line = String::new();
    anyhow::ensure!(connection.read_line(&mut line).await? > 0, "the peer closed without a word");
    let peer = peer_id(connection.get_ref().get_ref().1.peer_certificates())?;
    connection.write_all(format!("hello {peer}\n").as_bytes()).await?;
    connection.shutdown().await?;
    Ok(peer)
}

pub async fn serve(allowed: &[&str]) -> Result<()> {
    let source = X509Source::new().await?;
    let config = mtls_server(source).authorize(authorizer::exact(allowed.iter().copied())?).build()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    print(json!({ "port": listener.local_addr()?.port() }));
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(CALL_TIMEOUT, answer(acceptor, socket)).await {
                Ok(Ok(peer)) => print(json!({ "peer": peer })),
                Ok(Err(error)) => print(json!({ "refused": format!("{error:#}") })),
                Err(late) => print(json!({ "refused": late.to_string() })),
            }
        });
    }
}

async fn dial_one(source: X509Source, expected: &str, address: &str) -> Result<Value> {
    let config = mtls_client(source).authorize(authorizer::exact([expected])?).build()?;
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost")?; // the SPIFFE ID is what counts
    let mut connection = BufReader::new(TlsConnector::from(Arc::new(config)).connect(name, socket).await?);
    connection.write_all(b"hello\n").await?;
    let mut line = String::new();
    anyhow::ensure!(connection.read_line(&mut line).await? > 0, "the server closed without an answer");
    let peer = peer_id(connection.get_ref().get_ref().1.peer_certificates())?;
    Ok(json!({ "peer": peer, "answer": line.trim_end() }))
}

pub async fn dial(targets: &[&str]) -> Result<()> {
    let source = X509Source::new().await?;
    for target in targets {
        let (expected, address) = target.split_once('@').context("a target is ID@ADDRESS")?;
        let mut line = match dial_one(source.clone(), expected, address).await {
            Ok(line) => line,
            Err(error) => json!({ "refused": format!("{error:#}") }),
        };
        line["target"] = json!(target);
        print(line);
    }
    Ok(())
}
