//! One call of gRPC over HTTP/2 on a unix socket: a frame there, a frame back, a status in the trailers.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use prost::Message;

/// Longer than the machine under test takes for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// Calls a method of the runtime service.
pub(crate) fn call<Request: Message, Response: Message + Default>(
    socket: &str,
    method: &str,
    request: &Request,
) -> Result<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = runtime
        .block_on(async { tokio::time::timeout(DEADLINE, exchange(socket, method, frame(request))).await })
        .with_context(|| format!("{method}: no answer in time"))?
        .with_context(|| method.to_owned())?;
    ensure!(body.len() >= HEADER_BYTES && body[0] == 0, "{method}: not one plain frame");
    Ok(Response::decode(&body[HEADER_BYTES..])?)
}

/// Whether it is compressed, and its length.
const HEADER_BYTES: usize = 5;

fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len() as u32;
    [&[0][..], &length.to_be_bytes(), &message.encode_to_vec()].concat().into()
}

async fn exchange(socket: &str, method: &str, body: Bytes) -> Result<Bytes> {
    let stream = tokio::net::UnixStream::connect(socket).await.with_context(|| socket.to_owned())?;
    let (mut client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut sender) = client.send_request(request, false)?;
    sender.send_data(body, true)?;
    let (head, mut stream) = response.await?.into_parts();
    let mut answer = BytesMut::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        answer.extend_from_slice(&piece);
    }
    // Who has nothing to say but that it failed says so in the head.
    let trailers = stream.trailers().await?.unwrap_or(head.headers);
    let field = |name: &str| String::from_utf8_lossy(trailers.get(name).map_or(b"", |value| value.as_bytes()));
    if field("grpc-status") != "0" {
        bail!("{} {}", field("grpc-status"), field("grpc-message"));
    }
    Ok(answer.freeze())
}
