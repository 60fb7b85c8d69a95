/* Making responses: https://platform.openai.com/docs/api-reference/responses/create
 *
 * What is asked becomes a run (response_request.c), its input messages (item_read.c), and where it
 * goes on a thread (response_place.c). */

#include <stdio.h>
#include <string.h>

#include "providers/models/models.h"
#include "providers/models/registry.h"
#include "scheduler/api/assistants/run_make.h"
#include "scheduler/api/openai/items/item_read.h"
#include "scheduler/api/openai/responses/resources.h"
#include "scheduler/api/openai/responses/response_bodies.h"
#include "scheduler/api/openai/responses/response_create.h"
#include "scheduler/api/openai/responses/response_end.h"
#include "scheduler/api/openai/responses/response_ground.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "scheduler/api/openai/responses/response_request.h"
#include "shared/agent/checks.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "shared/store/agents/agents.h"
#include "shared/submit/new_messages.h"
#include "shared/submit/submit.h"

struct creating {
    struct request *request;
    struct submit_draft *draft; /* it is not made, but for this much; NULL: it is */
    bool low;
    struct response_place place;
    struct response_ground ground;
    struct read_items items;
    struct json_object *run; /* the request for it */
};

/* ---- whose it is ---- */

/* A name of the configuration or of the table of models: it can't be taken for an agent's slug. */
static bool is_known_model(const struct provider_registry *registry, struct text name)
{
    const struct config *config = provider_registry_config(registry);
    struct provider_target target;

    if (provider_registry_resolve(registry, name, &target, NULL) < 0)
        return false;
    for (unsigned i = 0; i < config->models_count; i++)
        if (text_is(name, config->models[i].name))
            return true;
    return memchr(name.ptr, '/', name.len) || model_find(name, NULL);
}

/* Whether `model` names an agent: by its id, or by a slug that is no model's name. */
static int find_agent(struct creating *creating)
{
    struct request *request = creating->request;
    struct text model = json_get_text(request->body, "model");
    struct provider_target target;
    struct uuid agent;
    struct error err;
    int r;

    creating->place.has_agent = id_parse(ID_ASSISTANT, model, &agent);
    if (creating->place.has_agent || is_known_model(request->api->registry, model) ||
        !slug_fits(model))
        return 0;
    r = submitter_find_agent(request->api->submitter, &request->store, model, &agent, &err);
    creating->place.has_agent = r == 0;
    if (r < 0)
        return request_failed(request, &err);
    if (r == 0 || provider_registry_resolve(request->api->registry, model, &target, &err) == 0)
        return 0;
    return failure_param(&request->failure, 400, "model", "model_not_found",
                         "No agent has the slug '%.*s', and %s.", TEXT_ARGS(model), err.text);
}

/* ---- what goes together ---- */

static int refuse(struct request *request, const char *param, const char *message)
{
    return failure_param(&request->failure, 400, param, "invalid_value", "%s", message);
}

static int check_together(struct request *request)
{
    struct json_object *body = request->body;
    bool stored = json_get_bool(body, "store", true);

    if (json_get(body, "conversation") && json_get(body, "previous_response_id"))
        return refuse(request, "previous_response_id",
                      "Invalid 'previous_response_id': the request has 'conversation', too. Say "
                      "one of them.");
    if (!stored && json_get_bool(body, "background", false))
        return refuse(request, "background",
                      "Invalid 'background': a response with 'store': false is gone once it was "
                      "shown, so nobody could retrieve it.");
    if (!stored && json_get(body, "conversation"))
        return refuse(request, "store",
                      "Invalid 'store': what is said in a conversation is kept there. Leave out "
                      "'store': false, or 'conversation'.");
    return 0;
}

/* ---- make ---- */

static int read(struct creating *creating)
{
    struct request *request = creating->request;
    struct json_object *input = json_get(request->body, "input");
    int r = items_read(request, input, &creating->items);

    if (r < 0)
        return r;
    r = response_ground_check(request, &creating->ground, &creating->items);
    if (r < 0 || creating->items.count > 0 || creating->ground.kind != GROUND_NEW ||
        creating->place.has_agent)
        return r;
    return failure_param(&request->failure, 400, "input", "missing_required_parameter",
                         "Missing required parameter: 'input'.");
}

