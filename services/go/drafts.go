package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

const (
	maxDrafts        = 100_000
	maxDraftsPerUser = 100
	maxTextLength    = 2_000
	maxTags          = 20
)

// drafts holds the items users create: each sees only their own, and a login starts with none.
type drafts struct {
	seed   uint64
	random bool

	mu     sync.RWMutex
	byUser map[string][]Item // in order of creation
	count  int
}

func newDrafts(seed uint64, random bool) *drafts {
	return &drafts{seed: seed, random: random, byUser: map[string][]Item{}}
}

// newID derives the id from seed, user and SKU: the same request gets the same id again.
func (d *drafts) newID(user, sku string) string {
	if d.random {
		return "drf-" + randomHex(6)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%s", d.seed, user, sku))
	return "drf-" + hex.EncodeToString(sum[:6])
}

// put adds the draft, or replaces the one with the same SKU; false when there are too many.
func (d *drafts) put(user string, item Item) (Item, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := d.byUser[user]
	n := slices.IndexFunc(own, func(other Item) bool { return other.SKU == item.SKU })
	if n >= 0 {
		item.ID = own[n].ID
		own[n] = item
		return item, true
	}
	if d.count >= maxDrafts || len(own) >= maxDraftsPerUser {
		return Item{}, false
	}
	item.ID = d.newID(user, item.SKU)
	d.byUser[user] = append(own, item)
	d.count++
	return item, true
}

func (d *drafts) get(user, id string) (Item, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	own := d.byUser[user]
	n := slices.IndexFunc(own, func(item Item) bool { return item.ID == id })
	if n < 0 {
		return Item{}, false
	}
	return own[n], true
}

func (d *drafts) list(user string) []Item {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.byUser[user])
}

// change applies a patch to one draft; false when the user has none of this id.
func (d *drafts) change(user, id string, patch DraftPatch) (Item, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := d.byUser[user]
	n := slices.IndexFunc(own, func(item Item) bool { return item.ID == id })
	if n < 0 {
		return Item{}, false
	}
	patch.apply(&own[n])
	return own[n], true
}

// remove deletes one draft; false when the user has none of this id.
func (d *drafts) remove(user, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := d.byUser[user]
	n := slices.IndexFunc(own, func(item Item) bool { return item.ID == id })
	if n < 0 {
		return false
	}
	d.byUser[user] = slices.Delete(own, n, n+1)
	d.count--
	return true
}

func (d *drafts) forget(user string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count -= len(d.byUser[user])
	delete(d.byUser, user)
}

func (d *drafts) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.byUser)
	d.count = 0
}

// DraftRequest is the body of POST /v1/items.
type DraftRequest struct {
	SKU         string   `json:"sku"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Category    string   `json:"category"`
	Tags        []string `json:"tags"`
	PriceCents  int64    `json:"price_cents"`
	Stock       int64    `json:"stock"`
}

// DraftPatch is the body of PATCH /v1/items/{id}; what is absent stays.
type DraftPatch struct {
	Name        *string   `json:"name"`
	Description *string   `json:"description"`
	Tags        *[]string `json:"tags"`
	PriceCents  *int64    `json:"price_cents"`
	Stock       *int64    `json:"stock"`
}

func (s *server) createDraft(w http.ResponseWriter, r *http.Request, user string) {
	var request DraftRequest
	if !readJSON(w, r, &request) {
		return
	}
	item := Item{
		SKU:         request.SKU,
		Name:        request.Name,
		Description: request.Description,
		Category:    request.Category,
		Tags:        request.Tags,
		PriceCents:  request.PriceCents,
		Currency:    "EUR",
		Stock:       request.Stock,
		Attributes:  map[string]string{"owner": user},
		CreatedAt:   catalogueDay,
		UpdatedAt:   catalogueDay,
	}
	if problem := s.problem(&item); problem != "" {
		writeError(w, http.StatusBadRequest, problem)
		return
	}
	item, ok := s.drafts.put(user, item)
	if !ok {
		writeError(w, http.StatusConflict, "too many drafts")
		return
	}
	w.Header().Set("Location", "/v1/items/"+item.ID)
	writeJSON(w, http.StatusCreated, item)
}

func (s *server) changeDraft(w http.ResponseWriter, r *http.Request, user string) {
	var patch DraftPatch
	if !readJSON(w, r, &patch) {
		return
	}
	id := r.PathValue("id")
	if _, ok := s.byID[id]; ok {
		writeError(w, http.StatusForbidden, "items of the catalogue are read-only")
		return
	}
	item, ok := s.drafts.get(user, id)
	if !ok {
		writeError(w, http.StatusNotFound, "no such item: "+id)
		return
	}
	patch.apply(&item)
	if problem := s.problem(&item); problem != "" {
		writeError(w, http.StatusBadRequest, problem)
		return
	}
	if item, ok = s.drafts.change(user, id, patch); !ok {
		writeError(w, http.StatusNotFound, "no such item: "+id)
		return
	}
	writeJSON(w, http.StatusOK, item)
}

func (s *server) deleteDraft(w http.ResponseWriter, r *http.Request, user string) {
	id := r.PathValue("id")
	if _, ok := s.byID[id]; ok {
		writeError(w, http.StatusForbidden, "items of the catalogue are read-only")
		return
	}
	if !s.drafts.remove(user, id) {
		writeError(w, http.StatusNotFound, "no such item: "+id)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *DraftPatch) apply(item *Item) {
	if p.Name != nil {
		item.Name = *p.Name
	}
	if p.Description != nil {
		item.Description = *p.Description
	}
	if p.Tags != nil {
		item.Tags = *p.Tags
	}
	if p.PriceCents != nil {
		item.PriceCents = *p.PriceCents
	}
	if p.Stock != nil {
		item.Stock = *p.Stock
	}
}

// problem says what is wrong with a draft, or nothing.
func (s *server) problem(item *Item) string {
	switch {
	case strings.TrimSpace(item.SKU) == "" || len(item.SKU) > 40:
		return "sku must be 1 to 40 bytes"
	case strings.TrimSpace(item.Name) == "" || len(item.Name) > 200:
		return "name must be 1 to 200 bytes"
	case len(item.Description) > maxTextLength:
		return "description is too long"
	case !slices.Contains(s.categories, item.Category):
		return "unknown category: " + item.Category
	case len(item.Tags) > maxTags || slices.ContainsFunc(item.Tags, func(tag string) bool { return len(tag) > 40 }):
		return "at most 20 tags of 40 bytes"
	case item.PriceCents < 0 || item.PriceCents > 100_000_000:
		return "price_cents must be 0 to 100000000"
	case item.Stock < 0:
		return "stock must not be negative"
	}
	return ""
}
