#!/usr/bin/env bash
# coalmine explain says what the files beside this script say. UPDATE=1 writes them anew: read the difference.
set -u
coalmine=${BUILD:-build}/coalmine
cd tests/golden/explain || exit 1
coalmine=../../../$coalmine
[ -x "$coalmine" ] || coalmine=${BUILD:-build}/coalmine # an absolute BUILD
failed=0
for file in *.yaml; do
    want=${file%.yaml}.txt
    got=$("$coalmine" explain "$file") || { echo "$file: exit $?"; failed=1; }
    [ -z "${UPDATE-}" ] || printf '%s\n' "$got" >"$want"
    printf '%s\n' "$got" | diff -u "$want" - || failed=1
    want=${file%.yaml}.md
    [ -z "${UPDATE-}" ] || "$coalmine" explain --output markdown "$file" >"$want"
    "$coalmine" explain --output markdown "$file" | diff -u "$want" - || failed=1
    "$coalmine" explain --output json "$file" | jq -e 'length >= 1 and all(.ticks | length > 0)' >/dev/null ||
        { echo "$file: JSON"; failed=1; }
done
expect() { # EXIT TEXT WORDS...
    want=$1 text=$2
    shift 2
    got=$("$coalmine" explain "$@" 2>&1)
    rc=$?
    if [ $rc -ne "$want" ] || [[ $got != *"$text"* ]]; then
        echo "explain $*: exit $rc, said: $got"
        failed=1
    fi
}
expect 3 'No such file' nosuchfile.yaml
expect 3 'no Canary' <(echo 'kind: ConfigMap')
expect 3 'did you mean stepWeight' <(sed 's/stepWeight:/stepWieght:/' linear.yaml)
expect 2 'did you mean keep-revision' --deviate keep-revisions linear.yaml
expect 0 'never promoted' --profile flagger-1.44 falling-steps.yaml
expect 0 'shortest time to promote' --profile flagger-1.44 --deviate increasing-steps falling-steps.yaml
exit $failed
