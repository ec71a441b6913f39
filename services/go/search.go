package main

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// BM25 with its usual parameters (Robertson, Zaragoza 2009).
const (
	bm25K1       = 1.2
	bm25B        = 0.75
	defaultLimit = 10
	maxLimit     = 50
	maxTerms     = 16
)

type posting struct {
	review int
	count  float64
}

// searchIndex is an inverted index over the reviews' titles and texts.
type searchIndex struct {
	postings map[string][]posting
	lengths  []float64 // in words, by review
	mean     float64
}

// scored is a review and its score in ten-thousandths: rounding before ordering keeps the
// last digit of a logarithm out of the ranking.
type scored struct {
	review int
	score  int64
}

func newSearchIndex(reviews []Review) *searchIndex {
	index := &searchIndex{postings: map[string][]posting{}, lengths: make([]float64, len(reviews))}
	total := 0
	for n, review := range reviews {
		words := tokens(review.Title + " " + review.Text)
		index.lengths[n] = float64(len(words))
		total += len(words)
		for _, word := range words {
			list := index.postings[word]
			if last := len(list) - 1; last >= 0 && list[last].review == n {
				list[last].count++
			} else {
				index.postings[word] = append(list, posting{review: n, count: 1})
			}
		}
	}
	index.mean = float64(total) / float64(len(reviews))
	return index
}

// tokens splits into lower-case words.
func tokens(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// rank returns every review that holds a term, best first; ties by position.
func (x *searchIndex) rank(query string) []scored {
	var terms []string
	for _, term := range tokens(query) {
		if len(terms) < maxTerms && !slices.Contains(terms, term) {
			terms = append(terms, term)
		}
	}
	scores := make([]float64, len(x.lengths))
	for _, term := range terms {
		list := x.postings[term]
		n, df := float64(len(x.lengths)), float64(len(list))
		idf := math.Log(1 + (n-df+0.5)/(df+0.5))
		for _, p := range list {
			// The conversions forbid a fused multiply-add, which some processors would use.
			norm := float64(bm25K1 * (1 - bm25B + float64(bm25B*x.lengths[p.review])/x.mean))
			scores[p.review] += idf * float64(p.count*(bm25K1+1)) / (p.count + norm)
		}
	}
	var ranked []scored
	for review, score := range scores {
		if score > 0 {
			ranked = append(ranked, scored{review: review, score: int64(math.Round(score * 10_000))})
		}
	}
	slices.SortFunc(ranked, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.review, b.review))
	})
	return ranked
}

// Hit is one search result.
type Hit struct {
	ID     string  `json:"id"`
	ItemID string  `json:"item_id"`
	Title  string  `json:"title"`
	Stars  int64   `json:"stars"`
	Score  float64 `json:"score"`
}

// SearchResponse is the answer of GET /v1/search.
type SearchResponse struct {
	Query string `json:"query"`
	Total int    `json:"total"`
	Hits  []Hit  `json:"hits"`
}

func (s *server) search(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	q := query.Get("q")
	if q == "" {
		writeError(w, http.StatusBadRequest, "q is missing")
		return
	}
	limit := defaultLimit
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil {
			writeError(w, http.StatusBadRequest, "limit must be a number")
			return
		}
	}
	limit = min(max(limit, 1), maxLimit)
	ranked := s.index.rank(q)
	response := SearchResponse{Query: q, Total: len(ranked)}
	for _, found := range ranked[:min(limit, len(ranked))] {
		review := &s.reviews[found.review]
		response.Hits = append(response.Hits, Hit{
			ID:     review.ID,
			ItemID: review.ItemID,
			Title:  review.Title,
			Stars:  review.Stars,
			Score:  float64(found.score) / 10_000,
		})
	}
	writeJSON(w, http.StatusOK, response)
}
