/* adapters/metrics/template_print.c — a parsed query template told again: as Go prints it in
 * errors, and by its words. */
#include <string.h>

#include "adapters/metrics/template_int.h"

static void print_idents(const struct tmpl_node *n, const char *before, struct strbuf *out)
{
    for (size_t i = 0; i < n->ident_count; i++) {
        if (i > 0 || *before)
            strbuf_addc(out, '.');
        strbuf_add(out, n->idents[i].s, n->idents[i].len);
    }
}

static void print_operand(const struct tmpl_node *n, struct strbuf *out)
{
    if (n->type == TMPL_PIPE)
        strbuf_addc(out, '(');
    tmpl_print(n, out);
    if (n->type == TMPL_PIPE)
        strbuf_addc(out, ')');
}

static void print_pipe(const struct tmpl_node *n, struct strbuf *out)
{
    for (size_t i = 0; i < n->ident_count; i++)
        strbuf_addf(out, "%s%.*s", i ? ", " : "", (int)n->idents[i].len, n->idents[i].s);
    if (n->ident_count)
        strbuf_adds(out, n->truth ? " = " : " := ");
    for (const struct tmpl_node *c = n->first; c; c = c->next) {
        if (c != n->first)
            strbuf_adds(out, " | ");
        tmpl_print(c, out);
    }
}

void tmpl_print(const struct tmpl_node *n, struct strbuf *out)
{
    if (n->type == TMPL_PIPE) {
        print_pipe(n, out);
    } else if (n->type == TMPL_COMMAND) {
        for (const struct tmpl_node *a = n->first; a; a = a->next) {
            if (a != n->first)
                strbuf_addc(out, ' ');
            print_operand(a, out);
        }
    } else if (n->type == TMPL_CHAIN) {
        print_operand(n->first, out);
        print_idents(n, ".", out);
    } else if (n->type == TMPL_FIELD) {
        print_idents(n, ".", out);
    } else if (n->type == TMPL_VARIABLE) {
        print_idents(n, "", out);
    } else if (n->type == TMPL_DOT) {
        strbuf_addc(out, '.');
    } else if (n->type == TMPL_NIL) {
        strbuf_adds(out, "nil");
    } else if (n->type == TMPL_TEMPLATE) {
        strbuf_adds(out, "{{template ");
        go_quote(out, n->string.s, n->string.len);
        if (n->pipe) {
            strbuf_addc(out, ' ');
            tmpl_print(n->pipe, out);
        }
        strbuf_adds(out, "}}");
    } else {
        strbuf_add(out, n->text.s, n->text.len);
    }
}

/* ---- words ------------------------------------------------------- */

static void each_word(const struct tmpl_node *n, template_on_word *on_word, void *ctx)
{
    for (; n; n = n->next) {
        if (n->type == TMPL_IDENTIFIER) {
            char name[64];

            if (n->text.len < sizeof name) {
                memcpy(name, n->text.s, n->text.len);
                name[n->text.len] = '\0';
                on_word(ctx, TEMPLATE_FUNCTION, name, n->pos);
            }
        }
        each_word(n->first, on_word, ctx);
        if (n->type == TMPL_CHAIN && n->first->type == TMPL_IDENTIFIER &&
            span_is(n->first->text, "variables") && n->idents[0].len < 256) {
            char name[256];

            memcpy(name, n->idents[0].s, n->idents[0].len);
            name[n->idents[0].len] = '\0';
            on_word(ctx, TEMPLATE_VARIABLE, name, n->pos + 1);
        }
        if (n->type == TMPL_COMMAND && n->count == 3 && span_is(n->first->text, "index") &&
            span_is(n->first->next->text, "variables") && n->last->type == TMPL_STRING)
            on_word(ctx, TEMPLATE_VARIABLE, n->last->string.s, n->last->pos);
        each_word(n->pipe, on_word, ctx);
        each_word(n->list, on_word, ctx);
        each_word(n->else_list, on_word, ctx);
    }
}

void template_each_word(const struct template *t, template_on_word *on_word, void *ctx)
{
    for (const struct tree *tree = t->trees; tree; tree = tree->next)
        each_word(tree->root, on_word, ctx);
}
