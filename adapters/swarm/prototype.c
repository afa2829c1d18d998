/* What lives begin with: a cluster with namespace, rights and the kinds of the meshes; stacks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/arena.h"
#include "adapters/base/diag.h"
#include "adapters/check/embedded.h"
#include "adapters/manifest/node.h"
#include "adapters/swarm/life.h"

#define START_MS 1767225600000
#define STACKS_KEPT 64 /* a life takes a dozen or two */

static const char mesh_crd[] =
    "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
    "\"metadata\":{\"name\":\"%s.%s\"},\"spec\":{\"group\":\"%s\",\"scope\":\"Namespaced\","
    "\"names\":{\"plural\":\"%s\",\"singular\":\"%s\",\"kind\":\"%s\"},\"versions\":[{"
    "\"name\":\"%s\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":"
    "{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]}}";

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define RBAC "/apis/rbac.authorization.k8s.io/v1/"
#define RBAC_HEAD "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":"

static bool add_crds(struct simkube *k)
{
    bool good = true;

    for (const struct embedded_file *f = embedded_crds; f->name && good; f++) {
        struct arena *arena = arena_new(0);
        struct documents docs = {0};
        struct diags diags;

        diags_init(&diags, arena);
        good = node_parse_all(arena, &diags, f->name, (const char *)f->bytes, f->len, NULL,
                              &docs) == 0;
        for (size_t i = 0; good && i < docs.count; i++) {
            cJSON *crd = node_to_json(docs.items[i].root);
            char *body = json_print(crd);

            good = body && admin_ask(k, "POST", CRDS, NULL, body) < 300;
            free(body);
            json_free(crd);
        }
        diags_release(&diags);
        arena_free(arena);
    }
    return good;
}

static const struct mesh_kind {
    const char *group, *version, *plural, *singular, *kind;
} mesh_kinds[] = {
    {"networking.istio.io", "v1beta1", "virtualservices", "virtualservice", "VirtualService"},
    {"networking.istio.io", "v1beta1", "destinationrules", "destinationrule", "DestinationRule"},
    {"gateway.networking.k8s.io", "v1", "httproutes", "httproute", "HTTPRoute"},
    {"projectcontour.io", "v1", "httpproxies", "httpproxy", "HTTPProxy"},
    {"traefik.io", "v1alpha1", "traefikservices", "traefikservice", "TraefikService"},
};

static bool add_meshes(struct simkube *k)
{
    char body[1024];

    for (size_t i = 0; i < sizeof(mesh_kinds) / sizeof(mesh_kinds[0]); i++) {
        const struct mesh_kind *m = &mesh_kinds[i];

        snprintf(body, sizeof(body), mesh_crd, m->plural, m->group, m->group, m->plural,
                 m->singular, m->kind, m->version);
        if (admin_ask(k, "POST", CRDS, NULL, body) >= 300)
            return false;
    }
    return true;
}

static struct simkube *prototype(void)
{
    struct simkube_config config = {.seed = 1, .start_ms = START_MS};
    struct simkube *k = simkube_new(&config);
    bool good = k && add_crds(k) && add_meshes(k);

    good =
        good &&
        admin_ask(k, "POST", "/api/v1/namespaces", NULL,
                  "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" SWARM_NS
                  "\"}}") < 300 &&
        admin_ask(k, "POST", RBAC "clusterroles", NULL,
                  RBAC_HEAD
                  "\"ClusterRole\",\"metadata\":{\"name\":\"operator\"},\"rules\":["
                  "{\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"verbs\":[\"*\"]}]}") < 300 &&
        admin_ask(k, "POST", RBAC "clusterrolebindings", NULL,
                  RBAC_HEAD
                  "\"ClusterRoleBinding\",\"metadata\":{\"name\":\"operator\"},\"roleRef\":"
                  "{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\","
                  "\"name\":\"operator\"},\"subjects\":[{\"kind\":\"Group\",\"apiGroup\":"
                  "\"rbac.authorization.k8s.io\",\"name\":\"system:authenticated\"}]}") < 300;
    if (!good) {
        simkube_free(k);
        return NULL;
    }
    simkube_advance(k, START_MS + 1000);
    return k;
}

struct swarm *swarm_new(void)
{
    struct swarm *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->cluster = prototype();
    if (s->cluster == NULL || !swarm_new_stacks(s)) {
        swarm_free(s);
        return NULL;
    }
    return s;
}

void swarm_free(struct swarm *s)
{
    if (s == NULL)
        return;
    simkube_free(s->cluster);
    fiber_pool_free(s->stacks);
    free(s);
}

struct simkube *swarm_cluster(const struct swarm *s)
{
    return s->cluster;
}

bool swarm_new_stacks(struct swarm *s)
{
    s->stacks = fiber_pool_new(0);
    if (s->stacks == NULL)
        return false;
    fiber_pool_keep(s->stacks, STACKS_KEPT);
    return true;
}
