/* Budgets of threads, users, agents and the tenant itself. Each is named by what it is of, so that
 * saying it twice says the same. */

#include "shared/store/budgets/budgets.h"
#include "scheduler/api/control/resources.h"
#include "scheduler/api/listing.h"
#include "shared/agent/checks.h"
#include "shared/agent/memory.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"

/* Stands for the id of the tenant that asks. */
#define SELF "self"

static const char *const at_limits[] = {"end", "fallback", "park", NULL};

static const struct field put_budget[] = {
    {"period", FIELD_STRING, FIELD_REQUIRED, 0, 0, budget_periods, NULL},
    {"max_tokens", FIELD_INTEGER, FIELD_NULLABLE, 1, BUDGET_TOKENS_MAX, NULL, NULL},
    {"max_cost_micros", FIELD_INTEGER, FIELD_NULLABLE, 1, BUDGET_COST_MAX, NULL, NULL},
    {"at_limit", FIELD_STRING, FIELD_NULLABLE, 0, 0, at_limits, NULL},
    {"fallback_model", FIELD_STRING, FIELD_NULLABLE, 1, AGENT_MODEL_MAX, NULL, check_model},
};
static const struct fields body_put_budget = {put_budget, ARRAY_LENGTH(put_budget),
                                              sizeof(put_budget[0]), NULL, 0};

/* ---- whose it is ---- */

static int keep_uuid(struct request *request, struct uuid id, struct text *out)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    out->ptr = arena_string(request->store.arena, text);
    out->len = UUID_TEXT_SIZE - 1;
    if (out->ptr)
        return 0;
    return request_failed(request, &(struct error){.code = -E_LIMIT, .text = "no room"});
}

static int read_thread(struct request *request, struct text *out)
{
    struct uuid id;
    int r = request_id(request, 1, ID_THREAD, "thread", &id);

    return r < 0 ? r : keep_uuid(request, id, out);
}

static int read_user(struct request *request, struct text *out)
{
    static const struct path path = {NULL, "user", 0};

    *out = request->exchange->params[1];
    return memory_name_check(*out, USER_ID_MAX, &path, &request->failure);
}

static int read_agent(struct request *request, struct text *out)
{
    struct uuid id;
    int r = request_agent(request, "assistant", request->exchange->params[1], AGENT_EVER, &id);

    return r < 0 ? r : keep_uuid(request, id, out);
}

/* A tenant sees no other one. */
static int read_tenant(struct request *request, struct text *out)
{
    struct text said = request->exchange->params[1];
    struct uuid id;

    *out = TEXT("");
    if (text_is(said, SELF) ||
        (id_parse(ID_TENANT, said, &id) && uuid_equal(id, request->store.tenant)))
        return 0;
    return failure_param(&request->failure, 404, NULL, NULL,
                         "No tenant found with id '%.*s': a key knows its own alone, and that is "
                         "'self'.",
                         (int)text_prefix(said, 100).len, said.ptr);
}

/* The kind, and of it the subject as the store has it. */
static int read_subject(struct request *request, struct text *out_kind, struct text *out)
{
    static const struct path path = {NULL, "kind", 0};
    struct text kind = request->exchange->params[0];
    int r = fields_word(kind, budget_kinds, &path, &request->failure);

    if (r < 0)
        return r;
    *out_kind = kind;
    if (text_is(kind, "thread"))
        return read_thread(request, out);
    if (text_is(kind, "user"))
        return read_user(request, out);
    return text_is(kind, "agent") ? read_agent(request, out) : read_tenant(request, out);
}

/* ---- what is shown ---- */

/* As whoever asks names it. */
static void write_subject(const struct request *request, const struct purse *purse,
                          struct json_write *w)
{
    bool of_thread = text_is(purse->kind, "thread");
    char shown[ID_TEXT_SIZE];
    struct uuid id;

    if (purse->subject.len == 0)
        id_format(ID_TENANT, request->store.tenant, shown);
    else if ((of_thread || text_is(purse->kind, "agent")) && uuid_parse(purse->subject, &id))
        id_format(of_thread ? ID_THREAD : ID_ASSISTANT, id, shown);
    else {
        json_write_text(w, "subject", purse->subject);
        return;
    }
    json_write_string(w, "subject", shown);
}

static void write_sum(struct json_write *w, const char *name, int64_t sum)
{
    if (sum > 0)
        json_write_int(w, name, sum);
    else
        json_write_null(w, name);
}

