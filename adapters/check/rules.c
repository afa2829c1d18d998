#include "adapters/check/rules.h"

#include <string.h>

const struct check_rule check_rules[RULE_COUNT] = {
#define CHECK_RULE_ROW(id, severity, group, title) {#id, SEVERITY_##severity, GROUP_##group, title},
    CHECK_RULES(CHECK_RULE_ROW)
#undef CHECK_RULE_ROW
};

const struct check_rule *check_rule_find(const char *id, size_t len)
{
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (strlen(check_rules[i].id) == len && memcmp(check_rules[i].id, id, len) == 0)
            return &check_rules[i];
    return NULL;
}
