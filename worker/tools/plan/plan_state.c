/* The state of a thread. */

#include "worker/tools/plan/plan_state.h"

#include <json-c/json.h>

#include "shared/store/leases/agent_states.h"

int plan_state_read(const struct store *store, struct uuid thread, struct json_object **out,
                    int64_t *out_version, struct error *err)
{
    struct agent_state state;
    struct json_object *json = NULL;
    int r = agent_state_read(store, thread, &state, err);

    if (r != 0)
        return r;
    /* What is no object can't be read: a tool writes over it. */
    if (!state.json.ptr || json_decode(state.json, JSON_DEPTH_DEFAULT * 2, &json, NULL) < 0 ||
        !json_object_is_type(json, json_type_object)) {
        json_freep(&json);
        json = json_object_new_object();
    }
    *out = json;
    *out_version = state.version;
    return 0;
}
