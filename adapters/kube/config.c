#include "adapters/kube/config.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/arena.h"
#include "adapters/base/json.h"
#include "adapters/kube/exec.h"
#include "adapters/manifest/node.h"

#define FILE_BYTES_MAX (16u * 1024u * 1024u)
#define FILES_MAX 64u
#define TOKEN_REREAD_MS 60000
#define EXEC_LEEWAY_MS 10000
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

struct kube_config {
    struct arena *arena;
    const char *server, *ns, *proxy_url;
    struct http_tls tls;
    const char *token, *token_file;
    const char *username, *password;
    struct exec_plugin *exec; /* NULL = none */
    /* what was read or run last */
    struct arena *token_arena;
    const char *token_read;
    int64_t token_read_ms;
    struct exec_credential credential;
    bool credential_valid;
};

/* One kubeconfig file. */
struct file {
    const char *path;
    const struct node *root;
};

struct loader {
    const struct kube_config_source *source;
    struct diags *diags;
    struct kube_config *config;
    struct file files[FILES_MAX];
    size_t file_count;
};

/* ---- findings
 * ----------------------------------------------------------------------------------------- */

static void complain_at(struct loader *l, const struct file *f, const struct node *n,
                        const char *path, const char *what)
{
    struct diag d = {.severity = SEVERITY_ERROR,
                     .file = f ? f->path : NULL,
                     .line = n ? n->line : 0,
                     .col = n ? n->col : 0,
                     .path = path,
                     .what = what};

    diags_add(l->diags, &d);
}

static const char *string_of(struct loader *l, const struct file *f, const struct node *map,
                             const char *name)
{
    const struct node *n = node_get(map, name);
    struct arena *a = l->config->arena;

    if (!n || n->kind == NODE_NULL)
        return NULL;
    if (n->kind != NODE_STRING) {
        complain_at(
            l, f, n, arena_printf(l->diags->arena, ".%s", name),
            arena_printf(l->diags->arena, "expected a string, got %s", node_kind_name(n->kind)));
        return NULL;
    }
    return n->text_len ? arena_strndup(a, n->text, n->text_len) : NULL;
}

static bool bool_of(struct loader *l, const struct file *f, const struct node *map,
                    const char *name)
{
    const struct node *n = node_get(map, name);

    if (!n || n->kind == NODE_NULL)
        return false;
    if (n->kind != NODE_BOOL) {
        complain_at(l, f, n, arena_printf(l->diags->arena, ".%s", name),
                    arena_printf(l->diags->arena, "expected true or false, got %s",
                                 node_kind_name(n->kind)));
        return false;
    }
    return n->u.boolean;
}

/* A path in a kubeconfig is relative to the file it stands in. */
static const char *path_of(struct loader *l, const struct file *f, const struct node *map,
                           const char *name)
{
    const char *value = string_of(l, f, map, name);
    const char *slash = f->path ? strrchr(f->path, '/') : NULL;

    if (!value || value[0] == '/' || !slash)
        return value;
    return arena_printf(l->config->arena, "%.*s/%s", (int)(slash - f->path), f->path, value);
}

/* Base64 as Go's encoding/json reads it: standard alphabet with padding; line breaks are skipped.
 */
static const char *pem_of(struct loader *l, const struct file *f, const struct node *map,
                          const char *name)
{
    const char *text = string_of(l, f, map, name);
    size_t len = 0, padding = 0, i;
    unsigned char *packed, *out;
    int n;

    if (!text)
        return NULL;
    packed = arena_alloc(l->config->arena, strlen(text) + 1);
    out = arena_alloc(l->config->arena, strlen(text) + 1);
    if (!packed || !out)
        return NULL;
    for (i = 0; text[i]; i++)
        if (text[i] != '\n' && text[i] != '\r')
            packed[len++] = (unsigned char)text[i];
    while (padding < 2 && padding < len && packed[len - 1 - padding] == '=')
        padding++;
    n = len % 4 == 0 && len <= INT32_MAX ? EVP_DecodeBlock(out, packed, (int)len) : -1;
    if (n < 0) {
        complain_at(l, f, node_get(map, name), arena_printf(l->diags->arena, ".%s", name),
                    "not base64");
        return NULL;
    }
    out[(size_t)n - padding] = '\0';
    return (const char *)out;
}

/* ---- files
 * -------------------------------------------------------------------------------------------- */

