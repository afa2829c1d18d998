#!/usr/bin/env bash
# Each provider releases under the rights that the chart gives for that provider alone. Where the mesh has a CRD in a Go module it is the real
# one; for the others a CRD that takes anything stands in.
. "$(dirname "$0")/../drive.sh"
base=$ns
crd() { # GROUP VERSION KIND PLURAL [SCOPE]
    cat <<C
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $4.$1}
spec: {group: $1, scope: ${5:-Namespaced}, names: {kind: $3, plural: $4}, versions: [{name: $2, served: true, storage: true,
  schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}
C
}
{
    crd appmesh.k8s.aws v1beta2 VirtualNode virtualnodes
    crd appmesh.k8s.aws v1beta2 VirtualRouter virtualrouters
    crd appmesh.k8s.aws v1beta2 VirtualService virtualservices
    crd split.smi-spec.io v1alpha2 TrafficSplit trafficsplits
    crd gloo.solo.io v1 Upstream upstreams
    crd gateway.solo.io v1 RouteTable routetables
    crd kuma.io v1alpha1 TrafficRoute trafficroutes Cluster
    crd apisix.apache.org v2 ApisixRoute apisixroutes
} | k apply -f - >/dev/null || fail "the stand-in CRDs were refused"
k wait --for=condition=Established crd --all --timeout=120s >/dev/null || fail "a stand-in CRD is not established"

ingress() { # CLASS
    cat <<I
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app, annotations: {kubernetes.io/ingress.class: $1}}
spec: {rules: [{host: app.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}
I
}
apisix_route() {
    cat <<A
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: app}
spec: {http: [{name: app, match: {hosts: [app.example.com], paths: [/*]}, backends: [{serviceName: app, servicePort: 80}]}]}
A
}
ingress_ref="ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: app}"
install() { # PROVIDER VALUE: an operator with the rights of VALUE alone, and a Canary of PROVIDER
    ns=$base-$2
    k create namespace "$ns" >/dev/null 2>&1
    rights "$2" --set "providers={$2}"
    operator "$2"
    deployment app app:1 | apply
    case $2 in
    nginx | skipper)
        ingress "$2"
        canary app "$1" "stepWeight: 50, maxWeight: 50" "$ingress_ref"
        ;;
    apisix)
        apisix_route
        canary app "$1" "stepWeight: 50, maxWeight: 50" "routeRef: {apiVersion: apisix.apache.org/v2, kind: ApisixRoute, name: app}"
        ;;
    gatewayapi) SERVICE="hosts: [app.example.com], gatewayRefs: [{name: public}]" canary app "$1" "stepWeight: 50, maxWeight: 50" ;;
    appmesh) SERVICE="meshName: global" canary app "$1" "stepWeight: 50, maxWeight: 50" ;;
    *) canary app "$1" "stepWeight: 50, maxWeight: 50" ;;
    esac | apply
}
values=(istio gatewayapi appmesh smi contour gloo nginx skipper traefik kuma apisix)
providers=(istio gatewayapi:v1 appmesh:v1beta2 smi:v1alpha2 contour gloo nginx skipper traefik kuma apisix)
for i in "${!values[@]}"; do install "${providers[i]}" "${values[i]}"; done
for value in "${values[@]}"; do
    ns=$base-$value
    phase_of 300 app Initialized
    # an edited Canary: what was made of it follows
    edit='"port": 8080, "timeout": "7s", "apex": {"labels": {"team": "a"}}'
    case $value in
    istio) edit="$edit, \"trafficPolicy\": {\"tls\": {\"mode\": \"DISABLE\"}}" ;;
    gloo)
        echo "{apiVersion: gloo.solo.io/v1, kind: Upstream, metadata: {name: settings}, spec: {loadBalancerConfig: {roundRobin: {}}}}" | apply
        kn patch canary app --type merge -p '{"spec": {"upstreamRef": {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "settings"}}}' >/dev/null ||
            fail "no upstreamRef"
        # before the port changes: an Upstream's name ends in it, and a new one is created with the settings
        for role in primary canary; do
            await 120 "the $role's Upstream takes the settings" is '{"roundRobin":{}}' \
                get upstreams.gloo.solo.io "$ns-app-${role}upstream-80" '{.spec.loadBalancerConfig}'
        done
        ;;
    esac
    kn patch canary app --type merge -p "{\"spec\": {\"service\": {$edit}}}" >/dev/null || fail "the edit was refused"
    await 120 "the apex Service follows the Canary" is 8080 get service app '{.spec.ports[0].port}'
    push app app:2
done
for value in "${values[@]}"; do
    ns=$base-$value
    phase_of 300 app Succeeded
    want "the primary's image" app:2 image app-primary
    echo "ok providers: $value under its own rights"
done
for value in "${values[@]}"; do
    ns=$base-$value
    kn patch canary app --type merge -p '{"spec": {"revertOnDeletion": true}}' >/dev/null
done
for value in "${values[@]}"; do
    ns=$base-$value
    await 60 "the finalizer" is finalizer.flagger.app get canary app '{.metadata.finalizers[0]}'
    kn delete canary app --wait=false >/dev/null
done
gone() { ! kn get canary app; }
for value in "${values[@]}"; do
    ns=$base-$value
    await 120 "the Canary is deleted" gone
    want "pods of the target" 2 get deployment app '{.spec.replicas}'
done
ok "each is deleted with a revert"
