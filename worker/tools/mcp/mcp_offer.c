/* Asking all servers of a run at once, and reading what was kept.
 *
 * A server that is away is no reason for a run to fail: it may not be needed. It is asked again for
 * a while (mcp_list.c); then the model is told that its tools are not there, in words of ours: what
 * a server says of itself is no instruction of the agent's owner.
 */

#include "worker/tools/mcp/mcp_offer.h"

#include <stdlib.h>
#include <string.h>

#include "shared/agent/tools/approval.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"
#include "shared/mcp/mcp_approval.h"
#include "worker/tools/mcp/mcp_internal.h"
#include "worker/tools/mcp/mcp_problem.h"

#define TOOLS_MAX     128 /* of an agent, all together */
#define UNKNOWN_BYTES 160 /* of names that are told */
#define HAS_BYTES     320

/* Those that are asked at the moment. */
struct round {
    size_t running;
    struct cond ended;
};

/* One of the servers, while it is asked. */
struct asked {
    const struct mcp_offer_asking *asking;
    struct round *round;
    struct text raw;
    struct json_object *item;
    struct mcp_member member;
    struct buf tools; /* JSON array: what it has, by its own names */
    struct fiber *fiber;
    struct buf unknown; /* names that are allowed, and the server has not; "": there is none */
    struct buf has;     /* beside those: what it has */
    size_t dropped;
    char why_dropped[240];
    int result;
    struct error error;
};

/* ---- asking ---- */

static enum call_class class_of(const struct mcp_member *member, const struct mcp_hints *hints)
{
    enum call_class class;

    if (call_class_parse(member->class, &class))
        return class;
    if (member->trusted && hints->read_only)
        return CALL_PURE;
    return member->trusted && hints->idempotent ? CALL_IDEMPOTENT : CALL_ONCE;
}

static void write_tool(struct json_write *w, const struct mcp_member *member,
                       const struct mcp_tool *tool)
{
    json_write_open_object(w, NULL);
    json_write_text(w, "tool", tool->name);
    json_write_text_if(w, "description", tool->description);
    json_write_raw(w, "parameters", tool->parameters);
    json_write_string(w, "class", call_class_name(class_of(member, &tool->hints)));
    json_write_raw_if(w, "headers", tool->headers);
    if (tool->hints.read_only)
        json_write_bool(w, "read_only", true);
    json_write_close(w);
}

static bool has_tool(const struct mcp_tools *tools, struct text name)
{
    for (size_t i = 0; i < tools->count; i++)
        if (text_equal(tools->items[i].name, name))
            return true;
    return false;
}

/* Another name of a list, as long as it has room. */
static void add_name(struct buf *list, struct text name, const char *quote, size_t max)
{
    char shown[64];

    text_excerpt(name, shown, sizeof(shown));
    if (list->len + strlen(shown) + 8 < max)
        buf_printf(list, "%s%s%s%s", list->len ? ", " : "", quote, shown, quote);
    else if (!text_ends(buf_text(list), "..."))
        buf_add_string(list, ", ...");
}

/* A mistaken name is no tool, and nobody would see why. */
static void note_unknown(struct asked *asked, const struct mcp_tools *tools)
{
    struct json_object *allowed = asked->member.allowed;
    char label[MCP_LABEL_MAX + 1];

    for (size_t i = 0; allowed && i < json_object_array_length(allowed); i++) {
        struct text name = json_string(json_object_array_get_idx(allowed, i));

        if (!has_tool(tools, name))
            add_name(&asked->unknown, name, "'", UNKNOWN_BYTES);
    }
    if (asked->unknown.len == 0)
        return;
    for (size_t i = 0; i < tools->count; i++)
        add_name(&asked->has, tools->items[i].name, "", HAS_BYTES);
    text_excerpt(asked->member.label, label, sizeof(label));
    log_warn("allowed_tools names what its server has not", LOG_STR("server", label),
             LOG_STR("unknown", buf_string(&asked->unknown)),
             LOG_STR("has", buf_string(&asked->has)));
}

