/* adapters/cli/scenario_walk.h — the scenario files below a folder. */
#ifndef COALMINE_CLI_SCENARIO_WALK_H
#define COALMINE_CLI_SCENARIO_WALK_H

/*
 * Call `found` for `path` itself, or when it is a folder for each .yaml and .yml file below it, by
 * name; folders called manifests, and what begins with a dot, are left out. Returns 0, or
 * EXIT_INPUT after telling why a folder cannot be read.
 */
int scenario_walk(const char *path, void (*found)(void *ctx, const char *path), void *ctx);

#endif
