/*
 * adapters/base/yaml_out.h — JSON values as YAML text, the way `kubectl get -o yaml` prints them.
 *
 * Members are sorted by key, lists stand at the indentation of their key, text is plain wherever a
 * YAML 1.1 reader takes it for the same text again, and text of several lines is a literal block.
 * One value has one spelling.
 */
#ifndef COALMINE_BASE_YAML_OUT_H
#define COALMINE_BASE_YAML_OUT_H

#include "adapters/base/json.h"
#include "adapters/base/strbuf.h"

/* Append `v` as one document without `---`; ends with a newline. */
void yaml_write(struct strbuf *b, const cJSON *v);
/* Append one scalar text, quoted where it must be. Text with line breaks is always double-quoted
 * here. */
void yaml_write_text(struct strbuf *b, const char *s);

#endif