static void render(struct request *request, const struct purse *purse)
{
    struct json_write w;
    char id[ID_TEXT_SIZE];

    id_format(ID_BUDGET, purse->id, id);
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", id);
    json_write_string(&w, "object", "budget");
    json_write_text(&w, "kind", purse->kind);
    write_subject(request, purse, &w);
    json_write_text(&w, "period", purse->period);
    write_sum(&w, "max_tokens", purse->max_tokens);
    write_sum(&w, "max_cost_micros", purse->max_cost_micros);
    json_write_text(&w, "at_limit", purse->at_limit);
    json_write_text(&w, "fallback_model", purse->fallback_model);
    json_write_int(&w, "spent_tokens", purse->spent_tokens);
    json_write_int(&w, "spent_cost_micros", purse->spent_cost_micros);
    write_sum(&w, "resets_at", purse->resets_at);
    json_write_int(&w, "created_at", purse->created_at);
    json_write_int(&w, "updated_at", purse->updated_at);
    json_write_close(&w);
}

static int missing(struct request *request)
{
    char subject[64];

    text_excerpt(request->exchange->params[1], subject, sizeof(subject));
    return failure_param(&request->failure, 404, NULL, NULL, "The %.*s '%s' has no budget.",
                         TEXT_ARGS(request->exchange->params[0]), subject);
}

static int too_many(struct request *request)
{
    return failure_param(&request->failure, 400, NULL, "budgets_quota_exceeded",
                         "There are %lld budgets already, and there may not be more. Delete some, "
                         "or have the limit raised (scheduler.tenant_budgets).",
                         (long long)request->api->budgets_max);
}

/* ---- the endpoints ---- */

static int budget_put(struct request *request)
{
    struct text at_limit = json_get_text(request->body, "at_limit");
    struct purse draft = {
        .id = uuid_new(),
        .period = json_get_text(request->body, "period"),
        .max_tokens = json_get_int(request->body, "max_tokens", 0),
        .max_cost_micros = json_get_int(request->body, "max_cost_micros", 0),
        .at_limit = at_limit.ptr ? at_limit : TEXT("end"),
        .fallback_model = json_get_text(request->body, "fallback_model"),
    };
    struct purse purse;
    struct error err;
    int r = read_subject(request, &draft.kind, &draft.subject);

    if (r == 0)
        r = check_budget_whole(request->body, NULL, &request->failure);
    if (r == 0)
        r = request_check_model(request, "fallback_model", draft.fallback_model);
    if (r < 0)
        return r;
    r = budgets_put(&request->store, &draft, request->api->budgets_max, &purse, &err);
    if (r == BUDGETS_FULL)
        return too_many(request);
    if (r == THREAD_MISSING || r == AGENT_MISSING)
        return request_missing(request, r == THREAD_MISSING ? "thread" : "assistant",
                               request->exchange->params[1]);
    if (r < 0)
        return request_failed(request, &err);
    render(request, &purse);
    return 0;
}

static int budget_get(struct request *request)
{
    struct purse purse;
    struct text kind;
    struct text subject;
    struct error err;
    int r = read_subject(request, &kind, &subject);

    if (r < 0)
        return r;
    r = budgets_get(&request->store, kind, subject, &purse, &err);
    if (r == BUDGET_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    render(request, &purse);
    return 0;
}

static int budget_delete(struct request *request)
{
    struct text kind;
    struct text subject;
    struct uuid id;
    struct error err;
    int r = read_subject(request, &kind, &subject);

    if (r < 0)
        return r;
    r = budgets_delete(&request->store, kind, subject, &id, &err);
    if (r == BUDGET_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    request_tell_deleted(request, ID_BUDGET, id, "budget.deleted");
    return 0;
}

static int budget_list(struct request *request)
{
    struct purse_list purses;
    struct listing list;
    struct text kind;
    struct error err;
    int r = listing_begin(&list, request, ID_BUDGET);

    if (r == 0)
        r = request_query_word(request, "kind", budget_kinds, &kind);
    if (r < 0)
        return r;
    r = budgets_list(&request->store, kind, &list.page, &purses, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < purses.count; i++) {
        listing_add(&list, purses.items[i].id);
        render(request, &purses.items[i]);
    }
    listing_end(&list, purses.has_more);
    return 0;
}

static const char *const list_query[] = {LISTING_QUERY, "kind", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/budgets", .handle = budget_list,
     .query = list_query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/budgets/{kind}/{id}", .handle = budget_get},
    {.method = HTTP_METHOD_PUT, .pattern = "/v1/budgets/{kind}/{id}", .handle = budget_put,
     .takes = TAKES_JSON, .body = &body_put_budget},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/budgets/{kind}/{id}", .handle = budget_delete},
};
/* clang-format on */

const struct endpoint_table budget_endpoints = ENDPOINT_TABLE(table);
