/* What a run may learn and be told: what its agent does, or less. */

#include "shared/agent/narrow.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"

static bool is_switch(const char *name)
{
    return text_is(text_of(name), "recall") || text_is(text_of(name), "learn");
}

static int refuse(const char *name, const char *why, struct failure *failure)
{
    struct path memories = {NULL, "memories", 0};
    struct path member = {&memories, name, 0};

    return failure_set(failure, 400, &member, "not_permitted", "Invalid 'memories.%s': %s", name,
                       why);
}

/* A switch that the request turns on, or another member of its own. */
static int check_said(struct json_object *agents, struct json_object *said, struct failure *failure)
{
    json_object_object_foreach(said, name, value)
    {
        if (!value)
            continue;
        if (!is_switch(name))
            return refuse(name,
                          "a run may say 'recall' and 'learn' only; the rest is its assistant's.",
                          failure);
        if (json_object_get_boolean(value) && (!agents || !json_get_bool(agents, name, true)))
            return refuse(name,
                          "its assistant has it off, and a run may only switch it off as well.",
                          failure);
    }
    return 0;
}

static void write_switch(const char *name, struct json_object *said, struct json_write *write)
{
    if (json_get(said, name))
        json_write_raw(write, name, json_text(json_get(said, name)));
}

int narrow_memories(struct text agents_text, struct json_object *said, struct buf *out,
                    struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *agents = NULL;
    struct json_write write;
    int r;

    if (agents_text.ptr && json_decode(agents_text, JSON_DEPTH_DEFAULT, &agents, NULL) < 0)
        agents = NULL;
    r = check_said(agents, said, failure);
    if (r < 0)
        return r;
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    if (!agents) { /* it neither learns nor is told anything, and neither did they say */
        json_write_raw(&write, "recall", TEXT("false"));
        json_write_raw(&write, "learn", TEXT("false"));
        json_write_close(&write);
        return 0;
    }
    json_object_object_foreach(agents, name, value)
    {
        if (value && !(is_switch(name) && json_get(said, name)))
            json_write_raw(&write, name, json_text(value));
    }
    write_switch("recall", said, &write);
    write_switch("learn", said, &write);
    json_write_close(&write);
    return 0;
}