static void write_tools(struct asked *asked, const struct mcp_tools *tools)
{
    struct json_write w;

    json_write_init(&w, &asked->tools);
    json_write_open_array(&w, NULL);
    for (size_t i = 0; i < tools->count; i++)
        if (mcp_member_allows(&asked->member, tools->items[i].name,
                              tools->items[i].hints.read_only))
            write_tool(&w, &asked->member, &tools->items[i]);
    json_write_close(&w);
    note_unknown(asked, tools);
    asked->dropped = tools->dropped;
    memcpy(asked->why_dropped, tools->why, sizeof(asked->why_dropped));
    if (tools->dropped > 0)
        log_warn("tools of a server can't be used", LOG_STR("why", tools->why),
                 LOG_INT("tools", tools->dropped));
}

struct uuid mcp_scope(const struct mcp_member *member, const struct tool_place *place)
{
    switch (member->session) {
    case MCP_SESSION_RUN:
        return place->lease.run;
    case MCP_SESSION_THREAD:
        return place->thread;
    case MCP_SESSION_SHARED:
        break;
    }
    return (struct uuid){{0}};
}

static int ask_server(struct asked *asked, struct error *err)
{
    const struct mcp_offer_asking *asking = asked->asking;
    struct text secrets[MCP_SECRETS_MAX + 1];
    size_t count = mcp_member_secrets(asked->item, secrets);
    uint8_t key[SHA256_BYTES];
    const struct mcp_tools *tools;
    struct mcp_server *server;
    struct mcp_reach reach;
    int r = mcp_reach_open(asking->services, asking->place->tenant, &asked->member, secrets,
                           count < MCP_SECRETS_MAX ? count : MCP_SECRETS_MAX, &reach, err);

    if (r == 0) {
        mcp_reach_key(&reach, asking->place->tenant, asked->member.label, key);
        server = mcp_server_enter(asking->services->mcp, key);
        r = mcp_list(server, &reach, mcp_scope(&asked->member, asking->place), asking->deadline_ms,
                     &tools, err);
        if (r == 0)
            write_tools(asked, tools);
        mcp_server_leave(server);
    }
    if (r < 0)
        mcp_reach_redact(&reach, err);
    mcp_reach_close(&reach);
    return r;
}

static void ask_fiber(void *arg)
{
    struct asked *asked = arg;

    asked->result = ask_server(asked, &asked->error);
    asked->round->running--;
    cond_broadcast(&asked->round->ended);
}

/* ---- writing ---- */

struct writing {
    const struct toolbox *box;
    struct json_write w;
    struct json_object *names; /* that are taken */
    size_t count;
    struct buf problems;
    struct json_write told; /* to these */
};

static bool is_taken(const struct writing *writing, const char *name)
{
    return json_has(writing->names, name) || toolbox_find(writing->box, text_of(name));
}

/* Returns whether it was written. */
static bool write_offered(struct writing *writing, struct text label, struct json_object *tool)
{
    char name[MCP_MODEL_NAME_SIZE];
    struct text own = json_get_text(tool, "tool");

    if (writing->box->count + writing->count >= TOOLS_MAX)
        return false;
    mcp_model_name(label, own, false, name);
    if (is_taken(writing, name))
        mcp_model_name(label, own, true, name);
    if (is_taken(writing, name))
        return false;
    json_object_object_add(writing->names, name, NULL);
    writing->count++;
    json_object_object_add(tool, "name", json_object_new_string(name));
    json_write_raw(&writing->w, NULL, json_text(tool));
    return true;
}

static void write_problems(struct writing *writing, const struct asked *asked, size_t left_out)
{
    struct text label = asked->member.label;

    if (asked->result < 0)
        mcp_problem_away(&writing->told, label, asked->result,
                         asked->member.url.ptr ? asked->error.text : NULL);
    if (asked->unknown.len > 0)
        mcp_problem_unknown(&writing->told, label, buf_text(&asked->unknown),
                            buf_text(&asked->has));
    if (left_out > 0)
        mcp_problem_left_out(&writing->told, label, left_out, TOOLS_MAX);
    if (asked->dropped > 0)
        mcp_problem_unfit(&writing->told, label, asked->dropped, asked->why_dropped);
}

