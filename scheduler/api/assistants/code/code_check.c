/* The check of the code interpreter. One worker that can is enough: a run that another one takes is
 * told so by its call's result, and never runs a program without a sandbox. */

#include "scheduler/api/assistants/code/code_check.h"

#include <stdio.h>

#include "scheduler/api/request.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json.h"
#include "shared/store/fleet/workers.h"

/* Its place in the list of tools, or a negative number. */
static int find_place(struct json_object *body)
{
    struct json_object *tools = json_get(body, "tools");
    size_t count =
        json_object_is_type(tools, json_type_array) ? json_object_array_length(tools) : 0;

    for (size_t i = 0; i < count; i++)
        if (text_is(json_get_text(json_object_array_get_idx(tools, i), "type"), "code_interpreter"))
            return (int)i;
    return -1;
}

static int unknown(struct request *request)
{
    int r = failure_param(&request->failure, 503, "tools", "no_worker",
                          "No worker has said yet whether it can run programs (code_interpreter): "
                          "try again when one is up.");

    request->failure.retry = RETRY_YES;
    return r;
}

int assistants_check_code(struct request *request)
{
    int place = find_place(request->body);
    struct path list = {NULL, "tools", 0};
    struct path item = {&list, NULL, place < 0 ? 0 : (size_t)place};
    struct workers_code said;
    struct error err;
    int r;

    if (place < 0)
        return 0;
    r = workers_ask_code(request->store.pg, &said, &err);
    if (r < 0)
        return request_failed(request, &err);
    if (said.can > 0)
        return 0;
    if (said.cannot == 0 || said.unsaid > 0)
        return unknown(request);
    return failure_set(&request->failure, 400, &item, "unsupported_value",
                       "The tool 'code_interpreter' is not offered here, since no worker can run "
                       "programs: %s.",
                       said.trouble);
}
