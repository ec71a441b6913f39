#!/usr/bin/env bash
# The demo: recorded requests against the real Go service and its real Rust rewrite.
# Ends with 0 when it ran to its end, whatever it found; prints the exit code shadow gave.
set -u
cd "$(dirname "$0")/.."
shadow=.venv/bin/shadow
pids=()

finish() {
    for pid in "${pids[@]:-}"; do
        [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    [ -n "${compose:-}" ] && docker compose stop go go-secondary rust >/dev/null 2>&1
}
trap finish EXIT

# start NAME BINARY: starts a service on a free port and sets `url`.
start() {
    local log=.build/$1.log
    ADDR=127.0.0.1:0 "$2" >"$log" 2>&1 &
    pids+=("$!")
    for _ in $(seq 100); do
        url=http://$(sed -n 's/^listening on //p' "$log")
        [ "$url" != http:// ] && return 0
        kill -0 "$!" 2>/dev/null || break
        sleep 0.1
    done
    echo "$1 did not start; it said:"
    cat "$log"
    exit 4
}

report_code() {
    local code=$1
    echo
    echo "shadow ended with exit code $code (0 nothing fails, 1 something diverges, 3 inconclusive)."
    [ "$code" -le 1 ] || [ "$code" -eq 3 ] || exit "$code"
    exit 0
}

if command -v go >/dev/null && command -v cargo >/dev/null; then
    make --no-print-directory services || exit 4
    start go .build/go-catalogue; go_url=$url
    start go-2 .build/go-catalogue; second_url=$url
    start rust .build/rust-catalogue; rust_url=$url
elif docker info >/dev/null 2>&1; then
    echo "No Go or Rust toolchain here: the services run in containers."
    compose=yes
    docker compose up --build --detach --wait go go-secondary rust || exit 4
    go_url=http://127.0.0.1:8080 rust_url=http://127.0.0.1:8081 second_url=http://127.0.0.1:8082
else
    echo "No Go and Rust toolchains and no Docker engine here, so nothing is sent:"
    echo "shadow demo compares two recorded captures of the same services instead."
    "$shadow" demo
    report_code $?
fi

"$shadow" replay replay_data/catalogue.jsonl.gz --go "$go_url" --rust "$rust_url" \
    --secondary "$second_url" --config replay_data/shadow.toml --allow-writes
report_code $?
