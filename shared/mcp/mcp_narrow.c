/* A server of an agent in a request for a run. What may be narrowed is, what would widen is
 * refused, and nothing that a request says is passed over: who says it counts on it. */

#include <string.h>
#include <strings.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/mcp/mcp_member.h"

struct narrowing {
    struct mcp_member agents;
    struct mcp_member wanted;
    struct json_object *said;
    struct json_object *out;
    const struct path *path;
    struct failure *failure;
};

static bool has_name(struct json_object *list, struct text name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (text_equal(json_string(json_object_array_get_idx(list, i)), name))
            return true;
    return false;
}

static int check_allowed(const struct narrowing *narrowing)
{
    const struct mcp_member *agents = &narrowing->agents;
    struct json_object *wanted = narrowing->wanted.allowed;
    struct path place = {narrowing->path, "allowed_tools", 0};

    for (size_t i = 0; wanted && i < json_object_array_length(wanted); i++) {
        struct text name = json_string(json_object_array_get_idx(wanted, i));
        char shown[64];

        if (!agents->allowed || has_name(agents->allowed, name))
            continue;
        text_excerpt(name, shown, sizeof(shown));
        return failure_set(narrowing->failure, 400, &place, "tool_not_permitted",
                           "The assistant may not call the tool '%s' of the server '%.*s'.", shown,
                           TEXT_ARGS(agents->label));
    }
    return 0;
}

static void narrow_allowed(struct narrowing *narrowing)
{
    const struct mcp_member *have = &narrowing->agents;
    const struct mcp_member *wanted = &narrowing->wanted;
    struct json_object *allowed;

    if (!wanted->allowed && !wanted->read_only)
        return;
    allowed = json_object_new_object();
    if (wanted->allowed || have->allowed)
        json_object_object_add(allowed, "tool_names",
                               json_object_get(wanted->allowed ? wanted->allowed : have->allowed));
    if (wanted->read_only || have->read_only)
        json_object_object_add(allowed, "read_only", json_object_new_boolean(true));
    json_object_object_add(narrowing->out, "allowed_tools", allowed);
}

/* ---- what is the agent's alone ---- */

static int check_own(const struct narrowing *narrowing, struct json_object *agents)
{
    static const char *const own[] = {"server_url", "authorization", "headers", "oauth"};

    for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
        struct json_object *said = json_get(narrowing->said, own[i]);
        struct path place = {narrowing->path, own[i], 0};

        if (!said || json_object_equal(said, json_get(agents, own[i])))
            continue;
        return failure_set(narrowing->failure, 400, &place, "tool_not_permitted",
                           "The assistant's server '%.*s' has another '%s'. Leave it out: a run "
                           "has the servers of its assistant.",
                           TEXT_ARGS(narrowing->agents.label), own[i]);
    }
    return 0;
}

/* ---- what may be narrowed ---- */

/* How much a word allows; a class that is not said is found out from what the server says, if it
 * is trusted, and may be `once`. */
static int class_width(struct text class)
{
    return text_is(class, "pure") ? 2 : text_is(class, "idempotent") ? 1 : 0;
}

static int session_width(enum mcp_session_scope session)
{
    switch (session) {
    case MCP_SESSION_RUN:
        return 0;
    case MCP_SESSION_THREAD:
        return 1;
    case MCP_SESSION_SHARED:
        break;
    }
    return 2;
}

static int narrow_member(struct narrowing *narrowing, const char *name, bool widens)
{
    struct json_object *said = json_get(narrowing->said, name);
    struct path place = {narrowing->path, name, 0};

    if (!said)
        return 0;
    if (widens)
        return failure_set(narrowing->failure, 400, &place, "tool_not_permitted",
                           "Invalid '%s': a run may narrow what its assistant says of the server "
                           "'%.*s', and not widen it.",
                           name, TEXT_ARGS(narrowing->agents.label));
    json_object_object_add(narrowing->out, name, json_object_get(said));
    return 0;
}

static int narrow_members(struct narrowing *narrowing)
{
    const struct mcp_member *have = &narrowing->agents;
    const struct mcp_member *wanted = &narrowing->wanted;
    const struct {
        const char *name;
        bool widens;
    } members[] = {
        {"class", class_width(wanted->class) > class_width(have->class)},
        {"trusted", wanted->trusted && !have->trusted},
        {"session", session_width(wanted->session) > session_width(have->session)},
        {"timeout_ms", wanted->timeout_ms > have->timeout_ms},
        {"max_result_bytes", wanted->max_result_bytes > have->max_result_bytes},
        {"server_description", false},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(members); i++)
        r = narrow_member(narrowing, members[i].name, members[i].widens);
    return r;
}

int mcp_member_narrow(struct json_object *agents, struct json_object *said, const struct path *path,
                      struct json_object **out, struct failure *failure)
{
    struct narrowing narrowing = {.said = said, .path = path, .failure = failure};
    int r;

    mcp_member_read(agents, &narrowing.agents);
    mcp_member_read(said, &narrowing.wanted);
    if (json_object_deep_copy(agents, &narrowing.out, json_c_shallow_copy_default) < 0)
        return failure_set(failure, 500, path, NULL, "The tools could not be read.");
    r = check_own(&narrowing, agents);
    if (r == 0)
        r = check_allowed(&narrowing);
    if (r == 0)
        r = narrow_members(&narrowing);
    if (r < 0) {
        json_free(narrowing.out);
        return r;
    }
    narrow_allowed(&narrowing);
    *out = narrowing.out;
    return 0;
}

/* ---- which server it is ---- */

/* "host" and the port, where it is not the scheme's own; of a url that was checked. */
static struct text host_of(struct json_object *item, int64_t *out_port)
{
    struct text url = json_get_text(item, "server_url");
    bool secure = text_starts(url, "https://");
    size_t begin = secure ? 8 : 7;
    size_t end = begin;
    size_t colon;
    struct text host;

    *out_port = secure ? 443 : 80;
    if (url.len < begin)
        return TEXT_NONE;
    while (end < url.len && !strchr("/?#", url.ptr[end]))
        end++;
    host = (struct text){url.ptr + begin, end - begin};
    for (colon = host.len; colon > 0 && host.ptr[colon - 1] >= '0' && host.ptr[colon - 1] <= '9';)
        colon--;
    if (colon > 0 && host.ptr[colon - 1] == ':') {
        struct text port = {host.ptr + colon, host.len - colon};

        if (port.len > 0 && !text_to_int(port, out_port))
            *out_port = 0;
        host.len = colon - 1;
    }
    if (*out_port == 443)
        *out_port = 80; /* which are of one server, as a rule */
    while (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--; /* the same name */
    return host;
}

bool mcp_member_same_host(struct json_object *a, struct json_object *b)
{
    int64_t port_a;
    int64_t port_b;
    struct text host_a = host_of(a, &port_a);
    struct text host_b = host_of(b, &port_b);

    return host_a.len > 0 && port_a == port_b && host_a.len == host_b.len &&
           strncasecmp(host_a.ptr, host_b.ptr, host_a.len) == 0;
}
