/* adapters/metrics/template_exec.c — renders a parsed query template, with Go's error texts. */
#include "adapters/metrics/template_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 100000u /* nodes walked in one rendering */
#define ARGS_MAX 64u

struct variable {
    struct span name;
    struct value value;
};

struct exec {
    const struct template *t;
    struct call call;
    struct span tree_name;
    const struct tmpl_node *node; /* where errors are said to be */
    struct variable *vars;
    size_t var_count, var_cap, var_base; /* a called template sees variables from var_base on */
    unsigned depth, steps;
    struct strbuf *out;
    size_t out_from;
    bool failed;
    enum { RUN, BREAK, CONTINUE } jump;
    struct template_error *err;
};

static const struct value none = {.kind = VALUE_NONE};

/* ---- errors ------------------------------------------------------ */

static void fail_as(struct exec *e, bool unsupported, const char *what)
{
    struct strbuf context = STRBUF_INIT, name = STRBUF_INIT;
    size_t bol;

    if (e->failed)
        return;
    e->failed = true;
    e->err->unsupported = unsupported;
    e->err->what = what ? what : "out of memory";
    e->err->offset = e->node->pos;
    template_locate(e->t->text, e->t->len, e->node->pos, &e->err->line, &e->err->col);
    for (bol = e->node->pos; bol > 0 && e->t->text[bol - 1] != '\n';)
        bol--;
    tmpl_print(e->node, &context);
    go_quote(&name, e->tree_name.s, e->tree_name.len);
    e->err->text = arena_printf(
        e->call.arena,
        "template excution failed: template: " TEMPLATE_NAME ":%u:%zu: executing %s at <%s>: %s",
        e->err->line, e->node->pos - bol, strbuf_str(&name), strbuf_str(&context), e->err->what);
    if (!e->err->text)
        e->err->text = "out of memory";
    strbuf_release(&context);
    strbuf_release(&name);
}

static void fail(struct exec *e, const char *what)
{
    fail_as(e, false, what);
}

/* `before` with the name quoted behind it */
static void fail_name(struct exec *e, const char *before, struct span name, const char *after)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_adds(&b, before);
    go_quote(&b, name.s, name.len);
    strbuf_adds(&b, after);
    fail(e, arena_strdup(e->call.arena, strbuf_str(&b)));
    strbuf_release(&b);
}

static bool enter(struct exec *e)
{
    if (e->failed)
        return false;
    if (++e->steps > STEPS_MAX || e->out->len - e->out_from > TEMPLATE_OUTPUT_MAX) {
        fail_as(e, true, "the template does too much");
        return false;
    }
    return true;
}

static bool enter_deeper(struct exec *e)
{
    if (!enter(e))
        return false;
    if (e->depth >= 2 * TEMPLATE_DEPTH_MAX) {
        fail_as(e, true, "nested too deeply");
        return false;
    }
    e->depth++;
    return true;
}

/* ---- variables --------------------------------------------------- */

static void push_var(struct exec *e, struct span name, struct value value)
{
    if (e->var_count == e->var_cap) {
        size_t cap = e->var_cap ? e->var_cap * 2 : 8;
        struct variable *more = arena_alloc(e->call.arena, cap * sizeof *more);

        if (!more) {
            fail_as(e, true, NULL);
            return;
        }
        if (e->var_count)
            memcpy(more, e->vars, e->var_count * sizeof *more);
        e->vars = more;
        e->var_cap = cap;
    }
    e->vars[e->var_count++] = (struct variable){name, value};
}

static struct variable *find_var(struct exec *e, struct span name)
{
    for (size_t i = e->var_count; i > e->var_base; i--) {
        if (span_equal(e->vars[i - 1].name, name))
            return &e->vars[i - 1];
    }
    fail(e, arena_printf(e->call.arena, "undefined variable: %.*s", (int)name.len, name.s));
    return NULL;
}

static void set_var(struct exec *e, struct span name, struct value value)
{
    struct variable *v = find_var(e, name);

    if (v)
        v->value = value;
}

/* ---- expressions ------------------------------------------------- */