static void write_server(struct writing *writing, const struct asked *asked)
{
    CLEANUP(json_freep) struct json_object *tools = NULL;
    size_t left_out = 0;

    json_write_open_object(&writing->w, NULL);
    json_write_text(&writing->w, "label", asked->member.label);
    json_write_open_array(&writing->w, "tools");
    if (asked->result == 0 &&
        json_decode(buf_text(&asked->tools), JSON_DEPTH_DEFAULT * 2, &tools, NULL) == 0)
        for (size_t i = 0; i < json_object_array_length(tools); i++)
            left_out +=
                !write_offered(writing, asked->member.label, json_object_array_get_idx(tools, i));
    json_write_close(&writing->w);
    if (left_out > 0)
        json_write_int(&writing->w, "left_out", (int64_t)left_out);
    if (asked->dropped > 0)
        json_write_int(&writing->w, "dropped", (int64_t)asked->dropped);
    if (asked->result < 0) {
        json_write_string(&writing->w, "away", mcp_away_word(asked->result));
        json_write_string(&writing->w, "why", asked->error.text);
    }
    json_write_close(&writing->w);
    write_problems(writing, asked, left_out);
}

static void write_all(const struct mcp_offer_asking *asking, const struct asked *asked,
                      struct buf *out)
{
    struct writing writing = {.box = asking->box, .names = json_object_new_object()};

    buf_init(&writing.problems, 0);
    json_write_init(&writing.told, &writing.problems);
    json_write_open_array(&writing.told, NULL);
    json_write_init(&writing.w, out);
    json_write_open_object(&writing.w, NULL);
    json_write_open_array(&writing.w, "servers");
    for (size_t i = 0; i < asking->box->later_count; i++)
        write_server(&writing, &asked[i]);
    json_write_close(&writing.w);
    json_write_close(&writing.told);
    if (writing.problems.len > strlen("[]"))
        json_write_raw(&writing.w, "problems", buf_text(&writing.problems));
    json_write_close(&writing.w);
    buf_deinit(&writing.problems);
    json_free(writing.names);
}

static int begin(const struct mcp_offer_asking *asking, struct text raw, struct round *round,
                 struct asked *asked, struct error *err)
{
    int r;

    asked->asking = asking;
    asked->round = round;
    buf_init(&asked->tools, 0);
    buf_init(&asked->unknown, 0);
    buf_init(&asked->has, 0);
    r = json_decode(raw, JSON_DEPTH_DEFAULT, &asked->item, err);
    if (r < 0)
        return r;
    mcp_member_read(asked->item, &asked->member);
    round->running++;
    asked->fiber = fiber_start("mcp-list", ask_fiber, asked);
    return 0;
}

/* Until all have answered; who is cancelled meanwhile cancels them. */
static int wait_all(struct round *round, struct asked *asked, size_t count, struct error *err)
{
    int r = 0;

    while (r == 0 && round->running > 0)
        r = cond_wait(&round->ended, DEADLINE_NONE, err);
    for (size_t i = 0; i < count; i++) {
        if (!asked[i].fiber)
            continue;
        if (r < 0)
            fiber_cancel(asked[i].fiber);
        fiber_join(asked[i].fiber);
    }
    return r;
}

static void log_away(const struct asked *asked)
{
    char label[MCP_LABEL_MAX + 1];

    text_excerpt(asked->member.label, label, sizeof(label));
    log_warn("the tools of a server can't be had", LOG_STR("server", label),
             LOG_ERROR(&asked->error));
}

