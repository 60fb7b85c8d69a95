/* Searching the memories of a user. */

#include "shared/memories/memory_search.h"

#include <math.h>

#include "scheduler/api/assistants/users.h"
#include "scheduler/api/memories/memory_common.h"
#include "scheduler/api/memories/resources.h"
#include "shared/json/json.h"
#include "shared/recall/rank.h"

#define QUERY_MAX     2000 /* characters */
#define LIMIT_DEFAULT 10

static int check_kind(struct json_object *value, const struct path *path, struct failure *failure)
{
    int r = fields_expect(FIELD_STRING, value, path, failure);

    return r < 0 ? r : fields_word(json_string(value), memory_kind_names, path, failure);
}

static int check_kinds(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_kind, failure);
}

static const struct field search_fields[] = {
    {"query", FIELD_STRING, FIELD_REQUIRED, 1, QUERY_MAX, NULL, NULL},
    {"limit", FIELD_INTEGER, FIELD_NULLABLE, 1, MEMORY_SEARCH_MAX, NULL, NULL},
    {"score_threshold", FIELD_NUMBER, FIELD_NULLABLE, 0, 1, NULL, NULL},
    {"kinds", FIELD_ARRAY, FIELD_NULLABLE, 0, 16, NULL, check_kinds},
    {"assistant_id", FIELD_STRING, FIELD_NULLABLE, 0, 0, NULL, NULL},
};
static const struct fields body_search = {search_fields, ARRAY_LENGTH(search_fields),
                                          sizeof(search_fields[0]), NULL, 0};

static unsigned read_kinds(struct json_object *kinds)
{
    unsigned bits = 0;
    enum memory_kind kind;

    for (size_t i = 0; kinds && i < json_object_array_length(kinds); i++)
        if (memory_kind_of(json_string(json_object_array_get_idx(kinds, i)), &kind))
            bits |= 1U << kind;
    return bits;
}

static int read_body(struct request *request, struct memory_search *out)
{
    struct json_object *body = request->body;
    struct json_object *threshold = json_get(body, "score_threshold");
    int r = request_user(request, &out->user);

    out->question = json_get_text(body, "query");
    out->limit = (int)json_get_int(body, "limit", LIMIT_DEFAULT);
    out->threshold =
        threshold ? json_object_get_double(threshold) : (double)RECALL_THRESHOLD_DEFAULT;
    out->kinds = read_kinds(json_get(body, "kinds"));
    if (r == 0)
        r = request_agent(request, "assistant_id", json_get_text(body, "assistant_id"), AGENT_EVER,
                          &out->agent);
    out->as_agent = !uuid_is_zero(out->agent);
    if (r == 0)
        r = memory_vector(request, out->user, out->question, true, &out->vector, &out->model);
    return r;
}

static int search(struct request *request)
{
    struct memory_search wanted = {.limit = LIMIT_DEFAULT};
    struct memory_findings found;
    struct json_write write;
    struct error err;
    int r = read_body(request, &wanted);

    if (r < 0)
        return r;
    request->store.pg = request->api->pg_large;
    r = memory_search(&request->store, &wanted, &found, &err);
    if (r < 0)
        return request_failed(request, &err);
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "list");
    json_write_open_array(&write, "data");
    for (size_t i = 0; i < found.count; i++) {
        json_write_open_object(&write, NULL);
        memory_write(&write, wanted.user, &found.items[i].memory);
        json_write_double(&write, "score", round(found.items[i].score * 1e4) / 1e4);
        json_write_close(&write);
    }
    json_write_close(&write);
    json_write_bool(&write, "degraded", found.degraded && found.compared > 0);
    json_write_close(&write);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/users/{user}/memories/search",
     .handle = search,
     .takes = TAKES_JSON, .body = &body_search, .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table memory_search_endpoints = ENDPOINT_TABLE(table);
