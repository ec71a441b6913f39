//! The router and the state all handlers share.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header::HeaderName};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::auth::Sessions;
use crate::data::Catalogue;
use crate::defects::{Defect, Defects};
use crate::drafts::Drafts;
use crate::metrics::Metrics;
use crate::{auth, badge, drafts, export, items, metrics, quote, route, search, stats};

/// Bounds what a request may carry.
const MAX_BODY: usize = 1 << 20;

pub struct App {
    pub catalogue: Catalogue,
    pub sessions: Sessions,
    pub drafts: RwLock<Drafts>,
    pub metrics: Metrics,
    pub defects: Defects,
    /// Requests seen by the defects that hit every n-th.
    pub seen: AtomicU64,
    /// What the defect `race` wrongly shares between requests.
    pub scratch: AtomicI64,
}

pub type Shared = State<Arc<App>>;

impl App {
    pub fn new(
        seed: u64,
        random_tokens: bool,
        random_ids: bool,
        token_ttl_s: Option<NonZeroU32>,
        defects: Defects,
    ) -> Arc<Self> {
        Arc::new(Self {
            catalogue: Catalogue::generate(seed),
            sessions: Sessions::new(seed, random_tokens, token_ttl_s),
            drafts: RwLock::new(Drafts::new(seed, random_ids)),
            metrics: Metrics::default(),
            defects,
            seen: AtomicU64::new(0),
            scratch: AtomicI64::new(0),
        })
    }

    /// Whether a defect that hits one request in `n` hits this one.
    pub fn hits_every(&self, defect: Defect, n: u64) -> bool {
        self.defects.has(defect) && self.seen.fetch_add(1, Ordering::Relaxed) % n == n / 2
    }

    pub fn server_time(&self) -> ServerTime {
        if self.defects.has(Defect::GarbageTimestamp) {
            return ServerTime::Garbage(format!("{:?}", SystemTime::now()));
        }
        ServerTime::Now(Utc::now())
    }
}

/// The clock of the server, as a response shows it.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ServerTime {
    Now(DateTime<Utc>),
    Garbage(String),
}

pub fn router(app: Arc<App>) -> Router {
    let traced = middleware::from_fn(traced);
    let create = post(drafts::create).route_layer(traced.clone());
    let change = patch(drafts::change)
        .delete(drafts::remove)
        .route_layer(traced.clone());
    Router::new()
        .route("/v1/login", post(auth::login))
        .route("/v1/items", create.get(items::list))
        .route("/v1/items/{id}", change.get(items::detail))
        .route("/v1/items/{id}/badge.png", get(badge::badge))
        .route("/v1/search", get(search::search))
        .route("/v1/quote", post(quote::quote).route_layer(traced.clone()))
        .route("/v1/route", post(route::route).route_layer(traced.clone()))
        .route("/v1/stats", get(stats::stats))
        .route("/v1/export", get(export::export).route_layer(traced))
        .route("/admin/reset", post(reset))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics::show))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), observed))
        .with_state(app)
}

/// Gives what is done in a user's name a request id.
async fn traced(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&random_hex(16)) {
        let name = HeaderName::from_static("x-request-id");
        response.headers_mut().insert(name, id);
    }
    response
}

/// Counts every answer.
async fn observed(State(app): Shared, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let method = match *request.method() {
        Method::HEAD => Method::GET,
        ref method => method.clone(),
    };
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    let route = match path {
        Some(path) if status != StatusCode::METHOD_NOT_ALLOWED => {
            format!("{method} {}", path.as_str())
        }
        _ => "other".to_owned(),
    };
    app.metrics.count(route, status.as_u16(), begin.elapsed());
    response
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Restores the seed state: no drafts, no issued tokens.
async fn reset(State(app): Shared) -> StatusCode {
    app.drafts
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .reset();
    app.sessions.reset();
    StatusCode::NO_CONTENT
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random bytes of the operating system, which only fails where there is no such source.
pub fn random_hex(length: usize) -> String {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    hex(&bytes)
}
