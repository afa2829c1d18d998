/* adapters/cli/check_cluster.h — feed a check with the objects of a cluster. */
#ifndef COALMINE_CLI_CHECK_CLUSTER_H
#define COALMINE_CLI_CHECK_CLUSTER_H

#include "adapters/check/check.h"
#include "adapters/cli/cli.h"

/*
 * Read the Canaries and what they may refer to from the cluster of --kubeconfig, --context and
 * --namespace. Prints what went wrong to stderr and returns false.
 */
bool check_cluster(struct check *c, const struct args *args);

#endif
