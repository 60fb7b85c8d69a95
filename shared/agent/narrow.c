/* Narrowing a run's permissions to those of its agent.
 *
 * What is refused is said: a request that names more than its agent may was written by somebody who
 * counts on it, and a run that quietly lacks a tool would fail later, and cost money.
 */

#include "shared/agent/narrow.h"

#include <stdlib.h>
#include <strings.h>

#include "shared/agent/checks.h"
#include "shared/agent/tools/approval.h"
#include "shared/agent/tools/narrow_web.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"
#include "shared/mcp/mcp_member.h"
#include "shared/net/host_entry.h"

/* NULL when the agent has none. */
static struct json_object *decode_list(struct text list)
{
    struct json_object *object = NULL;

    if (!list.ptr || json_decode(list, JSON_DEPTH_DEFAULT, &object, NULL) < 0)
        return NULL;
    return object;
}

static size_t length_of(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static bool is_of_client(struct json_object *tool)
{
    const struct tool_kind *kind = tool_kind_find(json_get_text(tool, "type"));

    return kind && kind->executor == TOOL_BY_CLIENT;
}

/* The agent's tool of this type, of this label where it is a server; NULL: it has none. */
static struct json_object *find_tool(struct json_object *agents, struct json_object *said)
{
    for (size_t i = 0; i < length_of(agents); i++) {
        struct json_object *tool = json_object_array_get_idx(agents, i);

        if (!is_of_client(tool) && mcp_is_member(tool) == mcp_is_member(said) &&
            text_equal(tool_spec_name(tool), tool_spec_name(said)))
            return tool;
    }
    return NULL;
}

static bool speaks_of_approval(struct json_object *tool)
{
    return json_get(tool, "require_approval") || json_get(tool, "approval_timeout");
}

static bool has_word(struct json_object *list, struct text word)
{
    for (size_t i = 0; i < length_of(list); i++)
        if (text_equal(json_string(json_object_array_get_idx(list, i)), word))
            return true;
    return false;
}

/* Where the agent says none the tool's own hold, which are looked at when its name becomes what it
 * is (shared/agent/tools/declared.c). */
static int narrow_actions(struct json_object *agents, struct json_object *said,
                          struct json_object *out, const struct path *path, struct failure *failure)
{
    struct json_object *have = json_get(agents, "allowed_actions");
    struct json_object *wanted = json_get(said, "allowed_actions");
    struct path list = {path, "allowed_actions", 0};

    for (size_t i = 0; have && i < length_of(wanted); i++) {
        struct text action = json_string(json_object_array_get_idx(wanted, i));
        struct path item = {&list, NULL, i};
        char shown[64];

        if (has_word(have, action))
            continue;
        text_excerpt(action, shown, sizeof(shown));
        return failure_set(failure, 400, &item, "tool_not_permitted",
                           "The assistant may not take the action '%s' of the tool '%.*s'.", shown,
                           TEXT_ARGS(tool_spec_name(agents)));
    }
    if (wanted)
        json_object_object_add(out, "allowed_actions", json_object_get(wanted));
    return 0;
}

/* A tool that both have, but for its approvals. */
static int shared_tool(struct json_object *agents, struct json_object *said, bool open,
                       const struct path *path, struct json_object **out, struct failure *failure)
{
    if (!open && check_is_web(json_get_text(agents, "type")))
        return narrow_web_tool(agents, said, path, out, failure);
    if (!open && mcp_is_member(said))
        return mcp_member_narrow(agents, said, path, out, failure);
    if (json_object_deep_copy(open ? said : agents, out, NULL) < 0)
        abort(); /* out of memory */
    return open ? 0 : narrow_actions(agents, said, *out, path, failure);
}

/* Calls of servers need approvals where nothing is said. */
static struct json_object *with_default(struct json_object *tool)
{
    struct json_object *copy = NULL;

    if (!mcp_is_member(tool) || json_get(tool, "require_approval"))
        return json_object_get(tool);
    if (json_object_deep_copy(tool, &copy, NULL) < 0)
        abort(); /* out of memory */
    json_object_object_add(copy, "require_approval", json_object_new_string("always"));
    return copy;
}

/* A tool that both have. */
static int write_shared(struct json_write *write, struct json_object *agents_said,
                        struct json_object *said, bool open, const struct path *path,
                        struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *agents = with_default(agents_said);
    CLEANUP(json_freep) struct json_object *tool = NULL;
    int r = shared_tool(agents, said, open, path, &tool, failure);

    if (r == 0 && (speaks_of_approval(agents) || speaks_of_approval(said)))
        r = approval_narrow(agents, said, tool, path, failure);
    if (r == 0)
        json_write_raw(write, NULL, json_text(tool));
    return r;
}

/* Where a run may name servers that its agent has not: one of the agent's, by another label, would
 * get round the approvals of the agent. Of the same is whatever is at the same host, since a path
 * has many spellings. */
static int check_other_label(struct json_object *agents, struct json_object *said,
                             const struct path *path, struct failure *failure)
{
    struct text rule = json_get_text(said, "require_approval");

    for (size_t i = 0; mcp_is_member(said) && i < length_of(agents); i++) {
        struct json_object *tool = json_object_array_get_idx(agents, i);
        CLEANUP(json_freep) struct json_object *own = with_default(tool);

        if (!mcp_is_member(tool) || text_equal(tool_spec_name(tool), tool_spec_name(said)) ||
            !mcp_member_same_host(tool, said) || !approval_is_required(own) ||
            !json_get(said, "require_approval") || text_is(rule, "always"))
            continue;
        return failure_set(failure, 400, path, "approval_not_permitted",
                           "The assistant has a server at this host, '%.*s', whose calls need "
                           "approvals: name that one, or say \"require_approval\": \"always\".",
                           TEXT_ARGS(tool_spec_name(tool)));
    }
    return 0;
}

static int narrow(struct text agents_text, struct json_object *said, bool open, struct buf *out,
                  struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *agents = decode_list(agents_text);
    struct path list = {NULL, "tools", 0};
    struct json_write write;
    int r = 0;

    json_write_init(&write, out);
    json_write_open_array(&write, NULL);
    for (size_t i = 0; r == 0 && i < length_of(said); i++) {
        struct json_object *tool = json_object_array_get_idx(said, i);
        struct json_object *own = is_of_client(tool) ? NULL : find_tool(agents, tool);
        struct path item = {&list, NULL, i};

        if (open)
            r = check_other_label(agents, tool, &item, failure);
        if (r < 0)
            break;
        if (own)
            r = write_shared(&write, own, tool, open, &item, failure);
        else if (open || is_of_client(tool))
            json_write_raw(&write, NULL, json_text(tool));
        else
            return failure_set(failure, 400, &item, "tool_not_permitted",
                               "The assistant does not have the tool '%.*s'. A run may leave out "
                               "tools of its assistant and bring functions of its own; give the "
                               "assistant the tool, or leave it out.",
                               TEXT_ARGS(tool_spec_name(tool)));
    }
    json_write_close(&write);
    return r;
}

int narrow_tools(struct text agents, struct json_object *said, struct buf *out,
                 struct failure *failure)
{
    return narrow(agents, said, false, out, failure);
}

int narrow_open_tools(struct text agents, struct json_object *said, struct buf *out,
                      struct failure *failure)
{
    return narrow(agents, said, true, out, failure);
}

static struct text host_at(struct json_object *list, size_t place, struct host_entry *out)
{
    struct text text = json_string(json_object_array_get_idx(list, place));

    if (!text.ptr || host_entry_parse(text, out, NULL) < 0)
        return TEXT_NONE;
    return text;
}

static bool same_host(struct text a, struct text b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* Whether `wide` allows all that `narrow` does. */
static bool covers(const struct host_entry *wide, const struct host_entry *narrow)
{
    if (wide->port != narrow->port && !(wide->port == 0 && narrow->port == 80) &&
        !(wide->port == 0 && narrow->port == 443))
        return false;
    if (!wide->subdomains)
        return !narrow->subdomains && same_host(wide->host, narrow->host);
    if (narrow->host.len < wide->host.len)
        return false;
    if (narrow->host.len == wide->host.len)
        return narrow->subdomains && same_host(wide->host, narrow->host);
    return narrow->host.ptr[narrow->host.len - wide->host.len - 1] == '.' &&
           same_host(wide->host, (struct text){narrow->host.ptr + narrow->host.len - wide->host.len,
                                               wide->host.len});
}

/* Writes what one entry of the request and the agent's entries have in common. Returns how much. */
static size_t write_common(struct json_write *write, struct json_object *agents, struct text said,
                           const struct host_entry *wanted)
{
    size_t common = 0;

    for (size_t i = 0; i < length_of(agents); i++) {
        struct host_entry entry;
        struct text text = host_at(agents, i, &entry);

        if (!text.ptr)
            continue;
        if (covers(&entry, wanted)) {
            json_write_text(write, NULL, said);
            return common + 1;
        }
        if (covers(wanted, &entry)) {
            json_write_text(write, NULL, text);
            common++;
        }
    }
    return common;
}

int narrow_hosts(struct text agents_text, struct json_object *said, struct buf *out,
                 struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *agents = decode_list(agents_text);
    struct path list = {NULL, "http_allow", 0};
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_array(&write, NULL);
    for (size_t i = 0; i < length_of(said); i++) {
        struct path item = {&list, NULL, i};
        struct host_entry wanted;
        struct text text = host_at(said, i, &wanted);
        char shown[64];

        if (text.ptr && write_common(&write, agents, text, &wanted) > 0)
            continue;
        text_excerpt(json_string(json_object_array_get_idx(said, i)), shown, sizeof(shown));
        return failure_set(
            failure, 400, &item, "not_permitted",
            "The assistant's 'http_allow' does not include '%s'. A run may name some "
            "of the hosts of its assistant, and no others.",
            shown);
    }
    json_write_close(&write);
    return 0;
}
