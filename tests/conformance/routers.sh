#!/bin/sh
# Flagger 1.44's recorded router histories: replayed in profile flagger-1.44, then what must hold of the default one.
set -e
record=$(dirname "$0")/routers-1.44.jsonl.gz
"${BUILD:-build}/conformance-routers" "$record"
"${BUILD:-build}/conformance-routers" --default "$record"