/* `final`: what the pipeline brings as the last argument, or NULL. */
static struct value eval_pipeline(struct exec *e, const struct value *dot,
                                  const struct tmpl_node *pipe);
static struct value eval_function(struct exec *e, const struct value *dot,
                                  const struct tmpl_node *n, const struct tmpl_node *cmd,
                                  const struct tmpl_node *args, const struct value *final);

static void not_a_function(struct exec *e, const struct tmpl_node *cmd, const struct value *final)
{
    struct strbuf b = STRBUF_INIT;

    if (cmd->count <= 1 && !final)
        return;
    strbuf_adds(&b, "can't give argument to non-function ");
    tmpl_print(cmd->first, &b);
    fail(e, arena_strdup(e->call.arena, strbuf_str(&b)));
    strbuf_release(&b);
}

static struct value eval_one_field(struct exec *e, struct value receiver, struct span name,
                                   bool has_args)
{
    if (receiver.kind == VALUE_NONE) {
        fail_name(e, "nil data; no entry for key ", name, "");
        return none;
    }
    if (receiver.kind != VALUE_MAP) {
        fail(e, arena_printf(e->call.arena, "can't evaluate field %.*s in type %s", (int)name.len,
                             name.s, value_type_name(&receiver)));
        return none;
    }
    if (has_args) {
        fail(e, arena_printf(e->call.arena, "%.*s is not a method but has arguments", (int)name.len,
                             name.s));
        return none;
    }
    for (size_t i = 0; i < e->call.map_count; i++) {
        const char *value = e->call.map[i].value;

        if (span_is(name, e->call.map[i].key))
            return (struct value){.kind = VALUE_STRING, .string = {value, strlen(value)}};
    }
    fail_name(e, "map has no entry for key ", name, "");
    return none;
}

static struct value eval_fields(struct exec *e, struct value v, const struct tmpl_node *n,
                                size_t from, bool has_args)
{
    for (size_t i = from; i < n->ident_count && !e->failed; i++)
        v = eval_one_field(e, v, n->idents[i], has_args && i + 1 == n->ident_count);
    return v;
}

static struct value eval_term(struct exec *e, const struct value *dot, const struct tmpl_node *n);

static struct value eval_chain(struct exec *e, const struct value *dot, const struct tmpl_node *n,
                               bool has_args)
{
    struct value v;

    e->node = n;
    v = eval_term(e, dot, n->first);
    return e->failed ? none : eval_fields(e, v, n, 0, has_args);
}

static struct value eval_variable(struct exec *e, const struct tmpl_node *n,
                                  const struct tmpl_node *cmd, const struct value *final)
{
    struct variable *v;

    e->node = n;
    v = find_var(e, n->idents[0]);
    if (!v)
        return none;
    if (n->ident_count == 1) {
        if (cmd)
            not_a_function(e, cmd, final);
        return v->value;
    }
    return eval_fields(e, v->value, n, 1, cmd && (cmd->count > 1 || final));
}

static struct value eval_constant(struct exec *e, const struct tmpl_node *n)
{
    e->node = n;
    if (n->type == TMPL_BOOL)
        return (struct value){.kind = VALUE_BOOL, .truth = n->truth};
    if (n->type == TMPL_STRING)
        return (struct value){.kind = VALUE_STRING, .string = n->string};
    if (n->is_int)
        return (struct value){.kind = VALUE_INT, .integer = n->integer};
    return (struct value){.kind = VALUE_FLOAT, .real = n->real};
}

/* An operand on its own, without arguments of its own. */
static struct value eval_term(struct exec *e, const struct value *dot, const struct tmpl_node *n)
{
    e->node = n;
    switch ((int)n->type) {
    case TMPL_DOT:
        return *dot;
    case TMPL_NIL:
        return none;
    case TMPL_FIELD:
        return eval_fields(e, *dot, n, 0, false);
    case TMPL_VARIABLE:
        return eval_variable(e, n, NULL, NULL);
    case TMPL_PIPE:
        return eval_pipeline(e, dot, n);
    case TMPL_IDENTIFIER:
        return eval_function(e, dot, n, n, NULL, NULL);
    case TMPL_CHAIN:
        return eval_chain(e, dot, n, false);
    default:
        return eval_constant(e, n);
    }
}

