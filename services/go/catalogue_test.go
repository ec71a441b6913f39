package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"image/png"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPRNGGivesThePublishedVector(t *testing.T) {
	r := newPRNG(1234567, 0)
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423} {
		if got := r.next(); got != want {
			t.Errorf("next() = %d, want %d", got, want)
		}
	}
}

func TestDivRoundRoundsHalfUp(t *testing.T) {
	for _, c := range []struct{ dividend, divisor, want int64 }{
		{4, 10, 0}, {5, 10, 1}, {15, 10, 2}, {25, 10, 3}, {1, 3, 0}, {2, 3, 1},
	} {
		if got := divRound(c.dividend, c.divisor); got != c.want {
			t.Errorf("divRound(%d, %d) = %d, want %d", c.dividend, c.divisor, got, c.want)
		}
	}
}

func TestQuoteAddsUp(t *testing.T) {
	quote, problem := newCatalogue(42).price(QuoteRequest{
		Lines:   []QuoteLineRequest{{SKU: "SKU-00001", Quantity: 3}, {SKU: "SKU-00002", Quantity: 60}},
		Coupon:  "TENOFF",
		Country: "NL",
	})
	if problem != "" {
		t.Fatal(problem)
	}
	var lines int64
	for _, line := range quote.Lines {
		lines += line.TotalCents
	}
	goods := quote.SubtotalCents - quote.CouponCents
	if quote.SubtotalCents != lines || quote.TaxCents != divRound(goods*210, 1000) {
		t.Errorf("subtotal %d, lines %d, tax %d", quote.SubtotalCents, lines, quote.TaxCents)
	}
	if quote.TotalCents != goods+quote.TaxCents {
		t.Errorf("total %d, goods %d, tax %d", quote.TotalCents, goods, quote.TaxCents)
	}
}

func TestQuoteRefusesWhatItDoesNotKnow(t *testing.T) {
	c := newCatalogue(42)
	for _, request := range []QuoteRequest{
		{},
		{Lines: []QuoteLineRequest{{SKU: "nope", Quantity: 1}}},
		{Lines: []QuoteLineRequest{{SKU: "SKU-00001", Quantity: 0}}},
		{Lines: []QuoteLineRequest{{SKU: "SKU-00001", Quantity: 1}}, Coupon: "nope"},
	} {
		if _, problem := c.price(request); problem == "" {
			t.Errorf("%+v was priced", request)
		}
	}
}

func TestDiscountEndsWithItsTime(t *testing.T) {
	item := &Item{Discount: &Discount{Until: catalogueDay, permille: 200}}
	if got := discountPermille(item, 1, catalogueDay.Add(-time.Second)); got != 200 {
		t.Errorf("before the end: %d", got)
	}
	if got := discountPermille(item, 10, catalogueDay); got != 50 {
		t.Errorf("at the end, ten of them: %d", got)
	}
}

// walledGrid costs 1 everywhere, but for a wall from the left edge to the last column.
func walledGrid() *grid {
	g := &grid{}
	for cell := range g.cost {
		g.cost[cell] = 1
	}
	clear(g.cost[gridSize : 2*gridSize-1])
	return g
}

func TestRouteGoesRoundAWall(t *testing.T) {
	way := walledGrid().shortest(0, 2*gridSize)
	if way.cost != 2*gridSize || len(way.cells) != 2*gridSize+1 {
		t.Errorf("cost %d over %d cells", way.cost, len(way.cells))
	}
}

func TestRouteFindsNoWayIntoAWall(t *testing.T) {
	if way := walledGrid().shortest(0, gridSize); way.cells != nil {
		t.Errorf("way over %d cells", len(way.cells))
	}
}

func TestSearchScoresARareWordAboveACommonOne(t *testing.T) {
	reviews := []Review{{Text: "lamp a"}, {Text: "lamp b"}, {Text: "lamp c"}, {Text: "rare d"}}
	got := newSearchIndex(reviews).rank("lamp rare")
	// ln(1 + 3.5 / 1.5) and ln(1 + 1.5 / 3.5): the lengths are equal, so the norm is 1.
	want := []scored{{3, 12040}, {0, 3567}, {1, 3567}, {2, 3567}}
	if !slices.Equal(got, want) {
		t.Errorf("rank = %v, want %v", got, want)
	}
}

func TestSearchOrdersByScoreThenPosition(t *testing.T) {
	ranked := newCatalogue(42).index.rank("brass lamp brass")
	ordered := slices.IsSortedFunc(ranked, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.review, b.review))
	})
	if !ordered || len(ranked) < 100 {
		t.Errorf("%d results, ordered: %v", len(ranked), ordered)
	}
}

func TestNearestRank(t *testing.T) {
	sorted := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for percent, want := range map[int]int64{50: 5, 90: 9, 95: 10, 99: 10} {
		if got := nearestRank(sorted, percent); got != want {
			t.Errorf("p%d = %d, want %d", percent, got, want)
		}
	}
}

