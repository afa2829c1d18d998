/*
 * adapters/kube/time.h — times as the Kubernetes API writes them (RFC 3339, UTC).
 */
#ifndef COALMINE_KUBE_TIME_H
#define COALMINE_KUBE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define KUBE_TIME_MAX 40

/* To ms since 1970, any zone; false when `text` is no such time. */
bool kube_time_parse(const char *text, int64_t *ret_ms);
/* metav1.Time: "2026-01-02T03:04:05Z". `out` holds KUBE_TIME_MAX bytes. */
void kube_time_format(char *out, int64_t wall_ms);
/* metav1.MicroTime: "2026-01-02T03:04:05.678000Z". */
void kube_micro_time_format(char *out, int64_t wall_ms);

#endif
