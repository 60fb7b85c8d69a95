/* Assistants: the store calls them agents and keeps every version of their spec. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/code/code_check.h"
#include "scheduler/api/assistants/code/server_check.h"
#include "scheduler/api/assistants/code/web_check.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "shared/agent/checks.h"
#include "shared/agent/memory.h"
#include "shared/agent/prompt.h"
#include "shared/agent/spec.h"
#include "shared/store/agents/agents.h"
#include "shared/submit/declared/declared_load.h"
#include "shared/submit/remember.h"
#include "shared/submit/spec_load.h"

static int missing(struct request *request)
{
    return request_missing(request, "assistant", request->exchange->params[0]);
}

static int render(struct request *request, const struct agent *agent)
{
    struct agent_spec spec;
    struct error err;
    int r = agent_spec_load(agent->spec, &request->exchange->arena, &spec, &err);

    if (r < 0)
        return request_failed(request, &err);
    render_assistant(agent, &spec, &request->reply);
    return 0;
}

/* A string of the spec, into the arena. Returns 0, or an error of json_decode. */
static int copy_string(struct text json, struct arena *arena, struct text *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *value = NULL;
    int r = json.ptr ? json_decode(json, 1, &value, err) : 0;

    *out = json_string(value);
    if (r == 0 && out->ptr)
        out->ptr = arena_copy(arena, *out);
    return r;
}

/* Whether there is room for its tools, and the tenant's own among them are there, and may use what
 * they need. */
static int check_tools_named(struct request *request, const struct agent_spec *spec)
{
    CLEANUP(buf_deinit) struct buf expanded = {0};
    struct text tools = spec->members[SPEC_TOOLS];
    struct declared_tools declared;
    struct error err;

    buf_init(&expanded, 0);
    if (agent_spec_check_room(spec, &request->failure) < 0)
        return -E_INVALID;
    if (!declared_concerns(tools))
        return 0;
    if (tools_check_servers(request, tools) < 0)
        return -E_INVALID;
    if (declared_load(&request->store, tools, NULL, &declared, &err) < 0)
        return request_failed(request, &err);
    return declared_expand(tools, &declared, spec->members[SPEC_SECRETS], &expanded,
                           &request->failure);
}

/* Fills the draft from a merged spec; the text of the spec goes into the arena. */
static int make_draft(struct request *request, const struct agent_spec *spec,
                      struct agent_draft *draft)
{
    struct arena *arena = &request->exchange->arena;
    struct buf text;
    struct error err;
    int r = check_tools_named(request, spec);

