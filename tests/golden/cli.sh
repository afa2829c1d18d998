#!/usr/bin/env bash
# The texts made from the table of verbs: the reference page is up to date, every verb has its help, the man
# page renders without a warning, the completions are valid shell.
set -u
coalmine=${BUILD:-build}/coalmine
failed=0
fail() { echo "$*"; failed=1; }

"$coalmine" help --markdown | diff -u docs/reference/cli.md - ||
    fail "docs/reference/cli.md is out of date: $coalmine help --markdown > docs/reference/cli.md"
for verb in $("$coalmine" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    "$coalmine" "$verb" --help >/dev/null || fail "coalmine $verb --help: exit $?"
    "$coalmine" "$verb" --help | grep -q "^Usage: coalmine $verb " || fail "coalmine $verb --help: no usage"
    "$coalmine" "$verb" --help | grep -q '^Exit status:' || fail "coalmine $verb --help: no exit status"
    "$coalmine" "$verb" --no-such-option >/dev/null 2>&1
    [ $? -eq 2 ] || fail "coalmine $verb --no-such-option: not 2"
done
"$coalmine" help --completion bash | bash -n || fail "bash completion"
command -v zsh >/dev/null && { "$coalmine" help --completion zsh | zsh -n || fail "zsh completion"; }
command -v man >/dev/null && {
    warnings=$("$coalmine" help --man | man --warnings -l - 2>&1 >/dev/null | head -5)
    [ -z "$warnings" ] || fail "man page: $warnings"
}
words() { # what bash offers behind these words
    bash -c "$("$coalmine" help --completion bash 2>/dev/null)"'
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _coalmine; printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}
words coalmine hel | grep -qx help || fail "bash does not complete a verb"
words coalmine help --comp | grep -qx -- --completion || fail "bash does not complete an option"
words coalmine help --completion z | grep -qx zsh || fail "bash does not complete a choice"

expect() { # EXIT STDERR-LINE WORDS...
    want=$1 line=$2
    shift 2
    got=$("$coalmine" "$@" 2>&1 >/dev/null)
    rc=$?
    [ "$rc" -eq "$want" ] || fail "coalmine $*: exit $rc, want $want"
    [ "$(printf %s "$got" | head -n 1)" = "$line" ] || fail "coalmine $*: said: $got"
}
expect 0 '' --help
expect 0 '' --version
expect 2 "coalmine: no verb 'hlep'; did you mean help?" hlep
expect 2 "coalmine: no option '--hepl'" --hepl
expect 2 "coalmine help: no verb 'nosuchverb'" help nosuchverb
# names of deviations in a cluster are for those who make its objects
expect 2 "coalmine simulate: --comply=drop-pause: is about objects in a cluster: 'operator' and 'render' take it" \
    simulate scenarios/demo/good.yaml --comply drop-pause
expect 2 "coalmine render: --deviate=drop-pose: no such deviation; did you mean drop-pause?" \
    render --deviate drop-pose tests/golden/render/kubernetes.yaml
expect 0 '' render --comply reset-weights --comply own-annotations --deviate keep-revision tests/golden/render/kubernetes.yaml
# flags of Flagger, with one dash, booleans as Go reads them
expect 0 '' operator -enable-config-tracking -enable-leader-election=T -no-cross-namespace-refs=false -v=2 -logtostderr -version
# every flag of Flagger 1.44's cmd/flagger/main.go
expect 0 '' operator -kubeconfig k -kubeconfig-qps 1 -kubeconfig-burst 2 -master http://m -metrics-server http://p \
    -control-loop-interval 15s -log-level debug -port 1 -slack-url http://s -slack-token t -slack-proxy-url http://x \
    -slack-user u -slack-channel c -event-webhook http://e -msteams-url http://t -msteams-proxy-url http://x \
    -include-label-prefix '*' -threadiness 3 -zap-replace-globals -zap-encoding console -namespace n -mesh-provider istio \
    -selector-labels app -ingress-annotations-prefix i -ingress-class c -enable-leader-election \
    -leader-election-namespace l -enable-config-tracking=false -kubeconfig-service-mesh m -cluster-name c \
    -no-cross-namespace-refs=true -version
expect 2 "coalmine operator: --enable-config-tracking=maybe: must be one of true|false" operator -enable-config-tracking=maybe
"$coalmine" --help >/dev/full 2>/dev/null
[ $? -eq 4 ] || fail "a full disk is not exit 4"
exit $failed
