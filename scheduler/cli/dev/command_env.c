/* `penstock env`: what a shell needs to go on with what `penstock dev` started. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/cli/command.h"
#include "scheduler/cli/dev/environment_file.h"
#include "shared/base/error.h"

#define OUT_BYTES_MAX   ((size_t)1 << 20)
#define VALUE_BYTES_MAX 4096

/* Whether one of the folders of PATH is this one. */
static bool is_on_path(const char *folder)
{
    struct text left = text_of(getenv("PATH"));
    struct text one;
    bool more = left.len > 0;

    while (more) {
        more = text_cut(left, ':', &one, &left);
        if (text_is(more ? one : left, folder))
            return true;
    }
    return false;
}

static int print_path(struct error *err)
{
    struct environment_entry path = {"PATH", NULL};
    CLEANUP(buf_deinit) struct buf line = {0};
    char folder[4096];
    ssize_t len = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    char *slash;

    if (len <= 0)
        return error_set_errno(err, errno, "find our own program");
    folder[len] = '\0';
    slash = strrchr(folder, '/');
    *slash = '\0';
    if (is_on_path(folder))
        return 0;
    path.value = folder;
    buf_init(&line, 0);
    environment_render(&path, 1, &line);
    printf("%.*s\":$PATH\"\n", (int)line.len - 1, buf_string(&line));
    return 0;
}

static int print_environment(const char *data, struct error *err)
{
    static const char *const names[] = {ENVIRONMENT_NAMES};
    CLEANUP(buf_deinit) struct buf file = {0};
    CLEANUP(buf_deinit) struct buf out = {0};
    int r;

    buf_init(&out, OUT_BYTES_MAX);
    r = environment_read(data, &file, err);
    if (r == -E_NOT_FOUND)
        return error_set(err, E_NOT_FOUND,
                         "there is no %s/" ENVIRONMENT_FILE
                         ": `penstock dev` in this folder writes it; where it was "
                         "started elsewhere, say --data FOLDER",
                         data);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(names); i++) {
        CLEANUP(buf_deinit) struct buf value = {0};
        struct environment_entry entry = {.name = names[i]};

        buf_init(&value, VALUE_BYTES_MAX);
        if (!environment_find(buf_text(&file), names[i], &value))
            continue;
        entry.value = buf_string(&value);
        environment_render(&entry, 1, &out);
    }
    if (r == 0)
        r = print_path(err);
    if (r == 0)
        printf("%s", buf_string(&out));
    return r;
}

static int run(const struct arguments *args)
{
    const char *data = arguments_get(args, "data");
    struct error err;
    int r = print_environment(data ? data : ENVIRONMENT_FOLDER, &err);

    return r < 0 ? command_fail(&err) : COMMAND_OK;
}

static const struct option_spec options[] = {
    {"data", 'd', "FOLDER", "the folder that `penstock dev` was given (default .penstock)", 0, 0},
};

const struct command command_env = {
    .name = "env",
    .arguments = "",
    .summary = "Print the environment of `penstock dev` for a shell",
    .details =
        "In another terminal, in the folder where `penstock dev` runs:\n\n"
        "  eval \"$(build/release/bin/penstock env)\"\n\n"
        "sets PENSTOCK_URL, PENSTOCK_API_KEY, DATABASE_URL, REDIS_URL, PENSTOCK_MASTER_KEY_FILE\n"
        "and, where it was started with one, PENSTOCK_CONFIG, and puts the folder of the programs\n"
        "on PATH.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run,
};
