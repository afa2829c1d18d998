/*
 * adapters/manifest/judge.h — how a metric is judged, from annotations, so that the Canary stays
 * valid for Flagger:
 *
 *     coalmine.dev/judge.request-success-rate: "anytime alpha=0.01 kappa=10 min-samples=100"
 *
 * threshold; consecutive k=3; k-of-n k=3 n=5; anytime alpha kappa; mann-whitney alpha tolerance;
 * each with min-samples. Queries that feed a judge stand in coalmine.dev/judge-requests.NAME,
 * -errors.NAME and -primary.NAME. A judge that could not be fed is an error, never silence. Profile
 * flagger-1.44 knows no judges. Source: docs/whatif/judges.md.
 */
#ifndef COALMINE_MANIFEST_JUDGE_H
#define COALMINE_MANIFEST_JUDGE_H

#include "adapters/manifest/reader.h"
#include "engine/spec.h"

#define JUDGE_ANNOTATIONS "coalmine.dev/judge"
/* Reads metadata.annotations of a Canary whose spec is read; located errors go to the reader. */
void judges_read(struct reader *r, const struct node *root, struct spec *spec);

#endif
