#!/usr/bin/env bash
# The examples of docs/ci do what they say: each is run on a good and on a bad repository.
set -u
build=$(realpath "${BUILD:-build}")
here=$PWD/docs/ci
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH="$build:$PATH"
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# The `run:` line of the step whose name is $1, of a workflow.
step() { awk -v name="$1" '$0 ~ "name: " name "$" {on = 1} on && /run: / {sub(/.*run: /, ""); print; exit}' "$here/github-workflow.yml"; }
script() { awk '/^  script:/ {on = 1; next} on && /^    - / {sub(/^    - /, ""); print; next} on {exit}' "$here/gitlab-ci.yml"; }

mkdir -p "$work/good/deploy" "$work/bad/deploy"
cp docs/checks/base.yaml "$work/good/deploy/canary.yaml"
sed 's/stepWeight: 10/stepWeight: 110/' docs/checks/base.yaml >"$work/bad/deploy/canary.yaml"

for which in good bad; do
    want=$([ $which = good ] && echo 0 || echo 1)
    cd "$work/$which" || exit 1
    bash -ec "$(step 'Check Canaries')" >github.out; rc=$?
    [ $rc = "$want" ] || fail "GitHub step on the $which repository: exit $rc"
    bash -ec "$(step 'Write SARIF')" 2>/dev/null || fail "GitHub SARIF step"
    jq -e '.version == "2.1.0" and (.runs[0].results | length) == '"$want" coalmine.sarif >/dev/null || fail "SARIF on $which"
    bash -ec "$(script)" 2>/dev/null; rc=$?
    [ $rc = "$want" ] || fail "GitLab script on the $which repository: exit $rc"
    grep -q '<testsuites' coalmine.xml || fail "GitLab report"
    entry=$(awk '/entry:/ {sub(/.*entry: /, ""); print}' "$here/pre-commit-config.yaml")
    $entry deploy/canary.yaml >/dev/null; rc=$?
    [ $rc = "$want" ] || fail "pre-commit entry on the $which repository: exit $rc"

    git init -q . && git config user.email a@b && git config user.name a
    cp "$here/git-hook.sh" .git/hooks/pre-commit
    git add deploy
    git commit -qm x >/dev/null 2>&1; rc=$?
    [ $rc = "$want" ] || fail "git hook on the $which repository: exit $rc"

    mkdir -p overlays/prod bin
    cp deploy/canary.yaml overlays/prod/
    printf '#!/bin/sh\nexec cat "$2"/*.yaml\n' >bin/kustomize
    chmod +x bin/kustomize
    PATH="$PWD/bin:$PATH" make -s -f "$here/example.mk" check-canaries >/dev/null 2>&1; rc=$?
    [ $rc = "$((want * 2))" ] || fail "Makefile on the $which repository: exit $rc"
done
grep -q '::error file=deploy/canary.yaml,line=19,col=17,title=CM101' "$work/bad/github.out" || fail "no annotation"
[ $failed = 0 ] && echo "docs/ci: every example does what it says"
exit $failed
