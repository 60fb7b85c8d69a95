/* tools/list: the fixed tools on the first page, and a page of agents on each. The order is that in
 * which agents were made, so a new one changes no page but the last, and a cursor is an agent's id:
 * it need not exist any more. */

#include "scheduler/api/mcp/mcp.h"
#include "shared/store/agents/offered.h"

enum { LIST_TTL_MS = 30000 };

static void write_tool(struct json_write *w, const struct mcp_tool *tool, struct text name,
                       struct text title, struct text description)
{
    json_write_open_object(w, NULL);
    json_write_text(w, "name", name);
    json_write_text_if(w, "title", title);
    json_write_text(w, "description", description);
    json_write_raw(w, "inputSchema", text_of(tool->schema));
    json_write_raw(w, "outputSchema", text_of(tool->output));
    json_write_raw(w, "annotations", text_of(tool->annotations));
    json_write_close(w);
}

static void write_agent(struct json_write *w, const struct offered_agent *agent)
{
    struct text description = agent->description;

    if (description.len == 0)
        description = text_of(mcp_agent_tool.description);
    write_tool(w, &mcp_agent_tool, agent->slug, agent->name, description);
}

/* Zero: from the first one. Returns 0, or -E_INVALID. */
static int read_cursor(struct mcp *mcp, struct json_object *from, struct uuid *out)
{
    struct text cursor = json_get_text(from, "cursor");

    *out = (struct uuid){{0}};
    if (!json_get(from, "cursor") || id_parse(ID_ASSISTANT, cursor, out))
        return 0;
    return mcp_fail(&mcp->failure, 200, MCP_INVALID_PARAMS,
                    "Invalid params: 'cursor' is none of this list's. Leave it out to begin anew.");
}

static int read_agents(struct mcp *mcp, struct uuid after, struct offered_agents *out)
{
    struct failure failure;
    struct error err;

    if (agents_offered(&mcp->request->store, after, out, &err) == 0)
        return 0;
    IGNORE(failure_from_error(&failure, &err)); /* told below */
    return mcp_refuse(mcp, &failure);
}

static void write_next(struct json_write *w, const char *name, const struct offered_agents *agents)
{
    char id[ID_TEXT_SIZE];

    if (!agents->has_more)
        return;
    id_format(ID_ASSISTANT, agents->items[agents->count - 1].id, id);
    json_write_string(w, name, id);
}

int mcp_tools_list(struct mcp *mcp)
{
    struct offered_agents agents;
    struct json_write w;
    struct uuid after;
    int r = read_cursor(mcp, mcp->message.params, &after);

    if (r == 0)
        r = read_agents(mcp, after, &agents);
    if (r < 0)
        return r;
    mcp_result_open(&mcp->message, &w, &mcp->request->reply);
    json_write_open_array(&w, "tools");
    for (size_t i = 0; i < mcp_tools_count && uuid_is_zero(after); i++)
        write_tool(&w, &mcp_tools[i], text_of(mcp_tools[i].name), text_of(mcp_tools[i].title),
                   text_of(mcp_tools[i].description));
    for (size_t i = 0; i < agents.count; i++)
        write_agent(&w, &agents.items[i]);
    json_write_close(&w);
    write_next(&w, "nextCursor", &agents);
    if (mcp->message.era == MCP_MODERN) {
        json_write_int(&w, "ttlMs", LIST_TTL_MS);
        json_write_string(&w, "cacheScope", "private");
    }
    mcp_result_close(&mcp->message, &w);
    return 0;
}

static void write_agents(struct buf *out, const struct offered_agents *agents)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_open_array(&w, "agents");
    for (size_t i = 0; i < agents->count; i++) {
        json_write_open_object(&w, NULL);
        json_write_text(&w, "tool", agents->items[i].slug);
        json_write_text_if(&w, "name", agents->items[i].name);
        json_write_text_if(&w, "description", agents->items[i].description);
        json_write_close(&w);
    }
    json_write_close(&w);
    write_next(&w, "next_cursor", agents);
    json_write_close(&w);
}

int mcp_agents_list(struct mcp *mcp, struct json_object *arguments)
{
    CLEANUP(buf_deinit) struct buf list = {0};
    struct offered_agents agents;
    struct json_write w;
    struct uuid after;
    int r = read_cursor(mcp, arguments, &after);

    if (r == 0)
        r = read_agents(mcp, after, &agents);
    if (r < 0)
        return r;
    buf_init(&list, 0);
    write_agents(&list, &agents);
    mcp_result_open(&mcp->message, &w, &mcp->request->reply);
    json_write_open_array(&w, "content");
    json_write_open_object(&w, NULL);
    json_write_string(&w, "type", "text");
    json_write_text(&w, "text", buf_text(&list));
    json_write_close(&w);
    json_write_close(&w);
    json_write_raw(&w, "structuredContent", buf_text(&list));
    json_write_bool(&w, "isError", false);
    mcp_result_close(&mcp->message, &w);
    return 0;
}
