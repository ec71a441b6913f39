#!/usr/bin/env bash
# Builds both services into a directory: services/build.sh [OUTDIR], by default .build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../.build}
mkdir -p "$out"
out=$(cd "$out" && pwd)

need() {
  command -v "$1" >/dev/null 2>&1 && return
  echo "services/build.sh: $1 is not installed; get it from $2" >&2
  exit 1
}
need go https://go.dev/dl
need cargo https://rustup.rs

# A running service keeps its file: the new one is moved into place, and only if it differs.
install_new() {
  if cmp -s "$1" "$2"; then rm "$1"; else mv -f "$1" "$2"; fi
}

(cd "$here/go" && go build -trimpath -buildvcs=false -mod=readonly -o "$out/.go-catalogue.$$" ./)
install_new "$out/.go-catalogue.$$" "$out/go-catalogue"

target=${CARGO_TARGET_DIR:-$here/rust/target}
(cd "$here/rust" && cargo build --quiet --release --locked --target-dir "$target")
cp "$target/release/catalogue" "$out/.rust-catalogue.$$"
install_new "$out/.rust-catalogue.$$" "$out/rust-catalogue"