int mcp_offer_ask(const struct mcp_offer_asking *asking, struct buf *out, struct error *err)
{
    size_t count = asking->box->later_count;
    struct asked *asked = calloc(count + 1, sizeof(*asked));
    struct round round = {.running = 0};
    struct error begun;
    int waited;
    int r = 0;

    if (!asked)
        return error_set(err, E_LIMIT, "there is no room to ask for tools");
    cond_init(&round.ended);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = begin(asking, asking->box->later[i], &round, &asked[i], &begun);
    if (r < 0)
        *err = begun;
    waited = wait_all(&round, asked, count, err);
    if (r == 0)
        r = waited;
    for (size_t i = 0; r == 0 && i < count; i++)
        if (asked[i].result < 0)
            log_away(&asked[i]);
    if (r == 0)
        write_all(asking, asked, out);
    for (size_t i = 0; i < count; i++) {
        buf_deinit(&asked[i].tools);
        buf_deinit(&asked[i].unknown);
        buf_deinit(&asked[i].has);
        json_free(asked[i].item);
    }
    free(asked);
    return r < 0 ? r : buf_check(out, err);
}

/* ---- taking ---- */

static int out_of_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the tools of servers are too large for the run's memory");
}

static bool copy(struct arena *arena, struct text text, struct text *out)
{
    *out = (struct text){text.ptr ? arena_copy(arena, text) : NULL, text.len};
    return !text.ptr || out->ptr;
}

/* The member of the spec with this label. */
static struct text find_member(const struct toolbox *box, struct text label)
{
    for (size_t i = 0; i < box->later_count; i++) {
        CLEANUP(json_freep) struct json_object *item = NULL;

        if (json_decode(box->later[i], JSON_DEPTH_DEFAULT, &item, NULL) == 0 &&
            text_equal(json_get_text(item, "server_label"), label))
            return box->later[i];
    }
    return TEXT_NONE;
}

/* The agent's rule or the run's own, for this tool. */
static int take_rule(struct json_object *rule, const struct mcp_approval_tool *tool,
                     struct arena *arena, struct text *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *own = mcp_approval_for(rule, tool);

    if (own && !copy(arena, json_text(own), out))
        return out_of_room(err);
    return 0;
}

static int take_approvals(struct json_object *item, struct text member_text, struct arena *arena,
                          struct tool *tool, struct error *err)
{
    CLEANUP(json_freep) struct json_object *member = NULL;
    const struct mcp_approval_tool known = {
        .name = json_get_text(item, "tool"),
        .shown = json_get_text(item, "name"),
        .read_only = json_get_bool(item, "read_only", false),
    };
    int r = json_decode(member_text, JSON_DEPTH_DEFAULT, &member, err);

    tool->approval_timeout_ms =
        json_get_int(member, "approval_timeout", APPROVAL_TIMEOUT_DEFAULT_S) * 1000;
    if (r == 0)
        r = take_rule(json_get(member, "require_approval"), &known, arena, &tool->approvals[0],
                      err);
    return r == 0 ? take_rule(json_get(member, "run_require_approval"), &known, arena,
                              &tool->approvals[1], err)
                  : r;
}

static int take_tool(struct json_object *item, struct text label, struct text member,
                     struct toolbox *box, struct arena *arena, struct error *err)
{
    struct mcp_offered *own = arena_calloc(arena, 1, sizeof(*own));
    struct tool *tool = &box->tools[box->count];
    struct chat_tool *shown = &box->shown[box->count];

    if (!own)
        return out_of_room(err);
    *own = (struct mcp_offered){.member = member, .label = label, .class = CALL_ONCE};
    if (!call_class_parse(json_get_text(item, "class"), &own->class))
        own->class = CALL_ONCE;
    *shown = (struct chat_tool){.name = TEXT_NONE};
    if (!copy(arena, json_get_text(item, "tool"), &own->tool) ||
        !copy(arena, json_get(item, "headers") ? json_text(json_get(item, "headers")) : TEXT_NONE,
              &own->headers) ||
        !copy(arena, json_text(json_get(item, "parameters")), &own->parameters) ||
        !copy(arena, json_get_text(item, "name"), &shown->name) ||
        !copy(arena, json_get_text(item, "description"), &shown->description))
        return out_of_room(err);
    if (!shown->name.len || !own->tool.len)
        return error_set(err, E_INVALID, "a tool that was kept has no name");
    shown->parameters = own->parameters;
    *tool = (struct tool){
        .source = &tool_source_mcp,
        .name = shown->name,
        .own = own,
        .timeout_ms = MCP_CALL_MAX_MS,
    };
    box->count++;
    return take_approvals(item, member, arena, tool, err);
}

