/* coalmine check --kubeconfig: the same checks on what is in a cluster. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/base/yaml_out.h"
#include "adapters/cli/check_cluster.h"
#include "adapters/kube/client.h"

extern char **environ;

static const struct kube_resource ingresses = {"networking.k8s.io", "v1", "ingresses", "Ingress",
                                               false};
static const struct kube_resource scaled_objects = {"keda.sh", "v1alpha1", "scaledobjects",
                                                    "ScaledObject", false};
static const struct kube_resource knative_services = {"serving.knative.dev", "v1", "services",
                                                      "Service", false};

/* What is read, in the order of the findings. Of Secrets only the names are asked for. */
static const struct {
    const struct kube_resource *resource;
    bool optional, names_only;
} wanted[] = {
    {&kube_canaries, false, false},
    {&kube_metric_templates, false, false},
    {&kube_alert_providers, false, false},
    {&kube_deployments, false, false},
    {&kube_daemonsets, false, false},
    {&kube_horizontal_pod_autoscalers, false, false},
    {&ingresses, false, false},
    {&scaled_objects, true, false},
    {&knative_services, true, false},
    {&kube_secrets, false, true},
};

struct reading {
    struct check *c;
    const struct kube_resource *resource;
    int rc;
};

static bool on_item(void *ctx, cJSON *item)
{
    struct reading *r = ctx;
    struct strbuf text = STRBUF_INIT, name = STRBUF_INIT;
    cJSON *metadata = json_get(item, "metadata");

    json_remove(metadata, "managedFields");
    if (r->resource == &kube_secrets) { /* metadata alone comes as PartialObjectMetadata */
        json_set_str(item, "apiVersion", "v1");
        json_set_str(item, "kind", "Secret");
    }
    strbuf_addf(&name, "%s/%s/%s", json_str_or(metadata, "namespace", "-"), r->resource->plural,
                json_str_or(metadata, "name", "-"));
    yaml_write(&text, item);
    r->rc = check_add(r->c, strbuf_str(&name), strbuf_str(&text), text.len);
    strbuf_release(&text);
    strbuf_release(&name);
    json_free(item);
    return r->rc == 0;
}

static bool read_all_kinds(struct check *c, struct kube_client *client, const char *ns)
{
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct kube_list_options options = {.metadata_only = wanted[i].names_only};
        struct reading r = {c, wanted[i].resource, 0};
        struct kube_error error;
        int rc = kube_list(client, wanted[i].resource, ns, &options, on_item, &r, NULL, &error);

        if (rc == -ENOENT && wanted[i].optional)
            continue;
        if (rc || r.rc) {
            fprintf(stderr, "coalmine check: %s: %s\n", wanted[i].resource->plural,
                    rc ? error.message : strerror(-r.rc));
            return false;
        }
    }
    return true;
}

static void print_diags(const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++)
        diag_print(stderr, &diags->items[i], NULL, 0, false);
}

bool check_cluster(struct check *c, const struct args *args)
{
    struct kube_config_source source = {
        .path = args_get(args, "kubeconfig", NULL),
        .path_list = getenv("KUBECONFIG"),
        .home = getenv("HOME"),
        .context = args_get(args, "context", NULL),
        .service_host = getenv("KUBERNETES_SERVICE_HOST"),
        .service_port = getenv("KUBERNETES_SERVICE_PORT"),
        .environment = environ,
    };
    struct arena *arena = arena_new(0);
    struct kube_config *config = NULL;
    struct http_client *http = http_client_curl_new();
    struct kube_client *client = NULL;
    struct diags diags;
    bool ok = false;
    int rc;

    if (arena == NULL || http == NULL)
        goto out;
    diags_init(&diags, arena);
    rc = kube_config_load(&source, &diags, &config);
    print_diags(&diags);
    diags_release(&diags);
    if (rc == 0)
        client = kube_client_new(config, http, clock_real(), NULL);
    else
        fprintf(stderr, "coalmine check: no cluster: %s\n",
                rc == -ENOENT ? "there is no kubeconfig" : strerror(-rc));
    if (client)
        ok = read_all_kinds(c, client, args_get(args, "namespace", NULL));
out:
    kube_client_free(client);
    kube_config_free(config);
    if (http)
        http_client_curl_free(http);
    arena_free(arena);
    return ok;
}