static int read_file_into(struct loader *l, const char *path, bool may_be_missing)
{
    struct documents docs;
    const char *bytes;
    size_t len;
    int r = file_read(l->config->arena, path, FILE_BYTES_MAX, &bytes, &len);
    struct file *f = &l->files[l->file_count];

    if (r == -ENOENT && may_be_missing)
        return 0;
    if (l->file_count == FILES_MAX)
        return -E2BIG;
    f->path = arena_strdup(l->diags->arena, path); /* a finding outlives a refused config */
    if (r != 0) {
        complain_at(l, f, NULL, NULL,
                    r == -ENOENT   ? "no such file"
                    : r == -EACCES ? "permission denied"
                                   : "cannot be read");
        return r;
    }
    r = node_parse_all(l->config->arena, l->diags, f->path, bytes, len, NULL, &docs);
    if (r != 0)
        return r;
    if (docs.count == 0 || docs.items[0].root->kind == NODE_NULL)
        return 0;
    f->root = docs.items[0].root;
    if (f->root->kind != NODE_MAP) {
        complain_at(l, f, f->root, NULL, "not a kubeconfig: expected a mapping");
        return -EINVAL;
    }
    l->file_count++;
    return 0;
}

static int read_list(struct loader *l, const char *list)
{
    while (*list) {
        size_t len = strcspn(list, ":");
        if (len > 0) {
            int r = read_file_into(l, arena_strndup(l->config->arena, list, len), true);
            if (r != 0)
                return r;
        }
        list += len + (list[len] == ':');
    }
    return 0;
}

/* The entry called `name` in the first file that has one: {name: NAME, KEY: {...}}. */
static const struct node *find_entry(struct loader *l, const char *list_name, const char *key,
                                     const char *name, const struct file **ret_file)
{
    size_t i, j;

    for (i = 0; i < l->file_count; i++) {
        const struct node *list = node_get(l->files[i].root, list_name);
        if (!list || list->kind != NODE_LIST)
            continue;
        for (j = 0; j < list->u.list.count; j++) {
            const char *entry = node_str(node_get(list->u.list.items[j], "name"));
            if (entry && strcmp(entry, name) == 0) {
                *ret_file = &l->files[i];
                return node_get(list->u.list.items[j], key);
            }
        }
    }
    return NULL;
}

/* ---- the parts of a kubeconfig
 * ------------------------------------------------------------------------ */

static const char *without_end_slash(struct arena *a, const char *url)
{
    size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/')
        len--;
    return arena_strndup(a, url, len);
}

static void load_cluster(struct loader *l, const struct file *f, const struct node *cluster)
{
    struct kube_config *c = l->config;
    const char *server = string_of(l, f, cluster, "server");

    if (server)
        c->server = without_end_slash(c->arena, server);
    c->proxy_url = string_of(l, f, cluster, "proxy-url");
    c->tls.ca_pem = pem_of(l, f, cluster, "certificate-authority-data");
    if (!c->tls.ca_pem)
        c->tls.ca_file = path_of(l, f, cluster, "certificate-authority");
    c->tls.insecure = bool_of(l, f, cluster, "insecure-skip-tls-verify");
    c->tls.server_name = string_of(l, f, cluster, "tls-server-name");
    if (c->tls.insecure && (c->tls.ca_pem || c->tls.ca_file))
        complain_at(l, f, cluster, NULL,
                    "a root certificate and insecure-skip-tls-verify cannot both be given");
}

