/* Searching the messages of threads: an extension, OpenAI has none. */

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "shared/store/search/search.h"

#define LIMIT_DEFAULT 20

static int bad_cursor(struct request *request)
{
    char shown[64];

    text_excerpt(json_get_text(request->body, "after"), shown, sizeof(shown));
    return failure_param(&request->failure, 400, "after", "invalid_value",
                         "Invalid 'after': '%s'. Expected the 'message_id' of a result of this "
                         "search, whose message is still there.",
                         shown);
}

static int read_body(struct request *request, struct search_request *out)
{
    struct json_object *body = request->body;
    struct text after = json_get_text(body, "after");

    *out = (struct search_request){
        .query = json_get_text(body, "query"),
        .user = json_get_text(body, "user_id"),
        .limit = (int)json_get_int(body, "limit", LIMIT_DEFAULT),
    };
    if (json_get(body, "archived"))
        out->archived =
            json_get_bool(body, "archived", false) ? SEARCH_ARCHIVED : SEARCH_NOT_ARCHIVED;
    if (after.len > 0 && (!id_parse(ID_MESSAGE, after, &out->after) || uuid_is_zero(out->after)))
        return bad_cursor(request);
    return request_agent(request, "assistant_id", json_get_text(body, "assistant_id"),
                         AGENT_AS_SAID, &out->agent);
}

static int refuse(struct request *request, int condition, const struct error *err)
{
    if (condition == CURSOR_MISSING)
        return bad_cursor(request);
    if (condition == SEARCH_EMPTY)
        return failure_param(&request->failure, 400, "query", "invalid_value",
                             "Invalid 'query': it has no word to look for. Signs are not looked "
                             "for, and words behind '-' only leave messages out.");
    if (condition == SEARCH_BROAD)
        return failure_param(&request->failure, 400, "query", "search_too_broad",
                             "The search took longer than %d s. Ask for rarer words, or for the "
                             "threads of a 'user_id'.",
                             SEARCH_TIMEOUT_MS / 1000);
    return request_failed(request, err);
}

static int thread_search(struct request *request)
{
    struct search_request search;
    struct search_hits hits;
    struct listing list = {.out = &request->reply, .kind = ID_MESSAGE};
    struct error err;
    int r;

    if (!request->api->pg_search)
        return failure_param(&request->failure, 400, NULL, "search_off",
                             "Search is switched off on this server (scheduler.search).");
    r = read_body(request, &search);
    if (r < 0)
        return r;
    request->store.pg = request->api->pg_search;
    r = search_messages(&request->store, &search, &hits, &err);
    if (r != 0)
        return refuse(request, r, &err);
    buf_add_string(list.out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < hits.count; i++) {
        listing_add(&list, hits.items[i].message_id);
        render_search_hit(&hits.items[i], list.out);
    }
    listing_end(&list, hits.has_more);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/search",
     .handle = thread_search,
     .takes = TAKES_JSON, .body = &body_search_threads, .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table thread_search_endpoints = ENDPOINT_TABLE(table);
