/*
 * adapters/scenario/field.h — reading a YAML tree field by field: every mistake becomes a located
 * finding with the path, what was expected and the nearest valid name; reading goes on.
 */
#ifndef COALMINE_SCENARIO_FIELD_H
#define COALMINE_SCENARIO_FIELD_H

#include "adapters/manifest/node.h"
#include "engine/units.h"

#define FIELD_DEPTH_MAX 32

struct field_reader {
    struct arena *arena;
    struct diags *diags;
    const char *file;
    struct {
        const char *key; /* NULL = an index */
        size_t index;
    } path[FIELD_DEPTH_MAX];
    uint32_t depth;
};

void field_enter(struct field_reader *r, const char *key);
void field_enter_index(struct field_reader *r, size_t index);
void field_leave(struct field_reader *r);

/* A finding at `n` (NULL: without a place); the hint may be NULL. */
void field_error(struct field_reader *r, const struct node *n, const char *hint, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
/* The same at the key of a member. */
void field_key_error(struct field_reader *r, const struct member *m, const char *hint,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * `n` is a map whose keys are all among `names` (NULL-terminated); unknown ones are reported with
 * the nearest name. False when it is no map at all.
 */
bool field_map(struct field_reader *r, const struct node *n, const char *const *names);
bool field_is_map(struct field_reader *r, const struct node *n);
bool field_is_list(struct field_reader *r, const struct node *n);

/*
 * Values. Each returns false after reporting, and leaves its result alone; a NULL node is false
 * without a report, so that defaults stay.
 */
bool field_text(struct field_reader *r, const struct node *n, const char **ret_text);
bool field_bool(struct field_reader *r, const struct node *n, bool *ret_value);
bool field_int(struct field_reader *r, const struct node *n, int64_t min, int64_t max,
               int64_t *ret_value);
bool field_int32(struct field_reader *r, const struct node *n, int32_t min, int32_t max,
                 int32_t *ret_value);
/* Any finite number, also written as text. */
bool field_number(struct field_reader *r, const struct node *n, double *ret_value);
/* A Go duration of at least 0, such as 90s or 1h30m, in ms; 0 may stand alone. */
bool field_duration(struct field_reader *r, const struct node *n, ms_t *ret_ms);
/* A share of one: 5% or 0.05. */
bool field_share(struct field_reader *r, const struct node *n, double *ret_share);
/* One of `names` (NULL-terminated): its index. */
bool field_choice(struct field_reader *r, const struct node *n, const char *const *names,
                  const char *what, uint32_t *ret_index);

#endif
