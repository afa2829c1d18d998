#define LAZY_CURL
#define LAZY_MHD
#define LAZY_HERE
#include "adapters/http/lazy.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first name that there is; the short one exists where the library can be developed with. */
static void *open_library(const char *soname, const char *short_name)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        library = dlopen(short_name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "coalmine: %s is not installed: %s\n", soname, dlerror());
        _exit(4);
    }
    return library;
}

static void find(void *library, const char *name, void *ret_function)
{
    void *symbol = dlsym(library, name);

    if (symbol == NULL) {
        fprintf(stderr, "coalmine: a library is too old: no %s\n", name);
        _exit(4);
    }
    memcpy(ret_function, &symbol,
           sizeof symbol); /* C has no cast from object to function pointers */
}

/* Written once, before anybody reads them. */
static struct lazy_curl curl_functions;
static struct lazy_mhd mhd_functions;
static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static pthread_once_t mhd_once = PTHREAD_ONCE_INIT;

static void load_curl(void)
{
    void *library = open_library("libcurl.so.4", "libcurl.so");

#define LAZY_FIND(f) find(library, #f, &curl_functions.f);
    LAZY_CURL_FUNCTIONS(LAZY_FIND)
#undef LAZY_FIND
}

static void load_mhd(void)
{
    void *library = open_library("libmicrohttpd.so.12", "libmicrohttpd.so");

#define LAZY_FIND(f) find(library, #f, &mhd_functions.f);
    LAZY_MHD_FUNCTIONS(LAZY_FIND)
#undef LAZY_FIND
}

const struct lazy_curl *lazy_curl(void)
{
    pthread_once(&curl_once, load_curl);
    return &curl_functions;
}

const struct lazy_mhd *lazy_mhd(void)
{
    pthread_once(&mhd_once, load_mhd);
    return &mhd_functions;
}
