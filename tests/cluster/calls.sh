#!/bin/sh
# The call list against a real control plane: it must answer as recorded (RECORD=1 writes the record anew), and so must the
# simulated one. calls.sh [DIR | KUBECONFIG]: DIR is where `up` put a running control plane and its kubeconfig; without it one
# is started and stopped.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-build}
work=$(mktemp -d)
dir=${1-}
[ ! -f "$dir" ] || dir=$(dirname "$dir")
stop() { [ -n "${1-}" ] || "$here/down" "$work/cluster" 2>/dev/null || true; rm -rf "$work"; }
trap 'stop "$dir"' EXIT

if [ -z "$dir" ]; then
    bin=${BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/coalmine/cluster}
    [ -x "$bin/kube-apiserver" ] || command -v go >/dev/null || { echo "no control plane is built and Go is missing"; exit 77; }
    PORT=${PORT:-31443} "$here/up" "$work/cluster" >"$work/up.log" 2>&1 </dev/null || { cat "$work/up.log"; exit 1; }
    at=$work/cluster
else
    at=$dir
fi
url=$(sed -n 's/.*server: "\([^"]*\)".*/\1/p' "$at/admin.kubeconfig")
"$build/calls" "$here/calls.jsonl" "$url" "$(cut -d, -f1 "$at/tokens.csv")" "$at/ca.crt" >"$work/real"
[ -z "${RECORD-}" ] || cp "$work/real" "$here/calls.recorded"
diff -u "$here/calls.recorded" "$work/real"
"$build/calls" "$here/calls.jsonl" sim >"$work/sim"
diff -u "$work/real" "$work/sim"
echo "$(wc -l <"$work/real") calls answered alike by the real and the simulated cluster"
