/* engine/units.h — the scalar types of the engine. */
#ifndef COALMINE_ENGINE_UNITS_H
#define COALMINE_ENGINE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC as the driver counts them; in a simulation virtual ones. */
typedef int64_t ms_t;
#define MS_NEVER INT64_MAX

/*
 * A revision of the target workload, or of its tracked configs: a 64-bit hash that the driver makes
 * of the text it stores (`lastAppliedSpec`, `trackedConfigs`). Only ever compared. 0 = none.
 */
typedef uint64_t revision_t;

/* Total weight of a route, in percent. */
#define WEIGHT_TOTAL 100

#endif
