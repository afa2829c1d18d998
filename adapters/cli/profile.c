#include "adapters/cli/profile.h"

#include <string.h>

#include "adapters/base/diag.h"

const char *profile_name(deviations_t deviations)
{
    if (deviations == PROFILE_DEFAULT)
        return "default";
    return deviations == PROFILE_FLAGGER_1_44 ? "flagger-1.44" : "custom";
}

static bool unknown_deviation(const struct args *a, const char *option, const char *name)
{
    const char *names[DEVIATION_COUNT + 1];

    for (int d = 0; d < DEVIATION_COUNT; d++)
        names[d] = deviation_name((enum deviation)d);
    names[DEVIATION_COUNT] = NULL;
    const char *near = nearest_name(name, strlen(name), names);
    if (near)
        usage_error(a, "--%s=%s: no such deviation; did you mean %s?", option, name, near);
    else
        usage_error(a, "--%s=%s: no such deviation; they are listed in docs/engine/deviations.md",
                    option, name);
    return false;
}

bool profile_of(const struct args *a, deviations_t base, deviations_t *ret_deviations,
                const char **ret_name)
{
    const char *profile = args_get(a, "profile", NULL);
    deviations_t set = base;

    if (profile)
        set = strcmp(profile, "default") == 0 ? PROFILE_DEFAULT : PROFILE_FLAGGER_1_44;
    for (size_t i = 0; i < a->option_count; i++) {
        const char *option = a->options[i].option->name;
        bool deviate = strcmp(option, "deviate") == 0;
        enum deviation d;
        if (!deviate && strcmp(option, "comply") != 0)
            continue;
        if (!deviation_find(a->options[i].value, &d))
            return unknown_deviation(a, option, a->options[i].value);
        if (deviate)
            set |= (deviations_t)1 << d;
        else
            set &= ~((deviations_t)1 << d);
    }
    *ret_deviations = set;
    if (ret_name)
        *ret_name = profile_name(set);
    return true;
}
