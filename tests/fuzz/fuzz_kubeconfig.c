/* Any kubeconfig is either read, and then names a server, or refused with at least one finding. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/kube/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/fuzz-kubeconfig-XXXXXX";
static FILE *sink;

static void remove_file(void)
{
    (void)fclose(sink);
    (void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1; /* one file for the whole run */
    struct kube_config_source source = {.path = path};
    struct kube_config *config = NULL;
    struct arena *arena = arena_new(0);
    struct diags diags;
    int r;

    if (fd < 0) {
        fd = mkstemp(path);
        assert(fd >= 0);
        sink = fopen("/dev/null", "w");
        assert(sink);
        atexit(remove_file);
    }
    assert(ftruncate(fd, 0) == 0);
    assert(pwrite(fd, data, size, 0) == (ssize_t)size);
    diags_init(&diags, arena);
    r = kube_config_load(&source, &diags, &config);
    if (r == 0) {
        assert(kube_config_server(config));
        assert(kube_config_namespace(config)[0]);
        assert(kube_config_tls(config));
    } else {
        assert(r == -ENOENT || r == -ENOMEM || diags.errors > 0);
    }
    kube_config_free(config);
    for (size_t i = 0; i < diags.count; i++) /* findings outlive the config */
        diag_print(sink, &diags.items[i], NULL, 0, false);
    diags_release(&diags);
    arena_free(arena);
    return 0;
}
