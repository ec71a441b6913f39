//! The seed state: items, reviews, orders and the grid, the same as on the other side.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use serde::Serialize;

use crate::prng::Prng;
use crate::route::Grid;
use crate::search::SearchIndex;
use crate::words::Words;

const ITEM_COUNT: usize = 240;
const REVIEW_COUNT: usize = 5_000;
const ORDER_COUNT: usize = 20_000;
const DAY_S: i64 = 86_400;

/// A price reduction; without `until` it is open-ended.
#[derive(Clone, Serialize)]
pub struct Discount {
    pub percent: f64,
    pub until: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub permille: i64,
}

/// One product of the catalogue, or a draft of one user.
#[derive(Clone, Serialize)]
pub struct Item {
    pub id: String,
    pub sku: String,
    pub name: String,
    pub description: Option<String>,
    pub category: String,
    pub tags: Vec<String>,
    pub price_cents: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<Discount>,
    pub stock: i64,
    pub weight_grams: i64,
    pub rating: f64,
    pub reviews: i64,
    pub attributes: BTreeMap<&'static str, String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What is searched and exported.
#[derive(Serialize)]
pub struct Review {
    pub id: String,
    pub item_id: String,
    pub title: String,
    pub text: String,
    pub stars: i64,
    pub helpful: i64,
    pub written_at: DateTime<Utc>,
}

/// One sale, the raw material of the statistics.
pub struct Order {
    pub item: usize,
    pub amount_cents: i64,
}

/// The seed state; it is never written to.
pub struct Catalogue {
    pub items: Vec<Item>,
    pub by_id: HashMap<String, usize>,
    pub by_sku: HashMap<String, usize>,
    pub categories: Vec<&'static str>,
    pub reviews: Vec<Review>,
    pub orders: Vec<Order>,
    pub index: SearchIndex,
    pub grid: Grid,
}

/// The day on which the catalogue lives: answers do not depend on the clock.
pub fn catalogue_day() -> DateTime<Utc> {
    at(2026, 8, 3, 9)
}

fn at(year: i32, month: u32, day: u32, hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, hour, 0, 0)
        .single()
        .unwrap_or_default()
}

impl Catalogue {
    pub fn generate(seed: u64) -> Self {
        let words = Words::load();
        let mut prng = Prng::new(seed, 1);
        let mut items: Vec<Item> = (1..=ITEM_COUNT)
            .map(|number| generate_item(&mut prng, number, &words))
            .collect();
        let mut prng = Prng::new(seed, 2);
        let reviews: Vec<Review> = (1..=REVIEW_COUNT)
            .map(|number| generate_review(&mut prng, number, &items, &words))
            .collect();
        let by_id = positions(&items, |item| &item.id);
        rate(&mut items, &by_id, &reviews);
        let mut prng = Prng::new(seed, 3);
        let orders = (0..ORDER_COUNT)
            .map(|_| generate_order(&mut prng, &items))
            .collect();
        Self {
            by_sku: positions(&items, |item| &item.sku),
            by_id,
            categories: words.categories,
            index: SearchIndex::new(&reviews),
            grid: Grid::generate(&mut Prng::new(seed, 4)),
            items,
            reviews,
            orders,
        }
    }
}

fn positions(items: &[Item], key: impl Fn(&Item) -> &String) -> HashMap<String, usize> {
    items
        .iter()
        .enumerate()
        .map(|(n, item)| (key(item).clone(), n))
        .collect()
}

/// Draws in a fixed order: the other side draws the same.
fn generate_item(prng: &mut Prng, number: usize, words: &Words) -> Item {
    let adjective = prng.pick(&words.adjectives);
    let material = prng.pick(&words.materials);
    let noun = prng.pick(&words.nouns);
    let mut name = format!("{adjective} {material} {noun}");
    if prng.below(100) < 3 {
        let pair = prng.below(words.pairs.len());
        name = format!("{adjective} {}", words.pairs[pair]);
    }
    let category = prng.pick(&words.categories).to_owned();
    let tags = generate_tags(prng, &words.fillers);
    let whole = 2 + prng.skewed(300) as i64;
    let price_cents = whole * 100 + [0, 50, 95, 99][prng.below(4)];
    let weight_grams = 50 + prng.below(5_000) as i64;
    let stock = prng.below(200) as i64;
    let discount = generate_discount(prng);
    let description = (prng.below(100) >= 5).then(|| {
        let length = 8 + prng.below(9);
        sentence(prng, &words.vocabulary, length)
    });
    let mut attributes = BTreeMap::new();
    if prng.below(100) >= 3 {
        attributes.insert("material", material.to_lowercase());
        attributes.insert("colour", prng.pick(&words.colours).to_owned());
        let origin = prng.pick(&["DE", "FR", "NL", "PL", "PT"]);
        attributes.insert("origin", origin.to_owned());
    }
    let age = prng.below(600 * DAY_S as usize) as i64;
    let created_at = at(2024, 1, 1, 0) + TimeDelta::seconds(age);
    let unchanged = prng.below(300 * DAY_S as usize * 1_000) as i64;
    Item {
        id: format!("itm-{number:05}"),
        sku: format!("SKU-{number:05}"),
        name,
        description,
        category,
        tags,
        price_cents,
        currency: Some("EUR"),
        discount,
        stock,
        weight_grams,
        rating: 0.0,
        reviews: 0,
        attributes,
        created_at,
        updated_at: created_at + TimeDelta::milliseconds(unchanged),
    }
}