/* The format of printf must be text. */
static struct value want_string(struct exec *e, const struct tmpl_node *n, struct value v)
{
    struct strbuf b = STRBUF_INIT;

    if (e->failed || v.kind == VALUE_STRING)
        return v;
    if (n && n->type == TMPL_NIL) {
        fail(e, "cannot assign nil to string");
    } else if (n && (n->type == TMPL_BOOL || n->type == TMPL_NUMBER)) {
        strbuf_adds(&b, "expected string; found ");
        tmpl_print(n, &b);
        fail(e, arena_strdup(e->call.arena, strbuf_str(&b)));
        strbuf_release(&b);
    } else if (v.kind == VALUE_NONE) {
        fail(e, "invalid value; expected string");
    } else {
        fail(e, arena_printf(e->call.arena, "wrong type for value; expected string; got %s",
                             value_type_name(&v)));
    }
    return none;
}

/* and, or: the first argument that decides, else the last. */
static struct value eval_logic(struct exec *e, const struct value *dot, bool is_or,
                               const struct tmpl_node *args, const struct value *final)
{
    struct value v = none;

    for (; args && !e->failed; args = args->next) {
        v = eval_term(e, dot, args);
        if (!e->failed && value_is_true(&v) == is_or)
            return v;
    }
    return final && !e->failed ? *final : v;
}

static bool check_count(struct exec *e, const struct function *f, size_t args, bool final)
{
    size_t in = args + final;

    if (f->variadic ? in >= f->args_min : in == f->args_min)
        return true;
    if (f->variadic)
        fail(e, arena_printf(e->call.arena, "wrong number of args for %s: want at least %u got %zu",
                             f->name, f->args_min, args));
    else
        fail(e, arena_printf(e->call.arena, "wrong number of args for %s: want %u got %zu", f->name,
                             f->args_min, in));
    return false;
}

/* `args`: the operands after the function's name. */
static struct value eval_function(struct exec *e, const struct value *dot,
                                  const struct tmpl_node *n, const struct tmpl_node *cmd,
                                  const struct tmpl_node *args, const struct value *final)
{
    const struct function *f = template_function_at(template_function_find(n->text));
    size_t count = 0, i = 0;
    struct value *argv, ret = none;

    e->node = n;
    for (const struct tmpl_node *a = args; a; a = a->next)
        count++;
    if (!check_count(e, f, count, final != NULL) || !enter_deeper(e))
        return none;
    if (!f->call) {
        ret = eval_logic(e, dot, f->name[0] == 'o', args, final);
        e->depth--;
        return ret;
    }
    if (count >= ARGS_MAX)
        fail_as(e, true, "too many arguments");
    argv = arena_alloc(e->call.arena, (count + 1) * sizeof *argv);
    if (!argv)
        fail_as(e, true, NULL);
    for (; args && !e->failed; args = args->next, i++) {
        argv[i] = eval_term(e, dot, args);
        if (f->first_is_string && i == 0)
            argv[i] = want_string(e, args, argv[i]);
    }
    if (final && !e->failed) {
        argv[i] = f->first_is_string && i == 0 ? want_string(e, NULL, *final) : *final;
        i++;
    }
    e->depth--;
    if (e->failed)
        return none;
    if (!f->call(&e->call, argv, i, &ret)) {
        e->node = cmd;
        if (e->call.error.unsupported)
            fail_as(e, true, e->call.error.what);
        else
            fail(e,
                 arena_printf(e->call.arena, "error calling %s: %s", f->name, e->call.error.what));
        return none;
    }
    return ret;
}

