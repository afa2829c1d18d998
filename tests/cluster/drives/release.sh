#!/usr/bin/env bash
# First installs and releases, judged by a real Prometheus on real requests: a canary and a blue/green succeed, a canary that answers
# with errors is rolled back, an A/B test sends only its visitors to the new version. Hooks run commands in the load tester.
. "$(dirname "$0")/../drive.sh"
rights release --set 'providers={istio}'
loadtester
operator operator

smoke="webhooks: [{name: smoke, type: pre-rollout, url: \"$hooks/\", timeout: 30s, metadata: {type: bash, cmd: \"curl -sf $SHOP/$ns/smoke\"}}]"
ladder="stepWeight: 25, maxWeight: 50"
{
    for name in good bad green ab; do deployment $name app:1; done
    canary good istio "$ladder, $success_rate, $smoke"
    canary bad istio "$ladder, $success_rate, $smoke"
    canary green kubernetes "iterations: 2, $success_rate, $smoke"
    canary ab istio "iterations: 3, match: [{headers: {cookie: {regex: \"^(.*?;)?(canary=always)(;.*)?\$\"}}}], $success_rate, $smoke"
} | apply
for name in good bad green ab; do phase_of 300 $name Initialized; done
for name in good bad green ab; do
    want "$name: pods of the target at rest" 0 get deployment $name '{.spec.replicas}'
    want "$name: pods of the primary" 2 get deployment $name-primary '{.status.readyReplicas}'
    want "$name: the apex Service" $name-primary get service $name '{.spec.selector.app}'
done
want "the route at rest" "100 0" get virtualservices.networking.istio.io good '{.spec.http[0].route[*].weight}'
ok "first install"

traffic good bad green ab
errors bad 50
for name in good bad green ab; do push $name app:2; done
await 300 "the visitors of the A/B test see the new version" is "ab-canary 100" get virtualservices.networking.istio.io ab \
    '{.spec.http[0].route[?(@.weight==100)].destination.host} {.spec.http[0].route[?(@.weight==100)].weight}'
want "the visitors" '^(.*?;)?(canary=always)(;.*)?$' get virtualservices.networking.istio.io ab '{.spec.http[0].match[0].headers.cookie.regex}'
want "all others" "ab-primary 100" get virtualservices.networking.istio.io ab '{.spec.http[1].route[0].destination.host} {.spec.http[1].route[0].weight}'
ok "A/B: only its visitors see the new version"

phase_of 400 good Succeeded
want "the primary's image" app:2 image good-primary
want "the route" "100 0" get virtualservices.networking.istio.io good '{.spec.http[0].route[*].weight}'
ok "a good canary is promoted"
phase_of 400 bad Failed
want "the primary's image" app:1 image bad-primary
want "the route" "100 0" get virtualservices.networking.istio.io bad '{.spec.http[0].route[*].weight}'
want "pods of the bad version" 0 get deployment bad '{.spec.replicas}'
kn get events -o jsonpath='{range .items[*]}{.message}{"\n"}{end}' | grep -qE '^Halt bad.release advancement success rate (49|50|51)[.0-9]*% < 99%' ||
    fail "no event tells of the success rate that Prometheus saw"
ok "a bad canary is rolled back by its success rate"
phase_of 400 green Succeeded
want "the primary's image" app:2 image green-primary
ok "a blue/green is promoted"
phase_of 400 ab Succeeded
want "the primary's image" app:2 image ab-primary
want "the routes after the test" "100 0" get virtualservices.networking.istio.io ab '{.spec.http[0].route[*].weight}'
ok "an A/B test is promoted"
curl -sf --noproxy '*' "$SHOP/metrics" | grep -q 'workload="smoke",response_code="200"} [4-9]' || fail "the smoke tests did not reach the shop"
ok "each release had its smoke test"
