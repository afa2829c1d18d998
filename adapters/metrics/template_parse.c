/* adapters/metrics/template_parse.c — tokens of a query template to its tree, with Go's error
 * texts. */
#include "adapters/metrics/template_int.h"

#include <errno.h>
#include <string.h>

struct parser {
    struct arena *arena;
    struct template *t;
    struct lexer lexer;
    struct token token[3]; /* pushed back, the last first */
    unsigned peek_count;
    uint32_t action_line;
    unsigned range_depth, paren_depth, depth;
    struct span *vars;
    size_t var_count, var_cap;
    bool failed;
    struct template_error *err;
};

bool span_is(struct span a, const char *word)
{
    return a.len == strlen(word) && memcmp(a.s, word, a.len) == 0;
}

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

void template_locate(const char *text, size_t len, size_t offset, uint32_t *ret_line,
                     uint32_t *ret_col)
{
    uint32_t line = 1, col = 1;

    if (offset > len)
        offset = len;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            line++;
            col = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            col++;
        }
    }
    *ret_line = line;
    *ret_col = col;
}

/* ---- errors ------------------------------------------------------ */

static void fail_at(struct parser *p, size_t offset, bool unsupported, const char *what)
{
    if (p->failed)
        return;
    p->failed = true;
    p->err->offset = offset;
    p->err->unsupported = unsupported;
    p->err->what = what ? what : "out of memory";
    template_locate(p->t->text, p->t->len, offset, &p->err->line, &p->err->col);
    p->err->text =
        arena_printf(p->arena, "template parsing failed: template: " TEMPLATE_NAME ":%u: %s",
                     p->token[0].line, p->err->what);
    if (!p->err->text)
        p->err->text = "out of memory";
}

/* The current token is the culprit. */
static void fail(struct parser *p, const char *what)
{
    fail_at(p, p->token[0].pos, false, what);
}

static bool deeper(struct parser *p)
{
    if (++p->depth <= TEMPLATE_DEPTH_MAX)
        return true;
    fail_at(p, p->token[0].pos, true, "nested too deeply");
    return false;
}

static void print_token(const struct token *t, struct strbuf *out)
{
    if (t->type == TOKEN_EOF) {
        strbuf_adds(out, "EOF");
    } else if (t->type == TOKEN_ERROR) {
        strbuf_add(out, t->text.s, t->text.len);
    } else if (t->type > TOKEN_KEYWORD) {
        strbuf_addf(out, "<%.*s>", (int)t->text.len, t->text.s);
    } else if (t->text.len > 10) {
        size_t cut = 0;

        for (int chars = 0; chars < 10 && cut < t->text.len; chars++) {
            cut++;
            while (cut < t->text.len && ((unsigned char)t->text.s[cut] & 0xc0) == 0x80)
                cut++;
        }
        go_quote(out, t->text.s, cut);
        strbuf_adds(out, "...");
    } else {
        go_quote(out, t->text.s, t->text.len);
    }
}

static void unexpected(struct parser *p, const struct token *t, const char *context)
{
    struct strbuf b = STRBUF_INIT;

    if (t->type == TOKEN_ERROR) {
        print_token(t, &b);
        if (p->action_line != 0 && p->action_line != t->line) {
            bool action = b.len >= 7 && strcmp(b.data + b.len - 7, " action") == 0;

            strbuf_addf(&b, "%s started at " TEMPLATE_NAME ":%u", action ? "" : " in action",
                        p->action_line);
        }
    } else {
        strbuf_adds(&b, "unexpected ");
        print_token(t, &b);
        strbuf_addf(&b, " in %s", context);
    }
    fail_at(p, t->pos, t->type == TOKEN_ERROR && p->lexer.unsupported,
            arena_strdup(p->arena, strbuf_str(&b)));
    strbuf_release(&b);
}

/* ---- tokens ------------------------------------------------------ */

