//! Percentiles and histograms over the orders.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use crate::app::{ServerTime, Shared};
use crate::data::{Catalogue, div_round};
use crate::error::ApiError;

const DEFAULT_BUCKETS: i64 = 10;
const MAX_BUCKETS: i64 = 100;
/// The time the orders were taken in: 30 days.
const WINDOW: Duration = Duration::from_secs(30 * 86_400);

#[derive(Deserialize)]
pub struct StatsQuery {
    #[serde(default)]
    category: String,
    buckets: Option<i64>,
}

/// Counts the orders up to and including a number of cents.
#[derive(Serialize)]
struct Bucket {
    up_to_cents: i64,
    count: usize,
}

/// Sums up one category.
#[derive(Serialize)]
struct CategorySales {
    category: String,
    orders: i64,
    revenue_cents: i64,
}

#[derive(Serialize)]
pub struct StatsResponse {
    served_at: ServerTime,
    window: Duration,
    count: usize,
    mean: f64,
    percentiles_cents: BTreeMap<String, i64>,
    histogram: Vec<Bucket>,
    by_category: Vec<CategorySales>,
}

pub async fn stats(
    State(app): Shared,
    Query(StatsQuery { category, buckets }): Query<StatsQuery>,
) -> Result<Json<StatsResponse>, ApiError> {
    if !category.is_empty() && !app.catalogue.categories.contains(&category.as_str()) {
        return Err(ApiError::bad_request(format!(
            "unknown category: {category}"
        )));
    }
    let buckets = buckets.unwrap_or(DEFAULT_BUCKETS).clamp(1, MAX_BUCKETS);
    let served_at = app.server_time();
    Ok(Json(summarize(
        &app.catalogue,
        &category,
        buckets,
        served_at,
    )))
}

fn summarize(
    catalogue: &Catalogue,
    category: &str,
    buckets: i64,
    served_at: ServerTime,
) -> StatsResponse {
    let mut amounts = Vec::new();
    let mut sales: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for order in &catalogue.orders {
        let name = catalogue.items[order.item].category.as_str();
        if category.is_empty() || name == category {
            amounts.push(order.amount_cents);
            let (orders, revenue_cents) = sales.entry(name).or_default();
            *orders += 1;
            *revenue_cents += order.amount_cents;
        }
    }
    amounts.sort_unstable();
    let sum: i64 = amounts.iter().sum();
    let mean_cents = div_round(sum, (amounts.len() as i64).max(1));
    StatsResponse {
        served_at,
        window: WINDOW,
        count: amounts.len(),
        mean: mean_cents as f64 / 100.0,
        percentiles_cents: [50, 90, 95, 99]
            .into_iter()
            .map(|percent| (format!("p{percent}"), nearest_rank(&amounts, percent)))
            .collect(),
        histogram: histogram(&amounts, buckets),
        by_category: sales
            .into_iter()
            .map(|(category, (orders, revenue_cents))| CategorySales {
                category: category.to_owned(),
                orders,
                revenue_cents,
            })
            .collect(),
    }
}

/// The percentile of sorted values, 0 where there are none.
fn nearest_rank(sorted: &[i64], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// Cuts the range of the sorted values into buckets of equal width.
fn histogram(sorted: &[i64], buckets: i64) -> Vec<Bucket> {
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    let width = (high - low) / buckets + 1;
    let mut counts: Vec<Bucket> = (1..=buckets)
        .map(|n| Bucket {
            up_to_cents: low + width * n - 1,
            count: 0,
        })
        .collect();
    for value in sorted {
        counts[((value - low) / width) as usize].count += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_rank() {
        let sorted: Vec<i64> = (1..=10).collect();
        let taken: Vec<i64> = [50, 90, 95, 99]
            .into_iter()
            .map(|percent| nearest_rank(&sorted, percent))
            .collect();
        assert_eq!(taken, [5, 9, 10, 10]);
        assert_eq!(nearest_rank(&[], 50), 0);
    }

    #[test]
    fn counts_every_value_once() {
        let counts = histogram(&[1, 2, 3, 50, 100], 4);
        let total: usize = counts.iter().map(|bucket| bucket.count).sum();
        assert_eq!((counts.len(), total), (4, 5));
        assert!(counts[3].up_to_cents >= 100);
    }
}
