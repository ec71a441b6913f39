package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	itemCount   = 240
	reviewCount = 5000
	orderCount  = 20000
)

// catalogueDay is the day on which the catalogue lives: answers do not depend on the clock.
var catalogueDay = time.Date(2026, time.August, 3, 9, 0, 0, 0, time.UTC)

//go:embed words.txt
var wordsText string

// Discount is a price reduction; a zero Until means open-ended.
type Discount struct {
	Percent float64   `json:"percent"`
	Until   time.Time `json:"until"`

	permille int64
}

// Item is one product of the catalogue, or a draft of one user.
type Item struct {
	ID          string            `json:"id"`
	SKU         string            `json:"sku"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Category    string            `json:"category"`
	Tags        []string          `json:"tags"`
	PriceCents  int64             `json:"price_cents"`
	Currency    string            `json:"currency"`
	Discount    *Discount         `json:"discount,omitempty"`
	Stock       int64             `json:"stock"`
	WeightGrams int64             `json:"weight_grams"`
	Rating      float64           `json:"rating"`
	Reviews     int64             `json:"reviews"`
	Attributes  map[string]string `json:"attributes"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
}

// Review is what is searched and exported.
type Review struct {
	ID        string    `json:"id"`
	ItemID    string    `json:"item_id"`
	Title     string    `json:"title"`
	Text      string    `json:"text"`
	Stars     int64     `json:"stars"`
	Helpful   int64     `json:"helpful"`
	WrittenAt time.Time `json:"written_at"`
}

// Order is one sale, the raw material of the statistics.
type Order struct {
	item        int
	amountCents int64
}

// Catalogue is the seed state. It is never written to after newCatalogue.
type Catalogue struct {
	items      []Item
	byID       map[string]int
	bySKU      map[string]int
	categories []string
	reviews    []Review
	orders     []Order
	index      *searchIndex
	grid       *grid
}

// wordLists reads words.txt: a name, a colon, then words; an underscore stands for a space.
func wordLists() map[string][]string {
	lists := map[string][]string{}
	for line := range strings.Lines(wordsText) {
		name, words, _ := strings.Cut(line, ":")
		list := strings.Fields(words)
		for i, word := range list {
			list[i] = strings.ReplaceAll(word, "_", " ")
		}
		lists[name] = list
	}
	return lists
}

func newCatalogue(seed uint64) *Catalogue {
	words := wordLists()
	c := &Catalogue{
		byID:       map[string]int{},
		bySKU:      map[string]int{},
		categories: words["categories"],
	}
	vocabulary := newVocabulary(words)
	items := newPRNG(seed, 1)
	for n := range itemCount {
		item := generateItem(items, n+1, words, vocabulary)
		c.byID[item.ID], c.bySKU[item.SKU] = n, n
		c.items = append(c.items, item)
	}
	reviews := newPRNG(seed, 2)
	for n := range reviewCount {
		c.reviews = append(c.reviews, c.generateReview(reviews, n+1, vocabulary))
	}
	c.rate()
	orders := newPRNG(seed, 3)
	for range orderCount {
		item := orders.skewed(itemCount)
		quantity := int64(1 + orders.below(5))
		c.orders = append(c.orders, Order{item: item, amountCents: quantity * c.items[item].PriceCents})
	}
	c.index = newSearchIndex(c.reviews)
	c.grid = newGrid(newPRNG(seed, 4))
	return c
}

// newVocabulary is every word a text may hold, common ones first.
func newVocabulary(words map[string][]string) []string {
	var vocabulary []string
	for _, name := range []string{"nouns", "materials", "adjectives", "fillers"} {
		for _, word := range words[name] {
			vocabulary = append(vocabulary, strings.ToLower(word))
		}
	}
	return vocabulary
}

