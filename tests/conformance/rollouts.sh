#!/bin/sh
# The engine in profile flagger-1.44 repeats every recorded rollout.
exec "${BUILD:-build}/conformance" tests/conformance/flagger-1.44.jsonl.gz
