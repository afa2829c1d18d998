/* A failing plan, made smaller: fewer acts, fewer faults, a simpler Canary, a shorter life. */
#include <string.h>

#include "adapters/swarm/swarm.h"

struct shrinking {
    struct swarm *from;
    struct swarm_plan *plan;     /* the smallest that fails */
    struct swarm_result *result; /* of it */
    unsigned lives, lives_max;
};

/*
 * Does a smaller plan, of those that a file can hold, break the same rule? Then it takes the place
 * of the one before.
 */
static bool still_fails(struct shrinking *s, const struct swarm_plan *smaller)
{
    const char *texts[SWARM_CONFLICTS_MAX];
    struct swarm_result r;

    if (s->lives >= s->lives_max || memcmp(smaller, s->plan, sizeof(*smaller)) == 0 ||
        swarm_plan_conflicts(smaller, texts) > 0)
        return false;
    s->lives++;
    if (swarm_live(s->from, smaller, NULL, NULL, &r) != 0 || !r.failed ||
        strcmp(r.rule, s->result->rule) != 0)
        return false;
    *s->plan = *smaller;
    *s->result = r;
    return true;
}

static bool drop_acts(struct shrinking *s)
{
    bool any = false;

    for (size_t i = s->plan->act_count; i-- > 0;) {
        struct swarm_plan p = *s->plan;

        p.act_count--;
        memmove(&p.acts[i], &p.acts[i + 1], (p.act_count - i) * sizeof(p.acts[0]));
        memset(&p.acts[p.act_count], 0, sizeof(p.acts[0]));
        any |= still_fails(s, &p);
    }
    return any;
}

static bool drop_ends(struct shrinking *s)
{
    bool any = false;

    for (size_t i = s->plan->end_count; i-- > 0;) {
        struct swarm_plan p = *s->plan;

        p.end_count--;
        memmove(&p.ends[i], &p.ends[i + 1], (p.end_count - i) * sizeof(p.ends[0]));
        memset(&p.ends[p.end_count], 0, sizeof(p.ends[0]));
        any |= still_fails(s, &p);
    }
    return any;
}

static bool calm_fields(struct shrinking *s)
{
    bool any = false;

    for (size_t i = 0; i < swarm_field_count; i++) {
        const struct swarm_field *f = &swarm_fields[i];
        struct swarm_plan p = *s->plan;
        int64_t *value = swarm_field_of(&p, f);

        if (strcmp(f->name, "first_request") == 0 || strcmp(f->name, "last_request") == 0)
            continue;
        if (*value != f->calm) {
            *value = f->calm;
            any |= still_fails(s, &p);
        }
    }
    return any;
}

/* Only the faults of these requests: the last one that matters, then the first. */
static bool narrow_faults(struct shrinking *s)
{
    struct swarm_plan none = *s->plan;
    int64_t low = s->plan->first_request, high = (int64_t)s->result->requests;
    bool any = false;

    if (s->plan->first_request == INT32_MAX)
        return false;
    none.first_request = none.last_request = INT32_MAX;
    if (still_fails(s, &none))
        return true;
    if (high > s->plan->last_request)
        high = s->plan->last_request;
    for (int64_t a = low, b = high; a < b;) {
        struct swarm_plan p = *s->plan;

        p.last_request = a + (b - a) / 2;
        if (still_fails(s, &p)) {
            any = true;
            b = p.last_request;
        } else {
            a = p.last_request + 1;
        }
    }
    high = s->plan->last_request < high ? s->plan->last_request : high;
    for (int64_t a = low, b = high; a < b;) {
        struct swarm_plan p = *s->plan;

        p.first_request = a + (b - a + 1) / 2;
        if (still_fails(s, &p)) {
            any = true;
            a = p.first_request;
        } else {
            b = p.first_request - 1;
        }
    }
    return any;
}

static bool shorten(struct shrinking *s)
{
    struct swarm_plan p = *s->plan;

    p.faulty = p.faulty / 2 / 1000 * 1000;
    return still_fails(s, &p);
}

unsigned swarm_shrink(struct swarm *from, struct swarm_plan *plan, struct swarm_result *result,
                      unsigned lives_max)
{
    struct shrinking s = {from, plan, result, 0, lives_max};
    bool smaller = result->failed;

    while (smaller && s.lives < lives_max) {
        smaller = drop_acts(&s);
        smaller |= drop_ends(&s);
        smaller |= calm_fields(&s);
        smaller |= narrow_faults(&s);
        smaller |= shorten(&s);
    }
    return s.lives;
}
