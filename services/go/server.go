package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"
)

// maxBody bounds what a request may carry.
const maxBody = 1 << 20

type server struct {
	*Catalogue
	sessions *sessions
	drafts   *drafts
	metrics  *metrics
}

func newServer(seed uint64, randomTokens, randomIDs bool, tokenTTL time.Duration) *server {
	return &server{
		Catalogue: newCatalogue(seed),
		sessions:  newSessions(seed, randomTokens, tokenTTL),
		drafts:    newDrafts(seed, randomIDs),
		metrics:   newMetrics(),
	}
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/login", s.login)
	mux.HandleFunc("GET /v1/items", s.listItems)
	mux.HandleFunc("POST /v1/items", s.signedIn(s.createDraft))
	mux.HandleFunc("GET /v1/items/{id}", s.getItem)
	mux.HandleFunc("PATCH /v1/items/{id}", s.signedIn(s.changeDraft))
	mux.HandleFunc("DELETE /v1/items/{id}", s.signedIn(s.deleteDraft))
	mux.HandleFunc("GET /v1/items/{id}/badge.png", s.badge)
	mux.HandleFunc("GET /v1/search", s.search)
	mux.HandleFunc("POST /v1/quote", s.signedIn(s.quote))
	mux.HandleFunc("POST /v1/route", s.signedIn(s.route))
	mux.HandleFunc("GET /v1/stats", s.stats)
	mux.HandleFunc("GET /v1/export", s.signedIn(s.export))
	mux.HandleFunc("POST /admin/reset", s.reset)
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /metrics", s.metrics.serve)
	return s.observed(mux)
}

// observed counts every answer.
func (s *server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		s.metrics.count(r.Pattern, recorder.status, time.Since(begin))
	})
}

// statusRecorder remembers the status for the metrics.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the flusher underneath.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// reset restores the seed state: no drafts, no issued tokens.
func (s *server) reset(w http.ResponseWriter, _ *http.Request) {
	s.drafts.reset()
	s.sessions.reset()
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The status is out: a client that went away is all that can fail here.
	_ = json.NewEncoder(w).Encode(value)
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"error": message})
}

// readJSON decodes the body, or answers 400 and reports false.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	body := http.MaxBytesReader(w, r.Body, maxBody)
	if err := json.NewDecoder(body).Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func randomHex(bytes int) string {
	id := make([]byte, bytes)
	rand.Read(id) // never fails, see its documentation
	return hex.EncodeToString(id)
}
