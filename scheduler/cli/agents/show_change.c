#include "scheduler/cli/agents/show_change.h"

#include <stdio.h>

#include "scheduler/cli/terminal.h"

static void print_line(void *arg, enum agents_line kind, struct text line)
{
    static const enum terminal_colour colours[] = {TERMINAL_PLAIN, TERMINAL_GREEN, TERMINAL_RED};
    static const char marks[] = {' ', '+', '-'};

    (void)arg;
    printf("%s    %c ", terminal_colour(stdout, colours[kind]), marks[kind]);
    terminal_print(stdout, line);
    printf("%s\n", terminal_colour(stdout, TERMINAL_PLAIN));
}

void show_change(enum agents_change change, const char *what, struct text name,
                 struct json_object *have, struct json_object *body)
{
    static const char *const words[] = {"= unchanged ", "+ create ", "~ update ", "- delete "};
    static const enum terminal_colour colours[] = {TERMINAL_DIM, TERMINAL_GREEN, TERMINAL_YELLOW,
                                                   TERMINAL_RED};

    printf("%s%s%s", terminal_colour(stdout, colours[change]), words[change], what);
    terminal_print(stdout, name);
    printf("%s\n", terminal_colour(stdout, TERMINAL_PLAIN));
    if (body)
        agents_diff_show(have, body, print_line, NULL);
}
