/*
 * tests/support/certificates.h — a certificate authority and a server certificate, made anew by
 * libcrypto.
 */
#ifndef COALMINE_TEST_CERTIFICATES_H
#define COALMINE_TEST_CERTIFICATES_H

#include <stdbool.h>

/* PEM texts. */
struct certificates {
    char *ca, *server_cert, *server_key;
};

/* A server certificate for `name` ("IP:127.0.0.1", "DNS:localhost"); `expired`: it ended yesterday.
 */
struct certificates certificates_make(const char *name, bool expired);
void certificates_release(struct certificates *c);

#endif
