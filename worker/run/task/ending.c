/* The ways in which a run leaves its worker. */

#include "worker/run/task/ending.h"

#include <stdarg.h>
#include <stdio.h>

#include "shared/base/utf8.h"

int ending_completed(struct ending *ending)
{
    ending->end = (struct run_ending){.status = RUN_COMPLETED};
    return RUN_FINISH;
}

int ending_failed(struct ending *ending, const char *code, const char *format, ...)
{
    char text[600];
    const char *copy;
    va_list args;

    va_start(args, format);
    utf8_vformat(text, sizeof(text), format, args);
    va_end(args);
    copy = arena_string(ending->arena, text);
    ending->end = (struct run_ending){
        .status = RUN_FAILED,
        .error_code = text_of(code),
        .error_message = copy ? text_of(copy) : TEXT("The run failed."),
    };
    return RUN_FINISH;
}

int ending_incomplete(struct ending *ending, const char *reason)
{
    ending->end =
        (struct run_ending){.status = RUN_INCOMPLETE, .incomplete_reason = text_of(reason)};
    return RUN_FINISH;
}

int ending_expired(struct ending *ending)
{
    ending->end = (struct run_ending){.status = RUN_EXPIRED};
    return RUN_FINISH;
}

int ending_cancelled(struct ending *ending)
{
    ending->end = (struct run_ending){.status = RUN_CANCELLED};
    return RUN_FINISH;
}

int ending_out_of_memory(struct ending *ending)
{
    return ending_failed(ending, "server_error", "The run needs too much memory.");
}

int ending_hand_back(struct ending *ending, int64_t delay_ms, enum run_wait wait)
{
    ending->back = (struct run_return){.delay_ms = delay_ms, .wait_kind = wait};
    return RUN_HAND_BACK;
}
