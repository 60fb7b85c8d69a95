/* A loaded script: its life, its tables and its random numbers. script_parse.c fills it. */

#include "providers/rehearsal/script/script.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)

void script_free(struct script *script)
{
    if (!script)
        return;
    for (size_t i = 0; i < script->regexes_count; i++) {
        regfree(script->regexes[i]);
        free(script->regexes[i]);
    }
    free(script->regexes);
    arena_deinit(&script->arena);
    free(script);
}

void script_freep(struct script **script)
{
    script_free(*script);
    *script = NULL;
}

int64_t script_context_tokens(const struct script *script, const char *model)
{
    for (size_t i = 0; i < script->contexts_count; i++)
        if (fnmatch(script->contexts[i].model, model, 0) == 0)
            return script->contexts[i].tokens;
    return 0;
}

const struct script_limit *script_find_limit(const struct script *script, const char *key,
                                             const char *model)
{
    for (size_t i = 0; i < script->limits_count; i++) {
        const struct script_limit *limit = &script->limits[i];

        if ((!limit->key || fnmatch(limit->key, key, 0) == 0) &&
            (!limit->model || fnmatch(limit->model, model, 0) == 0))
            return limit;
    }
    return NULL;
}

const struct script_table *script_find_table(const struct script *script, struct text name)
{
    for (size_t i = 0; i < script->tables_count; i++)
        if (text_is(name, script->tables[i].name))
            return &script->tables[i];
    return NULL;
}

/* xorshift64*, Vigna 2016: the same seed gives the same rehearsal. */
int64_t script_random(struct script *script, int64_t from, int64_t to)
{
    uint64_t x = script->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    script->random = x;
    x *= 0x2545F4914F6CDD1DULL;
    return to > from ? from + (int64_t)(x % ((uint64_t)(to - from) + 1)) : from;
}

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

int script_load(const char *path, struct script **out, struct error *err)
{
    CLEANUP(close_file) FILE *file = fopen(path, "rbe");
    CLEANUP(buf_deinit) struct buf text = {0};
    char piece[4096];
    size_t len;

    if (!file && errno == ENOENT)
        return error_set(err, E_NOT_FOUND, "there is no script file %s", path);
    if (!file)
        return error_set_errno(err, errno, "cannot open the script file %s", path);
    buf_init(&text, FILE_MAX_BYTES);
    while ((len = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(&text, piece, len);
    if (ferror(file))
        return error_set_errno(err, errno, "cannot read the script file %s", path);
    if (text.failed)
        return error_set(err, E_LIMIT, "the script file %s is over 1 MiB", path);
    return script_parse(path, buf_text(&text), out, err);
}

int script_parse_builtin(struct script **out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf yaml = {0};

    buf_init(&yaml, FILE_MAX_BYTES);
    script_builtin(&yaml);
    ASSERT(!yaml.failed);
    return script_parse("built-in script", buf_text(&yaml), out, err);
}
