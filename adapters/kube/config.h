/*
 * adapters/kube/config.h — which API server, and who we are to it: kubeconfig files or the pod's
 * service account.
 *
 * Reading and merging follow client-go's clientcmd; credentials that change while we run (token
 * files, exec plugins) are asked for again through kube_config_authorize. A credential goes to its
 * own API server and nowhere else.
 */
#ifndef COALMINE_KUBE_CONFIG_H
#define COALMINE_KUBE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/clock.h"
#include "adapters/base/diag.h"
#include "adapters/base/strbuf.h"
#include "adapters/http/http.h"

/* Where to look; all borrowed for the call except `environment`. Library code reads no environment:
 * main hands it in. */
struct kube_config_source {
    const char *path;      /* --kubeconfig: this file alone */
    const char *path_list; /* $KUBECONFIG: files joined by ':', the first to name a thing wins;
                              missing files are skipped */
    const char *home; /* $HOME, for ~/.kube/config when neither of the above is given; NULL = do not
                         look there */
    const char *context; /* instead of current-context */
    const char *master;  /* --master: instead of the cluster's server */
    const char
        *service_host; /* $KUBERNETES_SERVICE_HOST: in a cluster, when no file was named or found */
    const char *service_port;    /* $KUBERNETES_SERVICE_PORT */
    const char *service_account; /* folder of token, ca.crt, namespace; NULL =
                                    /var/run/secrets/kubernetes.io/serviceaccount */
    char *const *environment;    /* for exec plugins, kept; NULL = an empty one */
};

struct kube_config;

/*
 * Order: `path`, `path_list`, in-cluster (when service_host is set), `home`. Everything wrong in
 * the files is added to `diags`. Returns 0, -ENOENT when there is nothing to read, -EINVAL after
 * adding diags, -EACCES and other reading errors (with a diag), or -ENOMEM.
 */
int kube_config_load(const struct kube_config_source *source, struct diags *diags,
                     struct kube_config **ret_config);
/* For tests and the simulated cluster: a plain server with an optional bearer token. NULL when
 * memory is out. */
struct kube_config *kube_config_plain(const char *server, const char *token);
/* NULL is fine. */
void kube_config_free(struct kube_config *c);

/* "https://10.96.0.1:443", without a slash at its end. */
const char *kube_config_server(const struct kube_config *c);
/* The context's or service account's namespace, or "default". */
const char *kube_config_namespace(const struct kube_config *c);
/* NULL, or the cluster's proxy-url. */
const char *kube_config_proxy_url(const struct kube_config *c);
/* Authority, client certificate (an exec plugin's too, once it ran) and server name; lives as long
 * as `c`. */
const struct http_tls *kube_config_tls(const struct kube_config *c);

/*
 * The value of the Authorization header for a request now, "" when there is none. Reads token files
 * again when a minute has passed, runs the exec plugin when its credential has expired; the plugin
 * runs beside us while `clock` sleeps in short steps. Returns 0; or -Exxx with a text in reterr (at
 * least 512 bytes).
 */
int kube_config_authorize(struct kube_config *c, const struct clock *clock,
                          struct strbuf *ret_value, char *reterr, size_t reterr_size);
/* The server said 401: forget what was cached, so that the next kube_config_authorize asks anew. */
void kube_config_unauthorized(struct kube_config *c);

#endif
