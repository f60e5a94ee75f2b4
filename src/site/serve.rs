//! `podium run --serve`: public/ over HTTP, for a first look. A competition is served by a web server.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_http::compression::CompressionLayer;
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
    serve_below("", folder, address, shutdown).await
}

/// The same, below a path: whoever does not know it finds nothing.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve_below(
    path: &str,
    folder: &Path,
    address: SocketAddr,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<(SocketAddr, JoinHandle<std::io::Result<()>>)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let files = ServeDir::new(folder);
    let router = if path.is_empty() {
        Router::new().fallback_service(files)
    } else {
        Router::new().nest_service(&format!("/{path}"), files)
    };
    let app = router
        .layer(SetResponseHeaderLayer::overriding(CONTENT_TYPE, |answer: &Response| {
            let own = answer.headers().get(CONTENT_TYPE)?;
            // Text of ours is UTF-8, and a browser that is not told so guesses.
            Some(if own == "text/plain" { HeaderValue::from_static("text/plain; charset=utf-8") } else { own.clone() })
        }))
        .layer(header("x-content-type-options", "nosniff"))
        .layer(header("referrer-policy", "no-referrer"))
        // Pages change in place: a browser may keep them, and has to ask before it uses them again.
        .layer(header("cache-control", "no-cache"))
        // As the example web servers do: a page is mostly what its rows have in common.
        .layer(CompressionLayer::new());
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown);
    Ok((address, tokio::spawn(async move { server.await })))
}
