package main

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	defaultBuckets = 10
	maxBuckets     = 100
)

// statsWindow is the time the orders were taken in.
const statsWindow = 30 * 24 * time.Hour

// Bucket counts the orders up to and including a number of cents.
type Bucket struct {
	UpToCents int64 `json:"up_to_cents"`
	Count     int   `json:"count"`
}

// CategorySales sums up one category.
type CategorySales struct {
	Category     string `json:"category"`
	Orders       int64  `json:"orders"`
	RevenueCents int64  `json:"revenue_cents"`
}

// StatsResponse is the answer of GET /v1/stats.
type StatsResponse struct {
	ServedAt         time.Time        `json:"served_at"`
	Window           time.Duration    `json:"window"`
	Count            int              `json:"count"`
	Mean             float64          `json:"mean"`
	PercentilesCents map[string]int64 `json:"percentiles_cents"`
	Histogram        []Bucket         `json:"histogram"`
	ByCategory       []CategorySales  `json:"by_category"`
}

func (s *server) stats(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	category := query.Get("category")
	if category != "" && !slices.Contains(s.categories, category) {
		writeError(w, http.StatusBadRequest, "unknown category: "+category)
		return
	}
	buckets := defaultBuckets
	if text := query.Get("buckets"); text != "" {
		var err error
		if buckets, err = strconv.Atoi(text); err != nil {
			writeError(w, http.StatusBadRequest, "buckets must be a number")
			return
		}
	}
	response := s.summarizeOrders(category, min(max(buckets, 1), maxBuckets))
	response.ServedAt = time.Now().UTC()
	writeJSON(w, http.StatusOK, response)
}

func (c *Catalogue) summarizeOrders(category string, buckets int) StatsResponse {
	var amounts []int64
	var sum int64
	sales := map[string]*CategorySales{}
	for _, order := range c.orders {
		name := c.items[order.item].Category
		if category != "" && name != category {
			continue
		}
		amounts = append(amounts, order.amountCents)
		sum += order.amountCents
		if sales[name] == nil {
			sales[name] = &CategorySales{Category: name}
		}
		sales[name].Orders++
		sales[name].RevenueCents += order.amountCents
	}
	slices.Sort(amounts)
	response := StatsResponse{Window: statsWindow, Count: len(amounts), PercentilesCents: map[string]int64{}}
	for _, percent := range []int{50, 90, 95, 99} {
		response.PercentilesCents["p"+strconv.Itoa(percent)] = nearestRank(amounts, percent)
	}
	if len(amounts) > 0 {
		response.Mean = float64(divRound(sum, int64(len(amounts)))) / 100
		response.Histogram = histogram(amounts, buckets)
	}
	for _, entry := range sales {
		response.ByCategory = append(response.ByCategory, *entry)
	}
	return response
}

// nearestRank is the percentile of sorted values, 0 where there are none.
func nearestRank(sorted []int64, percent int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

// histogram cuts the range of the sorted values into buckets of equal width.
func histogram(sorted []int64, buckets int) []Bucket {
	low, high := sorted[0], sorted[len(sorted)-1]
	width := (high-low)/int64(buckets) + 1
	counts := make([]Bucket, buckets)
	for n := range counts {
		counts[n].UpToCents = low + width*int64(n+1) - 1
	}
	for _, value := range sorted {
		counts[(value-low)/width].Count++
	}
	return counts
}
