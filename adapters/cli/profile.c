#include "adapters/cli/profile.h"

#include <string.h>

#include "adapters/base/diag.h"

const char *profile_name(deviations_t deviations)
{
    if (deviations == PROFILE_DEFAULT)
        return "default";
    return deviations == PROFILE_FLAGGER_1_44 ? "flagger-1.44" : "custom";
}

/* ---- names -------------------------------------------------------------------------------------
 */

static bool router_quirk_find(const char *name, unsigned *ret)
{
    for (unsigned q = 0; q < QUIRK_COUNT; q++) {
        if (strcmp(router_quirk_texts[q].name, name) == 0) {
            *ret = q;
            return true;
        }
    }
    return false;
}

static bool cluster_quirk_find(const char *name, unsigned *ret)
{
    for (unsigned q = 0; q < CLUSTER_QUIRK_COUNT; q++) {
        if (strcmp(cluster_quirk_texts[q].name, name) == 0) {
            *ret = q;
            return true;
        }
    }
    return false;
}

static bool unknown_name(const struct args *a, const char *option, const char *name,
                         bool with_cluster)
{
    const char *names[DEVIATION_COUNT + QUIRK_COUNT + CLUSTER_QUIRK_COUNT + 1];
    size_t count = 0;
    unsigned unused;

    if (!with_cluster && (router_quirk_find(name, &unused) || cluster_quirk_find(name, &unused))) {
        usage_error(a, "--%s=%s: is about objects in a cluster: 'operator' and 'render' take it",
                    option, name);
        return false;
    }
    for (unsigned d = 0; d < DEVIATION_COUNT; d++)
        names[count++] = deviation_name((enum deviation)d);
    for (unsigned q = 0; with_cluster && q < QUIRK_COUNT; q++)
        names[count++] = router_quirk_texts[q].name;
    for (unsigned q = 0; with_cluster && q < CLUSTER_QUIRK_COUNT; q++)
        names[count++] = cluster_quirk_texts[q].name;
    names[count] = NULL;
    const char *near = nearest_name(name, strlen(name), names);
    if (near)
        usage_error(a, "--%s=%s: no such deviation; did you mean %s?", option, name, near);
    else
        usage_error(a, "--%s=%s: no such deviation; they are listed in docs/engine/deviations.md",
                    option, name);
    return false;
}

/* ---- options -----------------------------------------------------------------------------------
 */

static void switch_bit(uint64_t *set, unsigned bit, bool on)
{
    if (on)
        *set |= (uint64_t)1 << bit;
    else
        *set &= ~((uint64_t)1 << bit);
}

/* One --deviate or --comply. A quirk is on where Flagger is followed. */
static bool apply(const struct args *a, const char *option, const char *name, bool deviate,
                  bool with_cluster, struct cluster_profile *p)
{
    enum deviation d;
    uint64_t set;
    unsigned q;

    if (deviation_find(name, &d)) {
        switch_bit(&p->deviations, d, deviate);
    } else if (with_cluster && router_quirk_find(name, &q)) {
        switch_bit(&p->quirks, q, !deviate);
    } else if (with_cluster && cluster_quirk_find(name, &q)) {
        set = p->cluster;
        switch_bit(&set, q, !deviate);
        p->cluster = (cluster_quirks)set;
    } else {
        return unknown_name(a, option, name, with_cluster);
    }
    return true;
}

static bool read_options(const struct args *a, bool with_cluster, struct cluster_profile *p)
{
    const char *profile = args_get(a, "profile", NULL);

    if (profile) {
        bool flagger = strcmp(profile, "flagger-1.44") == 0;

        p->deviations = flagger ? PROFILE_FLAGGER_1_44 : PROFILE_DEFAULT;
        p->quirks = flagger ? ROUTER_QUIRKS_FLAGGER : 0;
        p->cluster = flagger ? CLUSTER_QUIRKS_FLAGGER : 0;
    }
    for (size_t i = 0; i < a->option_count; i++) {
        const char *option = a->options[i].option->name;
        bool deviate = strcmp(option, "deviate") == 0;

        if ((deviate || strcmp(option, "comply") == 0) &&
            !apply(a, option, a->options[i].value, deviate, with_cluster, p))
            return false;
    }
    return true;
}

bool profile_of(const struct args *a, deviations_t base, deviations_t *ret_deviations,
                const char **ret_name)
{
    struct cluster_profile p = {base, 0, 0};

    if (!read_options(a, false, &p))
        return false;
    *ret_deviations = p.deviations;
    if (ret_name)
        *ret_name = profile_name(p.deviations);
    return true;
}

bool profile_of_cluster(const struct args *a, struct cluster_profile *ret_profile)
{
    struct cluster_profile p = {PROFILE_DEFAULT, 0, 0};

    if (!read_options(a, true, &p))
        return false;
    *ret_profile = p;
    return true;
}