static struct token next(struct parser *p)
{
    if (p->peek_count > 0)
        p->peek_count--;
    else
        p->token[0] = lexer_next(&p->lexer);
    return p->token[p->peek_count];
}

static void backup(struct parser *p)
{
    p->peek_count++;
}

static struct token peek(struct parser *p)
{
    if (p->peek_count > 0)
        return p->token[p->peek_count - 1];
    p->peek_count = 1;
    p->token[0] = lexer_next(&p->lexer);
    return p->token[0];
}

static struct token next_non_space(struct parser *p)
{
    struct token t;

    do
        t = next(p);
    while (t.type == TOKEN_SPACE);
    return t;
}

static struct token peek_non_space(struct parser *p)
{
    struct token t = next_non_space(p);

    backup(p);
    return t;
}

static void expect(struct parser *p, enum token_type type, const char *context)
{
    struct token t = next_non_space(p);

    if (t.type != type)
        unexpected(p, &t, context);
}

/* ---- nodes ------------------------------------------------------- */

static struct tmpl_node *tmpl_new(struct parser *p, enum tmpl_type type, size_t pos)
{
    struct tmpl_node *n = arena_alloc(p->arena, sizeof *n);

    if (!n) {
        fail_at(p, pos, true, "out of memory");
        return NULL;
    }
    n->type = type;
    n->pos = pos;
    return n;
}

