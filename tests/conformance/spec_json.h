/* tests/conformance/spec_json.h — the typed spec of a Canary given as JSON, editable by merge
 * patch. */
#ifndef COALMINE_TESTS_SPEC_JSON_H
#define COALMINE_TESTS_SPEC_JSON_H

#include "adapters/base/json.h"
#include "engine/spec.h"

struct canary_json;

struct canary_json *canary_json_new(const cJSON *canary, const char *mesh_provider,
                                    const char *cluster_name);
/* Apply a merge patch to .spec and read the spec again. */
bool canary_json_edit(struct canary_json *c, const cJSON *patch);
const struct spec *canary_json_spec(const struct canary_json *c);
void canary_json_free(struct canary_json *c);

#endif
