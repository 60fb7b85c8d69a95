/* The file of a batch: one JSON object a line. */

#include <stdlib.h>

#include "scheduler/cli/batch/batch.h"
#include "shared/base/memory.h"

struct reading {
    const char *path;
    struct batch_items *out;
    struct json_object *custom_ids; /* the set of those seen */
    size_t size;
};

static const char *const members[] = {"prompt", "custom_id", "metadata", "variables"};

static bool is_member(const char *key)
{
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        if (strcmp(key, members[i]) == 0)
            return true;
    return false;
}

/* An object, where it is there. */
static int check_object(const struct reading *reading, unsigned line, struct json_object *json,
                        const char *name, struct error *err)
{
    struct json_object *value = json_get(json, name);

    if (!value || json_object_is_type(value, json_type_object))
        return 0;
    return error_set(err, E_INVALID, "%s:%u: \"%s\" must be an object", reading->path, line, name);
}

static int check_members(const struct reading *reading, unsigned line, struct json_object *json,
                         struct error *err)
{
    int r;

    if (!json_object_is_type(json, json_type_object))
        return error_set(err, E_INVALID,
                         "%s:%u: a line must be a JSON object, as in {\"prompt\": \"...\"}",
                         reading->path, line);
    json_object_object_foreach(json, key, value)
    {
        (void)value;
        if (!is_member(key))
            return error_set(err, E_INVALID,
                             "%s:%u: there is no \"%.60s\"; there are prompt, custom_id, metadata "
                             "and variables",
                             reading->path, line, key);
    }
    if (!json_get_string(json, "prompt") || json_get_text(json, "prompt").len == 0)
        return error_set(err, E_INVALID, "%s:%u: \"prompt\" must be text that is not empty",
                         reading->path, line);
    if (json_get(json, "custom_id") &&
        (!json_get_string(json, "custom_id") || json_get_text(json, "custom_id").len == 0))
        return error_set(err, E_INVALID, "%s:%u: \"custom_id\" must be text that is not empty",
                         reading->path, line);
    if (text_characters(json_get_text(json, "custom_id")) > BATCH_CUSTOM_ID_MAX)
        return error_set(err, E_INVALID, "%s:%u: \"custom_id\" is longer than %d characters",
                         reading->path, line, BATCH_CUSTOM_ID_MAX);
    r = check_object(reading, line, json, "metadata", err);
    return r < 0 ? r : check_object(reading, line, json, "variables", err);
}

static void add_item(struct reading *reading, unsigned line, struct json_object *json,
                     const char *custom_id)
{
    struct batch_items *out = reading->out;

    if (out->count == reading->size) {
        reading->size = reading->size ? reading->size * 2 : 64;
        out->items = xrealloc(out->items, reading->size * sizeof(*out->items));
    }
    out->items[out->count++] = (struct batch_item){
        .line = line,
        .custom_id = xstrdup(custom_id),
        .prompt = xstrdup(json_get_string(json, "prompt")),
        .metadata = json_object_get(json_get(json, "metadata")),
        .variables = json_object_get(json_get(json, "variables")),
    };
    json_object_object_add(reading->custom_ids, custom_id, json_object_new_int64(line));
}

static int read_line(struct reading *reading, unsigned line, struct text text, struct error *err)
{
    CLEANUP(json_freep) struct json_object *json = NULL;
    CLEANUP(freep) char *custom_id = NULL;
    int r;

    if (text.len > BATCH_LINE_BYTES_MAX)
        return error_set(err, E_INVALID, "%s:%u: the line is longer than %zu bytes", reading->path,
                         line, BATCH_LINE_BYTES_MAX);
    r = json_decode(text, JSON_DEPTH_DEFAULT, &json, err);
    if (r < 0) {
        struct error cause = *err;

        return error_set(err, E_INVALID, "%s:%u: this line is no JSON object: %.100s",
                         reading->path, line, cause.text);
    }
    r = check_members(reading, line, json, err);
    if (r < 0)
        return r;
    if (json_get(json, "custom_id"))
        custom_id = xstrdup(json_get_string(json, "custom_id"));
    else
        custom_id = xasprintf("line-%u", line);
    if (json_has(reading->custom_ids, custom_id))
        return error_set(err, E_INVALID, "%s:%u: the custom_id \"%.60s\" is that of line %lld too",
                         reading->path, line, custom_id,
                         (long long)json_get_int(reading->custom_ids, custom_id, 0));
    if (reading->out->count == BATCH_ITEMS_MAX)
        return error_set(err, E_INVALID, "%s:%u: there are more than %d prompts", reading->path,
                         line, BATCH_ITEMS_MAX);
    add_item(reading, line, json, custom_id);
    return 0;
}

/* What the lines come to, after the last of them. */
static int judge(const struct batch_reading *how, size_t bad, size_t lines, struct error *err)
{
    char more[48];

    (void)snprintf(more, sizeof(more), "and %zu more", bad - BATCH_COMPLAINTS_MAX);
    if (bad > BATCH_COMPLAINTS_MAX)
        how->tell(how->arg, more);
    if (bad > 0 && !how->skip_bad)
        return error_set(err, E_INVALID,
                         "%s has %zu bad line%s of %zu, and nothing was submitted; --skip-bad "
                         "leaves them out",
                         how->path, bad, bad == 1 ? "" : "s", lines);
    return 0;
}

int batch_file_parse(const struct batch_reading *how, struct text text, struct batch_items *out,
                     struct error *err)
{
    CLEANUP(json_freep) struct json_object *custom_ids = json_object_new_object();
    struct reading reading = {how->path, out, custom_ids, 0};
    size_t lines = 0;
    bool more = true;
    int r;

    *out = (struct batch_items){0};
    for (unsigned line = 1; more; line++) {
        struct text one;
        struct error bad;

        more = text_cut(text, '\n', &one, &text);
        one = text_trim(more ? one : text);
        if (one.len == 0)
            continue;
        lines++;
        if (read_line(&reading, line, one, &bad) < 0 && out->skipped++ < BATCH_COMPLAINTS_MAX)
            how->tell(how->arg, bad.text);
    }
    r = judge(how, out->skipped, lines, err);
    if (r == 0 && out->count == 0)
        r = error_set(err, E_INVALID, "%s has no prompts", how->path);
    if (r < 0)
        batch_items_deinit(out);
    return r;
}

void batch_items_deinit(struct batch_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        struct batch_item *item = &items->items[i];

        free(item->custom_id);
        free(item->prompt);
        json_free(item->metadata);
        json_free(item->variables);
        free(item->run_id);
        free(item->thread_id);
    }
    free(items->items);
    *items = (struct batch_items){0};
}
