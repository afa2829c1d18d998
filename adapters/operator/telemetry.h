/*
 * adapters/operator/telemetry.h — the series of /metrics: Flagger's names and labels, and our own.
 *
 * Source: docs/engine/semantics.md §3.6 for the flagger_* series; Prometheus text format 0.0.4.
 * Series of a Canary that is gone are forgotten (Flagger keeps them for ever).
 */
#ifndef COALMINE_OPERATOR_TELEMETRY_H
#define COALMINE_OPERATOR_TELEMETRY_H

#include "adapters/base/strbuf.h"
#include "engine/engine.h"

struct telemetry;

/* `version` and `mesh_provider` become labels of flagger_info. NULL when memory is out. */
struct telemetry *telemetry_new(const char *version, const char *mesh_provider);
void telemetry_free(struct telemetry *t);

/* A gauge note of the engine; other kinds are ignored. GAUGE_DURATION: `tick_seconds` is observed.
 */
void telemetry_note(struct telemetry *t, const struct spec *spec, const struct note *note,
                    double tick_seconds);
/* flagger_canary_total{namespace}: Canaries known there; 0 forgets the series. */
void telemetry_canaries(struct telemetry *t, const char *ns, uint32_t count);
/* Drop the series of one Canary: those of its target and of the target's primary. */
void telemetry_forget(struct telemetry *t, const struct spec *spec);

/* coalmine_asks_total{kind,outcome} */
void telemetry_ask(struct telemetry *t, enum ask_kind kind, unsigned outcome);
/* coalmine_api_requests_total{verb,resource,code}; code 0 = no answer */
void telemetry_api_request(struct telemetry *t, const char *verb, const char *resource, int code);
/* coalmine_tick_delay_seconds: from due to start. coalmine_tick_duration_seconds: start to end. */
void telemetry_tick(struct telemetry *t, double delay_seconds, double duration_seconds);

/* The text of /metrics: families by name, series by label text. */
void telemetry_expose(const struct telemetry *t, struct strbuf *out);

#endif
