#include "adapters/cli/frame.h"

#include <string.h>

/* Completions: verbs first, then the options of the verb, then choices, else files. */

static const struct option_spec *lists_of(const struct verb *v, size_t i)
{
    return i == 0 ? v->options : common_options;
}

void complete_bash(FILE *out)
{
    fputs("# bash completion of coalmine, made by `coalmine help --completion bash`\n"
          "_coalmine()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    if [ \"$cur\" = = ]; then cur=; fi\n"
          "    if [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W '",
          out);
    for (size_t i = 0; verbs[i]; i++)
        fprintf(out, "%s ", verbs[i]->name);
    fputs("--help --version' -- \"$cur\")\n        return\n    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          out);
    for (size_t i = 0; verbs[i]; i++) {
        const char *dashes = verbs[i]->single_dash ? "-" : "--";
        fprintf(out, "    %s)\n        case $prev in\n", verbs[i]->name);
        for (const struct option_spec *o = verbs[i]->options; o && o->name; o++) {
            if (!o->choices)
                continue;
            fprintf(out, "        %s%s) mapfile -t COMPREPLY < <(compgen -W '", dashes, o->name);
            for (const char *c = o->choices; *c; c++)
                putc(*c == '|' ? ' ' : *c, out);
            fputs("' -- \"$cur\"); return ;;\n", out);
        }
        fputs(
            "        esac\n        case $cur in\n        -*) mapfile -t COMPREPLY < <(compgen -W '",
            out);
        for (size_t l = 0; l < 2; l++)
            for (const struct option_spec *o = lists_of(verbs[i], l); o && o->name; o++)
                fprintf(out, "%s%s ", l == 0 ? dashes : "--", o->name);
        fputs("' -- \"$cur\"); return ;;\n        esac ;;\n", out);
    }
    fputs("    esac\n    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n}\n"
          "complete -o filenames -F _coalmine coalmine\n",
          out);
}

/* A help text inside single quotes; `special` are escaped by a backslash as well. */
static void shell_text(FILE *out, const char *text, const char *special)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            fputs("'\\''", out);
        else if (strchr(special, *p))
            fprintf(out, "\\%c", *p);
        else
            putc(*p, out);
    }
}

static void zsh_option(FILE *out, const struct verb *verb, const struct option_spec *o, size_t list)
{
    const char *dashes = verb->single_dash && list == 0 ? "-" : "--";

    fprintf(out, "            '%s%s%s%s[", o->repeats ? "*" : "", dashes, o->name,
            o->value ? "=" : "");
    shell_text(out, o->help, "[]:\\");
    putc(']', out);
    if (o->choices) {
        fprintf(out, ":%s:(", o->name);
        for (const char *c = o->choices; *c; c++)
            putc(*c == '|' ? ' ' : *c, out);
        putc(')', out);
    } else if (o->value) {
        fprintf(out, ":%s:_files", o->name);
    }
    fputs("' \\\n", out);
}

void complete_zsh(FILE *out)
{
    fputs(
        "#compdef coalmine\n# made by `coalmine help --completion zsh`\n"
        "_coalmine() {\n    if (( CURRENT == 2 )); then\n        local -a verbs\n        verbs=(\n",
        out);
    for (size_t i = 0; verbs[i]; i++) {
        fprintf(out, "            '%s:", verbs[i]->name);
        shell_text(out, verbs[i]->summary, ":\\");
        fputs("'\n", out);
    }
    fputs("        )\n        _describe verb verbs\n        return\n    fi\n"
          "    local verb=$words[2]\n    words=(\"${(@)words[2,-1]}\"); (( CURRENT-- ))\n"
          "    case $verb in\n",
          out);
    for (size_t i = 0; verbs[i]; i++) {
        fprintf(out, "    %s)\n        _arguments \\\n", verbs[i]->name);
        for (size_t l = 0; l < 2; l++)
            for (const struct option_spec *o = lists_of(verbs[i], l); o && o->name; o++)
                zsh_option(out, verbs[i], o, l);
        fputs("            '*:file:_files' ;;\n", out);
    }
    fputs("    esac\n}\n_coalmine \"$@\"\n", out);
}

void complete_fish(FILE *out)
{
    fputs("# fish completion of coalmine, made by `coalmine help --completion fish`\n", out);
    for (size_t i = 0; verbs[i]; i++) {
        fprintf(out, "complete -c coalmine -n __fish_use_subcommand -f -a %s -d '", verbs[i]->name);
        shell_text(out, verbs[i]->summary, "");
        fputs("'\n", out);
    }
    for (size_t i = 0; verbs[i]; i++) {
        for (size_t l = 0; l < 2; l++) {
            for (const struct option_spec *o = lists_of(verbs[i], l); o && o->name; o++) {
                fprintf(out, "complete -c coalmine -n '__fish_seen_subcommand_from %s' -%c %s",
                        verbs[i]->name, verbs[i]->single_dash && l == 0 ? 'o' : 'l', o->name);
                if (o->letter)
                    fprintf(out, " -s %c", o->letter);
                if (o->value)
                    fputs(o->choices ? " -x" : " -r", out);
                if (o->choices) {
                    fputs(" -a '", out);
                    for (const char *c = o->choices; *c; c++)
                        putc(*c == '|' ? ' ' : *c, out);
                    putc('\'', out);
                }
                fputs(" -d '", out);
                shell_text(out, o->help, "");
                fputs("'\n", out);
            }
        }
    }
}
