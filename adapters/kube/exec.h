/*
 * adapters/kube/exec.h — credential plugins of kubeconfig files (client.authentication.k8s.io).
 *
 * Not for use outside adapters/kube.
 */
#ifndef COALMINE_KUBE_EXEC_H
#define COALMINE_KUBE_EXEC_H

#include <stddef.h>
#include <stdint.h>

#include "adapters/base/clock.h"

/* What to run; texts are borrowed. */
struct exec_plugin {
    const char *api_version; /* client.authentication.k8s.io/v1 or /v1beta1 */
    const char *command;
    char *const *argv;        /* argv[0] is the command; ends with NULL */
    char *const *envp;        /* complete; ends with NULL */
    const char *install_hint; /* or NULL */
};

/* What it said; owned texts, each may be NULL. */
struct exec_credential {
    char *token, *cert_pem, *key_pem;
    int64_t expires_ms; /* wall clock; INT64_MAX = never */
};

/* Run the plugin while `clock` sleeps in short steps, at most a minute. 0, or -Exxx with a text in
 * reterr. */
int exec_plugin_run(const struct exec_plugin *p, const struct clock *clock,
                    struct exec_credential *ret, char *reterr, size_t reterr_size);
/* The ExecCredential object in `text`, as exec_plugin_run reads it. */
int exec_credential_parse(const char *api_version, const char *text, size_t len,
                          struct exec_credential *ret, char *reterr, size_t reterr_size);
void exec_credential_release(struct exec_credential *c);

#endif
