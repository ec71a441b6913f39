package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// maxSessions bounds the tokens kept in memory when they are random.
const maxSessions = 100_000

var userName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// sessions issues and checks tokens. By default a token is an HMAC of seed and user, so one
// that was recorded stays valid; in random mode each process issues its own.
type sessions struct {
	key    []byte
	random bool

	mu     sync.RWMutex
	issued map[string]string // token → user, in random mode
}

func newSessions(seed uint64, random bool) *sessions {
	key := []byte("catalogue-" + strconv.FormatUint(seed, 10))
	return &sessions{key: key, random: random, issued: map[string]string{}}
}

// issue returns a token, or false when too many are out.
func (s *sessions) issue(user string) (string, bool) {
	if !s.random {
		return s.derived(user), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.issued) >= maxSessions {
		return "", false
	}
	token := randomHex(32)
	s.issued[token] = user
	return token, true
}

func (s *sessions) derived(user string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(user))
	return user + "." + hex.EncodeToString(mac.Sum(nil))
}

// user is whom the request's bearer token belongs to.
func (s *sessions) user(r *http.Request) (string, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", false
	}
	if s.random {
		s.mu.RLock()
		defer s.mu.RUnlock()
		user, ok := s.issued[token]
		return user, ok
	}
	user, _, ok := strings.Cut(token, ".")
	return user, ok && hmac.Equal([]byte(token), []byte(s.derived(user)))
}

func (s *sessions) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.issued)
}

// LoginRequest is the body of POST /v1/login.
type LoginRequest struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// LoginResponse carries the token for the Authorization header.
type LoginResponse struct {
	User      string `json:"user"`
	Token     string `json:"token"`
	ExpiresIn int    `json:"expires_in"`
}

// login begins a session, which has no drafts yet.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	var request LoginRequest
	if !readJSON(w, r, &request) {
		return
	}
	if !userName.MatchString(request.User) || request.Password != "pass-"+request.User {
		writeUnauthorized(w, "wrong user or password")
		return
	}
	token, ok := s.sessions.issue(request.User)
	if !ok {
		writeError(w, http.StatusServiceUnavailable, "too many sessions")
		return
	}
	s.drafts.forget(request.User)
	writeJSON(w, http.StatusOK, LoginResponse{User: request.User, Token: token, ExpiresIn: 3600})
}

// signedIn answers 401 unless the request carries a valid token. What is done in a user's name
// gets a request id.
func (s *server) signedIn(next func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", randomHex(16))
		user, ok := s.sessions.user(r)
		if !ok {
			writeUnauthorized(w, "a valid bearer token is needed")
			return
		}
		next(w, r, user)
	}
}

func writeUnauthorized(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	writeError(w, http.StatusUnauthorized, message)
}
