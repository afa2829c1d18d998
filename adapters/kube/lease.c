#include "adapters/kube/lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/time.h"

#define LEASE_MS_DEFAULT 60000
#define RENEW_DEADLINE_MS_DEFAULT 15000
#define RETRY_MS_DEFAULT 5000

struct lease {
    struct kube_client *client;
    const struct clock *clock;
    struct lease_options options;
    char *ns, *name, *identity;
    cJSON *record;       /* the Lease as we saw it last, or NULL */
    int64_t observed_ms; /* when it last changed, by our clock */
    char *told;          /* the holder on_leader was last told of */
    bool leading, stop;
    int64_t renewed_ms; /* when the last successful write of ours was begun */
};

struct lease *lease_new(struct kube_client *c, const struct lease_options *options)
{
    struct lease *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->client = c;
    l->clock = kube_client_clock(c);
    l->options = *options;
    l->ns = strdup(options->ns);
    l->name = strdup(options->name);
    l->identity = strdup(options->identity);
    if (!l->ns || !l->name || !l->identity) {
        lease_free(l);
        return NULL;
    }
    if (l->options.lease_ms <= 0)
        l->options.lease_ms = LEASE_MS_DEFAULT;
    if (l->options.renew_deadline_ms <= 0)
        l->options.renew_deadline_ms = RENEW_DEADLINE_MS_DEFAULT;
    if (l->options.retry_ms <= 0)
        l->options.retry_ms = RETRY_MS_DEFAULT;
    return l;
}

void lease_free(struct lease *l)
{
    if (!l)
        return;
    json_free(l->record);
    free(l->ns);
    free(l->name);
    free(l->identity);
    free(l->told);
    free(l);
}

static int64_t now_ms(const struct lease *l)
{
    return l->clock->mono_ms(l->clock->self);
}

/* When we stop calling ourselves leader: before anybody else may begin to. */
static int64_t held_until_ms(const struct lease *l)
{
    int64_t patience = l->options.retry_ms + l->options.renew_deadline_ms;
    int64_t safe = l->options.lease_ms - l->options.retry_ms;

    return l->renewed_ms + (patience < safe ? patience : safe);
}

bool lease_is_held(const struct lease *l)
{
    return l->leading && now_ms(l) < held_until_ms(l);
}

const char *lease_holder(const struct lease *l)
{
    return json_str_or(json_get(l->record, "spec"), "holderIdentity", "");
}

/* ---- the record
 * ------------------------------------------------------------------------------------------ */

/* Takes over `record`. */
static void observe(struct lease *l, cJSON *record)
{
    if (!l->record || !json_equal(json_get(l->record, "spec"), json_get(record, "spec")))
        l->observed_ms = now_ms(l);
    json_free(l->record);
    l->record = record;
}

static void tell_leader(struct lease *l)
{
    const char *holder = lease_holder(l);

    if (!l->record || (l->told && strcmp(l->told, holder) == 0))
        return;
    free(l->told);
    l->told = strdup(holder);
    if (l->options.on_leader)
        l->options.on_leader(l->options.ctx, holder);
}

static bool held_by_another(const struct lease *l)
{
    const cJSON *spec = json_get(l->record, "spec");
    const char *holder = lease_holder(l);
    int64_t seconds = json_int(spec, "leaseDurationSeconds", 0);

    if (!*holder || strcmp(holder, l->identity) == 0)
        return false;
    return now_ms(l) < l->observed_ms + seconds * 1000;
}

/* A copy of the record as we want it. */
static cJSON *proposal(const struct lease *l)
{
    cJSON *record = l->record ? json_copy(l->record) : cJSON_CreateObject();
    cJSON *spec;
    bool ours = l->record && strcmp(lease_holder(l), l->identity) == 0;
    int64_t transitions;
    char now[KUBE_TIME_MAX];

    kube_micro_time_format(now, l->clock->wall_ms(l->clock->self));
    if (!l->record) {
        cJSON *meta;
        json_set_str(record, "apiVersion", "coordination.k8s.io/v1");
        json_set_str(record, "kind", "Lease");
        meta = json_child_object(record, "metadata");
        json_set_str(meta, "name", l->name);
        json_set_str(meta, "namespace", l->ns);
    }
    spec = json_child_object(record, "spec");
    transitions = json_int(spec, "leaseTransitions", 0);
    json_set_str(spec, "holderIdentity", l->identity);
    json_set_int(spec, "leaseDurationSeconds", l->options.lease_ms / 1000);
    if (!ours || !json_str(spec, "acquireTime"))
        json_set_str(spec, "acquireTime", now);
    json_set_str(spec, "renewTime", now);
    json_set_int(spec, "leaseTransitions", ours || !l->record ? transitions : transitions + 1);
    return record;
}

