/* Reading a user's memory for a run. */

#include "shared/submit/remember.h"

#include "shared/agent/memory.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

/* A line takes at least half of what its key and its value take as JSON. */
#define READ_BYTES ((int64_t)(2 * MEMORY_SECTION_MAX))

static int write_section(const struct store *store, const struct memory_key_recall *recall,
                         struct text *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf section;
    struct memory_entry *entries = arena_calloc(store->arena, recall->count + 1, sizeof(*entries));

    buf_init(&section, 0);
    if (!entries)
        return error_set(err, E_LIMIT, "no room for what is known of the user");
    for (size_t i = 0; i < recall->count; i++)
        entries[i] = (struct memory_entry){recall->items[i].key, recall->items[i].value};
    memory_section_write(entries, recall->count, recall->left_out, &section);
    *out = (struct text){arena_copy(store->arena, buf_text(&section)), section.len};
    return out->ptr && !section.failed
               ? 0
               : error_set(err, E_LIMIT, "no room for what is known of the user");
}

int remember_section(const struct store *store, struct uuid agent, struct text user,
                     struct text *out, struct error *err)
{
    const struct memory_key_scope scope = {user, agent};
    struct memory_key_recall recall;
    int r = memory_keys_recall(store, &scope, READ_BYTES, &recall, err);

    return r < 0 ? r : write_section(store, &recall, out, err);
}

/* A zone is a string; what is stored there otherwise names none. */
static int read_zone(const struct store *store, struct text value, struct text *out,
                     struct error *err)
{
    CLEANUP(json_freep) struct json_object *zone = NULL;
    int r = json_decode(value, JSON_DEPTH_DEFAULT, &zone, err);

    *out = json_string(zone);
    if (out->ptr)
        out->ptr = arena_copy(store->arena, *out);
    return r;
}

/* Of what was read already, where all of it was. */
static int find_zone(const struct store *store, const struct memory_key_scope *scope,
                     const struct memory_key_recall *recall, struct text *out, struct error *err)
{
    struct memory_key memory;
    int r;

    for (size_t i = 0; i < recall->count; i++)
        if (text_is(recall->items[i].key, MEMORY_TIMEZONE))
            return read_zone(store, recall->items[i].value, out, err);
    if (recall->left_out == 0)
        return 0;
    r = memory_keys_recall_key(store, scope, TEXT(MEMORY_TIMEZONE), &memory, err);
    if (r == 0)
        r = read_zone(store, memory.value, out, err);
    return r < 0 ? r : 0;
}

bool remember_wanted(const struct agent_spec *spec)
{
    return text_is(spec->members[SPEC_USER_MEMORY], "true") ||
           text_is(spec->members[SPEC_TEMPLATE], "true");
}

int remember_user(const struct store *store, const struct agent_spec *spec,
                  const struct memory_key_scope *scope, struct json_object *request,
                  struct remembered *out, struct error *err)
{
    bool tells = scope->user.ptr && text_is(spec->members[SPEC_USER_MEMORY], "true");
    bool zoned = scope->user.ptr && text_is(spec->members[SPEC_TEMPLATE], "true") &&
                 !json_get(json_get(request, "variables"), "timezone");
    struct memory_key_recall recall = {.left_out = 1}; /* not read yet */
    struct remembered found = {TEXT_NONE, TEXT_NONE};
    int r = 0;

    if (tells)
        r = memory_keys_recall(store, scope, READ_BYTES, &recall, err);
    if (r == 0 && tells)
        r = write_section(store, &recall, &found.section, err);
    if (r == 0 && zoned)
        r = find_zone(store, scope, &recall, &found.timezone, err);
    if (r == 0)
        *out = found;
    return r;
}
