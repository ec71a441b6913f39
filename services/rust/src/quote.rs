//! Prices. All money is in integer cents and all rates in integers; nothing here is a float.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::app::{ServerTime, Shared};
use crate::auth::User;
use crate::data::{Catalogue, Item, catalogue_day, div_round};
use crate::defects::{Defect, Defects};
use crate::error::ApiError;

const MAX_LINES: usize = 50;
const MAX_QUANTITY: i64 = 1_000;
/// The product whose currency the defect `wrong-currency` gets wrong.
const DOLLAR_SKU: &str = "SKU-00007";

#[derive(Deserialize)]
pub struct QuoteRequest {
    lines: Vec<QuoteLineRequest>,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    country: String,
    #[serde(default)]
    coupon: String,
    at: Option<DateTime<Utc>>,
}

/// Asks for one product.
#[derive(Deserialize)]
struct QuoteLineRequest {
    sku: String,
    quantity: i64,
}

/// One priced line.
#[derive(Serialize)]
struct QuoteLine {
    sku: String,
    name: String,
    quantity: i64,
    currency: String,
    unit_cents: i64,
    discount_cents: i64,
    total_cents: i64,
    price_since: DateTime<Utc>,
}

#[derive(Serialize)]
pub struct QuoteResponse {
    currency: String,
    lines: Vec<QuoteLine>,
    subtotal_cents: i64,
    coupon_cents: i64,
    shipping_cents: i64,
    tax_cents: i64,
    total_cents: i64,
    total: String,
    at: DateTime<Utc>,
    served_at: ServerTime,
}

pub async fn quote(
    State(app): Shared,
    _: User,
    Json(request): Json<QuoteRequest>,
) -> Result<Json<QuoteResponse>, ApiError> {
    let served_at = app.server_time();
    price(&app.catalogue, request, served_at, &app.defects).map(Json)
}

/// Applies the rules in order: discounts, coupon, shipping, tax.
fn price(
    catalogue: &Catalogue,
    request: QuoteRequest,
    served_at: ServerTime,
    defects: &Defects,
) -> Result<QuoteResponse, ApiError> {
    if request.lines.is_empty() || request.lines.len() > MAX_LINES {
        return Err(ApiError::bad_request("lines must hold 1 to 50 entries"));
    }
    let currency = or_default(request.currency, "EUR");
    let country = or_default(request.country, "DE");
    let at = request.at.unwrap_or_else(catalogue_day);
    let round = rounding(defects);
    let rate = currency_rate(&currency)
        .ok_or_else(|| ApiError::bad_request(format!("unknown currency: {currency}")))?;
    let tax = tax_permille(&country)
        .ok_or_else(|| ApiError::bad_request(format!("unknown country: {country}")))?;
    let mut lines = Vec::with_capacity(request.lines.len());
    let (mut subtotal, mut grams) = (0, 0);
    for QuoteLineRequest { sku, quantity } in request.lines {
        let item = catalogue
            .by_sku
            .get(&sku)
            .map(|&n| &catalogue.items[n])
            .ok_or_else(|| ApiError::bad_request(format!("unknown sku: {sku}")))?;
        if !(1..=MAX_QUANTITY).contains(&quantity) {
            return Err(ApiError::bad_request("quantity must be 1 to 1000"));
        }
        let mut line = price_line(item, quantity, (rate, &currency), at, round);
        if sku == DOLLAR_SKU && defects.has(Defect::WrongCurrency) {
            "USD".clone_into(&mut line.currency);
        }
        subtotal += line.total_cents;
        grams += item.weight_grams * quantity;
        lines.push(line);
    }
    let coupon_cents = coupon_cents(&request.coupon, subtotal, round)
        .ok_or_else(|| ApiError::bad_request(format!("unknown coupon: {}", request.coupon)))?;
    let goods = subtotal - coupon_cents;
    let shipping_cents = shipping_cents(goods, grams);
    let tax_cents = round((goods + shipping_cents) * tax, 1_000);
    let total_cents = goods + shipping_cents + tax_cents;
    Ok(QuoteResponse {
        currency,
        lines,
        subtotal_cents: subtotal,
        coupon_cents,
        shipping_cents,
        tax_cents,
        total_cents,
        total: format!("{}.{:02}", total_cents / 100, total_cents % 100),
        at,
        served_at,
    })
}