static void tmpl_append(struct tmpl_node *parent, struct tmpl_node *child)
{
    if (!child)
        return;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

static bool add_ident(struct parser *p, struct tmpl_node *n, struct span name)
{
    struct span *more = arena_alloc(p->arena, (n->ident_count + 1) * sizeof *more);

    if (!more) {
        fail_at(p, n->pos, true, "out of memory");
        return false;
    }
    if (n->ident_count)
        memcpy(more, n->idents, n->ident_count * sizeof *more);
    more[n->ident_count++] = name;
    n->idents = more;
    return true;
}

static void push_var(struct parser *p, struct span name)
{
    if (p->var_count == p->var_cap) {
        size_t cap = p->var_cap ? p->var_cap * 2 : 8;
        struct span *more = arena_alloc(p->arena, cap * sizeof *more);

        if (!more) {
            fail(p, NULL);
            return;
        }
        if (p->var_count)
            memcpy(more, p->vars, p->var_count * sizeof *more);
        p->vars = more;
        p->var_cap = cap;
    }
    p->vars[p->var_count++] = name;
}

/* ---- literals ---------------------------------------------------- */

static bool read_name(struct parser *p, const struct token *t, struct span *ret_name)
{
    if (literal_unquote(p->arena, t->text, ret_name))
        return true;
    fail(p, "invalid syntax");
    return false;
}

static void read_literal(struct parser *p, struct tmpl_node *n,
                         const char *(*read)(struct arena *arena, struct tmpl_node *n,
                                             bool *ret_unsupported))
{
    bool unsupported;
    const char *what = read(p->arena, n, &unsupported);

    if (what)
        fail_at(p, unsupported ? n->pos : p->token[0].pos, unsupported, what);
}

/* ---- expressions ------------------------------------------------- */

static struct tmpl_node *parse_pipeline(struct parser *p, const char *context, enum token_type end);

static struct tmpl_node *parse_identifier(struct parser *p, const struct token *t)
{
    struct tmpl_node *n;

    if (template_function_find(t->text) < 0) {
        struct strbuf b = STRBUF_INIT;

        strbuf_adds(&b, "function ");
        go_quote(&b, t->text.s, t->text.len);
        strbuf_adds(&b, " not defined");
        fail_at(p, t->pos, false, arena_strdup(p->arena, strbuf_str(&b)));
        strbuf_release(&b);
        return NULL;
    }
    if (span_is(t->text, "call")) {
        fail_at(p, t->pos, true, "the function \"call\" is not supported");
        return NULL;
    }
    n = tmpl_new(p, TMPL_IDENTIFIER, t->pos);
    if (n)
        n->text = t->text;
    return n;
}

static struct tmpl_node *use_variable(struct parser *p, const struct token *t)
{
    struct tmpl_node *n = tmpl_new(p, TMPL_VARIABLE, t->pos);
    struct strbuf b = STRBUF_INIT;

    if (!n || !add_ident(p, n, t->text))
        return NULL;
    for (size_t i = 0; i < p->var_count; i++) {
        if (span_equal(p->vars[i], t->text))
            return n;
    }
    strbuf_adds(&b, "undefined variable ");
    go_quote(&b, t->text.s, t->text.len);
    fail_at(p, t->pos, false, arena_strdup(p->arena, strbuf_str(&b)));
    strbuf_release(&b);
    return NULL;
}

static struct tmpl_node *parse_literal(struct parser *p, const struct token *t)
{
    bool string = t->type == TOKEN_STRING || t->type == TOKEN_RAW_STRING;
    struct tmpl_node *n = tmpl_new(p,
                                   t->type == TOKEN_BOOL ? TMPL_BOOL
                                   : string              ? TMPL_STRING
                                                         : TMPL_NUMBER,
                                   t->pos);

    if (!n)
        return NULL;
    n->text = t->text;
    if (t->type == TOKEN_BOOL)
        n->truth = t->text.s[0] == 't';
    else if (string)
        read_name(p, t, &n->string);
    else if (t->type == TOKEN_CHAR_CONSTANT)
        read_literal(p, n, literal_char);
    else
        read_literal(p, n, literal_number);
    return p->failed ? NULL : n;
}

static struct tmpl_node *parse_field(struct parser *p, const struct token *t)
{
    struct tmpl_node *n = tmpl_new(p, TMPL_FIELD, t->pos);

    if (n)
        add_ident(p, n, (struct span){t->text.s + 1, t->text.len - 1});
    return n;
}

static struct tmpl_node *parse_parens(struct parser *p)
{
    struct tmpl_node *n;

    if (!deeper(p))
        return NULL;
    n = parse_pipeline(p, "parenthesized pipeline", TOKEN_RIGHT_PAREN);
    p->depth--;
    return n;
}

/* A simple expression, or NULL when the next token is none. */
static struct tmpl_node *parse_term(struct parser *p)
{
    struct token t = next_non_space(p);

    if (t.type == TOKEN_IDENTIFIER)
        return parse_identifier(p, &t);
    if (t.type == TOKEN_DOT)
        return tmpl_new(p, TMPL_DOT, t.pos);
    if (t.type == TOKEN_NIL)
        return tmpl_new(p, TMPL_NIL, t.pos);
    if (t.type == TOKEN_VARIABLE)
        return use_variable(p, &t);
    if (t.type == TOKEN_FIELD)
        return parse_field(p, &t);
    if (t.type == TOKEN_LEFT_PAREN)
        return parse_parens(p);
    if (t.type == TOKEN_BOOL || t.type == TOKEN_NUMBER || t.type == TOKEN_CHAR_CONSTANT ||
        t.type == TOKEN_STRING || t.type == TOKEN_RAW_STRING)
        return parse_literal(p, &t);
    backup(p);
    return NULL;
}

/* A term with the fields that follow it. */
static struct tmpl_node *parse_operand(struct parser *p)
{
    struct tmpl_node *term = parse_term(p), *n = term;
    struct strbuf b = STRBUF_INIT;

    if (!term || p->failed || peek(p).type != TOKEN_FIELD)
        return p->failed ? NULL : term;
    if (term->type == TMPL_FIELD || term->type == TMPL_VARIABLE)
        n->pos = peek(p).pos;
    else {
        n = tmpl_new(p, TMPL_CHAIN, peek(p).pos);
        if (!n)
            return NULL;
        n->first = n->last = term;
    }
    while (!p->failed && peek(p).type == TOKEN_FIELD) {
        struct token t = next(p);

        add_ident(p, n, (struct span){t.text.s + 1, t.text.len - 1});
    }
    if (term->type == TMPL_BOOL || term->type == TMPL_STRING || term->type == TMPL_NUMBER ||
        term->type == TMPL_NIL || term->type == TMPL_DOT) {
        struct strbuf text = STRBUF_INIT;

        tmpl_print(term, &text);
        strbuf_adds(&b, "unexpected . after term ");
        go_quote(&b, strbuf_str(&text), text.len);
        fail(p, arena_strdup(p->arena, strbuf_str(&b)));
        strbuf_release(&text);
        strbuf_release(&b);
    }
    return p->failed ? NULL : n;
}

static struct tmpl_node *parse_command(struct parser *p)
{
    struct tmpl_node *cmd = tmpl_new(p, TMPL_COMMAND, peek_non_space(p).pos);

    while (cmd && !p->failed) {
        struct token t;

        peek_non_space(p);
        tmpl_append(cmd, parse_operand(p));
        if (p->failed)
            return NULL;
        t = next(p);
        if (t.type == TOKEN_SPACE)
            continue;
        if (t.type == TOKEN_RIGHT_DELIM || t.type == TOKEN_RIGHT_PAREN)
            backup(p);
        else if (t.type != TOKEN_PIPE)
            unexpected(p, &t, "operand");
        break;
    }
    if (cmd && !p->failed && cmd->count == 0)
        fail(p, "empty command");
    return p->failed ? NULL : cmd;
}

/* `$x :=`, `$x =`, `$k, $v :=` ahead of a pipeline. */
static void parse_declarations(struct parser *p, struct tmpl_node *pipe, const char *context)
{
    for (;;) {
        struct token v = peek_non_space(p), after, following;
        enum token_type type;

        if (v.type != TOKEN_VARIABLE)
            return;
        next(p);
        after = peek(p);
        following = peek_non_space(p);
        if (following.type == TOKEN_ASSIGN || following.type == TOKEN_DECLARE) {
            pipe->truth = following.type == TOKEN_ASSIGN;
            next_non_space(p);
            add_ident(p, pipe, v.text);
            push_var(p, v.text);
            return;
        }
        if (following.type != TOKEN_CHAR || following.text.s[0] != ',') {
            p->token[1] = v;
            if (after.type == TOKEN_SPACE) {
                p->token[1] = after;
                p->token[2] = v;
            }
            p->peek_count = after.type == TOKEN_SPACE ? 3 : 2;
            return;
        }
        next_non_space(p);
        add_ident(p, pipe, v.text);
        push_var(p, v.text);
        type = peek_non_space(p).type;
        if (strcmp(context, "range") != 0 || pipe->ident_count >= 2) {
            fail(p, arena_printf(p->arena, "too many declarations in %s", context));
            return;
        }
        if (type != TOKEN_VARIABLE && type != TOKEN_RIGHT_DELIM && type != TOKEN_RIGHT_PAREN) {
            fail(p, "range can only initialize variables");
            return;
        }
    }
}

static void check_pipeline(struct parser *p, const struct tmpl_node *pipe, const char *context)
{
    size_t stage = 1;

    if (pipe->count == 0) {
        fail(p, arena_printf(p->arena, "missing value for %s", context));
        return;
    }
    for (const struct tmpl_node *c = pipe->first->next; c && !p->failed; c = c->next) {
        enum tmpl_type type = c->first->type;

        stage++;
        if (type == TMPL_BOOL || type == TMPL_DOT || type == TMPL_NIL || type == TMPL_NUMBER ||
            type == TMPL_STRING)
            fail(p, arena_printf(p->arena, "non executable command in pipeline stage %zu", stage));
    }
}

static bool starts_operand(enum token_type type)
{
    return type == TOKEN_BOOL || type == TOKEN_CHAR_CONSTANT || type == TOKEN_DOT ||
           type == TOKEN_FIELD || type == TOKEN_IDENTIFIER || type == TOKEN_NUMBER ||
           type == TOKEN_NIL || type == TOKEN_RAW_STRING || type == TOKEN_STRING ||
           type == TOKEN_VARIABLE || type == TOKEN_LEFT_PAREN;
}

static struct tmpl_node *parse_pipeline(struct parser *p, const char *context, enum token_type end)
{
    struct tmpl_node *pipe = tmpl_new(p, TMPL_PIPE, peek_non_space(p).pos);

    if (!pipe)
        return NULL;
    parse_declarations(p, pipe, context);
    while (!p->failed) {
        struct token t = next_non_space(p);

        if (t.type == end) {
            check_pipeline(p, pipe, context);
            break;
        }
        if (!starts_operand(t.type)) {
            unexpected(p, &t, context);
            break;
        }
        backup(p);
        tmpl_append(pipe, parse_command(p));
    }
    return p->failed ? NULL : pipe;
}

/* ---- actions ----------------------------------------------------- */

static struct tmpl_node *parse_item(struct parser *p);

static struct tmpl_node *parse_list(struct parser *p, struct tmpl_node **ret_end)
{
    struct tmpl_node *list = tmpl_new(p, TMPL_LIST, peek_non_space(p).pos);

    while (list && !p->failed && peek_non_space(p).type != TOKEN_EOF) {
        struct tmpl_node *n = parse_item(p);

        if (!n)
            return NULL;
        if (n->type == TMPL_END || n->type == TMPL_ELSE) {
            *ret_end = n;
            return list;
        }
        tmpl_append(list, n);
    }
    if (!p->failed)
        fail(p, "unexpected EOF");
    return NULL;
}

static struct tmpl_node *parse_control(struct parser *p, enum tmpl_type type, const char *context,
                                       size_t pos);

/* What follows {{else}}: a list, or one more if or with. */
static void parse_else(struct parser *p, struct tmpl_node *n, const char *context,
                       struct tmpl_node *otherwise)
{
    struct token t = peek(p);
    struct tmpl_node *end = NULL;

    if ((n->type == TMPL_IF && t.type == TOKEN_IF) ||
        (n->type == TMPL_WITH && t.type == TOKEN_WITH)) {
        next(p);
        n->else_list = tmpl_new(p, TMPL_LIST, otherwise->pos);
        if (n->else_list)
            tmpl_append(n->else_list, parse_control(p, n->type, context, t.pos));
        return;
    }
    n->else_list = parse_list(p, &end);
    if (!p->failed && end->type != TMPL_END)
        fail(p, "expected end; found {{else}}");
}

static struct tmpl_node *parse_control(struct parser *p, enum tmpl_type type, const char *context,
                                       size_t pos)
{
    size_t vars = p->var_count;
    struct tmpl_node *n = tmpl_new(p, type, pos), *end = NULL;

    if (!n || !deeper(p))
        return NULL;
    n->pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM);
    if (p->failed)
        return NULL;
    n->pos = n->pipe->pos;
    p->range_depth += type == TMPL_RANGE;
    n->list = parse_list(p, &end);
    p->range_depth -= type == TMPL_RANGE;
    if (!p->failed && end->type == TMPL_ELSE)
        parse_else(p, n, context, end);
    p->var_count = vars;
    p->depth--;
    return p->failed ? NULL : n;
}

