//! Request counts and durations in the Prometheus text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::Shared;

/// Upper bounds of the histogram, in seconds.
const BOUNDS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];
/// USER_HZ, 100 on every Linux.
const CLOCK_TICKS: f64 = 100.0;

/// Counts requests by route pattern, never by path: the labels are bounded.
#[derive(Default)]
pub struct Metrics(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    requests: BTreeMap<(String, u16), u64>,
    durations: BTreeMap<String, Durations>,
}

#[derive(Default)]
struct Durations {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    pub fn count(&self, route: String, status: u16, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.requests.entry((route.clone(), status)).or_default() += 1;
        let durations = counts.durations.entry(route).or_default();
        durations.count += 1;
        durations.sum += seconds;
        for (bucket, bound) in durations.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        writeln!(out, "# HELP http_requests_total Requests answered.")?;
        writeln!(out, "# TYPE http_requests_total counter")?;
        for ((route, status), count) in &counts.requests {
            let labels = format!("route=\"{route}\",status=\"{status}\"");
            writeln!(out, "http_requests_total{{{labels}}} {count}")?;
        }
        let name = "http_request_duration_seconds";
        writeln!(out, "# HELP {name} Time from request to answer.")?;
        writeln!(out, "# TYPE {name} histogram")?;
        for (route, durations) in &counts.durations {
            let Durations { count, sum, .. } = durations;
            for (bound, bucket) in BOUNDS.iter().zip(durations.buckets) {
                let labels = format!("route=\"{route}\",le=\"{bound}\"");
                writeln!(out, "{name}_bucket{{{labels}}} {bucket}")?;
            }
            writeln!(
                out,
                "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {count}"
            )?;
            writeln!(out, "{name}_sum{{route=\"{route}\"}} {sum}")?;
            writeln!(out, "{name}_count{{route=\"{route}\"}} {count}")?;
        }
        Ok(out)
    }
}

pub async fn show(State(app): Shared) -> impl IntoResponse {
    let text = app.metrics.text().unwrap_or_default() + &process_metrics().unwrap_or_default();
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, text)
}

/// Processor time and memory where Linux shows them.
fn process_metrics() -> Option<String> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // Field 2 is the name in parentheses; the rest is separated by blanks (proc(5)).
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let user: f64 = fields.get(11)?.parse().ok()?;
    let system: f64 = fields.get(12)?.parse().ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().ok()?;
    Some(format!(
        "# HELP process_cpu_seconds_total User and system time.\n\
         # TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {}\n\
         # HELP process_resident_memory_bytes Resident memory.\n\
         # TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {}\n",
        (user + system) / CLOCK_TICKS,
        kilobytes * 1024,
    ))
}
