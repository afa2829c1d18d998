/*
 * adapters/store/flight.h — the flight recorder: what the operator asked and was answered.
 *
 * A tick is gathered in memory and handed over whole; a thread of the recorder's own writes what
 * has gathered, many ticks in one transaction. The operator never waits for the disk: a tick that
 * finds more than `waiting_bytes` before it is dropped and counted. A process that is killed loses
 * what it had not handed over yet and leaves whole ticks only.
 *
 * The tables stand in reports/flight.sql. The journal is a write-ahead log: readers look while the
 * operator writes, a commit is one append without a wait for the disk, and a power cut takes the
 * last commits but no more. docs/design/operator.md has the alternatives.
 */
#ifndef COALMINE_STORE_FLIGHT_H
#define COALMINE_STORE_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLIGHT_APPLICATION_ID 0x434d464c /* "CMFL" */
#define FLIGHT_SCHEMA_VERSION 1

struct flight;
struct flight_tick;

/* One life of the operator; all borrowed for the call of flight_open. */
struct flight_process {
    int64_t began_ms;
    const char *version, *identity, *profile;
    const char *deviations; /* their names, with commas between */
    const char *mesh_provider, *cluster_name;
    bool config_tracking, dry_run;
};

struct flight_options {
    const char *path;
    size_t bytes_max;     /* of the file: older ticks go; 0 = 256 MiB */
    int64_t keep_ms;      /* ticks older than this go; 0 = none */
    size_t waiting_bytes; /* not yet written, at most; 0 = 16 MiB */
};

/*
 * Open for recording; the file is made when absent. Returns 0, or -EEXIST (something else stands
 * there), -EPROTO (a newer schema), -EIO, -ENOMEM with the reason in `reterr`.
 */
int flight_open(const struct flight_options *options, const struct flight_process *process,
                struct flight **ret_flight, char *reterr, size_t reterr_size);
/* Write what waits, and end. NULL is fine. */
void flight_close(struct flight *f);

/* ---- one tick ---------------------------------------------------------------------------------
 */

/* Is a spec of this hash in the file or on its way? */
bool flight_knows_spec(struct flight *f, const char *hash);
struct flight_head {
    const char *ns, *name;
    const char *spec_hash;
    const char *spec; /* the Canary; NULL where the hash is known */
    const char *kind, *phase;
    int64_t at_ms;
    const char *before; /* the engine's state */
};
/* NULL when memory is out; the other functions take that. */
struct flight_tick *flight_begin(struct flight *f, const struct flight_head *head);
/* The texts are copied. `answer` NULL: the last step, nothing is asked any more. */
void flight_step(struct flight_tick *t, const char *notes, const char *ask, const char *answer);
/* Hand it over. `after` NULL: the tick was cut short. */
void flight_end(struct flight *f, struct flight_tick *t, const char *after);

struct flight_counts {
    uint64_t ticks;   /* written */
    uint64_t dropped; /* not written: the disk was too slow, or refused */
    uint64_t bytes;   /* of the file, as of the last commit */
};
void flight_counts(struct flight *f, struct flight_counts *ret_counts);
/* What went wrong since the last call, in `out`; false when nothing did. */
bool flight_trouble(struct flight *f, char *out, size_t size);

/* ---- reading ----------------------------------------------------------------------------------
 */

struct sqlite3;
/* Open for reading, -ENOENT when there is none, else as flight_open. */
int flight_open_read(const char *path, struct sqlite3 **ret_db, char *reterr, size_t reterr_size);
/* A whole copy of a file that may be written meanwhile. 0, or -EEXIST, -EIO with the reason. */
int flight_copy(struct sqlite3 *db, const char *to, char *reterr, size_t reterr_size);

#endif
