/*
 * adapters/http/lazy.h — libcurl and libmicrohttpd, loaded when the first of their functions is
 * called.
 *
 * Both bring thirty libraries with them, and loading those takes three times as long as checking a
 * file: `coalmine check` in an editor must not pay for an HTTP client it never uses. Include this
 * in place of <curl/curl.h> (LAZY_CURL) or <microhttpd.h> (LAZY_MHD); calls look as they always do.
 * A library that is missing ends the process with a message on stderr, as the system's own loader
 * would.
 */
#ifndef COALMINE_HTTP_LAZY_H
#define COALMINE_HTTP_LAZY_H

#ifdef LAZY_CURL
#include <curl/curl.h>

#define LAZY_CURL_FUNCTIONS(X)                                                                     \
    X(curl_easy_cleanup)                                                                           \
    X(curl_easy_getinfo)                                                                           \
    X(curl_easy_init)                                                                              \
    X(curl_easy_pause)                                                                             \
    X(curl_easy_perform)                                                                           \
    X(curl_easy_reset)                                                                             \
    X(curl_easy_setopt)                                                                            \
    X(curl_easy_strerror)                                                                          \
    X(curl_free)                                                                                   \
    X(curl_multi_add_handle)                                                                       \
    X(curl_multi_assign)                                                                           \
    X(curl_multi_cleanup)                                                                          \
    X(curl_multi_info_read)                                                                        \
    X(curl_multi_init)                                                                             \
    X(curl_multi_remove_handle)                                                                    \
    X(curl_multi_setopt)                                                                           \
    X(curl_multi_socket_action)                                                                    \
    X(curl_share_cleanup)                                                                          \
    X(curl_share_init)                                                                             \
    X(curl_share_setopt)                                                                           \
    X(curl_slist_append)                                                                           \
    X(curl_slist_free_all)                                                                         \
    X(curl_url)                                                                                    \
    X(curl_url_cleanup)                                                                            \
    X(curl_url_get)                                                                                \
    X(curl_url_set)

#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt
#undef curl_share_setopt
struct lazy_curl {
#define LAZY_MEMBER(f) __typeof__(f) *f;
    LAZY_CURL_FUNCTIONS(LAZY_MEMBER)
#undef LAZY_MEMBER
};
const struct lazy_curl *lazy_curl(void);

#ifndef LAZY_HERE
#define curl_easy_cleanup lazy_curl()->curl_easy_cleanup
#define curl_easy_getinfo lazy_curl()->curl_easy_getinfo
#define curl_easy_init lazy_curl()->curl_easy_init
#define curl_easy_pause lazy_curl()->curl_easy_pause
#define curl_easy_perform lazy_curl()->curl_easy_perform
#define curl_easy_reset lazy_curl()->curl_easy_reset
#define curl_easy_setopt lazy_curl()->curl_easy_setopt
#define curl_easy_strerror lazy_curl()->curl_easy_strerror
#define curl_free lazy_curl()->curl_free
#define curl_multi_add_handle lazy_curl()->curl_multi_add_handle
#define curl_multi_assign lazy_curl()->curl_multi_assign
#define curl_multi_cleanup lazy_curl()->curl_multi_cleanup
#define curl_multi_info_read lazy_curl()->curl_multi_info_read
#define curl_multi_init lazy_curl()->curl_multi_init
#define curl_multi_remove_handle lazy_curl()->curl_multi_remove_handle
#define curl_multi_setopt lazy_curl()->curl_multi_setopt
#define curl_multi_socket_action lazy_curl()->curl_multi_socket_action
#define curl_share_cleanup lazy_curl()->curl_share_cleanup
#define curl_share_init lazy_curl()->curl_share_init
#define curl_share_setopt lazy_curl()->curl_share_setopt
#define curl_slist_append lazy_curl()->curl_slist_append
#define curl_slist_free_all lazy_curl()->curl_slist_free_all
#define curl_url lazy_curl()->curl_url
#define curl_url_cleanup lazy_curl()->curl_url_cleanup
#define curl_url_get lazy_curl()->curl_url_get
#define curl_url_set lazy_curl()->curl_url_set
#endif
#endif

#ifdef LAZY_MHD
#include <microhttpd.h>

#define LAZY_MHD_FUNCTIONS(X)                                                                      \
    X(MHD_add_response_header)                                                                     \
    X(MHD_create_response_from_buffer)                                                             \
    X(MHD_create_response_from_callback)                                                           \
    X(MHD_destroy_response)                                                                        \
    X(MHD_get_connection_values)                                                                   \
    X(MHD_get_daemon_info)                                                                         \
    X(MHD_get_timeout)                                                                             \
    X(MHD_lookup_connection_value)                                                                 \
    X(MHD_queue_response)                                                                          \
    X(MHD_resume_connection)                                                                       \
    X(MHD_run)                                                                                     \
    X(MHD_set_connection_option)                                                                   \
    X(MHD_start_daemon)                                                                            \
    X(MHD_stop_daemon)                                                                             \
    X(MHD_suspend_connection)

struct lazy_mhd {
#define LAZY_MEMBER(f) __typeof__(f) *f;
    LAZY_MHD_FUNCTIONS(LAZY_MEMBER)
#undef LAZY_MEMBER
};
const struct lazy_mhd *lazy_mhd(void);

#ifndef LAZY_HERE
#define MHD_add_response_header lazy_mhd()->MHD_add_response_header
#define MHD_create_response_from_buffer lazy_mhd()->MHD_create_response_from_buffer
#define MHD_create_response_from_callback lazy_mhd()->MHD_create_response_from_callback
#define MHD_destroy_response lazy_mhd()->MHD_destroy_response
#define MHD_get_connection_values lazy_mhd()->MHD_get_connection_values
#define MHD_get_daemon_info lazy_mhd()->MHD_get_daemon_info
#define MHD_get_timeout lazy_mhd()->MHD_get_timeout
#define MHD_lookup_connection_value lazy_mhd()->MHD_lookup_connection_value
#define MHD_queue_response lazy_mhd()->MHD_queue_response
#define MHD_resume_connection lazy_mhd()->MHD_resume_connection
#define MHD_run lazy_mhd()->MHD_run
#define MHD_set_connection_option lazy_mhd()->MHD_set_connection_option
#define MHD_start_daemon lazy_mhd()->MHD_start_daemon
#define MHD_stop_daemon lazy_mhd()->MHD_stop_daemon
#define MHD_suspend_connection lazy_mhd()->MHD_suspend_connection
#endif
#endif

#endif
