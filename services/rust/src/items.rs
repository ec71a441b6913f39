//! Listing and showing items.

use std::cmp::Ordering;
use std::sync::PoisonError;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::app::{App, Shared};
use crate::data::Item;
use crate::defects::{Defect, Defects};
use crate::error::ApiError;

const DEFAULT_PER_PAGE: usize = 10;
const MAX_PER_PAGE: usize = 100;

#[derive(Deserialize)]
pub struct ItemQuery {
    #[serde(default)]
    category: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    owner: String,
    min_price: Option<i64>,
    max_price: Option<i64>,
    page: Option<usize>,
    per_page: Option<usize>,
}

/// One entry of a list.
#[derive(Serialize)]
pub struct ItemSummary {
    id: String,
    sku: String,
    name: String,
    category: String,
    tags: Vec<String>,
    price_cents: i64,
    currency: Option<&'static str>,
    on_sale: bool,
}

/// The answer of `GET /v1/items`.
#[derive(Serialize)]
pub struct ItemPage {
    items: Vec<ItemSummary>,
    page: usize,
    per_page: usize,
    pages: usize,
    total: usize,
}

pub async fn list(
    State(app): Shared,
    headers: HeaderMap,
    Query(query): Query<ItemQuery>,
) -> Result<Json<ItemPage>, ApiError> {
    let order = ItemOrder::named(&query.sort, &app.defects).ok_or_else(|| {
        ApiError::bad_request("sort must be one of id, name, price, -price, rating, -rating")
    })?;
    if query.owner == "me" {
        let user = app.sessions.user(&headers);
        let user = user.ok_or_else(ApiError::unauthorized)?;
        let own = app
            .drafts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .list(&user);
        return Ok(Json(query.page(&own, order, &app.defects)));
    }
    Ok(Json(query.page(&app.catalogue.items, order, &app.defects)))
}

impl ItemQuery {
    fn page(&self, items: &[Item], order: ItemOrder, defects: &Defects) -> ItemPage {
        let mut found: Vec<&Item> = items.iter().filter(|item| self.matches(item)).collect();
        found.sort_by(|a, b| order.compare(a, b));
        let page = self.page.unwrap_or(1).max(1);
        let per_page = self
            .per_page
            .unwrap_or(DEFAULT_PER_PAGE)
            .clamp(1, MAX_PER_PAGE);
        let mut first = (page - 1).saturating_mul(per_page);
        if defects.has(Defect::PageOffByOne) {
            first = first.saturating_sub(1);
        }
        ItemPage {
            items: found
                .iter()
                .skip(first)
                .take(per_page)
                .map(|item| summarize(item))
                .collect(),
            page,
            per_page,
            pages: found.len().div_ceil(per_page),
            total: found.len(),
        }
    }

    fn matches(&self, item: &Item) -> bool {
        (self.category.is_empty() || item.category == self.category)
            && (self.tag.is_empty() || item.tags.contains(&self.tag))
            && self.min_price.is_none_or(|min| item.price_cents >= min)
            && self.max_price.is_none_or(|max| item.price_cents <= max)
    }
}

/// The order a `sort` parameter names; ties come out by id.
#[derive(Clone, Copy)]
struct ItemOrder {
    by: fn(&Item, &Item) -> Ordering,
    descending: bool,
    ties_reversed: bool,
}

impl ItemOrder {
    fn named(sort: &str, defects: &Defects) -> Option<Self> {
        let (by, descending): (fn(&Item, &Item) -> Ordering, bool) = match sort {
            "" | "id" => (|_, _| Ordering::Equal, false),
            "name" => (|a, b| a.name.cmp(&b.name), false),
            "price" => (|a, b| a.price_cents.cmp(&b.price_cents), false),
            "-price" => (|a, b| a.price_cents.cmp(&b.price_cents), true),
            "rating" => (|a, b| a.rating.total_cmp(&b.rating), false),
            "-rating" => (|a, b| a.rating.total_cmp(&b.rating), true),
            _ => return None,
        };
        let sorted = !matches!(sort, "" | "id");
        Some(Self {
            by,
            descending,
            ties_reversed: sorted && defects.has(Defect::UnstableSort),
        })
    }

    fn compare(self, a: &Item, b: &Item) -> Ordering {
        let mut order = (self.by)(a, b);
        if self.descending {
            order = order.reverse();
        }
        let mut ties = a.id.cmp(&b.id);
        if self.ties_reversed {
            ties = ties.reverse();
        }
        order.then(ties)
    }
}

fn summarize(item: &Item) -> ItemSummary {
    ItemSummary {
        id: item.id.clone(),
        sku: item.sku.clone(),
        name: item.name.clone(),
        category: item.category.clone(),
        tags: item.tags.clone(),
        price_cents: item.price_cents,
        currency: item.currency,
        on_sale: item.discount.is_some(),
    }
}

/// The defect is the classic one: the mean of nothing is 0/0, and JSON has no NaN.
fn shown_rating(item: &Item, defects: &Defects) -> f64 {
    if item.reviews == 0 && defects.has(Defect::NullNumber) {
        return f64::NAN;
    }
    item.rating
}

pub async fn detail(
    State(app): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Item>, ApiError> {
    if app.hits_every(Defect::Errors1Pct, 100) {
        return Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal error",
        ));
    }
    let mut item = find(&app, &headers, &id).ok_or_else(|| ApiError::no_such_item(&id))?;
    if app.defects.has(Defect::LostField) {
        item.currency = None;
    }
    item.rating = shown_rating(&item, &app.defects);
    Ok(Json(item))
}

/// Looks in the catalogue, then in the drafts of the user who asks.
pub fn find(app: &App, headers: &HeaderMap, id: &str) -> Option<Item> {
    if let Some(&n) = app.catalogue.by_id.get(id) {
        return Some(app.catalogue.items[n].clone());
    }
    let user = app.sessions.user(headers)?;
    let drafts = app.drafts.read().unwrap_or_else(PoisonError::into_inner);
    drafts.get(&user, id).cloned()
}
