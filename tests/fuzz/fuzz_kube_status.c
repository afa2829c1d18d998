/* Any answer of an API server becomes a typed error with a terminated text and a sane pause. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/kube/client.h"
#include "adapters/kube/exec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_error e;
    struct exec_credential credential;
    char why[256] = "";
    int status;

    if (size < 2)
        return 0;
    status = 300 + (data[0] | data[1] << 8) % 300;
    kube_error_parse(status, (const char *)data + 2, size - 2, NULL, "fuzz", &e);
    assert(memchr(e.message, '\0', sizeof e.message));
    assert(e.retry_after_ms >= 0 && e.retry_after_ms <= 86400 * 1000);
    assert(e.code == status);
    assert(e.reason != KUBE_OK && kube_reason_errno(e.reason) < 0);
    if (exec_credential_parse("client.authentication.k8s.io/v1", (const char *)data + 2, size - 2,
                              &credential, why, sizeof why) == 0) {
        assert(credential.token || (credential.cert_pem && credential.key_pem));
        exec_credential_release(&credential);
    } else {
        assert(why[0]);
    }
    return 0;
}
