/* The tools by which an agent manages by itself what is known of its user, as a source.
 *
 * What they keep is data as any: it is told to later runs as something that is known, and never as
 * an instruction. A call that is made again after a crash makes the same memory again.
 */

#include "shared/agent/memories/recalled.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"
#include "worker/tools/arguments.h"
#include "worker/tools/memory/known.h"
#include "worker/tools/tool.h"

#define SEARCH_LIMIT 10

struct memory_tool {
    const char *name;
    const char *description;
    const char *parameters;
    enum call_class class;
    SUSPENDS int (*work)(const struct tool_call *call, const struct known_place *place,
                         struct json_object *arguments, struct buf *out, struct error *err);
};

/* The same in each attempt of a call, and of the time of its run. */
static struct uuid id_of(const struct tool_call *call)
{
    uint8_t hash[SHA256_BYTES];

    sha256(call->key, hash);
    return uuid_v7(uuid_made_ms(call->place.lease.run), hash);
}

/* ---- what each does ---- */

static int save(const struct tool_call *call, const struct known_place *place,
                struct json_object *arguments, struct buf *out, struct error *err)
{
    struct memory_draft draft = {.id = id_of(call),
                                 .source = MEMORY_BY_TOOL,
                                 .source_run = call->place.lease.run,
                                 .source_thread = call->place.thread};
    struct memory_text made;
    struct memory memory;
    struct text kind = json_get_text(arguments, "kind");
    char id[ID_TEXT_SIZE];
    int r = memory_text_make(place->arena, json_get_text(arguments, "text"), &made);

    if (r > 0)
        return error_set(err, E_INVALID,
                         r == MEMORY_TEXT_LONG
                             ? "the text is too long: keep it to a sentence or two"
                             : "the text says nothing");
    if (r == 0 && !memory_kind_of(kind.len > 0 ? kind : TEXT("fact"), &draft.kind))
        return error_set(err, E_INVALID, "the kind is none of fact, preference and episode");
    if (r == 0)
        r = known_content(place, &made, &draft.content, err);
    if (r == 0)
        r = known_keep(place, (struct uuid){{0}}, 0, &draft, &memory, err);
    if (r < 0)
        return r;
    if (r > 0)
        return error_set(err, E_CONFLICT, "it could not be kept; try again");
    id_format(ID_MEMORY, memory.id, id);
    buf_printf(out, "Kept as %s.", id);
    return 0;
}

static int search(const struct tool_call *call, const struct known_place *place,
                  struct json_object *arguments, struct buf *out, struct error *err)
{
    const struct known_wanted wanted = {.question = json_get_text(arguments, "query"),
                                        .limit =
                                            (int)json_get_int(arguments, "limit", SEARCH_LIMIT),
                                        .threshold = -1};
    struct memory_findings found;
    struct json_write write;
    char id[ID_TEXT_SIZE];
    char age[48];
    int r = known_search(place, &wanted, &found, err);

    if (r < 0)
        return r;
    json_write_init(&write, out);
    json_write_open_array(&write, NULL);
    for (size_t i = 0; i < found.count; i++) {
        const struct memory *memory = &found.items[i].memory;

        id_format(ID_MEMORY, memory->id, id);
        recalled_age(memory->updated_at, call->services->now_wall_ms() / 1000, age, sizeof(age));
        json_write_open_object(&write, NULL);
        json_write_string(&write, "id", id);
        json_write_string(&write, "kind", memory_kind_names[memory->kind]);
        json_write_text(&write, "text", memory->text);
        json_write_string(&write, "noted", age);
        json_write_close(&write);
    }
    json_write_close(&write);
    return 0;
}

static int forget(const struct tool_call *call, const struct known_place *place,
                  struct json_object *arguments, struct buf *out, struct error *err)
{
    struct store store = {.pg = place->pg, .tenant = place->tenant, .arena = place->arena};
    struct memory memory;
    struct uuid id;
    int r;

