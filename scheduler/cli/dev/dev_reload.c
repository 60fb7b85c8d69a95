/* What children of `penstock dev` say after SIGHUP: whether they took the configuration over, and
 * what of it needs a new start. It stands in their logs, where nobody looks who has just changed a
 * setting at the terminal. */

#include <stdio.h>
#include <sys/stat.h>

#include "scheduler/cli/dev/dev.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"

#define ANSWER_MS  10000
#define TAIL_BYTES 16384

static char *log_path(const struct dev_place *place, const struct dev_child *child)
{
    return xasprintf("%s/logs/%s.log", place->data, child->command.name);
}

void dev_reload_note(const struct dev_place *place, struct dev_child *child)
{
    CLEANUP(freep) char *path = log_path(place, child);
    struct stat info;

    child->reload_from = stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
    child->reload_until_ms = deadline_in(ANSWER_MS);
}

/* The words of a line, without its time, level and name. */
static struct text words_of(struct text line)
{
    const char *at = line.len ? memmem(line.ptr, line.len, "msg=", 4) : NULL;

    return at ? (struct text){at + 4, line.len - (size_t)(at + 4 - line.ptr)} : line;
}

static bool is_answer(struct text line)
{
    static const char *const words[] = {"the configuration was read again",
                                        "the configuration was not taken over"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (line.len > 0 && memmem(line.ptr, line.len, words[i], strlen(words[i])))
            return true;
    return false;
}

/* Whole lines alone: the last one may still be on its way. */
static bool tell(const struct dev_child *child, struct text rest)
{
    struct text line;

    while (text_cut(rest, '\n', &line, &rest)) {
        if (!is_answer(line))
            continue;
        (void)fprintf(stderr, "penstock dev: %s: ", child->command.name);
        terminal_print_line(stderr, words_of(line), 400);
        (void)fputc('\n', stderr);
        return true;
    }
    return false;
}

static bool look(const struct dev_place *place, const struct dev_child *child)
{
    CLEANUP(freep) char *path = log_path(place, child);
    CLEANUP(freep) char *tail = xmalloc(TAIL_BYTES);
    FILE *stream = fopen(path, "re");
    size_t len = 0;

    if (!stream)
        return false;
    if (fseek(stream, (long)child->reload_from, SEEK_SET) == 0)
        len = fread(tail, 1, TAIL_BYTES, stream);
    (void)fclose(stream);
    return tell(child, (struct text){tail, len});
}

bool dev_reload_tell(struct dev_children *children)
{
    bool waits = false;

    for (size_t i = 0; i < children->count; i++) {
        struct dev_child *child = &children->items[i];

        if (child->reload_until_ms == 0)
            continue;
        if (look(children->place, child) || clock_ms() > child->reload_until_ms)
            child->reload_until_ms = 0;
        waits = waits || child->reload_until_ms != 0;
    }
    return waits;
}