    if (r < 0)
        return r;
    buf_init(&text, 0);
    buf_add_char(&text, '{');
    agent_spec_write(spec, &text);
    buf_add_char(&text, '}');
    if (agent_spec_check_size(spec, text.len, "assistant", &request->failure) < 0) {
        buf_deinit(&text);
        return -E_INVALID;
    }
    draft->spec = (struct text){arena_copy(arena, buf_text(&text)), text.len};
    if (text.failed || !draft->spec.ptr)
        r = error_set(&err, E_LIMIT, "the assistant is too large");
    buf_deinit(&text);
    draft->created_by = request->key;
    if (r == 0)
        r = copy_string(spec->members[SPEC_NAME], arena, &draft->name, &err);
    if (r == 0)
        r = copy_string(spec->members[SPEC_SLUG], arena, &draft->slug, &err);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int slug_taken(struct request *request, struct text slug)
{
    char id[ID_TEXT_SIZE];
    struct uuid other;
    struct error err;
    int r = agents_find(&request->store, slug, &other, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r == 0)
        id_format(ID_ASSISTANT, other, id);
    r = failure_param(&request->failure, 409, "slug", "slug_taken",
                      "The slug '%.*s' is taken%s%s: an assistant of this name in addresses is "
                      "there already.",
                      TEXT_ARGS(slug), r == 0 ? " by " : "", r == 0 ? id : "");
    request->failure.retry = RETRY_NO; /* else SDKs try a 409 again */
    return r;
}

static int assistants_create(struct request *request)
{
    struct agent_draft draft = {.id = request->object};
    struct agent_spec spec;
    struct agent agent;
    struct error err;
    int r = request_check_models(request);

    if (r == 0)
        r = assistants_check_code(request);
    if (r == 0)
        r = assistants_check_web(request);
    if (r < 0)
        return r;
    agent_spec_merge(NULL, request->body, &spec);
    r = make_draft(request, &spec, &draft);
    if (r < 0)
        return r;
    r = request->replaying ? agents_get(&request->store, draft.id, &agent, &err) : AGENT_MISSING;
    request->found = r == 0;
    if (r == AGENT_MISSING)
        r = agents_create(&request->store, &draft, &agent, &err);
    request->found |= r == -E_CONFLICT;
    if (r == -E_CONFLICT || r == -E_AMBIGUOUS) {
        int tried = r;

        r = agents_get(&request->store, draft.id, &agent, &err);
        if (r == AGENT_MISSING && tried == -E_CONFLICT) {
            request->found = false;
            return slug_taken(request, draft.slug);
        }
    }
    if (r > 0)
        r = error_set(&err, E_AMBIGUOUS, "not known whether the assistant was created");
    return r < 0 ? request_failed(request, &err) : render(request, &agent);
}

/* All that a creation would refuse is refused, and nothing is written: who applies many at once
 * learns of the last one's mistake before the first is made. */
static int assistants_check(struct request *request)
{
    struct agent_draft draft = {0};
    struct agent_spec spec;
    int r = request_check_models(request);

    if (r == 0)
        r = assistants_check_code(request);
    if (r == 0)
        r = assistants_check_web(request);
    if (r < 0)
        return r;
    agent_spec_merge(NULL, request->body, &spec);
    r = make_draft(request, &spec, &draft);
    if (r == 0)
        buf_add_string(&request->reply, "{\"object\":\"assistant.check\",\"valid\":true}");
    return r;
}

static int assistants_list(struct request *request)
{
    struct agent_list agents;
    struct listing list;
    struct error err;
    int r = listing_begin(&list, request, ID_ASSISTANT);

    if (r < 0)
        return r;
    r = agents_list(&request->store, &list.page, &agents, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < agents.count; i++) {
        listing_add(&list, agents.items[i].id);
        r = render(request, &agents.items[i]);
        if (r < 0)
            return r;
    }
    listing_end(&list, agents.has_more);
    return 0;
}

/* The assistant of the path, by its id or its slug. Returns 0, or -E_INVALID with the failure. */
static int find_id(struct request *request, struct uuid *out)
{
    struct text text = request->exchange->params[0];
    struct error err;
    int r;

    if (id_parse(ID_ASSISTANT, text, out))
        return 0;
    if (!slug_fits(text))
        return missing(request);
    r = agents_find(&request->store, text, out, &err);
    if (r == AGENT_MISSING)
        return missing(request);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int find(struct request *request, struct agent *out)
{
    struct uuid id;
    struct error err;
    int r = find_id(request, &id);

    if (r < 0)
        return r;
    r = agents_get(&request->store, id, out, &err);
    if (r == AGENT_MISSING)
        return missing(request);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int assistants_get(struct request *request)
{
    struct agent agent;
    int r = find(request, &agent);

    return r < 0 ? r : render(request, &agent);
}

/* Reads, merges, writes if nobody else wrote in between; else once more, a few times. */
static int assistants_update(struct request *request)
{
    struct text slug = TEXT_NONE;
    struct agent agent;
    struct error err;
    int r = request_check_models(request);

    if (r == 0)
        r = assistants_check_code(request);
    if (r == 0)
        r = assistants_check_web(request);
    if (r < 0)
        return r;
    for (int attempt = 0; attempt < 5; attempt++) {
        struct agent_draft draft = {0};
        struct agent_spec spec;

        r = find(request, &agent);
        if (r < 0)
            return r;
        r = agent_spec_load(agent.spec, &request->exchange->arena, &spec, &err);
        if (r < 0)
            return request_failed(request, &err);
        agent_spec_merge(&spec, request->body, &spec);
        draft.id = agent.id;
        draft.expected_version = agent.version;
        r = make_draft(request, &spec, &draft);
        if (r < 0)
            return r;
        slug = draft.slug;
        r = agents_update(&request->store, &draft, &agent, &err);
        if (r != AGENT_CHANGED)
            break;
    }
    if (r == AGENT_MISSING)
        return missing(request);
    if (r == -E_CONFLICT)
        return slug_taken(request, slug);
    if (r == AGENT_CHANGED) {
        (void)failure_param(&request->failure, 409, NULL, NULL,
                            "The assistant is being changed by others all the time: try again.");
        return -E_INVALID;
    }
    if (r < 0)
        return request_failed(request, &err);
    submitter_agent_changed(request->api->submitter, request->store.tenant, agent.id);
    return render(request, &agent);
}

static int assistants_delete(struct request *request)
{
    struct uuid id;
    struct error err;
    int r = find_id(request, &id);

    if (r < 0)
        return r;
    r = agents_delete(&request->store, id, &err);
    if (r == AGENT_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    submitter_agent_changed(request->api->submitter, request->store.tenant, id);
    request_tell_deleted(request, ID_ASSISTANT, id, "assistant.deleted");
    return 0;
}

static int version_missing(struct request *request)
{
    char version[24];

    text_excerpt(request->exchange->params[1], version, sizeof(version));
    return failure_param(&request->failure, 404, NULL, NULL,
                         "No version '%s' found of the assistant with id '%.*s'.", version,
                         TEXT_ARGS(request->exchange->params[0]));
}

static int assistants_get_version(struct request *request)
{
    struct agent agent;
    struct uuid id;
    int64_t version;
    struct error err;
    int r = find_id(request, &id);

    if (r < 0)
        return r;
    if (!text_to_int(request->exchange->params[1], &version) || version < 1)
        return version_missing(request);
    r = agents_get_version(&request->store, id, version, &agent, &err);
    if (r == AGENT_MISSING)
        return version_missing(request);
    return r < 0 ? request_failed(request, &err) : render(request, &agent);
}

/* The number of the first version to show: that after `after`, in the asked order. */
static int first_version(struct request *request, bool ascending, int64_t latest, int64_t *out)
{
    struct text after = http_query_get(request->exchange, "after", 0);
    int64_t number;

    *out = ascending ? 1 : latest;
    if (after.len == 0)
        return 0;
    if (!text_to_int(after, &number) || number < 1 || number > latest)
        return failure_param(&request->failure, 400, "after", "invalid_value",
                             "Invalid 'after': expected a version between 1 and %" PRId64 ".",
                             latest);
    *out = ascending ? number + 1 : number - 1;
    return 0;
}

/* Versions are numbered without gaps. So a page is a range of numbers, and its cursors are
 * numbers. */
static int assistants_versions(struct request *request)
{
    struct agent_list versions;
    struct agent agent;
    struct listing list;
    int64_t version = 0;
    int64_t from, to;
    struct error err;
    bool up;
    int r = find(request, &agent);

    if (r == 0)
        r = listing_begin_numbers(&list, request);
    if (r == 0)
        r = first_version(request, list.page.ascending, agent.version, &version);
    if (r < 0)
        return r;
    up = list.page.ascending;
    to = up ? version + list.page.limit - 1 : version;
    from = up ? version : version - list.page.limit + 1;
    r = agents_list_versions(&request->store, agent.id, from, to, &list.page, &versions, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < versions.count; i++) {
        const struct agent *one = &versions.items[i];

        listing_add_number(&list, one->version);
        r = render(request, one);
        if (r < 0)
            return r;
        version = one->version + (up ? 1 : -1);
    }
    listing_end(&list, version >= 1 && version <= agent.version);
    return 0;
}

/* What the agent is told of the query's user; empty where it names none. */
static int read_memory(struct request *request, const struct agent *agent,
                       const struct agent_spec *spec, struct text *out)
{
    static const struct path path = {NULL, "user", 0};
    struct text user = http_query_get(request->exchange, "user", 0);
    struct error err;

    *out = TEXT_NONE;
    if (!user.ptr)
        return 0;
    if (memory_name_check(user, USER_ID_MAX, &path, &request->failure) < 0)
        return -E_INVALID;
    if (!text_is(spec->members[SPEC_USER_MEMORY], "true"))
        return 0;
    if (remember_section(&request->store, agent->id, user, out, &err) < 0)
        return request_failed(request, &err);
    return 0;
}

/* As the model gets it; places of a template are shown as they are. */
static int assistants_prompt(struct request *request)
{
    CLEANUP(buf_deinit) struct buf preamble;
    CLEANUP(buf_deinit) struct buf prompt;
    struct text instructions = TEXT_NONE;
    struct text memory;
    struct agent_spec spec;
    struct agent agent;
    struct error err;
    int r = find(request, &agent);

    buf_init(&preamble, 0);
    buf_init(&prompt, 0);
    if (r < 0)
        return r;
    r = agent_spec_load(agent.spec, &request->exchange->arena, &spec, &err);
    if (r == 0)
        r = copy_string(spec.members[SPEC_INSTRUCTIONS], &request->exchange->arena, &instructions,
                        &err);
    if (r < 0)
        return request_failed(request, &err);
    r = read_memory(request, &agent, &spec, &memory);
    if (r < 0)
        return r;
    agent_preamble_write(&spec, &preamble);
    agent_prompt_write(buf_text(&preamble), instructions, memory, &prompt);
    render_prompt(&agent, buf_text(&prompt), text_is(spec.members[SPEC_TEMPLATE], "true"),
                  &request->reply);
    return 0;
}

static const char *const prompt_query[] = {"user", NULL};
static const char *const versions_query[] = {"limit", "order", "after", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/assistants",
     .handle = assistants_create,
     .takes = TAKES_JSON, .body = &body_create_assistant, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/assistants/check",
     .handle = assistants_check,
     .takes = TAKES_JSON, .body = &body_create_assistant},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/assistants",
     .handle = assistants_list,
     .query = listing_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/assistants/{assistant_id}",
     .handle = assistants_get,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/assistants/{assistant_id}",
     .handle = assistants_update,
     .takes = TAKES_JSON, .body = &body_update_assistant, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/assistants/{assistant_id}",
     .handle = assistants_delete},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/assistants/{assistant_id}/prompt",
     .handle = assistants_prompt,
     .query = prompt_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/assistants/{assistant_id}/versions",
     .handle = assistants_versions,
     .query = versions_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/assistants/{assistant_id}/versions/{version}",
     .handle = assistants_get_version,
     .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table assistant_endpoints = ENDPOINT_TABLE(table);