/* What the model is to know beside the tools themselves. */
static void write_notes(struct json_object *server, struct text label, struct text member_text,
                        struct buf *notes)
{
    CLEANUP(json_freep) struct json_object *item = NULL;
    struct text away = json_get_text(server, "away");
    int64_t left_out = json_get_int(server, "left_out", 0);
    struct mcp_member member = {.url = TEXT_NONE};

    if (json_decode(member_text, JSON_DEPTH_DEFAULT, &item, NULL) == 0)
        mcp_member_read(item, &member);
    if (away.ptr)
        buf_printf(notes,
                   "%sThe tools of the server \"%.*s\" are not there in this run, since it %s. "
                   "Where one would be needed, say so.",
                   notes->len ? "\n" : "", TEXT_ARGS(label), mcp_away_phrase(away));
    else if (member.description.len > 0)
        buf_printf(notes, "%sThe tools whose names begin with %.*s__ are those of: %.*s",
                   notes->len ? "\n" : "", TEXT_ARGS(label), TEXT_ARGS(member.description));
    if (left_out > 0)
        buf_printf(notes,
                   "%s%lld more tools of the server \"%.*s\" are not there: no more than %d "
                   "may be.",
                   notes->len ? "\n" : "", (long long)left_out, TEXT_ARGS(label), TOOLS_MAX);
}

/* For whoever calls one of its tools all the same. */
static void note_missing(struct json_object *server, struct text label, struct toolbox *box)
{
    struct text away = json_get_text(server, "away");

    if (away.ptr && box->missing_count < ARRAY_LENGTH(box->missing))
        box->missing[box->missing_count++] = (struct missing_tools){label, mcp_away_phrase(away)};
}

static int take_server(struct json_object *server, struct toolbox *box, struct arena *arena,
                       struct buf *notes, struct error *err)
{
    struct json_object *tools = json_get(server, "tools");
    size_t count =
        json_object_is_type(tools, json_type_array) ? json_object_array_length(tools) : 0;
    struct text label;
    struct text member;
    int r = 0;

    if (!copy(arena, json_get_text(server, "label"), &label))
        return out_of_room(err);
    member = find_member(box, label);
    if (!member.ptr)
        return 0;
    for (size_t i = 0; r == 0 && i < count && box->count < TOOLS_MAX; i++)
        r = take_tool(json_object_array_get_idx(tools, i), label, member, box, arena, err);
    if (r < 0)
        return r;
    note_missing(server, label, box);
    write_notes(server, label, member, notes);
    return 0;
}

/* With room for as many as there may be. */
static int make_room(struct toolbox *box, struct arena *arena, struct error *err)
{
    struct tool *tools = arena_calloc(arena, TOOLS_MAX, sizeof(*tools));
    struct chat_tool *shown = arena_calloc(arena, TOOLS_MAX, sizeof(*shown));

    ASSERT(box->count <= TOOLS_MAX);
    if (!tools || !shown)
        return out_of_room(err);
    if (box->count > 0) {
        memcpy(tools, box->tools, box->count * sizeof(*tools));
        memcpy(shown, box->shown, box->count * sizeof(*shown));
    }
    box->tools = tools;
    box->shown = shown;
    return 0;
}

int mcp_offer_take(struct text offered, struct toolbox *box, struct arena *arena, struct buf *notes,
                   struct error *err)
{
    CLEANUP(json_freep) struct json_object *read = NULL;
    struct json_object *servers;
    int r = json_decode(offered, JSON_DEPTH_DEFAULT * 2, &read, err);

    if (r < 0)
        return error_wrap(err, "the tools that were kept with the run");
    servers = json_get(read, "servers");
    if (!json_object_is_type(servers, json_type_array))
        return error_set(err, E_INVALID, "the tools that were kept with the run are none");
    r = make_room(box, arena, err);
    for (size_t i = 0; r == 0 && i < json_object_array_length(servers); i++)
        r = take_server(json_object_array_get_idx(servers, i), box, arena, notes, err);
    return r < 0 ? r : buf_check(notes, err);
}
