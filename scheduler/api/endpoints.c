/* The table of endpoints. docs/openapi.yaml lists the same routes; a test compares the two. */

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/request.h"

#define GET_   HTTP_METHOD_GET
#define POST   HTTP_METHOD_POST
#define DELETE HTTP_METHOD_DELETE
#define MAKES  ENDPOINT_CREATES

const struct endpoint endpoints[] = {
    {POST, "/v1/assistants", assistants_create, &body_create_assistant, MAKES},
    {GET_, "/v1/assistants", assistants_list, NULL, 0},
    {GET_, "/v1/assistants/{assistant_id}", assistants_get, NULL, 0},
    {POST, "/v1/assistants/{assistant_id}", assistants_update, &body_update_assistant, 0},
    {DELETE, "/v1/assistants/{assistant_id}", assistants_delete, NULL, 0},
    {GET_, "/v1/assistants/{assistant_id}/versions", assistants_versions, NULL, 0},
    {GET_, "/v1/assistants/{assistant_id}/versions/{version}", assistants_get_version, NULL, 0},

    {POST, "/v1/threads", thread_create, &body_create_thread, MAKES},
    {GET_, "/v1/threads", thread_list, NULL, 0},
    {POST, "/v1/threads/runs", run_create_with_thread, &body_create_thread_and_run, MAKES},
    {GET_, "/v1/threads/{thread_id}", thread_get, NULL, 0},
    {POST, "/v1/threads/{thread_id}", thread_update, &body_update_thread, 0},
    {DELETE, "/v1/threads/{thread_id}", thread_delete, NULL, 0},

    {POST, "/v1/threads/{thread_id}/messages", message_create, &body_create_message, MAKES},
    {GET_, "/v1/threads/{thread_id}/messages", message_list, NULL, 0},
    {GET_, "/v1/threads/{thread_id}/messages/{message_id}", message_get, NULL, 0},
    {POST, "/v1/threads/{thread_id}/messages/{message_id}", message_update, &body_update_message,
     0},
    {DELETE, "/v1/threads/{thread_id}/messages/{message_id}", message_delete, NULL, 0},

    {POST, "/v1/threads/{thread_id}/runs", run_create, &body_create_run, MAKES},
    {GET_, "/v1/threads/{thread_id}/runs", run_list, NULL, 0},
    {GET_, "/v1/threads/{thread_id}/runs/{run_id}", run_get, NULL, 0},
    {POST, "/v1/threads/{thread_id}/runs/{run_id}", run_update, &body_update_run, 0},
    {POST, "/v1/threads/{thread_id}/runs/{run_id}/cancel", run_cancel, NULL, 0},
    {POST, "/v1/threads/{thread_id}/runs/{run_id}/redrive", run_redrive, NULL, 0},
    {POST, "/v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", run_submit_outputs,
     &body_submit_outputs, 0},
    {GET_, "/v1/threads/{thread_id}/runs/{run_id}/steps", step_list, NULL, 0},
    {GET_, "/v1/threads/{thread_id}/runs/{run_id}/steps/{step_id}", step_get, NULL, 0},

    {GET_, "/v1/runs", run_list_all, NULL, 0},
    {GET_, "/v1/runs/{run_id}", run_get_any, NULL, 0},
    {POST, "/v1/runs/{run_id}/cancel", run_cancel_any, NULL, 0},
    {POST, "/v1/runs/{run_id}/redrive", run_redrive_any, NULL, 0},
    {GET_, "/v1/runs/{run_id}/steps", step_list_any, NULL, 0},
};

const size_t endpoints_count = ARRAY_LENGTH(endpoints);

size_t api_routes(const struct api_route **out)
{
    static struct api_route routes[ARRAY_LENGTH(endpoints)];

    for (size_t i = 0; i < endpoints_count; i++)
        routes[i] = (struct api_route){endpoints[i].method, endpoints[i].pattern};
    *out = routes;
    return endpoints_count;
}

const char *api_method_name(enum http_method method)
{
    static const char *const names[] = {
        [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_HEAD] = "HEAD",
        [HTTP_METHOD_POST] = "POST",       [HTTP_METHOD_PUT] = "PUT",
        [HTTP_METHOD_PATCH] = "PATCH",     [HTTP_METHOD_DELETE] = "DELETE",
        [HTTP_METHOD_OPTIONS] = "OPTIONS",
    };

    return names[method];
}
