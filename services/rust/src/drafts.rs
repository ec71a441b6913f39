//! The items users create: each sees only their own, and a login starts with none.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::app::{App, Shared, hex, random_hex};
use crate::auth::User;
use crate::data::{Item, catalogue_day};
use crate::defects::Defect;
use crate::error::ApiError;

const MAX_DRAFTS: usize = 100_000;
const MAX_DRAFTS_PER_USER: usize = 100;
const MAX_TEXT_LENGTH: usize = 2_000;
const MAX_TAGS: usize = 20;
const MAX_PRICE_CENTS: i64 = 100_000_000;

pub struct Drafts {
    seed: u64,
    random: bool,
    /// In order of creation.
    by_user: HashMap<String, Vec<Item>>,
    count: usize,
}

impl Drafts {
    pub fn new(seed: u64, random: bool) -> Self {
        Self {
            seed,
            random,
            by_user: HashMap::new(),
            count: 0,
        }
    }

    /// Derived from seed, user and SKU: the same request gets the same id again.
    fn new_id(&self, user: &str, sku: &str) -> String {
        if self.random {
            return format!("drf-{}", random_hex(6));
        }
        let digest = Sha256::digest(format!("{}/{user}/{sku}", self.seed));
        format!("drf-{}", hex(&digest[..6]))
    }

    /// Adds the draft, or replaces the one with the same SKU; none when there are too many.
    fn put(&mut self, user: &str, mut item: Item) -> Option<Item> {
        let id = self.new_id(user, &item.sku);
        let own = self.by_user.entry(user.to_owned()).or_default();
        if let Some(known) = own.iter_mut().find(|known| known.sku == item.sku) {
            item.id.clone_from(&known.id);
            known.clone_from(&item);
            return Some(item);
        }
        if self.count >= MAX_DRAFTS || own.len() >= MAX_DRAFTS_PER_USER {
            return None;
        }
        item.id = id;
        own.push(item.clone());
        self.count += 1;
        Some(item)
    }

    pub fn get(&self, user: &str, id: &str) -> Option<&Item> {
        self.by_user.get(user)?.iter().find(|item| item.id == id)
    }

    fn get_mut(&mut self, user: &str, id: &str) -> Option<&mut Item> {
        let own = self.by_user.get_mut(user)?;
        own.iter_mut().find(|item| item.id == id)
    }

    pub fn list(&self, user: &str) -> Vec<Item> {
        self.by_user.get(user).cloned().unwrap_or_default()
    }

    /// Deletes one draft; false when the user has none of this id.
    fn remove(&mut self, user: &str, id: &str) -> bool {
        let Some(own) = self.by_user.get_mut(user) else {
            return false;
        };
        let Some(n) = own.iter().position(|item| item.id == id) else {
            return false;
        };
        own.remove(n);
        self.count -= 1;
        true
    }

    pub fn forget(&mut self, user: &str) {
        if let Some(own) = self.by_user.remove(user) {
            self.count -= own.len();
        }
    }

    pub fn reset(&mut self) {
        self.by_user.clear();
        self.count = 0;
    }
}

#[derive(Deserialize)]
pub struct DraftRequest {
    sku: String,
    name: String,
    description: Option<String>,
    category: String,
    #[serde(default)]
    tags: Vec<String>,
    price_cents: i64,
    stock: i64,
}

/// What is absent stays.
#[derive(Deserialize)]
pub struct DraftPatch {
    name: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    price_cents: Option<i64>,
    stock: Option<i64>,
}

