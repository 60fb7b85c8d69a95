/* Filling a problem. What a message repeats of a request may be cut within a character by its
 * format, so it is put into form. */

#include "providers/rehearsal/request/problem.h"

#include <stdarg.h>

#include "shared/base/text.h"

PRINTF(2, 0)
static void set_message(struct problem *problem, const char *format, va_list args)
{
    CLEANUP(buf_deinit) struct buf raw = {0};
    CLEANUP(buf_deinit) struct buf message = {0};

    buf_init(&raw, 0);
    buf_init(&message, 0);
    buf_vprintf(&raw, format, args);
    buf_add_utf8(&message, buf_text(&raw));
    text_excerpt(buf_text(&message), problem->message, sizeof(problem->message));
}

int problem_set(struct problem *problem, const char *param, const char *format, ...)
{
    va_list args;

    *problem = (struct problem){.status = 400, .param = param};
    va_start(args, format);
    set_message(problem, format, args);
    va_end(args);
    return CONVERSATION_REFUSED;
}

int problem_set_as(struct problem *problem, int status, const char *code, const char *format, ...)
{
    va_list args;

    *problem = (struct problem){.status = status, .code = code};
    va_start(args, format);
    set_message(problem, format, args);
    va_end(args);
    return CONVERSATION_REFUSED;
}