static struct tmpl_node *parse_jump(struct parser *p, enum tmpl_type type, const char *word,
                                    size_t pos)
{
    struct token t = next_non_space(p);

    if (t.type != TOKEN_RIGHT_DELIM)
        unexpected(p, &t, word);
    else if (p->range_depth == 0)
        fail(p, arena_printf(p->arena, "%s outside {{range}}", word));
    return p->failed ? NULL : tmpl_new(p, type, pos);
}

static struct tmpl_node *parse_else_mark(struct parser *p)
{
    struct token t = peek_non_space(p);

    if (t.type == TOKEN_IF || t.type == TOKEN_WITH)
        return tmpl_new(p, TMPL_ELSE, t.pos);
    expect(p, TOKEN_RIGHT_DELIM, "else");
    return p->failed ? NULL : tmpl_new(p, TMPL_ELSE, t.pos);
}

static bool is_blank(const struct tmpl_node *n)
{
    if (n->type == TMPL_TEXT) {
        for (size_t i = 0; i < n->text.len; i++) {
            if (!strchr(" \t\n\v\f\r", n->text.s[i]) || n->text.s[i] == '\0')
                return false;
        }
        return true;
    }
    if (n->type != TMPL_LIST)
        return false;
    for (const struct tmpl_node *c = n->first; c; c = c->next) {
        if (!is_blank(c))
            return false;
    }
    return true;
}

