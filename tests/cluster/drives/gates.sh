#!/usr/bin/env bash
# Gates and switches held by `coalmine loadtester`: a release waits at confirm-rollout and at confirm-promotion until they open, and an
# open rollback switch ends the next one.
. "$(dirname "$0")/../drive.sh"
rights gates --set 'providers={gatewayapi}'
loadtester
operator operator

hook() { echo "{name: $1, type: $1, url: \"$hooks/$2/check\"}"; }
{
    for name in start end; do deployment $name app:1; done
    SERVICE="hosts: [start.example.com], gatewayRefs: [{name: public}]" canary start gatewayapi:v1 \
        "stepWeight: 50, maxWeight: 50, webhooks: [$(hook confirm-rollout gate)]"
    canary end kubernetes "iterations: 1, webhooks: [$(hook confirm-promotion gate), $(hook rollback rollback)]"
} | apply
for name in start end; do phase_of 300 $name Initialized; done
for name in start end; do push $name app:2; done

phase_of 300 start Waiting
want "pods of the version that waits" 0 get deployment start '{.spec.replicas}'
want "the route" "100 0" get httproute start '{.spec.rules[0].backendRefs[*].weight}'
ok "a closed gate holds the rollout back"
gate gate open start
phase_of 300 start Succeeded
want "the primary's image" app:2 image start-primary
want "the route" "100 0" get httproute start '{.spec.rules[0].backendRefs[*].weight}'
ok "an open gate lets it begin"

phase_of 300 end WaitingPromotion
want "the primary's image" app:1 image end-primary
ok "a closed gate holds the promotion back"
gate gate open end
phase_of 300 end Succeeded
want "the primary's image" app:2 image end-primary
ok "an open gate lets it be promoted"

gate gate close end
push end app:3
phase_of 300 end WaitingPromotion
gate rollback open end
phase_of 300 end Failed
want "the primary's image" app:2 image end-primary
want "pods of the refused version" 0 get deployment end '{.spec.replicas}'
ok "an open rollback switch ends the release"
