#include "scheduler/api/assistants/code/server_check.h"

#include "scheduler/api/request.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/config/config.h"
#include "shared/json/json.h"
#include "shared/mcp/mcp_member.h"

static bool is_configured(const struct api *api, struct text label)
{
    for (unsigned i = 0; i < api->mcp_servers_count; i++)
        if (text_is(label, api->mcp_servers[i].label))
            return true;
    return false;
}

static int missing(struct request *request, struct text label, const struct path *path)
{
    CLEANUP(buf_deinit) struct buf list = {0};

    buf_init(&list, 400);
    for (unsigned i = 0; i < request->api->mcp_servers_count; i++)
        buf_printf(&list, "%s'%s'", i ? ", " : "", request->api->mcp_servers[i].label);
    return failure_set(&request->failure, 400, path, "invalid_value",
                       "No server of the label '%.*s' is configured here (there %s%s). Give its "
                       "'server_url', or have the operator add it to 'mcp_servers'.",
                       TEXT_ARGS(label), list.len > 0 ? "are: " : "is none",
                       list.failed ? "many" : buf_string(&list));
}

int tools_check_servers(struct request *request, struct text tools)
{
    CLEANUP(json_freep) struct json_object *list = NULL;
    const struct path path = {NULL, "tools", 0};

    if (!tools.ptr || json_decode(tools, JSON_DEPTH_DEFAULT, &list, NULL) < 0)
        return 0;
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct text label = json_get_text(item, "server_label");
        const struct path place = {&path, NULL, i};

        if (mcp_is_member(item) && !json_get(item, "server_url") &&
            !is_configured(request->api, label))
            return missing(request, label, &place);
    }
    return 0;
}
