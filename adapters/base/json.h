/*
 * adapters/base/json.h — the one door to cJSON.
 *
 * cJSON reads numbers as doubles, ignores case in lookups and accepts trailing text. Kubernetes
 * needs none of that: here integers above 2^53 survive a round trip (they are kept as raw text),
 * lookups are case sensitive, and trailing text is an error. Include this header, not
 * <cjson/cJSON.h>.
 */
#ifndef COALMINE_BASE_JSON_H
#define COALMINE_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/strbuf.h"

#define JSON_BYTES_MAX (64u * 1024u * 1024u)
#define JSON_DEPTH_MAX 200u

/*
 * Parse exactly one JSON value. The caller owns it (json_free). NULL on failure; then
 * *reterr_offset, if asked for, is the byte that could not be read.
 */
cJSON *json_parse(const char *text, size_t len, size_t *reterr_offset);
/*
 * As json_parse, for what one object must not spoil for the others of a list: values nested too
 * deep or too large to be numbers are read as null, NUL characters as U+FFFD. *ret_changed tells
 * whether anything was. What is no JSON at all is refused all the same.
 */
cJSON *json_parse_tolerant(const char *text, size_t len, bool *ret_changed);
/* NULL is fine. Of a shared tree, give up one share. */
void json_free(cJSON *v);
/*
 * One more share of an object: its owners give theirs up with json_free, and from now on nobody
 * changes it (under AddressSanitizer that is checked). Shares stay within one thread. Returns `v`.
 */
cJSON *json_share(cJSON *v);
/* Swap a share for a tree of one's own, to change it. Consumes `v`; NULL when memory is out. */
cJSON *json_own(cJSON *v);
/* Give blocks that this thread keeps for the next trees back to malloc. */
void json_trim(void);
/* Compact text, members in stored order, no HTML escapes; the caller frees it. */
char *json_print(const cJSON *v);
/* As json_print, with members sorted by key bytes at every level: one text for equal values. */
char *json_print_sorted(const cJSON *v);
void json_add_to(struct strbuf *b, const cJSON *v);

/* A member by exact name, or NULL; `obj` may be NULL or of another type. */
cJSON *json_get(const cJSON *obj, const char *name);
/* A nested member: json_at(o, "metadata", "labels", NULL). */
cJSON *json_at(const cJSON *obj, ...);
const char *json_str(const cJSON *obj, const char *name); /* NULL when absent or no string */
const char *json_str_or(const cJSON *obj, const char *name, const char *otherwise);
bool json_bool(const cJSON *obj, const char *name, bool otherwise);
/* The integer value of a number (raw ones included) or of `otherwise`. */
int64_t json_int(const cJSON *obj, const char *name, int64_t otherwise);
bool json_as_int(const cJSON *v, int64_t *ret_value);
cJSON *json_new_int(int64_t value);

/* Replace or add a member; takes ownership of `value`. Returns 0 or -ENOMEM (value freed). */
int json_set(cJSON *obj, const char *name, cJSON *value);
int json_set_str(cJSON *obj, const char *name, const char *value);
int json_set_int(cJSON *obj, const char *name, int64_t value);
int json_set_bool(cJSON *obj, const char *name, bool value);
void json_remove(cJSON *obj, const char *name);
/* The member `name` of `obj` as an object, created when absent. */
cJSON *json_child_object(cJSON *obj, const char *name);
cJSON *json_copy(const cJSON *v); /* deep */
/* Equal as JSON values: order of members does not matter, 1 equals 1.0. */
bool json_equal(const cJSON *a, const cJSON *b);
/* RFC 7386. `target` is consumed; the result is the caller's. */
cJSON *json_merge_patch(cJSON *target, const cJSON *patch);

#endif
