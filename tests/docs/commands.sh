#!/usr/bin/env bash
# Every command in the documentation does what the page says.
set -u
mapfile -t pages < <(grep -l '^ *```console' README.md CONTRIBUTING.md docs/*.md docs/*/*.md 2>/dev/null)
[ ${#pages[@]} -gt 0 ] || { echo "no page with commands"; exit 1; }
build=${BUILD:-build}
mkdir -p "$build/docs"
rm -f "$build"/docs/night.db*
"$build/tests/test_flight" --write "$build/docs/night.db" >/dev/null || { echo "no flight record"; exit 1; }
scripts/doccheck "${pages[@]}"
