/* What commands share: exit codes, the loop, the configuration. */

#include "scheduler/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scheduler/cli/dev/environment_file.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/config/config.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"

int command_fail(const struct error *err)
{
    output_flush();
    terminal_complain("%s", err->text);
    switch ((enum error_code)err->code) {
    case E_UNAVAILABLE:
    case E_DENIED:
    case E_TIMEOUT:
    case E_CLOSED:
    case E_AMBIGUOUS:
        return COMMAND_UNREACHABLE;
    case E_INVALID:
    case E_LIMIT:
        return COMMAND_USAGE;
    case E_NONE:
    case E_CANCELED:
    case E_SYSTEM:
    case E_PROTOCOL:
    case E_CONFLICT:
    case E_NOT_FOUND:
    case E_REJECTED:
    case E_INTERNAL:
    case E_CONTENT:
        break;
    }
    return COMMAND_FAILED;
}

struct loop_call {
    int (*fn)(void *arg);
    void *arg;
    int result;
};

static void call(void *arg)
{
    struct loop_call *loop_call = arg;

    loop_call->result = loop_call->fn(loop_call->arg);
    offload_stop();
}

int command_on_loop(int (*fn)(void *arg), void *arg)
{
    struct loop_call loop_call = {fn, arg, COMMAND_FAILED};

    loop_run(call, &loop_call);
    return loop_call.result;
}

/* In a folder with a dev environment, what is not said elsewhere is meant to be that of `penstock
 * dev`.
 */
static void use_dev_environment(void)
{
    static const char *const names[] = {"DATABASE_URL", "REDIS_URL"};
    CLEANUP(buf_deinit) struct buf file = {0};

    if (environment_read(ENVIRONMENT_FOLDER, &file, NULL) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        CLEANUP(buf_deinit) struct buf value = {0};
        const char *set = getenv(names[i]);

        buf_init(&value, 4096);
        if ((set && *set) || !environment_find(buf_text(&file), names[i], &value))
            continue;
        (void)setenv(names[i], buf_string(&value), 1);
        (void)fprintf(stderr, "%s is that of " ENVIRONMENT_PATH "\n", names[i]);
    }
}

int command_load_config(const char *file, struct config **out)
{
    struct config_flags flags = {.file = file};
    const char *other = getenv("PENSTOCK_CONFIG");
    struct error err;

    if (!file && (!other || !*other))
        use_dev_environment();

    if (config_load(&flags, environ, out, &err) == 0)
        return COMMAND_OK;
    return err.code == E_NOT_FOUND ? (command_fail(&err), COMMAND_USAGE) : command_fail(&err);
}
