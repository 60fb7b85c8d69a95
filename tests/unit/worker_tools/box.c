/* The fixture of the tests of tools. */

#include "box.h"

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/loop.h"
#include "shared/json/json.h"

static int read(const char *text, struct box *box, struct error *err)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;

    cr_assert_eq(json_decode(text_of(text), JSON_DEPTH_DEFAULT, &spec, err), 0, "%s", err->text);
    arena_init(&box->arena, 0);
    return toolbox_read(spec, text_of(text), &box->arena, &box->tools, err);
}

void box_open(struct box *box, const char *spec)
{
    struct error err = {0};

    cr_assert_eq(read(spec, box, &err), 0, "%s", err.text);
}

void box_close(struct box *box)
{
    arena_deinit(&box->arena);
}

int box_refused(const char *spec, struct error *err)
{
    struct box box;
    int r = read(spec, &box, err);

    box_close(&box);
    return r;
}

struct calling {
    struct tool_call call;
    struct buf *out;
    struct tool_outcome outcome;
};

static void run_body(void *arg)
{
    struct calling *calling = arg;
    struct error err = {0};

    cr_assert_eq(tool_run(&calling->call, calling->out, &calling->outcome, &err), 0, "%s",
                 err.text);
}

struct tool_outcome box_call(const struct box *box, const char *name, const char *arguments,
                             struct buf *out)
{
    const struct tool_services services = {.now_wall_ms = clock_wall_ms};
    struct calling calling = {
        .call =
            {
                .tool = toolbox_find(&box->tools, text_of(name)),
                .arguments = text_of(arguments),
                .key = TEXT("run_x:1"),
                .deadline_ms = DEADLINE_NONE,
                .services = &services,
                .permissions = &box->tools.permissions,
            },
        .out = out,
    };

    cr_assert_not_null(calling.call.tool);
    loop_run(run_body, &calling);
    return calling.outcome;
}