struct tree *template_find(const struct template *t, struct span name)
{
    for (struct tree *tree = t->trees; tree; tree = tree->next) {
        if (span_equal(tree->name, name))
            return tree;
    }
    return NULL;
}

/* A blank template never replaces one that says something; two that do are an error. */
static void add_tree(struct parser *p, struct span name, struct tmpl_node *root)
{
    struct tree *tree = template_find(p->t, name);
    struct strbuf b = STRBUF_INIT;

    if (tree && is_blank(tree->root)) {
        tree->root = root;
    } else if (!tree) {
        tree = arena_alloc(p->arena, sizeof *tree);
        if (!tree) {
            fail(p, NULL);
            return;
        }
        *tree = (struct tree){name, root, p->t->trees};
        p->t->trees = tree;
    } else if (!is_blank(root)) {
        strbuf_adds(&b, "template: multiple definition of template ");
        go_quote(&b, name.s, name.len);
        fail(p, arena_strdup(p->arena, strbuf_str(&b)));
        strbuf_release(&b);
    }
}

/* The body of a define or block: a template of its own, with its own variables. */
static void parse_body(struct parser *p, struct span name, const char *context)
{
    struct span *vars = p->vars;
    size_t var_count = p->var_count, var_cap = p->var_cap;
    unsigned range_depth = p->range_depth;
    uint32_t action_line = p->action_line;
    struct tmpl_node *root, *end = NULL;

    if (!deeper(p))
        return;
    p->vars = NULL;
    p->var_count = p->var_cap = 0;
    p->range_depth = 0;
    p->action_line = 0;
    push_var(p, (struct span){"$", 1});
    root = parse_list(p, &end);
    if (!p->failed && end->type != TMPL_END)
        fail(p, arena_printf(p->arena, "unexpected {{else}} in %s", context));
    if (!p->failed)
        add_tree(p, name, root);
    p->vars = vars;
    p->var_count = var_count;
    p->var_cap = var_cap;
    p->range_depth = range_depth;
    p->action_line = action_line;
    p->depth--;
}