static int write_record(struct lease *l, struct kube_error *e)
{
    cJSON *want = proposal(l), *got;
    int64_t begun_ms = now_ms(l);
    int r;

    r = l->record ? kube_update(l->client, &kube_leases, want, &got, e)
                  : kube_create(l->client, &kube_leases, want, &got, e);
    json_free(want);
    if (r != 0)
        return r;
    observe(l, got);
    l->renewed_ms = begun_ms;
    return 0;
}

static int read_record(struct lease *l, struct kube_error *e)
{
    cJSON *record;
    int r = kube_get(l->client, &kube_leases, l->ns, l->name, &record, e);

    if (r == 0) {
        observe(l, record);
    } else if (e->reason == KUBE_NOT_FOUND) {
        json_free(l->record);
        l->record = NULL;
        return 0;
    }
    return r;
}

/* Acquire or renew once: 0 = it is ours now. */
static int try_once(struct lease *l, struct kube_error *e)
{
    int r = -EAGAIN;

    memset(e, 0, sizeof *e);
    if (l->leading && l->record) { /* nobody else has written: one PUT */
        r = write_record(l, e);
        if (r == 0 || r == -ECANCELED)
            return r;
    }
    r = read_record(l, e);
    if (r != 0)
        return r;
    if (held_by_another(l))
        return -EACCES;
    return write_record(l, e);
}

/* ---- election
 * -------------------------------------------------------------------------------------------- */

static int try_and_report(struct lease *l)
{
    struct kube_error e;
    int r = try_once(l, &e);

    tell_leader(l);
    if (r != 0 && r != -ECANCELED && e.reason != KUBE_OK && l->options.on_failure)
        l->options.on_failure(l->options.ctx, &e);
    return r;
}

static int acquire(struct lease *l)
{
    while (!l->stop) {
        int64_t jitter_ms = l->options.retry_ms * 6 / 5; /* client-go's JitterFactor 1.2 */
        int r = try_and_report(l);
        if (r == 0 || r == -ECANCELED)
            return r;
        l->clock->sleep_ms(l->clock->self,
                           l->options.retry_ms + (int64_t)(l->clock->random(l->clock->self) %
                                                           (uint64_t)(jitter_ms + 1)));
    }
    return -ECANCELED;
}

/* Until it is lost or stopped. */
static int renew(struct lease *l)
{
    for (;;) {
        int64_t left_ms = held_until_ms(l) - now_ms(l);
        int r;
        if (left_ms <= 0)
            return -ESTALE;
        l->clock->sleep_ms(l->clock->self,
                           l->options.retry_ms < left_ms ? l->options.retry_ms : left_ms);
        if (l->stop)
            return -ECANCELED;
        if (!lease_is_held(l))
            return -ESTALE;
        r = try_and_report(l);
        if (r == -ECANCELED)
            return r;
        if (r == -EACCES && held_by_another(l))
            return -ESTALE; /* somebody took it: no use in trying on */
    }
}

int lease_run(struct lease *l)
{
    int r;

    l->stop = false;
    r = acquire(l);
    if (r != 0)
        return r;
    l->leading = true;
    if (l->options.on_started)
        l->options.on_started(l->options.ctx);
    r = renew(l);
    if (r == -ECANCELED)
        return r; /* still ours until it runs out or is released */
    l->leading = false;
    if (l->options.on_lost)
        l->options.on_lost(l->options.ctx);
    return r;
}

void lease_stop(struct lease *l)
{
    l->stop = true;
}

int lease_release(struct lease *l, struct kube_error *reterr)
{
    char now[KUBE_TIME_MAX];
    cJSON *want, *spec, *got;
    int r;

    memset(reterr, 0, sizeof *reterr);
    if (!l->leading || !l->record)
        return 0;
    l->leading = false; /* whatever becomes of the write */
    want = json_copy(l->record);
    spec = json_child_object(want, "spec");
    kube_micro_time_format(now, l->clock->wall_ms(l->clock->self));
    json_set_str(spec, "holderIdentity", "");
    json_set_int(spec, "leaseDurationSeconds", 1);
    json_set_str(spec, "renewTime", now);
    json_set_str(spec, "acquireTime", now);
    r = kube_update(l->client, &kube_leases, want, &got, reterr);
    json_free(want);
    if (r == 0)
        observe(l, got);
    return r;
}
