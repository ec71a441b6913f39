//! Every review as NDJSON, about a megabyte, streamed.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use futures_util::stream;

use crate::app::{App, Shared};
use crate::auth::User;

/// How many lines go out at once.
const BATCH: usize = 100;

pub async fn export(State(app): Shared, _: User) -> impl IntoResponse {
    let starts = (0..app.catalogue.reviews.len()).step_by(BATCH);
    let batches = starts.map(move |start| lines(&app, start));
    let content_type = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (content_type, Body::from_stream(stream::iter(batches)))
}

fn lines(app: &Arc<App>, start: usize) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::new();
    for review in app.catalogue.reviews.iter().skip(start).take(BATCH) {
        serde_json::to_writer(&mut out, review)?;
        out.push(b'\n');
    }
    Ok(out)
}
