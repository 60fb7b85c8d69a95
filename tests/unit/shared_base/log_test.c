/* The shape of log lines. */

#include <criterion/criterion.h>

#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/json/json.h"

static int pipe_fds[2];

static void open_log(enum log_level level, enum log_format format)
{
    cr_assert_eq(pipe(pipe_fds), 0);
    log_to_fd(pipe_fds[1]);
    log_init("test", level, format);
    clock_freeze(0, 1700000000123);
}

static char *read_log(void)
{
    static char line[8192];
    ssize_t len = read(pipe_fds[0], line, sizeof(line) - 1);

    cr_assert_gt(len, 0);
    line[len] = '\0';
    return line;
}

Test(log, logfmt_quotes_what_needs_it)
{
    struct log_context context = {.run = "run_1"};

    open_log(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    log_context_swap(&context);
    log_info("run claimed", LOG_INT("fence", 3), LOG_STR("why", "a \"b\"\nc"),
             LOG_BOOL("ok", true));
    cr_assert_str_eq(read_log(),
                     "time=2023-11-14T22:13:20.123Z level=info program=test msg=\"run claimed\" "
                     "run=run_1 fence=3 why=\"a \\\"b\\\"\\nc\" ok=true\n");
}

Test(log, json_lines_parse)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct error err;

    open_log(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    (void)error_set(&err, E_TIMEOUT, "tab\there");
    log_error("failed", LOG_ERROR(&err), LOG_STR("none", NULL));
    cr_assert_eq(json_decode(text_of(read_log()), 4, &object, &err), 0, "%s", err.text);
    cr_assert_str_eq(json_get_string(object, "error"), "tab\there");
    cr_assert_str_eq(json_get_string(object, "code"), "timeout");
    cr_assert_str_eq(json_get_string(object, "level"), "error");
}

Test(log, a_value_that_is_too_long_is_cut_and_the_line_stays_whole)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    char big[9000];

    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    open_log(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("big", LOG_STR("value", big));
    cr_assert_eq(json_decode(text_of(read_log()), 4, &object, NULL), 0);
    cr_assert_eq(json_get_text(object, "value").len, 1027);
}

Test(log, lower_levels_are_silent)
{
    open_log(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    log_info("not shown");
    log_warn("shown");
    cr_assert(strstr(read_log(), "msg=shown"));
    cr_assert_not(log_enabled(LOG_LEVEL_INFO));
}
