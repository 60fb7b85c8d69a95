/* Names of users and of what is known of them, and the section that tells a model. */

#include "shared/agent/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/agent/prompt_line.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/utf8.h"
#include "shared/check/failure.h"
#include "shared/json/json.h"

#define HEADING   "# User Memory"
#define LAST_LINE "\n(%zu entries that were updated longer ago are left out.)"
#define LAST_MAX  96 /* bytes of the last line */

bool memory_name_fits(struct text name, size_t max)
{
    if (!text_is_utf8(name) || name.len == 0 || text_characters(name) > max)
        return false;
    if (text_is(name, ".") || text_is(name, ".."))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (prompt_control_at(name.ptr + i, name.len - i) > 0)
            return false;
    return true;
}

int memory_name_check(struct text name, size_t max, const struct path *path,
                      struct failure *failure)
{
    char where[192];

    if (memory_name_fits(name, max))
        return 0;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid name in '%s': expected 1 to %zu characters in UTF-8, none of them "
                       "a control character, and neither '.' nor '..', which clients take out of "
                       "URLs.",
                       where, max);
}

int check_memory_value(struct json_object *value, const struct path *path, struct failure *failure)
{
    size_t bytes = json_text(value).len;
    char where[192];
    int r = fields_check_numbers(value, path, failure);

    if (r < 0 || bytes <= MEMORY_VALUE_MAX)
        return r;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "string_above_max_length",
                       "Invalid '%s': as JSON it has %zu bytes. Expected at most %d.", where, bytes,
                       MEMORY_VALUE_MAX);
}

static int check_pair(const char *key, struct json_object *value, const struct path *path,
                      struct failure *failure)
{
    struct path member = {path, key, 0};

    int r = memory_name_check(text_of(key), MEMORY_KEY_MAX, path, failure);

    return r < 0 ? r : check_memory_value(value, &member, failure);
}

int check_memory(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct json_object_iterator at = json_object_iter_begin(value);
    struct json_object_iterator end = json_object_iter_end(value);
    int r = 0;

    for (; r == 0 && !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
        r = check_pair(json_object_iter_peek_name(&at), json_object_iter_peek_value(&at), path,
                       failure);
    return r;
}

static void add_value(struct text json, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *value = NULL;

    if (json_decode(json, JSON_DEPTH_DEFAULT, &value, NULL) < 0)
        prompt_add_line(json, out);
    else
        prompt_add_line(json_object_is_type(value, json_type_string) ? json_string(value)
                                                                     : json_text(value),
                        out);
}

/* An entry that is written, with the place of its line among all. */
struct line {
    struct text key;
    size_t from;
    size_t len;
};

static int by_key(const void *a, const void *b)
{
    struct text left = ((const struct line *)a)->key;
    struct text right = ((const struct line *)b)->key;
    int order = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);

    return order != 0 ? order : (left.len > right.len) - (left.len < right.len);
}

/* Writes the lines that fit, in the order of the entries. Returns how many. */
static size_t write_lines(const struct memory_entry *entries, size_t count, struct line *lines,
                          struct buf *text)
{
    const size_t room = MEMORY_SECTION_MAX - sizeof(HEADING) - LAST_MAX;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        size_t from = text->len;

        buf_add_string(text, "\n- ");
        prompt_add_line(entries[i].key, text);
        buf_add_string(text, ": ");
        add_value(entries[i].value, text);
        lines[kept] = (struct line){entries[i].key, from, text->len - from};
        if (text->len <= room) {
            kept++;
            continue;
        }
        text->len = from;
        if (lines[kept].len <= room)
            break;
    }
    return kept;
}

void memory_section_write(const struct memory_entry *entries, size_t count, size_t left_out,
                          struct buf *out)
{
    CLEANUP(buf_deinit) struct buf text;
    CLEANUP(freep) struct line *lines = xcalloc(count + 1, sizeof(*lines));
    size_t kept;

    buf_init(&text, 0);
    kept = write_lines(entries, count, lines, &text);
    left_out += count - kept;
    if (kept > 0 || left_out > 0)
        buf_add_string(out, HEADING);
    qsort(lines, kept, sizeof(*lines), by_key);
    for (size_t i = 0; i < kept; i++)
        buf_add(out, text.ptr + lines[i].from, lines[i].len);
    if (left_out > 0)
        buf_printf(out, LAST_LINE, left_out);
}