static bool env_names(const char *entry, const char *name, size_t len)
{
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* The environment of the plugin: ours, then what the kubeconfig adds, which wins. */
static char **exec_environment(struct loader *l, const struct file *f, const struct node *env,
                               const char *info)
{
    static char *const nothing[] = {NULL};
    char *const *ours = l->source->environment ? l->source->environment : nothing;
    size_t added = env && env->kind == NODE_LIST ? env->u.list.count : 0, count = 0, n = 0, i, j;
    char **out;

    while (ours[count])
        count++;
    out = arena_alloc(l->config->arena, (count + added + 2) * sizeof *out);
    if (!out)
        return NULL;
    for (j = 0; j < added; j++) {
        const char *name = string_of(l, f, env->u.list.items[j], "name");
        const char *value = string_of(l, f, env->u.list.items[j], "value");
        if (name)
            out[n++] = arena_printf(l->config->arena, "%s=%s", name, value ? value : "");
    }
    out[n++] = arena_printf(l->config->arena, "KUBERNETES_EXEC_INFO=%s", info);
    for (i = 0; i < count; i++) {
        size_t len = strcspn(ours[i], "=");
        for (j = 0; j < added + 1 && out[j] && !env_names(out[j], ours[i], len); j++)
            ;
        if (j >= added + 1 || !out[j])
            out[n++] = arena_strdup(l->config->arena, ours[i]);
    }
    return out;
}

static char **exec_arguments(struct loader *l, const struct node *exec, const char *command)
{
    const struct node *args = node_get(exec, "args");
    size_t count = args && args->kind == NODE_LIST ? args->u.list.count : 0, i;
    char **argv = arena_alloc(l->config->arena, (count + 2) * sizeof *argv);

    if (!argv)
        return NULL;
    argv[0] = arena_strdup(l->config->arena, command);
    for (i = 0; i < count; i++)
        argv[i + 1] = arena_strndup(l->config->arena, args->u.list.items[i]->text,
                                    args->u.list.items[i]->text_len);
    return argv;
}

/* KUBERNETES_EXEC_INFO: what the plugin may know about the cluster. */
static const char *exec_info(struct loader *l, const char *api_version, bool with_cluster)
{
    const struct kube_config *c = l->config;
    cJSON *info = cJSON_CreateObject();
    cJSON *spec, *cluster;
    const char *out;
    char *text;

    json_set_str(info, "kind", "ExecCredential");
    json_set_str(info, "apiVersion", api_version);
    spec = json_child_object(info, "spec");
    if (with_cluster && c->server) {
        cluster = json_child_object(spec, "cluster");
        json_set_str(cluster, "server", c->server);
        if (c->tls.server_name)
            json_set_str(cluster, "tls-server-name", c->tls.server_name);
        if (c->tls.insecure)
            json_set_bool(cluster, "insecure-skip-tls-verify", true);
    }
    json_set_bool(spec, "interactive", false);
    text = json_print(info);
    out = text ? arena_strdup(c->arena, text) : "";
    free(text);
    json_free(info);
    return out;
}

static void load_exec(struct loader *l, const struct file *f, const struct node *exec)
{
    struct exec_plugin *p = arena_alloc(l->config->arena, sizeof *p);
    const char *mode = string_of(l, f, exec, "interactiveMode");

    if (!p)
        return;
    p->api_version = string_of(l, f, exec, "apiVersion");
    p->install_hint = string_of(l, f, exec, "installHint");
    p->command = string_of(l, f, exec, "command");
    if (p->command && strchr(p->command, '/'))
        p->command = path_of(l, f, exec, "command");
    if (!p->command)
        complain_at(l, f, exec, ".exec.command",
                    "command must be specified to use exec authentication plugin");
    if (!p->api_version || (strcmp(p->api_version, "client.authentication.k8s.io/v1") != 0 &&
                            strcmp(p->api_version, "client.authentication.k8s.io/v1beta1") != 0))
        complain_at(
            l, f, exec, ".exec.apiVersion",
            "expected client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1");
    if (mode && strcmp(mode, "Always") == 0)
        complain_at(l, f, exec, ".exec.interactiveMode",
                    "Always: a plugin that needs a terminal cannot be used here");
    if (!p->command || !p->api_version)
        return;
    p->argv = exec_arguments(l, exec, p->command);
    p->envp =
        exec_environment(l, f, node_get(exec, "env"),
                         exec_info(l, p->api_version, bool_of(l, f, exec, "provideClusterInfo")));
    if (p->argv && p->envp)
        l->config->exec = p;
}

static void load_user(struct loader *l, const struct file *f, const struct node *user)
{
    struct kube_config *c = l->config;

    c->tls.cert_pem = pem_of(l, f, user, "client-certificate-data");
    if (!c->tls.cert_pem)
        c->tls.cert_file = path_of(l, f, user, "client-certificate");
    c->tls.key_pem = pem_of(l, f, user, "client-key-data");
    if (!c->tls.key_pem)
        c->tls.key_file = path_of(l, f, user, "client-key");
    if ((c->tls.cert_pem || c->tls.cert_file) && !c->tls.key_pem && !c->tls.key_file)
        complain_at(
            l, f, user, NULL,
            "client-key-data or client-key must be specified to use the client certificate");
    c->token = string_of(l, f, user, "token");
    c->token_file = path_of(l, f, user, "tokenFile");
    c->username = string_of(l, f, user, "username");
    c->password = string_of(l, f, user, "password");
    if (node_get(user, "exec"))
        load_exec(l, f, node_get(user, "exec"));
    if (node_get(user, "auth-provider"))
        complain_at(l, f, node_get(user, "auth-provider"), ".auth-provider",
                    "auth providers are gone since Kubernetes 1.26; use an exec plugin");
}

static const char *current_context(struct loader *l)
{
    size_t i;

    if (l->source->context)
        return l->source->context;
    for (i = 0; i < l->file_count; i++) {
        const char *name = string_of(l, &l->files[i], l->files[i].root, "current-context");
        if (name)
            return name;
    }
    return NULL;
}

static int load_context(struct loader *l)
{
    struct kube_config *c = l->config;
    const char *name = current_context(l), *cluster = NULL, *user = NULL;
    const struct file *f = NULL, *user_file = NULL;
    const struct node *context = name ? find_entry(l, "contexts", "context", name, &f) : NULL;
    const struct node *n;

    if (name && !context)
        complain_at(l, l->file_count ? &l->files[0] : NULL, NULL, ".current-context",
                    arena_printf(l->diags->arena, "context \"%s\" does not exist", name));
    if (context) {
        c->ns = string_of(l, f, context, "namespace");
        cluster = string_of(l, f, context, "cluster");
        user = string_of(l, f, context, "user");
    }
    if (cluster) {
        n = find_entry(l, "clusters", "cluster", cluster, &f);
        if (n)
            load_cluster(l, f, n);
        else
            complain_at(l, f, context, ".cluster",
                        arena_printf(l->diags->arena, "cluster \"%s\" does not exist", cluster));
    }
    if (user) {
        n = find_entry(l, "users", "user", user, &user_file);
        if (n)
            load_user(l, user_file, n);
        else
            complain_at(l, f, context, ".user",
                        arena_printf(l->diags->arena, "user \"%s\" does not exist", user));
    }
    if (l->source->master)
        c->server = without_end_slash(c->arena, l->source->master);
    if (!c->server && l->diags->errors == 0)
        complain_at(l, l->file_count ? &l->files[0] : NULL, NULL, NULL,
                    name ? "the context's cluster has no server" : "no current-context is set");
    return l->diags->errors > 0 ? -EINVAL : 0;
}

static int load_in_cluster(struct loader *l)
{
    const struct kube_config_source *s = l->source;
    const char *folder = s->service_account ? s->service_account : SERVICE_ACCOUNT;
    struct kube_config *c = l->config;
    const char *bytes;
    size_t len;
    bool v6 = strchr(s->service_host, ':') != NULL;

    c->server = arena_printf(c->arena, v6 ? "https://[%s]:%s" : "https://%s:%s", s->service_host,
                             s->service_port ? s->service_port : "443");
    if (s->master)
        c->server = without_end_slash(c->arena, s->master);
    c->tls.ca_file = arena_printf(c->arena, "%s/ca.crt", folder);
    c->token_file = arena_printf(c->arena, "%s/token", folder);
    if (file_read(c->arena, arena_printf(c->arena, "%s/namespace", folder), 256, &bytes, &len) == 0)
        c->ns =
            arena_strndup(c->arena, bytes, strcspn(bytes, "\n") < len ? strcspn(bytes, "\n") : len);
    return 0;
}

static int load(struct loader *l)
{
    const struct kube_config_source *s = l->source;
    int r = 0;

    if (s->path && *s->path)
        r = read_file_into(l, s->path, false);
    else if (s->path_list && *s->path_list)
        r = read_list(l, s->path_list);
    else if (s->service_host && *s->service_host)
        return load_in_cluster(l);
    else if (s->home && *s->home)
        r = read_file_into(l, arena_printf(l->config->arena, "%s/.kube/config", s->home), true);
    if (r != 0)
        return r;
    if (l->file_count > 0)
        return load_context(l);
    if (s->service_host && *s->service_host)
        return load_in_cluster(l);
    if (!s->master)
        return -ENOENT;
    l->config->server = without_end_slash(l->config->arena, s->master);
    return 0;
}

int kube_config_load(const struct kube_config_source *source, struct diags *diags,
                     struct kube_config **ret_config)
{
    struct loader *l = calloc(1, sizeof *l);
    int r;

    if (!l)
        return -ENOMEM;
    l->source = source;
    l->diags = diags;
    l->config = kube_config_plain(NULL, NULL);
    if (!l->config) {
        free(l);
        return -ENOMEM;
    }
    r = load(l);
    if (r == 0 && arena_failed(l->config->arena))
        r = -ENOMEM;
    if (r == 0)
        *ret_config = l->config;
    else
        kube_config_free(l->config);
    free(l);
    return r;
}

struct kube_config *kube_config_plain(const char *server, const char *token)
{
    struct kube_config *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->arena = arena_new(0);
    c->token_arena = arena_new(0);
    if (c->arena && server)
        c->server = without_end_slash(c->arena, server);
    if (c->arena && token)
        c->token = arena_strdup(c->arena, token);
    if (c->arena && c->token_arena && !arena_failed(c->arena))
        return c;
    kube_config_free(c);
    return NULL;
}

void kube_config_free(struct kube_config *c)
{
    if (!c)
        return;
    exec_credential_release(&c->credential);
    arena_free(c->arena);
    arena_free(c->token_arena);
    free(c);
}

const char *kube_config_server(const struct kube_config *c)
{
    return c->server;
}

const char *kube_config_namespace(const struct kube_config *c)
{
    return c->ns && *c->ns ? c->ns : "default";
}

const char *kube_config_proxy_url(const struct kube_config *c)
{
    return c->proxy_url;
}

const struct http_tls *kube_config_tls(const struct kube_config *c)
{
    return &c->tls;
}

/* ---- who we are, now
 * ------------------------------------------------------------------------------------- */

static size_t trimmed(const char *bytes, size_t len)
{
    while (len > 0 && strchr(" \t\r\n", bytes[len - 1]))
        len--;
    return len;
}

/* The file's token, read again every minute; the last one that could be read holds on. */
static const char *token_from_file(struct kube_config *c, const struct clock *clock, char *reterr,
                                   size_t size)
{
    int64_t now_ms = clock->mono_ms(clock->self);
    struct arena *fresh;
    const char *bytes;
    size_t len;
    int r;

    if (c->token_read && now_ms - c->token_read_ms < TOKEN_REREAD_MS)
        return c->token_read;
    fresh = arena_new(0);
    r = fresh ? file_read(fresh, c->token_file, 1024u * 1024u, &bytes, &len) : -ENOMEM;
    len = r == 0 ? trimmed(bytes, len) : 0;
    if (len == 0) {
        arena_free(fresh);
        snprintf(reterr, size, "failed to read token file \"%s\"", c->token_file);
        return c->token_read;
    }
    arena_free(c->token_arena);
    c->token_arena = fresh;
    c->token_read = arena_strndup(fresh, bytes, len);
    c->token_read_ms = now_ms;
    return c->token_read;
}

static int token_from_plugin(struct kube_config *c, const struct clock *clock, char *reterr,
                             size_t size)
{
    struct exec_credential fresh;
    int r;

    if (c->credential_valid &&
        clock->wall_ms(clock->self) < c->credential.expires_ms - EXEC_LEEWAY_MS)
        return 0;
    r = exec_plugin_run(c->exec, clock, &fresh, reterr, size);
    if (r != 0)
        return r;
    exec_credential_release(&c->credential);
    c->credential = fresh;
    c->credential_valid = true;
    if (fresh.cert_pem) {
        c->tls.cert_pem = c->credential.cert_pem;
        c->tls.key_pem = c->credential.key_pem;
    }
    return 0;
}

static void add_basic(struct kube_config *c, struct strbuf *out)
{
    struct strbuf pair = STRBUF_INIT;
    unsigned char *text;

    strbuf_addf(&pair, "%s:%s", c->username, c->password ? c->password : "");
    text = pair.failed ? NULL : malloc(pair.len / 3 * 4 + 8);
    if (text) {
        EVP_EncodeBlock(text, (const unsigned char *)pair.data, (int)pair.len);
        strbuf_addf(out, "Basic %s", (const char *)text);
    } else {
        out->failed = true;
    }
    free(text);
    strbuf_release(&pair);
}

int kube_config_authorize(struct kube_config *c, const struct clock *clock,
                          struct strbuf *ret_value, char *reterr, size_t reterr_size)
{
    const char *token = c->token;
    int r;

    strbuf_clear(ret_value);
    if (c->token_file) {
        const char *read = token_from_file(c, clock, reterr, reterr_size);
        if (!read && !token)
            return -EACCES;
        token = read ? read : token;
    }
    if (!token && c->exec) {
        r = token_from_plugin(c, clock, reterr, reterr_size);
        if (r != 0)
            return r;
        token = c->credential.token;
    }
    if (token) {
        strbuf_adds(ret_value, "Bearer ");
        strbuf_adds(ret_value, token);
    } else if (c->username) {
        add_basic(c, ret_value);
    }
    return ret_value->failed ? -ENOMEM : 0;
}

void kube_config_unauthorized(struct kube_config *c)
{
    c->credential_valid = false;
    c->token_read_ms = INT64_MIN / 2;
}
