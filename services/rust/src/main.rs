//! A product catalogue over HTTP: the candidate of the pair.

mod app;
mod auth;
mod badge;
mod data;
mod defects;
mod drafts;
mod error;
mod export;
mod items;
mod metrics;
mod prng;
mod quote;
mod route;
mod search;
mod stats;
mod words;

use std::env;
use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::App;

/// How long requests in flight may take after SIGTERM.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("catalogue: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let addr = address()?;
    let app = App::new(
        parsed("SEED", 42)?,
        is_random("TOKENS")?,
        is_random("IDS")?,
        optional("TOKEN_TTL_S")?,
        parsed("DEFECTS", defects::Defects::default())?,
    );
    let listener = TcpListener::bind(&addr)
        .await
        .map_err(|error| format!("address {addr}: {error}"))?;
    let local = listener.local_addr().map_err(|error| error.to_string())?;
    let (stop, mut stopped) = watch::channel(());
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    println!("listening on {local}");
    // Go sets TCP_NODELAY on every connection; without it the pair could not be timed fairly.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    let server = axum::serve(listener, app::router(app))
        .with_graceful_shutdown(async move { _ = stopped.changed().await });
    let patience = async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
        _ = stop.send(());
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        result = server => result.map_err(|error| error.to_string()),
        () = patience => Ok(()),
    }
}

/// The address of `--addr`, else of ADDR, else the default; port 0 picks a free one.
fn address() -> Result<String, String> {
    let mut args = env::args().skip(1);
    let mut addr = variable("ADDR").unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    while let Some(arg) = args.next() {
        let name = arg.strip_prefix('-').unwrap_or(&arg);
        let name = name.strip_prefix('-').unwrap_or(name);
        addr = match name.split_once('=') {
            Some(("addr", value)) => value.to_owned(),
            None if name == "addr" => args.next().ok_or("--addr needs an address")?,
            _ => return Err(format!("{arg:?} is not known, there is --addr")),
        };
    }
    Ok(addr)
}

/// The value of a variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn parsed<T>(name: &str, default: T) -> Result<T, String>
where
    T: FromStr,
    T::Err: Display,
{
    optional(name).map(|value| value.unwrap_or(default))
}

fn optional<T>(name: &str) -> Result<Option<T>, String>
where
    T: FromStr,
    T::Err: Display,
{
    variable(name)
        .map(|value| value.parse().map_err(|error| format!("{name}: {error}")))
        .transpose()
}

/// Reads a variable that is "random" or empty.
fn is_random(name: &str) -> Result<bool, String> {
    match variable(name).as_deref() {
        None => Ok(false),
        Some("random") => Ok(true),
        Some(value) => Err(format!(
            "{name}: {value:?} is not known, it may be \"random\" or empty"
        )),
    }
}