/* An agent is named by the member `model` here. */
static void name_model(const struct creating *creating)
{
    struct failure *failure = &creating->request->failure;
    bool none = strncmp(failure->message, "No assistant", strlen("No assistant")) == 0;

    if (creating->place.has_agent && (none || strcmp(failure->param, "assistant_id") == 0))
        (void)snprintf(failure->param, sizeof(failure->param), "model");
}

static int submit_it(struct creating *creating, struct submitted *out)
{
    struct request *request = creating->request;
    const struct new_messages messages = {creating->items.drafts, creating->items.count};
    struct submission submission;
    struct error err;

    if (creating->low)
        json_object_object_add(creating->run, "priority", json_object_new_string("low"));
    submission = (struct submission){
        .request = creating->run,
        .id = request->object,
        .messages = &messages,
        .title = creating->items.title,
        .agentless = !creating->place.has_agent,
        .assistant = creating->place.has_agent ? json_get_text(request->body, "model") : TEXT_NONE,
        .ends_at_calls = true,
        .response = response_said_of(request->body, &creating->place, request->store.arena),
    };
    if (!submission.response.ptr)
        return request_failed(request, (error_set(&err, E_LIMIT, "no room"), &err));
    if (creating->draft)
        return response_ground_prepare(request, &creating->ground, &submission, creating->draft);
    return response_ground_submit(request, &creating->ground, &creating->items, &submission, out);
}

/* What an earlier try has made: the ground that it stood on has moved since. RUN_MISSING: it has
 * made none. */
static int show_made(struct request *request)
{
    static const struct uuid any_thread = {{0}};
    struct run run;
    struct error err;
    int r;

    if (!request->replaying)
        return RUN_MISSING;
    r = runs_get(&request->store, any_thread, request->object, &run, &err);
    if (r == RUN_MISSING && request->made)
        return response_missing(request, request->object);
    if (r < 0)
        return request_failed(request, &err);
    if (r == 0) {
        request->found = true;
        response_write(&run, TEXT(""), &request->reply);
    }
    return r;
}

static int make(struct creating *creating)
{
    struct request *request = creating->request;
    struct submitted submitted;
    int r = check_together(request);

    if (r == 0)
        r = show_made(request);
    if (r != RUN_MISSING)
        return r;
    r = find_agent(creating);
    if (r == 0)
        r = response_ground_find(request, &creating->ground);
    creating->ground.lingers = creating->low;
    creating->place.on_conversation = creating->ground.kind == GROUND_CONVERSATION;
    if (r == 0 && creating->draft && creating->ground.kind != GROUND_NEW) {
        creating->draft->alone = true;
        return 0;
    }
    if (r == 0)
        r = read(creating);
    if (r == 0)
        r = response_request(request->body, &creating->place, &creating->run, &request->failure);
    if (r == 0)
        r = submit_it(creating, &submitted);
    if (r < 0)
        name_model(creating);
    if (r == 0 && !creating->draft)
        response_write(&submitted.run, TEXT(""), &request->reply);
    return r;
}

static int make_and_free(struct creating *creating)
{
    int r = make(creating);

    json_free(creating->run);
    return r;
}

static int create(struct request *request)
{
    return make_and_free(&(struct creating){.request = request});
}

int response_prepare(struct request *request, struct submit_draft *out,
                     struct json_object **out_run)
{
    struct creating creating = {.request = request, .draft = out, .low = true};
    int r = make(&creating);

    *out_run = creating.run;
    return r;
}

int response_make_low(struct request *request)
{
    return make_and_free(&(struct creating){.request = request, .low = true});
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/responses",
     .handle = create, .stream = response_stream, .finish = response_finish,
     .takes = TAKES_JSON, .body = &body_response, .query = response_query,
     .flags = ENDPOINT_CREATES},
};
/* clang-format on */

const struct endpoint_table response_create_endpoints = ENDPOINT_TABLE(table);
