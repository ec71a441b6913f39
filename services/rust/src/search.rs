//! Full-text search over the reviews.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use crate::app::Shared;
use crate::data::Review;
use crate::defects::Defect;
use crate::error::ApiError;

// BM25 with its usual parameters (Robertson, Zaragoza 2009).
const BM25_K1: f64 = 1.2;
const BM25_B: f64 = 0.75;
const DEFAULT_LIMIT: i64 = 10;
const MAX_LIMIT: i64 = 50;
const MAX_TERMS: usize = 16;
/// The query that the defect `stuck` never answers.
const STUCK_QUERY: &str = "obsidian";

struct Posting {
    review: usize,
    count: f64,
}

/// An inverted index over the reviews' titles and texts.
pub struct SearchIndex {
    postings: HashMap<String, Vec<Posting>>,
    /// In words, by review.
    lengths: Vec<f64>,
    mean: f64,
}

/// A review and its score in ten-thousandths: rounding before ordering keeps the last digit
/// of a logarithm out of the ranking.
struct Scored {
    review: usize,
    score: i64,
}

impl SearchIndex {
    pub fn new(reviews: &[Review]) -> Self {
        let mut postings: HashMap<String, Vec<Posting>> = HashMap::new();
        let mut lengths = Vec::with_capacity(reviews.len());
        for (review, Review { title, text, .. }) in reviews.iter().enumerate() {
            let words = tokens(&format!("{title} {text}"));
            lengths.push(words.len() as f64);
            for word in words {
                let list = postings.entry(word).or_default();
                match list.last_mut() {
                    Some(last) if last.review == review => last.count += 1.0,
                    _ => list.push(Posting { review, count: 1.0 }),
                }
            }
        }
        let mean = lengths.iter().sum::<f64>() / reviews.len() as f64;
        Self {
            postings,
            lengths,
            mean,
        }
    }

    /// Every review that holds a term, best first; ties by position.
    fn rank(&self, query: &str) -> Vec<Scored> {
        let mut terms: Vec<String> = Vec::new();
        for term in tokens(query) {
            if terms.len() < MAX_TERMS && !terms.contains(&term) {
                terms.push(term);
            }
        }
        let mut scores = vec![0.0; self.lengths.len()];
        for list in terms.iter().filter_map(|term| self.postings.get(term)) {
            let (n, df) = (self.lengths.len() as f64, list.len() as f64);
            let idf = (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
            for posting in list {
                let length = self.lengths[posting.review];
                let norm = BM25_K1 * (1.0 - BM25_B + BM25_B * length / self.mean);
                scores[posting.review] +=
                    idf * (posting.count * (BM25_K1 + 1.0)) / (posting.count + norm);
            }
        }
        let mut ranked: Vec<Scored> = scores
            .into_iter()
            .enumerate()
            .filter(|(_, score)| *score > 0.0)
            .map(|(review, score)| Scored {
                review,
                score: (score * 10_000.0).round() as i64,
            })
            .collect();
        ranked.sort_by_key(|found| (-found.score, found.review));
        ranked
    }
}

/// Splits into lower-case words.
fn tokens(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[derive(Deserialize)]
pub struct SearchQuery {
    q: String,
    limit: Option<i64>,
}

#[derive(Serialize)]
pub struct Hit {
    id: String,
    item_id: String,
    title: String,
    stars: i64,
    score: f64,
}

#[derive(Serialize)]
pub struct SearchResponse {
    query: String,
    total: usize,
    hits: Vec<Hit>,
}

pub async fn search(
    State(app): Shared,
    Query(SearchQuery { q, limit }): Query<SearchQuery>,
) -> Result<Json<SearchResponse>, ApiError> {
    if q.is_empty() {
        return Err(ApiError::bad_request("q is missing"));
    }
    if q == STUCK_QUERY && app.defects.has(Defect::Stuck) {
        std::future::pending::<()>().await;
    }
    if app.hits_every(Defect::SlowTail, 50) {
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
    let ranked = app.catalogue.index.rank(&q);
    let hits = ranked
        .iter()
        .take(limit)
        .map(|found| {
            let review = &app.catalogue.reviews[found.review];
            Hit {
                id: review.id.clone(),
                item_id: review.item_id.clone(),
                title: review.title.clone(),
                stars: review.stars,
                score: found.score as f64 / 10_000.0,
            }
        })
        .collect();
    Ok(Json(SearchResponse {
        query: q,
        total: ranked.len(),
        hits,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Catalogue;

    #[test]
    fn splits_into_lower_case_words() {
        assert_eq!(
            tokens("Salt & Pepper-Mill, 2 crème"),
            ["salt", "pepper", "mill", "2", "crème"]
        );
        assert!(tokens(" & ").is_empty());
    }

    #[test]
    fn ranks_the_best_first_and_ties_by_position() {
        let ranked = Catalogue::generate(42).index.rank("brass lamp brass");
        let keys: Vec<(i64, usize)> = ranked.iter().map(|hit| (-hit.score, hit.review)).collect();
        assert!(keys.is_sorted() && keys.len() > 100);
    }

    #[test]
    fn scores_a_rare_word_above_a_common_one() {
        let review = |number: usize, text: &str| Review {
            id: number.to_string(),
            item_id: String::new(),
            title: String::new(),
            text: text.to_owned(),
            stars: 5,
            helpful: 0,
            written_at: crate::data::catalogue_day(),
        };
        let reviews = ["lamp a", "lamp b", "lamp c", "rare d"];
        let reviews: Vec<Review> = (0..4).map(|n| review(n, reviews[n])).collect();
        let ranked = SearchIndex::new(&reviews).rank("lamp rare");
        // ln(1 + 3.5 / 1.5) and ln(1 + 1.5 / 3.5): the lengths are equal, so the norm is 1.
        let scores: Vec<(usize, i64)> = ranked.iter().map(|hit| (hit.review, hit.score)).collect();
        assert_eq!(scores, [(3, 12040), (0, 3567), (1, 3567), (2, 3567)]);
    }
}
