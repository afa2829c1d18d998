/*
 * tests/support/simworld.h — the operator inside the simulated cluster, in virtual time: one struct
 * http_client leads into a struct simkube, the other to a metric server and hooks that answer as
 * the test says. Time moves only while every task waits.
 */
#ifndef COALMINE_TEST_SIMWORLD_H
#define COALMINE_TEST_SIMWORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/clock.h"
#include "adapters/base/strbuf.h"
#include "adapters/http/http.h"
#include "adapters/http/task.h"
#include "adapters/kube/client.h"
#include "adapters/kube/config.h"
#include "adapters/operator/operator.h"
#include "sim/kube/api.h"

struct simworld {
    struct simkube *k;
    int64_t start_ms, now_ms; /* virtual: now_ms counts from 0 */
    uint64_t random;
    double metric;       /* what every metric query answers */
    bool hooks_allow;    /* what every hook answers */
    struct strbuf hooks; /* "phase\n" of each hook called */
    uint64_t requests;   /* to the API since the start */
    uint64_t kill_at;    /* the process dies at this request; 0 = never */
    bool dead;
    struct gate moved;
    /* one life of the operator */
    struct tasks *tasks;
    struct clock clock;
    struct http_client api, web;
    struct kube_config *config;
    struct kube_client *kube;
    struct operator* op;
    struct operator_options options;
    struct strbuf log;
};

/* A cluster with the project's CRDs and Istio's two kinds. */
void simworld_init(struct simworld *w, uint64_t seed);
void simworld_release(struct simworld *w);
/* Create or update objects: a file of manifests, or a text. Fails the test when refused. */
void simworld_apply_file(struct simworld *w, const char *path);
void simworld_apply(struct simworld *w, const char *yaml);
/* A merge patch by a user. */
void simworld_patch(struct simworld *w, const char *path, const char *json);
void simworld_delete(struct simworld *w, const char *path);
/*
 * Run an operator until `until_ms` (virtual, from the start of the world), then stop it in order;
 * or until it is killed at w->kill_at. Returns true when it was killed.
 */
bool simworld_run(struct simworld *w, int64_t until_ms);
/* A member of a Canary's status as text; "" when absent. Borrowed until the next call. */
const char *simworld_status(struct simworld *w, const char *name, const char *member);

#endif