    (void)call;
    if (!id_parse(ID_MEMORY, json_get_text(arguments, "id"), &id))
        return error_set(err, E_INVALID, "the id is none of a memory, as memory_search gives them");
    r = memories_get(&store, place->user, id, &memory, err);
    if (r == 0 && !uuid_is_zero(memory.agent) && !uuid_equal(memory.agent, place->agent))
        r = MEMORY_MISSING; /* it is another agent's alone */
    if (r == 0)
        r = memories_forget(&store, place->user, id, -1, err);
    if (r < 0)
        return r;
    buf_add_string(out, r == MEMORY_MISSING ? "There is no such memory (any more)." : "Forgotten.");
    return 0;
}

/* clang-format off */
static const struct memory_tool memory_tools[] = {
    {
        "memory_save",
        "Keeps something lasting about the user, for other conversations with the user: one thing, "
        "in one sentence that is understood alone.",
        "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\",\"minLength\":1,"
        "\"maxLength\":2000},\"kind\":{\"type\":\"string\",\"enum\":[\"fact\",\"preference\","
        "\"episode\"]}},\"required\":[\"text\"],\"additionalProperties\":false}",
        CALL_IDEMPOTENT, save,
    },
    {
        "memory_search",
        "Finds what is known of the user from other conversations. It is data, and perhaps out of "
        "date.",
        "{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\",\"minLength\":1,"
        "\"maxLength\":2000},\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":50}},"
        "\"required\":[\"query\"],\"additionalProperties\":false}",
        CALL_PURE, search,
    },
    {
        "memory_forget",
        "Forgets one thing about the user for good, by the id that memory_search gives.",
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}},"
        "\"required\":[\"id\"],\"additionalProperties\":false}",
        CALL_IDEMPOTENT, forget,
    },
};
/* clang-format on */

/* ---- the source ---- */

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    struct text type = json_get_text(member->item, "type");

    (void)arena;
    (void)err;
    for (size_t i = 0; i < ARRAY_LENGTH(memory_tools); i++) {
        if (!text_is(type, memory_tools[i].name))
            continue;
        tool->own = &memory_tools[i];
        tool->name = text_of(memory_tools[i].name);
        *shown = (struct chat_tool){
            .name = tool->name,
            .description = text_of(memory_tools[i].description),
            .parameters = text_of(memory_tools[i].parameters),
        };
        return 0;
    }
    return TOOL_NOT_HERE;
}

static enum call_class classify(const struct tool *tool, struct text arguments)
{
    const struct memory_tool *own = tool->own;

    (void)arguments;
    return own->class;
}

static void describe(const struct tool *tool, struct text arguments, struct buf *out)
{
    (void)arguments;
    buf_add_text(out, tool->name);
}

static int call(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                struct error *err)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    CLEANUP(arena_deinit) struct arena arena;
    const struct memory_tool *own = call->tool->own;
    const struct tool_place *of = &call->place;
    struct known_place place = {
        .means = call->services->vectors,
        .pg = call->services->pg_large,
        .tenant = of->tenant,
        .requests_per_minute = of->requests_per_minute,
        .tokens_per_minute = of->tokens_per_minute,
        .user = of->user,
        .run = of->lease.run,
        .agent = of->agent,
        .deadline_ms = call->deadline_ms,
        .arena = &arena,
    };
    int r;

    arena_init(&arena, 0);
    *outcome = (struct tool_outcome){.end = TOOL_DONE};
    if (of->user.len == 0)
        return error_set(err, E_INVALID,
                         "nobody is named as the user of this conversation, so "
                         "nothing can be known of one");
    r = arguments_read(own->name, own->parameters, call->arguments, &arguments, err);
    return r < 0 ? r : own->work(call, &place, arguments, out, err);
}

const struct tool_source tool_source_memory = {
    .name = "memory",
    .class_is_fixed = true,
    .in_order = true,
    .is_stored = true,
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call,
};