static struct value eval_command(struct exec *e, const struct value *dot,
                                 const struct tmpl_node *cmd, const struct value *final)
{
    const struct tmpl_node *first = cmd->first;

    switch ((int)first->type) {
    case TMPL_FIELD:
        e->node = first;
        return eval_fields(e, *dot, first, 0, cmd->count > 1 || final);
    case TMPL_CHAIN:
        return eval_chain(e, dot, first, cmd->count > 1 || final);
    case TMPL_IDENTIFIER:
        return eval_function(e, dot, first, cmd, first->next, final);
    case TMPL_PIPE:
        not_a_function(e, cmd, final);
        return e->failed ? none : eval_pipeline(e, dot, first);
    case TMPL_VARIABLE:
        return eval_variable(e, first, cmd, final);
    default:
        break;
    }
    e->node = first;
    not_a_function(e, cmd, final);
    if (first->type == TMPL_NIL)
        fail(e, "nil is not a command");
    if (e->failed)
        return none;
    return first->type == TMPL_DOT ? *dot : eval_constant(e, first);
}

static struct value eval_pipeline(struct exec *e, const struct value *dot,
                                  const struct tmpl_node *pipe)
{
    struct value v = none, before;

    if (!pipe || !enter_deeper(e))
        return none;
    e->node = pipe;
    for (const struct tmpl_node *c = pipe->first; c && !e->failed; c = c->next) {
        before = v;
        v = eval_command(e, dot, c, c == pipe->first ? NULL : &before);
    }
    for (size_t i = 0; i < pipe->ident_count && !e->failed; i++) {
        if (pipe->truth)
            set_var(e, pipe->idents[i], v);
        else
            push_var(e, pipe->idents[i], v);
    }
    e->depth--;
    return e->failed ? none : v;
}

/* ---- actions ----------------------------------------------------- */

static void walk_list(struct exec *e, const struct value *dot, const struct tmpl_node *list);

static void walk_choice(struct exec *e, const struct value *dot, const struct tmpl_node *n)
{
    size_t mark = e->var_count;
    struct value v = eval_pipeline(e, dot, n->pipe);

    if (e->failed)
        return;
    if (value_is_true(&v))
        walk_list(e, n->type == TMPL_WITH ? &v : dot, n->list);
    else
        walk_list(e, dot, n->else_list);
    e->var_count = mark;
}

/* One turn of a range. False ends it. */
static bool walk_turn(struct exec *e, const struct tmpl_node *n, size_t mark, struct value index,
                      struct value elem)
{
    const struct tmpl_node *pipe = n->pipe;

    if (pipe->ident_count > 0 && pipe->truth) {
        set_var(e, pipe->idents[0], pipe->ident_count > 1 ? index : elem);
        if (pipe->ident_count > 1)
            set_var(e, pipe->idents[1], elem);
    } else if (pipe->ident_count > 0) {
        e->vars[mark - 1].value = elem;
        if (pipe->ident_count > 1)
            e->vars[mark - 2].value = index;
    }
    walk_list(e, &elem, n->list);
    e->var_count = mark;
    if (e->failed || e->jump == BREAK) {
        e->jump = RUN;
        return false;
    }
    e->jump = RUN;
    return true;
}

static void walk_range(struct exec *e, const struct value *dot, const struct tmpl_node *n)
{
    size_t before = e->var_count, mark, i = 0;
    struct value over = eval_pipeline(e, dot, n->pipe);
    size_t count = over.kind == VALUE_MAP ? e->call.map_count
                   : over.integer > 0     ? (size_t)over.integer
                                          : 0;
    bool whole = over.kind == VALUE_INT || over.kind == VALUE_BYTE;
    struct strbuf b = STRBUF_INIT;

    mark = e->var_count;
    if (e->failed)
        return;
    if (whole && n->pipe->ident_count > 1) {
        fail(e, arena_printf(e->call.arena, "can't use %lld to iterate over more than one variable",
                             (long long)over.integer));
    } else if (!whole && over.kind != VALUE_MAP && over.kind != VALUE_NONE) {
        strbuf_adds(&b, "range can't iterate over ");
        value_print(&e->call, &over, "", &b);
        fail(e, arena_strdup(e->call.arena, strbuf_str(&b)));
        strbuf_release(&b);
    } else if (count == 0 || over.kind == VALUE_NONE) {
        walk_list(e, dot, n->else_list);
    }
    for (; over.kind != VALUE_NONE && i < count && !e->failed; i++) {
        const struct metric_variable *m = over.kind == VALUE_MAP ? &e->call.map[i] : NULL;
        struct value index = none, elem = {.kind = over.kind, .integer = (int64_t)i};

        if (m) {
            index = (struct value){.kind = VALUE_STRING, .string = {m->key, strlen(m->key)}};
            elem = (struct value){.kind = VALUE_STRING, .string = {m->value, strlen(m->value)}};
        }
        if (!walk_turn(e, n, mark, index, elem))
            break;
    }
    e->var_count = before;
}

