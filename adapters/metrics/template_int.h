/* adapters/metrics/template_int.h — the parse tree of a query template, shared by its
 * sources. */
#ifndef COALMINE_METRICS_TEMPLATE_INT_H
#define COALMINE_METRICS_TEMPLATE_INT_H

#include "adapters/metrics/gotext.h"
#include "adapters/metrics/template.h"

#define TEMPLATE_NAME "tmpl"
#define TEMPLATE_DEPTH_MAX                                                                         \
    24u /* nesting of actions and parentheses: bounds the stack of a fiber                         \
         */

struct span {
    const char *s;
    size_t len;
};

enum tmpl_type {
    TMPL_LIST,
    TMPL_TEXT,
    TMPL_ACTION,
    TMPL_IF,
    TMPL_WITH,
    TMPL_RANGE,
    TMPL_TEMPLATE,
    TMPL_BREAK,
    TMPL_CONTINUE,
    TMPL_END,
    TMPL_ELSE,
    TMPL_PIPE,
    TMPL_COMMAND,
    TMPL_IDENTIFIER,
    TMPL_VARIABLE,
    TMPL_FIELD,
    TMPL_CHAIN,
    TMPL_DOT,
    TMPL_NIL,
    TMPL_BOOL,
    TMPL_NUMBER,
    TMPL_STRING,
};

struct tmpl_node {
    enum tmpl_type type;
    size_t pos;
    struct tmpl_node *next; /* in the list that holds it */
    struct tmpl_node *first,
        *last; /* list: nodes; pipe: commands; command: operands; chain: its term */
    size_t count;
    struct span text;    /* text, name, number or quoted string as written */
    struct span string;  /* the string meant; template: the name called */
    struct span *idents; /* variable, field and chain: the names; pipe: declared variables */
    size_t ident_count;
    struct tmpl_node *pipe;             /* action, if, with, range, template */
    struct tmpl_node *list, *else_list; /* if, with, range */
    bool truth;                         /* bool: its value; pipe: `=` and not `:=` */
    bool is_int, is_float;
    int64_t integer;
    double real;
};

/* One `define`d template, or the whole. */
struct tree {
    struct span name;
    struct tmpl_node *root;
    struct tree *next;
};

struct template
{
    const char *text; /* the arena's copy */
    size_t len;
    struct tree *trees;
};

enum token_type {
    TOKEN_ERROR,
    TOKEN_EOF,
    TOKEN_TEXT,
    TOKEN_LEFT_DELIM,
    TOKEN_RIGHT_DELIM,
    TOKEN_SPACE,
    TOKEN_ASSIGN,
    TOKEN_DECLARE,
    TOKEN_PIPE,
    TOKEN_STRING,
    TOKEN_RAW_STRING,
    TOKEN_CHAR_CONSTANT,
    TOKEN_CHAR,
    TOKEN_NUMBER,
    TOKEN_BOOL,
    TOKEN_IDENTIFIER,
    TOKEN_FIELD,
    TOKEN_VARIABLE,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_KEYWORD, /* only a border: all below are keywords */
    TOKEN_DOT,
    TOKEN_BLOCK,
    TOKEN_BREAK,
    TOKEN_CONTINUE,
    TOKEN_DEFINE,
    TOKEN_ELSE,
    TOKEN_END,
    TOKEN_IF,
    TOKEN_NIL,
    TOKEN_RANGE,
    TOKEN_TEMPLATE,
    TOKEN_WITH,
};

struct token {
    enum token_type type;
    size_t pos;
    struct span text; /* of an error: what is wrong */
    uint32_t line;    /* where it starts */
};

struct lexer {
    struct arena *arena;
    const char *text;
    size_t len, pos, start;
    uint32_t line, start_line;
    unsigned paren_depth;
    bool inside_action;
    bool unsupported; /* the error token is about this subset, not about Go */
};

void lexer_init(struct lexer *l, struct arena *arena, const char *text, size_t len);
struct token lexer_next(struct lexer *l);

/* strconv.Unquote of a "…" or `…` token. False on an invalid escape. */
bool literal_unquote(struct arena *arena, struct span quoted, struct span *ret_string);
/* The value of 'x', or of a number, from the node's text. NULL, or what is wrong with it, in the
 * arena; `unsupported`: for this subset only. */
const char *literal_char(struct arena *arena, struct tmpl_node *n, bool *ret_unsupported);
const char *literal_number(struct arena *arena, struct tmpl_node *n, bool *ret_unsupported);

/* A node as Go prints it in an error. */
void tmpl_print(const struct tmpl_node *n, struct strbuf *out);
struct tree *template_find(const struct template *t, struct span name);
bool span_is(struct span a, const char *word);
bool span_equal(struct span a, struct span b);
/* The index in the table of functions, or -1. */
int template_function_find(struct span name);

/* Values while rendering. */
enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_BYTE,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_MAP
};
struct value {
    enum value_kind kind;
    bool truth;
    int64_t integer;
    double real;
    struct span string;
};

/* Why a built-in function failed. `unsupported`: Go would have gone on. */
struct call_error {
    bool unsupported;
    const char *what; /* in the arena */
};

struct call {
    struct arena *arena;
    const struct metric_model *model;
    const struct metric_variable *map; /* the variables, sorted by key */
    size_t map_count;
    struct call_error error;
};

/* How arguments of a function are typed. */
enum function_args { ARGS_ANY, ARGS_REFLECT };
struct function {
    const char *name;
    unsigned args_min;
    bool variadic;
    enum function_args args;
    bool first_is_string;
    /* NULL for and, or: the renderer does them, because they stop early */
    bool (*call)(struct call *c, const struct value *args, size_t count, struct value *ret_value);
};
const struct function *template_function_at(int index);

bool value_is_true(const struct value *v);
const char *value_type_name(const struct value *v);
/* As fmt.Print prints it. */
void value_print(const struct call *c, const struct value *v, const char *none, struct strbuf *out);

#endif
