/*
 * tests/support/opworld.h — the operator inside the simulated cluster, in virtual time: one struct
 * http_client leads into a struct simkube, the other to a metric server and hooks that answer as
 * the test says. Time moves only while every task waits.
 */
#ifndef COALMINE_TEST_OPWORLD_H
#define COALMINE_TEST_OPWORLD_H

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

struct opworld {
    struct simkube *k;
    int64_t start_ms, now_ms; /* virtual: now_ms counts from 0 */
    uint64_t random;
    double metric; /* what every metric query answers */
    /* what a range query answers: samples of 60 s, of the primary where its name stands in the
     * query */
    const double *canary_samples, *primary_samples;
    size_t sample_count;
    double counts[2]
                 [2]; /* [canary, primary][requests, errors]: what a query of increases answers */
    void (*on_hook)(struct opworld *w); /* what happens while a hook is asked; NULL = nothing */
    int hook_calls;                     /* for on_hook */
    struct strbuf queries;              /* "path?query\n" of each metric query */
    bool hooks_allow;                   /* what every hook answers ... */
    int64_t hook_ms;                    /* ... and how long it takes, ... */
    const char *slow_hook;              /* ... where its URL holds this; NULL = all */
    struct strbuf hooks;                /* "phase\n" of each hook called */
    struct strbuf watches; /* "path?query\n" of each watch begun, "- path?query\n" of each ended */
    struct strbuf metrics; /* /metrics of the last operator, at its end */
    uint64_t requests;     /* to the API since the start */
    uint64_t timers;       /* how often time moved on to where a task wanted to wake up */
    const char *late_list; /* the answer to a GET of this path takes late_ms; NULL = none does */
    int64_t late_ms;
    uint64_t kill_at; /* the process dies at this request; 0 = never */
    bool kill_after;  /* once the request has taken effect, its answer unheard */
    bool dead;
    const char *later_path;  /* deleted, or ... */
    const char *later_patch; /* ... given this merge patch, later_ms into the next run, or ... */
    const char *later_yaml;  /* ... these objects are applied then */
    int64_t later_ms;
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
void opworld_init(struct opworld *w, uint64_t seed);
void opworld_release(struct opworld *w);
/* Create or update objects: a file of manifests, or a text. Fails the test when refused. */
void opworld_apply_file(struct opworld *w, const char *path);
void opworld_apply(struct opworld *w, const char *yaml);
/* A request that may be refused; returns the status. PATCH is a merge patch. */
int opworld_try(struct opworld *w, const char *method, const char *path, const char *body);
/* A merge patch by a user. */
void opworld_patch(struct opworld *w, const char *path, const char *json);
void opworld_delete(struct opworld *w, const char *path);
/* The same, so many ms into the next opworld_run. */
void opworld_delete_later(struct opworld *w, const char *path, int64_t ms);
/* Put a text into the status of the Canary podinfo. */
void opworld_set_status(struct opworld *w, const char *member, const char *value);
/*
 * Run an operator until `until_ms` (virtual, from the start of the world), then stop it in order;
 * or until it is killed at w->kill_at. Returns true when it was killed.
 */
bool opworld_run(struct opworld *w, int64_t until_ms);
/* The same, for so long. */
void opworld_run_for(struct opworld *w, int64_t ms);
/* Does the log of the operators so far hold this text? */
bool opworld_said(const struct opworld *w, const char *text);
/* Does the message of any Event hold this text? */
bool opworld_events_hold(struct opworld *w, const char *text);
/* Is there such an object in namespace test? */
bool opworld_has(const struct opworld *w, const char *group, const char *resource,
                 const char *name);
/* A member of a Canary's status as text; "" when absent. Borrowed until the next call. */
const char *opworld_status(struct opworld *w, const char *name, const char *member);

/* Deployment podinfo with one container of the image podinfo:1. */
extern const char opworld_podinfo[];
/*
 * Deployment podinfo, which reads the ConfigMap settings, and a Canary of it with one metric, a
 * gate and an interval of 10 s; `strategy` is more of its analysis.
 */
void opworld_install(struct opworld *w, const char *provider, const char *strategy);
#define OPWORLD_STEPS "    maxWeight: 40\n    stepWeight: 20\n"
#define OPWORLD_BLUE_GREEN "    iterations: 3\n"
/* A release: another image in the first container of a Deployment. */
void opworld_set_image(struct opworld *w, const char *deployment, const char *image);

#endif
