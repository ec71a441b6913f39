package main

import (
	"encoding/json"
	"net/http"
)

// exportBatch is how many lines go out at once.
const exportBatch = 100

// export streams every review as NDJSON, about a megabyte.
func (s *server) export(w http.ResponseWriter, r *http.Request, _ string) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	flusher := http.NewResponseController(w)
	for n := range s.reviews {
		if err := lines.Encode(&s.reviews[n]); err != nil {
			return // the client went away
		}
		if (n+1)%exportBatch == 0 {
			if err := flusher.Flush(); err != nil {
				return
			}
		}
	}
}