fn or_default(text: String, default: &str) -> String {
    if text.is_empty() {
        return default.to_owned();
    }
    text
}

/// What 10,000 EUR are in this currency.
fn currency_rate(currency: &str) -> Option<i64> {
    match currency {
        "EUR" => Some(10_000),
        "GBP" => Some(8_450),
        "USD" => Some(10_825),
        _ => None,
    }
}

fn tax_permille(country: &str) -> Option<i64> {
    match country {
        "DE" => Some(190),
        "FR" => Some(200),
        "NL" => Some(210),
        "PL" => Some(230),
        "CH" => Some(81),
        "US" => Some(0),
        _ => None,
    }
}

fn price_line(
    item: &Item,
    quantity: i64,
    (rate, currency): (i64, &str),
    at: DateTime<Utc>,
    round: Rounding,
) -> QuoteLine {
    let unit_cents = round(item.price_cents * rate, 10_000);
    let full = unit_cents * quantity;
    let discount_cents = round(full * discount_permille(item, quantity, at), 1_000);
    QuoteLine {
        sku: item.sku.clone(),
        name: item.name.clone(),
        quantity,
        currency: currency.to_owned(),
        unit_cents,
        discount_cents,
        total_cents: full - discount_cents,
        price_since: item.updated_at,
    }
}

/// The better of the item's own discount and the one for quantity.
fn discount_permille(item: &Item, quantity: i64, at: DateTime<Utc>) -> i64 {
    let own = item
        .discount
        .as_ref()
        .filter(|discount| discount.until.is_none_or(|until| at < until))
        .map_or(0, |discount| discount.permille);
    let bulk = match quantity {
        50.. => 125,
        10.. => 50,
        _ => 0,
    };
    own.max(bulk)
}

/// What a coupon takes off; none when there is no such coupon.
fn coupon_cents(coupon: &str, subtotal: i64, round: Rounding) -> Option<i64> {
    match coupon {
        "" => Some(0),
        "TENOFF" => Some(round(subtotal * 100, 1_000)),
        "FIVER" => Some(if subtotal >= 5_000 { 500 } else { 0 }),
        _ => None,
    }
}

/// Free from 100.00 on, else a base and a price for each kilogram begun.
fn shipping_cents(goods: i64, grams: i64) -> i64 {
    if goods >= 10_000 {
        return 0;
    }
    500 + (grams + 999) / 1_000 * 100
}

/// Divides and rounds; half up, unless the defect has it half to even.
type Rounding = fn(i64, i64) -> i64;

fn rounding(defects: &Defects) -> Rounding {
    if defects.has(Defect::BankersRounding) {
        return half_even;
    }
    div_round
}

/// Divides and rounds half to even, as decimal libraries do by default.
fn half_even(dividend: i64, divisor: i64) -> i64 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Equal => quotient + quotient % 2,
        std::cmp::Ordering::Greater => quotient + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(body: &str) -> Result<QuoteResponse, ApiError> {
        let catalogue = Catalogue::generate(42);
        let request = serde_json::from_str(body).unwrap();
        let now = ServerTime::Now(catalogue_day());
        price(&catalogue, request, now, &Defects::default())
    }

    #[test]
    fn adds_up() {
        let quote = quoted(
            r#"{"lines":[{"sku":"SKU-00001","quantity":3},{"sku":"SKU-00002","quantity":60}],
                "coupon":"TENOFF","country":"NL"}"#,
        )
        .ok()
        .unwrap();
        let lines: i64 = quote.lines.iter().map(|line| line.total_cents).sum();
        assert_eq!(quote.subtotal_cents, lines);
        let goods = quote.subtotal_cents - quote.coupon_cents;
        assert_eq!(quote.tax_cents, div_round(goods * 210, 1_000));
        assert_eq!(quote.total_cents, goods + quote.tax_cents);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(quoted(r#"{"lines":[]}"#).is_err());
        assert!(quoted(r#"{"lines":[{"sku":"nope","quantity":1}]}"#).is_err());
        assert!(quoted(r#"{"lines":[{"sku":"SKU-00001","quantity":0}]}"#).is_err());
    }

    #[test]
    fn half_even_differs_from_half_up_on_ties_only() {
        let rounded: Vec<i64> = [4, 5, 6, 15, 25]
            .into_iter()
            .map(|dividend| half_even(dividend, 10))
            .collect();
        assert_eq!(rounded, [0, 0, 1, 2, 2]);
    }
}
