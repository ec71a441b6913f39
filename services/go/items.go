package main

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultPerPage = 10
	maxPerPage     = 100
)

// ItemSummary is one entry of a list.
type ItemSummary struct {
	ID         string   `json:"id"`
	SKU        string   `json:"sku"`
	Name       string   `json:"name"`
	Category   string   `json:"category"`
	Tags       []string `json:"tags"`
	PriceCents int64    `json:"price_cents"`
	Currency   string   `json:"currency"`
	OnSale     bool     `json:"on_sale"`
}

// ItemPage is the answer of GET /v1/items.
type ItemPage struct {
	Items   []ItemSummary `json:"items"`
	Page    int           `json:"page"`
	PerPage int           `json:"per_page"`
	Pages   int           `json:"pages"`
	Total   int           `json:"total"`
}

// itemFilter is what a list is narrowed and ordered by.
type itemFilter struct {
	category, tag      string
	minPrice, maxPrice int64
	hasMin, hasMax     bool
	order              func(a, b *Item) int
}

func (s *server) listItems(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	filter, problem := newItemFilter(query)
	if problem != "" {
		writeError(w, http.StatusBadRequest, problem)
		return
	}
	items := s.items
	if query.Get("owner") == "me" {
		user, ok := s.sessions.user(r)
		if !ok {
			writeUnauthorized(w, "a valid bearer token is needed")
			return
		}
		items = s.drafts.list(user)
	}
	page := max(intOr(query.Get("page"), 1), 1)
	perPage := min(max(intOr(query.Get("per_page"), defaultPerPage), 1), maxPerPage)
	writeJSON(w, http.StatusOK, filter.page(items, page, perPage))
}

func (f *itemFilter) page(items []Item, page, perPage int) ItemPage {
	var found []*Item
	for n := range items {
		if f.matches(&items[n]) {
			found = append(found, &items[n])
		}
	}
	slices.SortFunc(found, f.order)
	result := ItemPage{Page: page, PerPage: perPage, Total: len(found)}
	result.Pages = (len(found) + perPage - 1) / perPage
	if page > result.Pages {
		return result
	}
	first := (page - 1) * perPage
	for _, item := range found[first:min(first+perPage, len(found))] {
		result.Items = append(result.Items, summarize(item))
	}
	return result
}

func (f *itemFilter) matches(item *Item) bool {
	return (f.category == "" || item.Category == f.category) &&
		(f.tag == "" || slices.Contains(item.Tags, f.tag)) &&
		(!f.hasMin || item.PriceCents >= f.minPrice) &&
		(!f.hasMax || item.PriceCents <= f.maxPrice)
}

// newItemFilter returns the filter, or what is wrong with the query.
func newItemFilter(query url.Values) (*itemFilter, string) {
	f := &itemFilter{category: query.Get("category"), tag: query.Get("tag")}
	var ok bool
	if f.order, ok = itemOrder(query.Get("sort")); !ok {
		return nil, "sort must be one of id, name, price, -price, rating, -rating"
	}
	var err error
	if text := query.Get("min_price"); text != "" {
		f.hasMin = true
		if f.minPrice, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, "min_price must be a number of cents"
		}
	}
	if text := query.Get("max_price"); text != "" {
		f.hasMax = true
		if f.maxPrice, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, "max_price must be a number of cents"
		}
	}
	return f, ""
}

// itemOrder is the comparison a sort parameter names; ties come out by id.
func itemOrder(sort string) (func(a, b *Item) int, bool) {
	key, descending := strings.CutPrefix(sort, "-")
	var by func(a, b *Item) int
	switch key {
	case "", "id":
		by = func(_, _ *Item) int { return 0 }
	case "name":
		by = func(a, b *Item) int { return cmp.Compare(a.Name, b.Name) }
	case "price":
		by = func(a, b *Item) int { return cmp.Compare(a.PriceCents, b.PriceCents) }
	case "rating":
		by = func(a, b *Item) int { return cmp.Compare(a.Rating, b.Rating) }
	default:
		return nil, false
	}
	if descending && key != "price" && key != "rating" {
		return nil, false
	}
	return func(a, b *Item) int {
		order := by(a, b)
		if descending {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a.ID, b.ID))
	}, true
}

func summarize(item *Item) ItemSummary {
	return ItemSummary{
		ID:         item.ID,
		SKU:        item.SKU,
		Name:       item.Name,
		Category:   item.Category,
		Tags:       item.Tags,
		PriceCents: item.PriceCents,
		Currency:   item.Currency,
		OnSale:     item.Discount != nil,
	}
}

func (s *server) getItem(w http.ResponseWriter, r *http.Request) {
	item, ok := s.find(r)
	if !ok {
		writeError(w, http.StatusNotFound, "no such item: "+r.PathValue("id"))
		return
	}
	writeJSON(w, http.StatusOK, item)
}

// find looks in the catalogue, then in the drafts of the user who asks.
func (s *server) find(r *http.Request) (Item, bool) {
	id := r.PathValue("id")
	if n, ok := s.byID[id]; ok {
		return s.items[n], true
	}
	if user, ok := s.sessions.user(r); ok {
		return s.drafts.get(user, id)
	}
	return Item{}, false
}

// intOr reads a number, or falls back where there is none.
func intOr(text string, fallback int) int {
	number, err := strconv.Atoi(text)
	if err != nil {
		return fallback
	}
	return number
}
