#!/bin/sh
# .git/hooks/pre-commit, without any framework: check what is about to be committed under deploy/.
set -eu
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git diff --cached --name-only --diff-filter=ACM -- 'deploy/*.yaml' 'deploy/*.yml' |
    git checkout-index --prefix="$tree/" --stdin
[ -d "$tree/deploy" ] || exit 0
cd "$tree" && coalmine check --fail-on warning deploy/
