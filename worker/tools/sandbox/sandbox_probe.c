/* Whether this machine can have a sandbox: one is made as for a program, with penstock-inside
 * looking for holes in it; then each language says four.
 *
 * What bubblewrap says where it can't is kept in its own words, since they are what people find
 * when they look for them.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "worker/tools/sandbox/filter.h"
#include "worker/tools/sandbox/sandbox_internal.h"

#define TRIES    3
#define PAUSE_MS 1000
#define WALL_MS  30000 /* of each: on a busy machine a start may take seconds */

static const char *const namespaces[] = {"user", "pid", "net", "mnt", "ipc"};

char *sandbox_find_program(const char *name)
{
    const char *rest = getenv("PATH");

    while (rest && *rest) {
        size_t length = strcspn(rest, ":");
        char *path = xasprintf("%.*s/%s", (int)length, rest, name);

        if (length > 0 && access(path, X_OK) == 0)
            return path;
        free(path);
        rest += length + (rest[length] == ':');
    }
    return NULL;
}

/* What is there before anything runs. */
static int prepare(struct sandbox *sandbox, struct error *err)
{
    int r = 0;

    if (!sandbox->bwrap)
        sandbox->bwrap = sandbox_find_program("bwrap");
    if (!sandbox->inside)
        sandbox->inside = sandbox_beside("penstock-inside");
    if (!sandbox->bwrap)
        return error_set(err, E_NOT_FOUND, "there is no bwrap in PATH (package bubblewrap)");
    if (sandbox->filter.len == 0)
        r = filter_build(&sandbox->filter, err);
    if (r == 0 && !sandbox->spawner)
        r = spawner_open(NULL, &sandbox->spawner, err);
    return r;
}

/* The last line of what was said, which is where bubblewrap says why. */
static struct text last_line(struct text said)
{
    struct text line;
    struct text rest = said = text_trim(said);

    while (text_cut(rest, '\n', &line, &rest))
        said = rest;
    return said;
}

/* What it says beside, on its second output, is no matter as long as all else is right. */
static int judge(struct sandbox_outcome *outcome, const char *expected, bool ended,
                 struct error *err)
{
    CLEANUP(buf_deinit) struct buf said;
    CLEANUP(buf_deinit) struct buf complaint;
    struct text line;

    buf_init(&said, 0);
    buf_init(&complaint, 0);
    capture_write(&outcome->out, &said);
    capture_write(&outcome->error, &complaint);
    if (ended && text_is(text_trim(buf_text(&said)), expected))
        return 0;
    if (outcome->elapsed_us >= WALL_MS * 1000)
        return error_set(err, E_TIMEOUT, "it has not answered within %d s", WALL_MS / 1000);
    line = last_line(buf_text(said.len > 0 ? &said : &complaint));
    return error_set(err, E_DENIED, "%.*s",
                     TEXT_ARGS(text_prefix(line.len > 0 ? line : TEXT("it says nothing"), 200)));
}

static int look_for_holes(struct sandbox *sandbox, struct error *err)
{
    char own[ARRAY_LENGTH(namespaces)][64];
    const char *inside[ARRAY_LENGTH(namespaces) + 2] = {"probe"};
    struct sandbox_outcome outcome;
    int r;

    for (size_t i = 0; i < ARRAY_LENGTH(namespaces); i++) {
        char path[64];
        ssize_t length;

        (void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
        length = readlink(path, own[i], sizeof(own[i]) - 1);
        own[i][length > 0 ? length : 0] = 0;
        inside[i + 1] = own[i];
    }
    sandbox_outcome_init(&outcome);
    r = sandbox_confine(sandbox, inside, WALL_MS, TEXT_NONE, &outcome, err);
    if (r == 0)
        r = judge(&outcome, "", text_is(buf_text(&outcome.archive), "probed"), err);
    sandbox_outcome_deinit(&outcome);
    return r;
}

static int say_four(struct sandbox *sandbox, enum sandbox_language language, struct error *err)
{
    const struct archive_entry code = {
        .kind = ARCHIVE_FILE,
        .path = language == SANDBOX_PYTHON ? TEXT("main.py") : TEXT("main.js"),
        .bytes = language == SANDBOX_PYTHON ? TEXT("print(2 + 2)\n") : TEXT("console.log(2 + 2)\n"),
    };
    struct sandbox_outcome outcome;
    struct sandbox_command command;
    CLEANUP(buf_deinit) struct buf files;
    int r;

    buf_init(&files, 0);
    archive_add(&files, &code);
    sandbox_command(sandbox, language, WALL_MS, &command);
    sandbox_outcome_init(&outcome);
    r = sandbox_confine(sandbox, command.list, WALL_MS, buf_text(&files), &outcome, err);
    if (r == 0)
        r = judge(&outcome, "4", true, err);
    sandbox_outcome_deinit(&outcome);
    return r;
}

static int try(struct sandbox *sandbox, struct error *err)
{
    struct error other;
    int r = prepare(sandbox, err);

    if (r < 0)
        return r;
    r = look_for_holes(sandbox, err);
    if (r == -E_DENIED && !text_starts(text_of(err->text), "bwrap: "))
        return error_wrap(err, "the sandbox of bwrap is none");
    if (r < 0)
        return r;
    r = say_four(sandbox, SANDBOX_PYTHON, err);
    if (r < 0)
        return r == -E_CANCELED ? r : error_wrap(err, "python3 can't be run in a sandbox");
    if (access("/usr/bin/node", X_OK) == 0)
        r = say_four(sandbox, SANDBOX_JAVASCRIPT, &other);
    else
        r = -E_NOT_FOUND;
    sandbox->javascript = r == 0;
    sandbox->pdf = access(SANDBOX_PDFTOTEXT, X_OK) == 0;
    return r == -E_CANCELED ? error_set(err, E_CANCELED, "cancelled") : 0;
}

int sandbox_find_out(struct sandbox *sandbox, struct error *err)
{
    struct error why;
    int r = 0;

    for (int tries = 0; tries < TRIES; tries++) {
        r = try(sandbox, &why);
        sandbox->may_pass = r == -E_UNAVAILABLE || r == -E_TIMEOUT;
        if (!sandbox->may_pass)
            break;
        if (fiber_sleep(PAUSE_MS, err) < 0)
            return -E_CANCELED;
    }
    if (r == -E_CANCELED)
        return error_set(err, E_CANCELED, "cancelled while looking for a sandbox");
    text_excerpt(text_of(r < 0 ? why.text : ""), sandbox->trouble, sizeof(sandbox->trouble));
    sandbox->known = true;
    cond_broadcast(&sandbox->found_out);
    return 0;
}
