#!/bin/sh
# Flagger 1.44's recorded router histories, replayed in profile flagger-1.44.
exec "${BUILD:-build}/conformance-routers" "$(dirname "$0")/routers-1.44.jsonl.gz"
