/*
 * adapters/cli/verbs.h — the verbs, one file each: adapters/cli/verb_NAME.c. A new one is declared here and
 * gets its line in main.c, which is the order of --help.
 */
#ifndef COALMINE_CLI_VERBS_H
#define COALMINE_CLI_VERBS_H

#include "adapters/cli/cli.h"

extern const struct verb verb_abort;
extern const struct verb verb_check;
extern const struct verb verb_diff;
extern const struct verb verb_merge;
extern const struct verb verb_mutate;
extern const struct verb verb_simulate;
extern const struct verb verb_sweep;
extern const struct verb verb_tune;
extern const struct verb verb_test;
extern const struct verb verb_explain;
extern const struct verb verb_cluster;
extern const struct verb verb_help;
extern const struct verb verb_loadtester;
extern const struct verb verb_operator;
extern const struct verb verb_pause;
extern const struct verb verb_promote;
extern const struct verb verb_render;
extern const struct verb verb_replay;
extern const struct verb verb_report;
extern const struct verb verb_resume;
extern const struct verb verb_retry;
extern const struct verb verb_schema;
extern const struct verb verb_swarm;

#endif