pub async fn create(
    State(app): Shared,
    User(user): User,
    Json(request): Json<DraftRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let item = Item {
        id: String::new(),
        sku: request.sku,
        name: request.name,
        description: request.description,
        category: request.category,
        tags: request.tags,
        price_cents: request.price_cents,
        currency: Some("EUR"),
        discount: None,
        stock: request.stock,
        weight_grams: 0,
        rating: 0.0,
        reviews: 0,
        attributes: BTreeMap::from([("owner", user.clone())]),
        created_at: catalogue_day(),
        updated_at: catalogue_day(),
    };
    check(&app, &item)?;
    let mut drafts = app.drafts.write().unwrap_or_else(PoisonError::into_inner);
    let item = drafts
        .put(&user, item)
        .ok_or_else(|| ApiError::new(StatusCode::CONFLICT, "too many drafts"))?;
    if app.defects.has(Defect::WrongAmount)
        && let Some(stored) = drafts.get_mut(&user, &item.id)
    {
        stored.price_cents += 1;
    }
    let location = [(header::LOCATION, format!("/v1/items/{}", item.id))];
    Ok((StatusCode::CREATED, location, Json(item)))
}

pub async fn change(
    State(app): Shared,
    User(user): User,
    Path(id): Path<String>,
    Json(patch): Json<DraftPatch>,
) -> Result<Json<Item>, ApiError> {
    refuse_catalogue(&app, &id)?;
    let mut drafts = app.drafts.write().unwrap_or_else(PoisonError::into_inner);
    let draft = drafts
        .get_mut(&user, &id)
        .ok_or_else(|| ApiError::no_such_item(&id))?;
    let mut changed = draft.clone();
    patch.apply(&mut changed);
    check(&app, &changed)?;
    draft.clone_from(&changed);
    Ok(Json(changed))
}

pub async fn remove(
    State(app): Shared,
    User(user): User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    refuse_catalogue(&app, &id)?;
    let mut drafts = app.drafts.write().unwrap_or_else(PoisonError::into_inner);
    if !drafts.remove(&user, &id) {
        return Err(ApiError::no_such_item(&id));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Only drafts may be written.
fn refuse_catalogue(app: &App, id: &str) -> Result<(), ApiError> {
    if app.catalogue.by_id.contains_key(id) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "items of the catalogue are read-only",
        ));
    }
    Ok(())
}

impl DraftPatch {
    fn apply(self, item: &mut Item) {
        if let Some(name) = self.name {
            item.name = name;
        }
        if let Some(description) = self.description {
            item.description = Some(description);
        }
        if let Some(tags) = self.tags {
            item.tags = tags;
        }
        if let Some(price_cents) = self.price_cents {
            item.price_cents = price_cents;
        }
        if let Some(stock) = self.stock {
            item.stock = stock;
        }
    }
}

/// Says what is wrong with a draft.
fn check(app: &App, item: &Item) -> Result<(), ApiError> {
    let problem = if item.sku.trim().is_empty() || item.sku.len() > 40 {
        "sku must be 1 to 40 bytes"
    } else if item.name.trim().is_empty() || item.name.len() > 200 {
        "name must be 1 to 200 bytes"
    } else if item.description.as_ref().map_or(0, String::len) > MAX_TEXT_LENGTH {
        "description is too long"
    } else if !app.catalogue.categories.contains(&item.category.as_str()) {
        return Err(ApiError::bad_request(format!(
            "unknown category: {}",
            item.category
        )));
    } else if item.tags.len() > MAX_TAGS || item.tags.iter().any(|tag| tag.len() > 40) {
        "at most 20 tags of 40 bytes"
    } else if !(0..=MAX_PRICE_CENTS).contains(&item.price_cents) {
        "price_cents must be 0 to 100000000"
    } else if item.stock < 0 {
        "stock must not be negative"
    } else {
        return Ok(());
    };
    Err(ApiError::bad_request(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Catalogue;

    #[test]
    fn removes_ones_own_draft_only() {
        let mut drafts = Drafts::new(42, false);
        let item = Catalogue::generate(42).items[0].clone();
        let draft = drafts.put("u-1", item).unwrap();
        assert!(!drafts.remove("u-2", &draft.id));
        assert!(!drafts.remove("u-1", "nope"));
        assert!(drafts.remove("u-1", &draft.id));
        assert!(!drafts.remove("u-1", &draft.id));
        assert_eq!((drafts.list("u-1").len(), drafts.count), (0, 0));
    }
}
