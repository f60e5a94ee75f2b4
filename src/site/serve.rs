//! `podium run --serve`: public/ over HTTP, for a first look. A competition is served by a web server.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Serves a folder until `shutdown` is done. Returns once the address is bound, with the address and the task that serves.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    folder: &Path,
    address: SocketAddr,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<(SocketAddr, JoinHandle<std::io::Result<()>>)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let app = Router::new()
        .fallback_service(ServeDir::new(folder))
        .layer(header("x-content-type-options", "nosniff"))
        .layer(header("referrer-policy", "no-referrer"))
        // Pages change in place: a browser may keep them, and has to ask before it uses them again.
        .layer(header("cache-control", "no-cache"));
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown);
    Ok((address, tokio::spawn(async move { server.await })))
}
