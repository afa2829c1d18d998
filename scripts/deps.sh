#!/bin/sh
# Install what a target needs on Debian 12, by package name, and only what is missing.
#   scripts/deps.sh GROUP...     groups: build check fuzz report web cluster
set -eu
packages() {
    case $1 in
    build) echo gcc libc6-dev libyaml-dev libcjson-dev libcurl4-openssl-dev libsqlite3-dev libmicrohttpd-dev libssl-dev zlib1g-dev pkg-config ;;
    report) echo gnuplot-nox ;;
    check) echo check sqlite3 jq binutils gnuplot-nox prometheus zlib1g-dev ;;
    fuzz) echo clang libclang-rt-14-dev valgrind ;;
    web) echo chromium perl ;;
    cluster) echo curl haproxy iproute2 jq openssl procps prometheus unzip util-linux wrk ;;
    *) echo "deps.sh: no group '$1'" >&2; exit 2 ;;
    esac
}
missing=
for group in "$@"; do
    for package in $(packages "$group"); do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "deps.sh: please install:$missing" >&2
    exit 1
fi
run=
[ "$(id -u)" -eq 0 ] || run=sudo
echo "installing$missing" >&2
$run apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing >/dev/null
