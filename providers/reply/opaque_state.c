/* What goes back to the model that it came from. */

#include "providers/reply/opaque_state.h"

#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

bool opaque_state_make(const struct provider_target *target, struct text message,
                       struct arena *arena, struct text *out)
{
    CLEANUP(buf_deinit) struct buf buf = {0};
    struct json_write write;
    char *copy;

    *out = TEXT_NONE;
    if (message.len == 0)
        return true;
    buf_init(&buf, message.len + 1024);
    json_write_init(&write, &buf);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "provider", target->provider_name);
    json_write_string(&write, "model", target->model);
    json_write_raw(&write, "message", message);
    json_write_close(&write);
    copy = buf.failed ? NULL : arena_copy(arena, buf_text(&buf));
    if (!copy)
        return false;
    *out = (struct text){copy, buf.len};
    return true;
}

struct text opaque_state_for(const struct provider_target *target, struct text state)
{
    struct text object;

    if (state.len == 0 || json_raw_check(state, JSON_RAW_DEPTH_MAX, &object, NULL) < 0 ||
        !json_raw_is(json_raw_get(object, "provider"), target->provider_name) ||
        !json_raw_is(json_raw_get(object, "model"), target->model))
        return TEXT_NONE;
    return json_raw_get(object, "message");
}
