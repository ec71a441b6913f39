package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// durationBounds are the upper bounds of the histogram, in seconds.
var durationBounds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1}

// clockTicks is USER_HZ, 100 on every Linux.
const clockTicks = 100

// metrics counts requests by route pattern, never by path: the labels are bounded.
type metrics struct {
	mu        sync.Mutex
	requests  map[routeStatus]int64
	durations map[string]*durations
}

type routeStatus struct {
	route  string
	status int
}

type durations struct {
	buckets []int64
	count   int64
	sum     float64
}

func newMetrics() *metrics {
	return &metrics{requests: map[routeStatus]int64{}, durations: map[string]*durations{}}
}

func (m *metrics) count(route string, status int, took time.Duration) {
	if route == "" {
		route = "other"
	}
	seconds := took.Seconds()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[routeStatus{route, status}]++
	d := m.durations[route]
	if d == nil {
		d = &durations{buckets: make([]int64, len(durationBounds))}
		m.durations[route] = d
	}
	d.count++
	d.sum += seconds
	for n, bound := range durationBounds {
		if seconds <= bound {
			d.buckets[n]++
		}
	}
}

// serve writes the Prometheus text format, version 0.0.4.
func (m *metrics) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	// A client that went away is all that can fail here.
	_, _ = fmt.Fprint(w, m.text(), processMetrics())
}

func (m *metrics) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	out.WriteString("# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n")
	keys := slices.SortedFunc(maps.Keys(m.requests), func(a, b routeStatus) int {
		return strings.Compare(fmt.Sprint(a.route, a.status), fmt.Sprint(b.route, b.status))
	})
	for _, key := range keys {
		fmt.Fprintf(&out, "http_requests_total{route=%q,status=\"%d\"} %d\n", key.route, key.status, m.requests[key])
	}
	out.WriteString("# HELP http_request_duration_seconds Time from request to answer.\n# TYPE http_request_duration_seconds histogram\n")
	for _, route := range slices.Sorted(maps.Keys(m.durations)) {
		d := m.durations[route]
		for n, bound := range durationBounds {
			fmt.Fprintf(&out, "http_request_duration_seconds_bucket{route=%q,le=\"%v\"} %d\n", route, bound, d.buckets[n])
		}
		fmt.Fprintf(&out, "http_request_duration_seconds_bucket{route=%q,le=\"+Inf\"} %d\n", route, d.count)
		fmt.Fprintf(&out, "http_request_duration_seconds_sum{route=%q} %v\n", route, d.sum)
		fmt.Fprintf(&out, "http_request_duration_seconds_count{route=%q} %d\n", route, d.count)
	}
	return out.String()
}

// processMetrics reads processor time and memory where Linux shows them, else nothing.
func processMetrics() string {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return ""
	}
	// Field 2 is the name in parentheses; the rest is separated by blanks (proc(5)).
	rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return ""
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	return fmt.Sprintf("# HELP process_cpu_seconds_total User and system time.\n"+
		"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %v\n"+
		"# HELP process_resident_memory_bytes Resident memory.\n"+
		"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %d\n",
		(user+system)/clockTicks, pages*int64(os.Getpagesize()))
}