static void walk_template(struct exec *e, const struct value *dot, const struct tmpl_node *n)
{
    const struct tree *tree = template_find(e->t, n->string);
    size_t base = e->var_base, mark;
    struct span name = e->tree_name;
    struct value v;

    if (!tree) {
        fail_name(e, "template ", n->string, " not defined");
        return;
    }
    v = eval_pipeline(e, dot, n->pipe);
    if (e->failed)
        return;
    mark = e->var_count;
    e->var_base = mark;
    e->tree_name = n->string;
    push_var(e, (struct span){"$", 1}, v);
    walk_list(e, &v, tree->root);
    e->tree_name = name;
    e->var_base = base;
    e->var_count = mark;
}

static void walk(struct exec *e, const struct value *dot, const struct tmpl_node *n)
{
    struct value v;

    e->node = n;
    switch ((int)n->type) {
    case TMPL_TEXT:
        strbuf_add(e->out, n->text.s, n->text.len);
        break;
    case TMPL_ACTION:
        v = eval_pipeline(e, dot, n->pipe);
        if (!e->failed && n->pipe->ident_count == 0)
            value_print(&e->call, &v, "<no value>", e->out);
        break;
    case TMPL_IF:
    case TMPL_WITH:
        walk_choice(e, dot, n);
        break;
    case TMPL_RANGE:
        walk_range(e, dot, n);
        break;
    case TMPL_TEMPLATE:
        walk_template(e, dot, n);
        break;
    case TMPL_BREAK:
        e->jump = BREAK;
        break;
    case TMPL_CONTINUE:
        e->jump = CONTINUE;
        break;
    default:
        break;
    }
}

static void walk_list(struct exec *e, const struct value *dot, const struct tmpl_node *list)
{
    if (!list)
        return;
    e->node = list;
    if (!enter_deeper(e))
        return;
    for (const struct tmpl_node *n = list->first; n && !e->failed && e->jump == RUN; n = n->next) {
        if (enter(e))
            walk(e, dot, n);
    }
    e->depth--;
}

static int by_key(const void *a, const void *b)
{
    const struct metric_variable *x = a, *y = b;

    return strcmp(x->key, y->key);
}

int template_render(const struct template *t, const struct metric_model *model, struct arena *arena,
                    struct strbuf *out, struct template_error *reterr)
{
    struct exec e = {
        .t = t, .out = out, .out_from = out->len, .err = reterr, .tree_name = {TEMPLATE_NAME, 4}};
    const struct tree *tree = template_find(t, e.tree_name);
    struct metric_variable *map = arena_alloc(arena, (model->variable_count + 1) * sizeof *map);

    *reterr = (struct template_error){
        .line = 1, .col = 1, .what = "out of memory", .text = "out of memory"};
    if (!map || !tree)
        return -ENOMEM;
    if (model->variable_count)
        memcpy(map, model->variables, model->variable_count * sizeof *map);
    for (size_t i = 0; i < model->variable_count; i++) {
        if (!map[i].value)
            map[i].value = "";
    }
    qsort(map, model->variable_count, sizeof *map, by_key);
    e.call = (struct call){
        .arena = arena, .model = model, .map = map, .map_count = model->variable_count};
    e.node = tree->root;
    push_var(&e, (struct span){"$", 1}, none);
    walk_list(&e, &none, tree->root);
    if (out->failed || arena_failed(arena))
        return -ENOMEM;
    return e.failed ? -EINVAL : 0;
}
