//! A small web service: it greets, says that it is well, and tells the time anywhere in the world.

mod routes;

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const DEFAULT_PORT: u16 = 8080;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(text) => text.parse().map_err(|_| format!("PORT is not a port number: {text:?}"))?,
        Err(_) => DEFAULT_PORT,
    };
    let stop = stop_signal()?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);

    axum::serve(listener, routes::router()).with_graceful_shutdown(stop).await?;
    println!("stopped");
    Ok(())
}

/// Ends when the container is asked to stop (SIGTERM) or Ctrl-C is pressed (SIGINT).
///
/// The handlers are in place when this returns: as process 1 of a container the program would
/// otherwise ignore a signal that arrives early.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