static struct tmpl_node *parse_template_call(struct parser *p, bool block)
{
    const char *context = block ? "block clause" : "template clause";
    struct token t = next_non_space(p);
    struct tmpl_node *n = tmpl_new(p, TMPL_TEMPLATE, t.pos);

    if (t.type != TOKEN_STRING && t.type != TOKEN_RAW_STRING)
        unexpected(p, &t, context);
    if (!n || p->failed || !read_name(p, &t, &n->string))
        return NULL;
    if (block || next_non_space(p).type != TOKEN_RIGHT_DELIM) {
        if (!block)
            backup(p);
        n->pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM);
    }
    if (block && !p->failed)
        parse_body(p, n->string, context);
    return p->failed ? NULL : n;
}

static struct tmpl_node *parse_action(struct parser *p)
{
    struct token t = next_non_space(p);
    struct tmpl_node *n;

    if (t.type == TOKEN_BLOCK || t.type == TOKEN_TEMPLATE)
        return parse_template_call(p, t.type == TOKEN_BLOCK);
    if (t.type == TOKEN_BREAK)
        return parse_jump(p, TMPL_BREAK, "{{break}}", t.pos);
    if (t.type == TOKEN_CONTINUE)
        return parse_jump(p, TMPL_CONTINUE, "{{continue}}", t.pos);
    if (t.type == TOKEN_ELSE)
        return parse_else_mark(p);
    if (t.type == TOKEN_END) {
        expect(p, TOKEN_RIGHT_DELIM, "end");
        return p->failed ? NULL : tmpl_new(p, TMPL_END, t.pos);
    }
    if (t.type == TOKEN_IF)
        return parse_control(p, TMPL_IF, "if", t.pos);
    if (t.type == TOKEN_RANGE)
        return parse_control(p, TMPL_RANGE, "range", t.pos);
    if (t.type == TOKEN_WITH)
        return parse_control(p, TMPL_WITH, "with", t.pos);
    backup(p);
    n = tmpl_new(p, TMPL_ACTION, peek(p).pos);
    if (n)
        n->pipe = parse_pipeline(p, "command", TOKEN_RIGHT_DELIM);
    return p->failed ? NULL : n;
}

