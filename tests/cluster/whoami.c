/*
 * tests/cluster/whoami.c — as whom does the API server know the user of a kubeconfig? Prints the
 * name.
 *
 *   whoami KUBECONFIG [CONTEXT]     exits 4 when there is no answer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/clock.h"
#include "adapters/http/http.h"
#include "adapters/kube/client.h"

extern char **environ;

static int ask(struct kube_config *config)
{
    static const struct kube_resource reviews = {"authentication.k8s.io", "v1",
                                                 "selfsubjectreviews", "SelfSubjectReview", true};
    static const char text[] =
        "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}";
    struct http_client *http = http_client_curl_new();
    struct kube_client *client = kube_client_new(config, http, clock_real(), NULL);
    cJSON *review = json_parse(text, strlen(text), NULL), *answer = NULL;
    struct kube_error e;
    int r = kube_create(client, &reviews, review, &answer, &e);

    if (r == 0)
        puts(json_str_or(json_at(answer, "status", "userInfo", NULL), "username", "?"));
    else
        fprintf(stderr, "whoami: %s\n", e.message);
    json_free(review);
    json_free(answer);
    kube_client_free(client);
    http_client_curl_free(http);
    return r == 0 ? 0 : 4;
}

int main(int argc, char **argv)
{
    struct kube_config_source source = {.path_list = argc > 1 ? argv[1] : NULL,
                                        .context = argc > 2 ? argv[2] : NULL,
                                        .environment = environ};
    struct arena *arena = arena_new(0);
    struct kube_config *config = NULL;
    struct diags diags;
    int r;

    diags_init(&diags, arena);
    r = kube_config_load(&source, &diags, &config);
    for (size_t i = 0; i < diags.count; i++)
        diag_print(stderr, &diags.items[i], NULL, 0, false);
    r = r == 0 ? ask(config) : 4;
    kube_config_free(config);
    diags_release(&diags);
    arena_free(arena);
    return r;
}