func TestBadgeIsAPNG(t *testing.T) {
	image, err := png.Decode(bytes.NewReader(badgePNG("itm-00001")))
	if err != nil {
		t.Fatal(err)
	}
	if size := image.Bounds().Size(); size.X != badgeSize || size.Y != badgeSize {
		t.Errorf("size %v", size)
	}
}

func TestTokensAreDerivedOrRandom(t *testing.T) {
	for _, random := range []bool{false, true} {
		s := newSessions(42, random, 0)
		first, _ := s.issue("u-1")
		second, _ := s.issue("u-1")
		if (first == second) == random {
			t.Errorf("random %v: %s, %s", random, first, second)
		}
	}
}

// bearing is a request with a bearer token, or without one where it is empty.
func bearing(method, target, token, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func answer(s *server, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w
}

func TestOnlyOnesOwnDraftsAreDeleted(t *testing.T) {
	s := newServer(42, true, true, 0)
	mine, _ := s.sessions.issue("u-1")
	other, _ := s.sessions.issue("u-2")
	draft := `{"sku":"MY-1","name":"Lamp","category":"lighting","price_cents":5,"stock":1}`
	created := answer(s, bearing("POST", "/v1/items", mine, draft))
	target := created.Header().Get("Location")
	for _, c := range []struct {
		target, token string
		want          int
	}{
		{target, "", 401},
		{target, other, 404},
		{"/v1/items/itm-00001", mine, 403},
		{"/v1/items/nope", mine, 404},
		{target, mine, 204},
		{target, mine, 404},
	} {
		got := answer(s, bearing("DELETE", c.target, c.token, ""))
		if got.Code != c.want || (got.Body.Len() == 0) != (c.want == 204) {
			t.Errorf("DELETE %s: %d %q, want %d", c.target, got.Code, got.Body, c.want)
		}
	}
	if got := answer(s, bearing("GET", target, mine, "")).Code; got != 404 || s.drafts.count != 0 {
		t.Errorf("a deleted draft: %d, %d drafts are left", got, s.drafts.count)
	}
}

func TestALoginSetsACookieWhenAsked(t *testing.T) {
	s := newServer(42, true, true, 0)
	body := `{"user":"u-1","password":"pass-u-1"}`
	if got := answer(s, bearing("POST", "/v1/login", "", body)).Header().Values("Set-Cookie"); got != nil {
		t.Errorf("not asked for: %v", got)
	}
	login := answer(s, bearing("POST", "/v1/login?cookie=1", "", body))
	var response LoginResponse
	if err := json.Unmarshal(login.Body.Bytes(), &response); err != nil {
		t.Fatal(err)
	}
	want := "sid=" + response.Token + "; Path=/; HttpOnly; SameSite=Lax"
	if got := login.Header().Get("Set-Cookie"); got != want {
		t.Errorf("Set-Cookie: %s, want %s", got, want)
	}
	for cookie, want := range map[string]int{
		"sid=" + response.Token:                200,
		"theme=dark; sid=" + response.Token:    200,
		"sid=nope":                             401,
		"side=" + response.Token:               401,
		"sid=" + response.Token + "; sid=nope": 200,
	} {
		r := bearing("GET", "/v1/items?owner=me", "", "")
		r.Header.Set("Cookie", cookie)
		if got := answer(s, r).Code; got != want {
			t.Errorf("Cookie: %s: %d, want %d", cookie, got, want)
		}
	}
}

func TestTokensExpire(t *testing.T) {
	for _, random := range []bool{false, true} {
		s := newSessions(42, random, 5*time.Second)
		begin := time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)
		s.now = func() time.Time { return begin }
		token, _ := s.issue("u-1")
		for after, want := range map[time.Duration]bool{
			0: true, 5 * time.Second: true, 5001 * time.Millisecond: false,
		} {
			s.now = func() time.Time { return begin.Add(after) }
			if user, ok := s.user(bearing("GET", "/", token, "")); ok != want || (user == "u-1") != want {
				t.Errorf("random %v, after %v: %q %v", random, after, user, ok)
			}
		}
	}
}

func TestATokenWithTheOtherClaimIsRefused(t *testing.T) {
	lasting, expiring := newSessions(42, false, 0), newSessions(42, false, time.Hour)
	undated, _ := lasting.issue("u-1")
	dated, _ := expiring.issue("u-1")
	for _, c := range []struct {
		sessions *sessions
		token    string
		want     bool
	}{
		{lasting, undated, true},
		{expiring, dated, true},
		{lasting, dated, false},
		{expiring, undated, false},
		{expiring, "u-1.1." + dated[len(dated)-64:], false},
		{lasting, "", false},
	} {
		if _, ok := c.sessions.user(bearing("GET", "/", c.token, "")); ok != c.want {
			t.Errorf("%s with ttl %v: %v", c.token, c.sessions.ttl, ok)
		}
	}
}