static struct tmpl_node *parse_item(struct parser *p)
{
    struct token t = next_non_space(p);
    struct tmpl_node *n = NULL;

    if (t.type == TOKEN_TEXT) {
        n = tmpl_new(p, TMPL_TEXT, t.pos);
        if (n)
            n->text = t.text;
    } else if (t.type == TOKEN_LEFT_DELIM) {
        p->action_line = t.line;
        n = parse_action(p);
        p->action_line = 0;
    } else {
        unexpected(p, &t, "input");
    }
    return p->failed ? NULL : n;
}

static void parse_definition(struct parser *p)
{
    struct token t = next_non_space(p);
    struct span name;

    if (t.type != TOKEN_STRING && t.type != TOKEN_RAW_STRING)
        unexpected(p, &t, "define clause");
    if (p->failed || !read_name(p, &t, &name))
        return;
    expect(p, TOKEN_RIGHT_DELIM, "define clause");
    if (!p->failed)
        parse_body(p, name, "define clause");
}

static void parse_all(struct parser *p)
{
    struct tmpl_node *root = tmpl_new(p, TMPL_LIST, peek(p).pos);

    push_var(p, (struct span){"$", 1});
    while (root && !p->failed && peek(p).type != TOKEN_EOF) {
        struct tmpl_node *n;

        if (peek(p).type == TOKEN_LEFT_DELIM) {
            struct token delim = next(p);

            if (next_non_space(p).type == TOKEN_DEFINE) {
                parse_definition(p);
                continue;
            }
            p->token[1] = delim;
            p->peek_count = 2;
        }
        n = parse_item(p);
        if (n && (n->type == TMPL_END || n->type == TMPL_ELSE))
            fail(p, n->type == TMPL_END ? "unexpected {{end}}" : "unexpected {{else}}");
        else if (n)
            tmpl_append(root, n);
    }
    if (!p->failed)
        add_tree(p, (struct span){TEMPLATE_NAME, sizeof TEMPLATE_NAME - 1}, root);
}

struct template *template_parse(struct arena *arena, const char *text, size_t len,
                                struct template_error *reterr)
{
    struct template *t = arena_alloc(arena, sizeof *t);
    struct parser p = {.arena = arena, .t = t, .err = reterr};

    *reterr = (struct template_error){
        .line = 1, .col = 1, .what = "out of memory", .text = "out of memory"};
    if (!t || len > TEMPLATE_BYTES_MAX) {
        reterr->unsupported = true;
        if (t)
            reterr->what = reterr->text = "the template is longer than 64 KiB";
        return NULL;
    }
    t->text = arena_strndup(arena, text, len);
    t->len = len;
    if (!t->text)
        return NULL;
    lexer_init(&p.lexer, arena, t->text, len);
    p.token[0].line = 1;
    parse_all(&p);
    return p.failed ? NULL : t;
}
