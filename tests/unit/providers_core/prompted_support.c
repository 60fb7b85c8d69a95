/* Support for the tests of tools in words. */

#include "prompted_support.h"

#include <criterion/criterion.h>

static const struct chat_tool tools[] = {
    {.name = {"get_weather", 11}}, {.name = {"get_time", 8}}, {.name = {"search", 6}}};

const struct chat_request prompted_offered = {.tools = tools, .tools_count = 3};

static void hear(void *arg, const struct chat_event *event)
{
    struct told *told = arg;

    switch (event->kind) {
    case CHAT_EVENT_TEXT:
        buf_add_text(&told->text, event->text);
        break;
    case CHAT_EVENT_CALL:
        cr_assert_eq(event->number, told->numbers++);
        buf_printf(&told->calls, " %.*s", TEXT_ARGS(event->name));
        break;
    case CHAT_EVENT_ARGUMENTS:
        cr_assert_eq(event->number + 1, told->numbers);
        buf_printf(&told->calls, "(%.*s)", TEXT_ARGS(event->text));
        break;
    case CHAT_EVENT_FINISH:
        told->finish = event->finish;
        break;
    case CHAT_EVENT_REFUSAL:
    case CHAT_EVENT_REASONING:
    case CHAT_EVENT_USAGE:
        break;
    }
}

struct chat_sink told_init(struct told *told)
{
    *told = (struct told){.numbers = 0};
    buf_init(&told->text, 0);
    buf_init(&told->calls, 0);
    return (struct chat_sink){hear, told};
}

void told_deinit(struct told *told)
{
    buf_deinit(&told->text);
    buf_deinit(&told->calls);
}
