/* What goes back to the model that it came from. */

#include "providers/reply/opaque_state.h"

#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

static bool make(const struct provider_target *target, struct text message, struct text kept,
                 struct arena *arena, struct text *out)
{
    CLEANUP(buf_deinit) struct buf buf = {0};
    struct json_write write;
    char *copy;

    buf_init(&buf, message.len + kept.len + 1024);
    json_write_init(&write, &buf);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "provider", target->provider_name);
    json_write_string(&write, "model", target->model);
    json_write_raw_if(&write, "message", message);
    json_write_raw_if(&write, "kept", kept);
    json_write_close(&write);
    copy = buf.failed ? NULL : arena_copy(arena, buf_text(&buf));
    if (!copy)
        return false;
    *out = (struct text){copy, buf.len};
    return true;
}

bool opaque_state_make(const struct provider_target *target, struct text message,
                       struct arena *arena, struct text *out)
{
    *out = TEXT_NONE;
    return message.len == 0 || make(target, message, TEXT_NONE, arena, out);
}

bool opaque_state_keep(const struct provider_target *target, struct text kept, struct arena *arena,
                       struct text *state)
{
    return make(target, opaque_state_for(target, *state), kept, arena, state);
}

static struct text member(const struct provider_target *target, struct text state, const char *name)
{
    struct text object;

    if (state.len == 0 || json_raw_check(state, JSON_RAW_DEPTH_MAX, &object, NULL) < 0 ||
        !json_raw_is(json_raw_get(object, "provider"), target->provider_name) ||
        !json_raw_is(json_raw_get(object, "model"), target->model))
        return TEXT_NONE;
    return json_raw_get(object, name);
}

struct text opaque_state_kept(const struct provider_target *target, struct text state)
{
    return member(target, state, "kept");
}

struct text opaque_state_for(const struct provider_target *target, struct text state)
{
    return member(target, state, "message");
}
