/*
 * adapters/simkube/serve.h — the simulated cluster behind a real port, in real time.
 *
 * Any Kubernetes client may talk to it over plain HTTP. The user is the bearer token's text, or
 * "admin" without one; Impersonate-User is honoured for "admin".
 */
#ifndef COALMINE_SIMKUBE_SERVE_H
#define COALMINE_SIMKUBE_SERVE_H

#include <stdint.h>

#include "adapters/http/loop.h"
#include "sim/kube/api.h"

struct simkube_host;

/*
 * Serve `k` on `address` (numeric) and `port` (0 = any) within `l`. The cluster's time follows
 * loop_clock's wall time from the config's start_ms on. 0, or server_start_on_loop's error.
 */
int simkube_host_start(struct loop *l, struct simkube *k, const char *address, uint16_t port,
                       struct simkube_host **ret_host);
uint16_t simkube_host_port(const struct simkube_host *h);
/* End all watches and the time-keeper, close the port. The host is freed when its task has ended.
 */
void simkube_host_stop(struct simkube_host *h);

#endif