// generateItem draws in a fixed order: the other side draws the same.
func generateItem(r *prng, number int, words map[string][]string, vocabulary []string) Item {
	item := Item{
		ID:       fmt.Sprintf("itm-%05d", number),
		SKU:      fmt.Sprintf("SKU-%05d", number),
		Currency: "EUR",
	}
	adjective, material, noun := r.pick(words["adjectives"]), r.pick(words["materials"]), r.pick(words["nouns"])
	item.Name = adjective + " " + material + " " + noun
	if r.below(100) < 3 {
		item.Name = adjective + " " + r.pick(words["pairs"])
	}
	item.Category = r.pick(words["categories"])
	item.Tags = generateTags(r, words["fillers"])
	whole := int64(2 + r.skewed(300))
	item.PriceCents = whole*100 + []int64{0, 50, 95, 99}[r.below(4)]
	item.WeightGrams = int64(50 + r.below(5000))
	item.Stock = int64(r.below(200))
	item.Discount = generateDiscount(r)
	if r.below(100) >= 5 {
		item.Description = sentence(r, vocabulary, 8+r.below(9))
	}
	if r.below(100) >= 3 {
		item.Attributes = map[string]string{
			"material": strings.ToLower(material),
			"colour":   r.pick(words["colours"]),
			"origin":   r.pick([]string{"DE", "FR", "NL", "PL", "PT"}),
		}
	}
	created := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	item.CreatedAt = created.Add(time.Duration(r.below(600*86400)) * time.Second)
	item.UpdatedAt = item.CreatedAt.Add(time.Duration(r.below(300*86400*1000)) * time.Millisecond)
	return item
}

// generateTags returns nil for one item in fifty, as a slice nobody appended to is.
func generateTags(r *prng, words []string) []string {
	if r.below(100) < 2 {
		return nil
	}
	var tags []string
	for range 1 + r.below(3) {
		if tag := words[r.below(20)]; !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

func generateDiscount(r *prng) *Discount {
	if r.below(100) >= 15 {
		return nil
	}
	permille := []int64{50, 75, 100, 125, 200, 333}[r.below(6)]
	discount := &Discount{Percent: float64(permille) / 10, permille: permille}
	if r.below(5) > 0 {
		discount.Until = catalogueDay.AddDate(0, 0, 1+r.below(60))
	}
	return discount
}

func (c *Catalogue) generateReview(r *prng, number int, vocabulary []string) Review {
	item := r.below(itemCount)
	if item%37 == 36 {
		item-- // every 37th item has no reviews
	}
	return Review{
		ID:        fmt.Sprintf("rev-%05d", number),
		ItemID:    c.items[item].ID,
		Title:     sentence(r, vocabulary, 2+r.below(3)),
		Text:      sentence(r, vocabulary, 10+r.below(15)),
		Stars:     int64(5 - r.skewed(5)),
		Helpful:   int64(r.skewed(100)),
		WrittenAt: catalogueDay.Add(-time.Duration(r.below(700*86400)) * time.Second),
	}
}

// sentence joins words; now and then with an ampersand.
func sentence(r *prng, vocabulary []string, length int) string {
	var text strings.Builder
	for n := range length {
		if n > 0 {
			if r.below(400) == 0 {
				text.WriteString(" &")
			}
			text.WriteByte(' ')
		}
		text.WriteString(vocabulary[r.skewed(len(vocabulary))])
	}
	return text.String()
}

// rate gives every item the mean of its reviews' stars in hundredths, 0 without reviews.
func (c *Catalogue) rate() {
	stars := make([]int64, itemCount)
	for _, review := range c.reviews {
		n := c.byID[review.ItemID]
		stars[n] += review.Stars
		c.items[n].Reviews++
	}
	for n := range c.items {
		if count := c.items[n].Reviews; count > 0 {
			c.items[n].Rating = float64(divRound(stars[n]*100, count)) / 100
		}
	}
}

// divRound divides and rounds half up; both numbers are positive or zero.
func divRound(dividend, divisor int64) int64 {
	return (dividend + divisor/2) / divisor
}
