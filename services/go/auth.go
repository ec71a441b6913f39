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
	"time"
)

// maxSessions bounds the tokens kept in memory when they are random.
const maxSessions = 100_000

// sessionCookie is the cookie that stands for a bearer token.
const sessionCookie = "sid"

// defaultExpiresIn is the lifetime in seconds that a login tells where tokens do not expire.
const defaultExpiresIn = 3600

var userName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// sessions issues and checks tokens. By default a token is an HMAC of seed and user, so one
// that was recorded stays valid; in random mode each process issues its own.
type sessions struct {
	key    []byte
	random bool
	ttl    time.Duration // 0: a token never expires
	now    func() time.Time

	mu     sync.RWMutex
	issued map[string]session // by token, in random mode
}

type session struct {
	user  string
	begun time.Time
}

func newSessions(seed uint64, random bool, ttl time.Duration) *sessions {
	key := []byte("catalogue-" + strconv.FormatUint(seed, 10))
	return &sessions{key: key, random: random, ttl: ttl, now: time.Now, issued: map[string]session{}}
}

// issue returns a token, or false when too many are out.
func (s *sessions) issue(user string) (string, bool) {
	if !s.random {
		return s.signed(s.claim(user)), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.issued) >= maxSessions {
		return "", false
	}
	token := randomHex(32)
	s.issued[token] = session{user: user, begun: s.now()}
	return token, true
}

// claim is what a derived token says: the user and, where tokens expire, the time of issue in
// milliseconds.
func (s *sessions) claim(user string) string {
	if s.ttl == 0 {
		return user
	}
	return user + "." + strconv.FormatInt(s.now().UnixMilli(), 10)
}

func (s *sessions) signed(claim string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(claim))
	return claim + "." + hex.EncodeToString(mac.Sum(nil))
}

// user is whom the request's bearer token belongs to, or else its session cookie.
func (s *sessions) user(r *http.Request) (string, bool) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if user, ok := s.owner(token); ok {
			return user, true
		}
	}
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", false
	}
	return s.owner(cookie.Value)
}

// owner is whom a token was issued to, unless it has expired.
func (s *sessions) owner(token string) (string, bool) {
	if s.random {
		s.mu.RLock()
		defer s.mu.RUnlock()
		session, ok := s.issued[token]
		return session.user, ok && !s.expired(session.begun)
	}
	claim := token[:max(strings.LastIndexByte(token, '.'), 0)]
	if !hmac.Equal([]byte(token), []byte(s.signed(claim))) {
		return "", false
	}
	user, issued, dated := strings.Cut(claim, ".")
	if s.ttl == 0 {
		return user, !dated
	}
	millis, err := strconv.ParseInt(issued, 10, 64)
	return user, err == nil && !s.expired(time.UnixMilli(millis))
}

func (s *sessions) expired(begun time.Time) bool {
	return s.ttl > 0 && s.now().Sub(begun) > s.ttl
}

// expiresIn is the lifetime in seconds that a login tells.
func (s *sessions) expiresIn() int {
	if s.ttl == 0 {
		return defaultExpiresIn
	}
	return int(s.ttl / time.Second)
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

// LoginResponse carries the token for the Authorization header; ExpiresIn is in seconds.
type LoginResponse struct {
	User      string `json:"user"`
	Token     string `json:"token"`
	ExpiresIn int    `json:"expires_in"`
}

// login begins a session, which has no drafts yet. With cookie=1 the token is set as a cookie too.
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
	if r.URL.Query().Get("cookie") == "1" {
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	response := LoginResponse{User: request.User, Token: token, ExpiresIn: s.sessions.expiresIn()}
	writeJSON(w, http.StatusOK, response)
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
