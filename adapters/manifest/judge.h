/*
 * adapters/manifest/judge.h — how a metric is judged, from annotations, so that the Canary stays
 * valid for Flagger:
 *
 *     coalmine.dev/judge.request-success-rate: "anytime alpha=0.01 kappa=10 min-samples=100"
 *
 * threshold; consecutive k=3; k-of-n k=3 n=5; anytime alpha kappa; mann-whitney alpha tolerance;
 * each with min-samples.
 */
#ifndef COALMINE_MANIFEST_JUDGE_H
#define COALMINE_MANIFEST_JUDGE_H

#include "adapters/manifest/reader.h"
#include "engine/spec.h"

#define JUDGE_ANNOTATION "coalmine.dev/judge."
/* Reads metadata.annotations of a Canary; located errors go to the reader. */
void judges_read(struct reader *r, const struct node *root, struct analysis_spec *analysis);

#endif
