#include "tests/support/certificates.h"

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400L

static char *bio_text(BIO *bio)
{
    char *data, *copy;
    long len = BIO_get_mem_data(bio, &data);

    assert(len > 0);
    copy = malloc((size_t)len + 1);
    assert(copy);
    memcpy(copy, data, (size_t)len);
    copy[len] = '\0';
    BIO_free(bio);
    return copy;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert(ext);
    assert(X509_add_ext(cert, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static X509 *make(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key, bool expired)
{
    X509 *cert = X509_new();
    X509_NAME *subject;

    assert(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -2 * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert), expired ? -DAY_S : 30 * DAY_S);
    X509_set_pubkey(cert, key);
    subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)(issuer ? "server" : "test-ca"), -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
    add_extension(cert, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (issuer)
        add_extension(cert, NID_subject_alt_name, name);
    assert(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

struct certificates certificates_make(const char *name, bool expired)
{
    struct certificates c;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca, *cert;
    BIO *bio;

    assert(ca_key && key);
    ca = make(ca_key, NULL, NULL, ca_key, false);
    cert = make(key, name, ca, ca_key, expired);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, ca);
    c.ca = bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    c.server_cert = bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    c.server_key = bio_text(bio);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return c;
}

void certificates_release(struct certificates *c)
{
    free(c->ca);
    free(c->server_cert);
    free(c->server_key);
}
