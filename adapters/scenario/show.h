/*
 * adapters/scenario/show.h — a recorded run as text: one line per row for golden traces and
 * differences, a timeline for people, and JSON for programs. The three tell the same facts.
 */
#ifndef COALMINE_SCENARIO_SHOW_H
#define COALMINE_SCENARIO_SHOW_H

#include "adapters/base/strbuf.h"
#include "adapters/scenario/scenario.h"

/* The message of an event or alert row; other rows add nothing. */
void show_message(struct strbuf *out, const struct row *row);
/* A virtual time: 1m00s, 1h02m00s, 0.250s. */
void show_clock(struct strbuf *out, ms_t ms);
/*
 * One row as a line without its end: `   1m00s  event Normal Starting canary analysis for
 * podinfo.test`. With several Canaries in the run each line names its own. Returns false, and adds
 * nothing, for rows that no trace shows (the ends of ticks, gauges, asks).
 */
bool show_row(struct strbuf *out, const struct record *record, const struct row *row, bool named);
/* The whole run, one line per row: what a golden trace holds. */
void show_trace(struct strbuf *out, const struct scenario_run *run, const struct record *record);
/* The timeline that `coalmine simulate` prints. */
void show_timeline(struct strbuf *out, const struct scenario *s, const struct scenario_run *run,
                   const struct record *record, const struct canary_result *results, bool color);
/* The run as one JSON object without a newline. */
void show_json(struct strbuf *out, const struct scenario *s, const struct scenario_run *run,
               const struct record *record, const struct canary_result *results);

#endif