fn generate_tags(prng: &mut Prng, words: &[&str]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    if prng.below(100) < 2 {
        return tags;
    }
    for _ in 0..=prng.below(3) {
        let tag = words[prng.below(20)];
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

fn generate_discount(prng: &mut Prng) -> Option<Discount> {
    if prng.below(100) >= 15 {
        return None;
    }
    let permille = [50, 75, 100, 125, 200, 333][prng.below(6)];
    let until =
        (prng.below(5) > 0).then(|| catalogue_day() + TimeDelta::days(1 + prng.below(60) as i64));
    Some(Discount {
        percent: permille as f64 / 10.0,
        until,
        permille,
    })
}

fn generate_review(prng: &mut Prng, number: usize, items: &[Item], words: &Words) -> Review {
    let mut item = prng.below(ITEM_COUNT);
    if item % 37 == 36 {
        item -= 1; // every 37th item has no reviews
    }
    let title_length = 2 + prng.below(3);
    let title = sentence(prng, &words.vocabulary, title_length);
    let text_length = 10 + prng.below(15);
    let text = sentence(prng, &words.vocabulary, text_length);
    let stars = 5 - prng.skewed(5) as i64;
    let helpful = prng.skewed(100) as i64;
    let age = prng.below(700 * DAY_S as usize) as i64;
    Review {
        id: format!("rev-{number:05}"),
        item_id: items[item].id.clone(),
        title,
        text,
        stars,
        helpful,
        written_at: catalogue_day() - TimeDelta::seconds(age),
    }
}

fn generate_order(prng: &mut Prng, items: &[Item]) -> Order {
    let item = prng.skewed(ITEM_COUNT);
    let quantity = 1 + prng.below(5) as i64;
    Order {
        item,
        amount_cents: quantity * items[item].price_cents,
    }
}

/// Joins words; now and then with an ampersand.
fn sentence(prng: &mut Prng, vocabulary: &[String], length: usize) -> String {
    let mut text = String::new();
    for n in 0..length {
        if n > 0 {
            if prng.below(400) == 0 {
                text.push_str(" &");
            }
            text.push(' ');
        }
        text.push_str(&vocabulary[prng.skewed(vocabulary.len())]);
    }
    text
}

/// Gives every item the mean of its reviews' stars in hundredths, 0 without reviews.
fn rate(items: &mut [Item], by_id: &HashMap<String, usize>, reviews: &[Review]) {
    let mut stars = vec![0; items.len()];
    for review in reviews {
        if let Some(&n) = by_id.get(&review.item_id) {
            stars[n] += review.stars;
            items[n].reviews += 1;
        }
    }
    for (item, stars) in items.iter_mut().zip(stars) {
        if item.reviews > 0 {
            item.rating = div_round(stars * 100, item.reviews) as f64 / 100.0;
        }
    }
}

/// Divides and rounds half up; both numbers are positive or zero.
pub fn div_round(dividend: i64, divisor: i64) -> i64 {
    (dividend + divisor / 2) / divisor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_up() {
        let rounded: Vec<i64> = [(4, 10), (5, 10), (15, 10), (25, 10), (1, 3), (2, 3)]
            .into_iter()
            .map(|(dividend, divisor)| div_round(dividend, divisor))
            .collect();
        assert_eq!(rounded, [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn is_the_same_for_the_same_seed() {
        let [first, second] = [7, 7].map(Catalogue::generate);
        assert_eq!(
            serde_json::to_string(&first.items).ok(),
            serde_json::to_string(&second.items).ok()
        );
        assert_eq!(first.items.len(), ITEM_COUNT);
        assert_eq!(first.reviews.len(), REVIEW_COUNT);
    }
}
