#include "adapters/workload/quirks.h"

const struct cluster_quirk_text cluster_quirk_texts[CLUSTER_QUIRK_COUNT] = {
#define CLUSTER_QUIRK_TEXT(id, name, flagger, ours) {name, flagger, ours},
    CLUSTER_QUIRKS(CLUSTER_QUIRK_TEXT)
#undef CLUSTER_QUIRK_TEXT
};
