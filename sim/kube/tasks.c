#include "sim/kube/internal.h"

#include <stdlib.h>
#include <string.h>

static bool earlier(const struct sk_task *a, const struct sk_task *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static void swap(struct sk_task *a, struct sk_task *b)
{
    struct sk_task t = *a;

    *a = *b;
    *b = t;
}

void sk_tasks_repair(struct simkube *k)
{
    for (size_t n = 1; n < k->task_count; n++) {
        for (size_t i = n; i > 0 && earlier(&k->tasks[i], &k->tasks[(i - 1) / 2]); i = (i - 1) / 2)
            swap(&k->tasks[i], &k->tasks[(i - 1) / 2]);
    }
}

/* Two characters for what and which resource, then the key; printf would be most of a task's cost.
 */
static void task_name(char *out, size_t size, enum sk_task_kind what, const struct sk_kind *kind,
                      const char *key)
{
    size_t len = strlen(key);

    if (len > size - 4)
        len = size - 4;
    out[0] = (char)('A' + (int)what);
    out[1] = (char)(33 + (kind ? kind->index % 90 : 0));
    out[2] = (char)(33 + (kind ? kind->index / 90 % 90 : 0));
    memcpy(out + 3, key, len);
    out[3 + len] = '\0';
}

/* Is an equal task queued that runs no later? Else remember this one. */
static bool superfluous(struct simkube *k, const struct sk_task *t)
{
    char name[700];
    int64_t *at;

    if (t->what == SK_TASK_LATE || t->what == SK_TASK_WORLD)
        return false;
    task_name(name, sizeof(name), t->what, t->kind, t->key);
    at = sk_map_get(&k->queued, name);
    if (at && *at <= t->at_ms)
        return true;
    if (!at) {
        at = malloc(sizeof(*at));
        if (!at || !sk_map_put(&k->queued, name, at)) {
            free(at);
            return false;
        }
    }
    *at = t->at_ms;
    return false;
}

void sk_task_add(struct simkube *k, int64_t at_ms, enum sk_task_kind what, struct sk_kind *kind,
                 const char *key, void *data)
{
    struct sk_task t = {at_ms, k->seq, what, kind, NULL, data};
    size_t i;

    t.key = strdup(key);
    if (!t.key || superfluous(k, &t)) {
        free(t.key);
        return;
    }
    k->seq++;
    if (k->task_count == k->task_cap) {
        size_t cap = k->task_cap ? k->task_cap * 2 : 64;
        struct sk_task *more = realloc(k->tasks, cap * sizeof(*more));

        if (!more) {
            free(t.key);
            return;
        }
        k->tasks = more;
        k->task_cap = cap;
    }
    i = k->task_count++;
    k->tasks[i] = t;
    for (; i > 0 && earlier(&k->tasks[i], &k->tasks[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&k->tasks[i], &k->tasks[(i - 1) / 2]);
}

static struct sk_task pop(struct simkube *k)
{
    struct sk_task top = k->tasks[0];
    size_t i = 0;

    k->tasks[0] = k->tasks[--k->task_count];
    for (;;) {
        size_t least = i, l = 2 * i + 1, r = l + 1;

        if (l < k->task_count && earlier(&k->tasks[l], &k->tasks[least]))
            least = l;
        if (r < k->task_count && earlier(&k->tasks[r], &k->tasks[least]))
            least = r;
        if (least == i)
            return top;
        swap(&k->tasks[i], &k->tasks[least]);
        i = least;
    }
}

static void forget(struct simkube *k, const struct sk_task *t)
{
    char name[700];
    int64_t *at;

    if (t->what == SK_TASK_LATE || t->what == SK_TASK_WORLD)
        return;
    task_name(name, sizeof(name), t->what, t->kind, t->key);
    at = sk_map_get(&k->queued, name);
    if (at && *at == t->at_ms) {
        sk_map_remove(&k->queued, name);
        free(at);
    }
}

void simkube_advance(struct simkube *k, int64_t now_ms)
{
    const char *actor = k->actor, *sub = k->actor_subresource;

    while (k->task_count > 0 && k->tasks[0].at_ms <= now_ms) {
        struct sk_task t = pop(k);

        if (t.at_ms > k->now_ms)
            k->now_ms = t.at_ms;
        forget(k, &t);
        sk_task_run(k, &t);
        free(t.key);
    }
    if (now_ms > k->now_ms)
        k->now_ms = now_ms;
    k->actor = actor;
    k->actor_subresource = sub;
}

int64_t simkube_next_at(const struct simkube *k)
{
    int64_t next = k->task_count ? k->tasks[0].at_ms : SIMKUBE_NEVER;

    for (const struct simkube_watch *w = k->watches; w; w = w->next) {
        /* one that is due already waits for its reader, not for time */
        if (w->end_ms < next && w->end_ms > k->now_ms)
            next = w->end_ms;
        if (w->bookmarks && w->bookmark_ms < next && w->bookmark_ms > k->now_ms)
            next = w->bookmark_ms;
    }
    return next;
}
