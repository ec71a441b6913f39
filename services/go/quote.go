package main

import (
	"fmt"
	"net/http"
	"time"
)

const (
	maxLines    = 50
	maxQuantity = 1_000
)

// All money is in integer cents and all rates in integers; nothing here is a float.
var (
	currencyRates = map[string]int64{"EUR": 10_000, "GBP": 8_450, "USD": 10_825} // per 10,000 EUR
	taxPermille   = map[string]int64{"DE": 190, "FR": 200, "NL": 210, "PL": 230, "CH": 81, "US": 0}
)

// QuoteRequest is the body of POST /v1/quote.
type QuoteRequest struct {
	Lines    []QuoteLineRequest `json:"lines"`
	Currency string             `json:"currency"`
	Country  string             `json:"country"`
	Coupon   string             `json:"coupon"`
	At       time.Time          `json:"at"`
}

// QuoteLineRequest asks for one product.
type QuoteLineRequest struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// QuoteLine is one priced line.
type QuoteLine struct {
	SKU           string    `json:"sku"`
	Name          string    `json:"name"`
	Quantity      int64     `json:"quantity"`
	Currency      string    `json:"currency"`
	UnitCents     int64     `json:"unit_cents"`
	DiscountCents int64     `json:"discount_cents"`
	TotalCents    int64     `json:"total_cents"`
	PriceSince    time.Time `json:"price_since"`
}

// QuoteResponse is the answer of POST /v1/quote.
type QuoteResponse struct {
	Currency      string      `json:"currency"`
	Lines         []QuoteLine `json:"lines"`
	SubtotalCents int64       `json:"subtotal_cents"`
	CouponCents   int64       `json:"coupon_cents"`
	ShippingCents int64       `json:"shipping_cents"`
	TaxCents      int64       `json:"tax_cents"`
	TotalCents    int64       `json:"total_cents"`
	Total         string      `json:"total"`
	At            time.Time   `json:"at"`
	ServedAt      time.Time   `json:"served_at"`
}

func (s *server) quote(w http.ResponseWriter, r *http.Request, _ string) {
	var request QuoteRequest
	if !readJSON(w, r, &request) {
		return
	}
	quote, problem := s.price(request)
	if problem != "" {
		writeError(w, http.StatusBadRequest, problem)
		return
	}
	quote.ServedAt = time.Now().UTC()
	writeJSON(w, http.StatusOK, quote)
}

// price applies the rules in order: discounts, coupon, shipping, tax. It returns the quote,
// or what is wrong with the request.
func (c *Catalogue) price(request QuoteRequest) (*QuoteResponse, string) {
	if len(request.Lines) == 0 || len(request.Lines) > maxLines {
		return nil, "lines must hold 1 to 50 entries"
	}
	if request.Currency == "" {
		request.Currency = "EUR"
	}
	if request.Country == "" {
		request.Country = "DE"
	}
	if request.At.IsZero() {
		request.At = catalogueDay
	}
	rate, ok := currencyRates[request.Currency]
	if !ok {
		return nil, "unknown currency: " + request.Currency
	}
	tax, ok := taxPermille[request.Country]
	if !ok {
		return nil, "unknown country: " + request.Country
	}
	quote := &QuoteResponse{Currency: request.Currency, At: request.At}
	var grams int64
	for _, line := range request.Lines {
		n, ok := c.bySKU[line.SKU]
		if !ok {
			return nil, "unknown sku: " + line.SKU
		}
		if line.Quantity < 1 || line.Quantity > maxQuantity {
			return nil, "quantity must be 1 to 1000"
		}
		priced := priceLine(&c.items[n], line.Quantity, rate, request)
		quote.Lines = append(quote.Lines, priced)
		quote.SubtotalCents += priced.TotalCents
		grams += c.items[n].WeightGrams * line.Quantity
	}
	if quote.CouponCents, ok = couponCents(request.Coupon, quote.SubtotalCents); !ok {
		return nil, "unknown coupon: " + request.Coupon
	}
	goods := quote.SubtotalCents - quote.CouponCents
	quote.ShippingCents = shippingCents(goods, grams)
	quote.TaxCents = divRound((goods+quote.ShippingCents)*tax, 1000)
	quote.TotalCents = goods + quote.ShippingCents + quote.TaxCents
	quote.Total = fmt.Sprintf("%d.%02d", quote.TotalCents/100, quote.TotalCents%100)
	return quote, ""
}

func priceLine(item *Item, quantity, rate int64, request QuoteRequest) QuoteLine {
	unit := divRound(item.PriceCents*rate, 10_000)
	full := unit * quantity
	discount := divRound(full*discountPermille(item, quantity, request.At), 1000)
	return QuoteLine{
		SKU:           item.SKU,
		Name:          item.Name,
		Quantity:      quantity,
		Currency:      request.Currency,
		UnitCents:     unit,
		DiscountCents: discount,
		TotalCents:    full - discount,
		PriceSince:    item.UpdatedAt,
	}
}

// discountPermille is the better of the item's own discount and the one for quantity.
func discountPermille(item *Item, quantity int64, at time.Time) int64 {
	var own, bulk int64
	if d := item.Discount; d != nil && (d.Until.IsZero() || at.Before(d.Until)) {
		own = d.permille
	}
	switch {
	case quantity >= 50:
		bulk = 125
	case quantity >= 10:
		bulk = 50
	}
	return max(own, bulk)
}

// couponCents is what a coupon takes off; false when there is no such coupon.
func couponCents(coupon string, subtotal int64) (int64, bool) {
	switch coupon {
	case "":
		return 0, true
	case "TENOFF":
		return divRound(subtotal*100, 1000), true
	case "FIVER":
		if subtotal >= 5_000 {
			return 500, true
		}
		return 0, true
	default:
		return 0, false
	}
}

// shippingCents is free from 100.00 on, else a base and a price for each kilogram begun.
func shippingCents(goods, grams int64) int64 {
	if goods >= 10_000 {
		return 0
	}
	return 500 + (grams+999)/1000*100
}
