#include "scheduler/api/assistants/code/web_check.h"

#include "scheduler/api/request.h"
#include "shared/check/failure.h"
#include "shared/json/json.h"

static int check_one(struct request *request, struct json_object *tool, const struct path *path)
{
    const struct web_offer *offer = &request->api->web;
    struct text type = json_get_text(tool, "type");
    struct path robots = {path, "robots", 0};

    if (text_is(type, "web_search") && !offer->searches)
        return failure_set(&request->failure, 400, path, "unsupported_value",
                           "The tool 'web_search' is not offered here, since no search engine is "
                           "configured (web_search).");
    if (text_is(type, "read_page") && text_is(json_get_text(tool, "robots"), "ignore") &&
        (!offer->robots || text_is(text_of(offer->robots), "obey")))
        return failure_set(&request->failure, 400, &robots, "unsupported_value",
                           "robots.txt of sites is obeyed here, by whoever reads them "
                           "(read_page.robots).");
    return 0;
}

int assistants_check_web(struct request *request)
{
    struct json_object *tools = json_get(request->body, "tools");
    struct path list = {NULL, "tools", 0};
    int r = 0;

    if (!json_object_is_type(tools, json_type_array))
        return 0;
    for (size_t i = 0; r == 0 && i < json_object_array_length(tools); i++) {
        struct path item = {&list, NULL, i};

        r = check_one(request, json_object_array_get_idx(tools, i), &item);
    }
    return r;
}
