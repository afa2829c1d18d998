/*
 * adapters/cli/profile.h — --profile, --deviate and --comply, alike for every verb that decides
 * something.
 *
 * Put PROFILE_OPTIONS into the verb's table and call profile_of() once.
 */
#ifndef COALMINE_CLI_PROFILE_H
#define COALMINE_CLI_PROFILE_H

#include "adapters/cli/cli.h"
#include "adapters/router/quirks.h"
#include "adapters/workload/quirks.h"
#include "engine/deviation.h"

#define PROFILE_OPTIONS                                                                            \
    {.name = "profile",                                                                            \
     .value = "NAME",                                                                              \
     .choices = "default|flagger-1.44",                                                            \
     .fallback = "default",                                                                        \
     .help = "decide as Coalmine does by default, or quirk for quirk as Flagger 1.44",             \
     .group = "Profile"},                                                                          \
        {.name = "deviate",                                                                        \
         .value = "NAME",                                                                          \
         .repeats = true,                                                                          \
         .help = "depart from Flagger in this point (docs/engine/deviations.md)",                  \
         .group = "Profile"},                                                                      \
    {                                                                                              \
        .name = "comply", .value = "NAME", .repeats = true,                                        \
        .help = "do as Flagger does in this point", .group = "Profile"                             \
    }

/*
 * The deviations that the options ask for, starting from `base` where --profile is absent; options
 * apply in the order in which they stand. Prints a usage error and returns false for an unknown
 * name. ret_name   "default", "flagger-1.44", or "custom" when single deviations were changed; may
 * be NULL
 */
bool profile_of(const struct args *a, deviations_t base, deviations_t *ret_deviations,
                const char **ret_name);
/* Also what is not the engine's: for verbs that make objects of a cluster. */
struct cluster_profile {
    deviations_t deviations;
    router_quirks quirks;
    cluster_quirks cluster;
};
bool profile_of_cluster(const struct args *a, struct cluster_profile *ret_profile);
/* "default", "flagger-1.44" or "custom". */
const char *profile_name(deviations_t deviations);

#endif
