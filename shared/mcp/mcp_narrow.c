/* A server of an agent in a request for a run. What may be narrowed is, what would widen is
 * refused, and nothing that a request says is passed over: who says it counts on it. */

#include <arpa/inet.h>
#include <string.h>

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

struct place {
    char host[256]; /* as plain_host makes it; "": none */
    int64_t port;
};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Without %XX, capitals, brackets and final dots. What does not fit is no host. */
static void copy_host(struct text host, char out[256])
{
    size_t len = 0;

    for (size_t i = 0; i < host.len && len < 255; i++) {
        char c = host.ptr[i];

        if (c == '%' && i + 2 < host.len && digit_of(host.ptr[i + 1]) >= 0 &&
            digit_of(host.ptr[i + 2]) >= 0) {
            c = (char)(digit_of(host.ptr[i + 1]) * 16 + digit_of(host.ptr[i + 2]));
            i += 2;
        }
        if (c != '[' && c != ']')
            out[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    while (len > 0 && out[len - 1] == '.')
        len--; /* the same name */
    out[len] = '\0';
}

/* Addresses have many spellings, which the resolver understands: 127.1, 0x7f000001, and those of
 * IPv4 as such of IPv6 (::ffff:192.0.2.1, and 64:ff9b::192.0.2.1 behind a gateway). */
static void plain_address(char host[256])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    struct in_addr address;
    uint8_t bytes[16];

    if (inet_aton(host, &address))
        inet_ntop(AF_INET, &address, host, 256);
    else if (inet_pton(AF_INET6, host, bytes) != 1)
        return;
    else if (memcmp(bytes, mapped, sizeof(mapped)) == 0 || memcmp(bytes, nat64, sizeof(nat64)) == 0)
        inet_ntop(AF_INET, bytes + 12, host, 256);
    else
        inet_ntop(AF_INET6, bytes, host, 256);
}

/* Of a url that was checked. */
static void read_place(struct json_object *item, struct place *out)
{
    struct text url = json_get_text(item, "server_url");
    bool secure = text_starts(url, "https://");
    size_t begin = secure ? 8 : 7;
    size_t end = begin;
    size_t colon;
    struct text host;

    *out = (struct place){.port = secure ? 443 : 80};
    if (url.len < begin)
        return;
    while (end < url.len && !strchr("/?#", url.ptr[end]))
        end++;
    host = (struct text){url.ptr + begin, end - begin};
    for (colon = host.len; colon > 0 && host.ptr[colon - 1] >= '0' && host.ptr[colon - 1] <= '9';)
        colon--;
    if (colon > 0 && host.ptr[colon - 1] == ':') {
        struct text port = {host.ptr + colon, host.len - colon};

        if (port.len > 0 && !text_to_int(port, &out->port))
            out->port = 0;
        host.len = colon - 1;
    }
    if (out->port == 443)
        out->port = 80; /* which are of one server, as a rule */
    copy_host(host, out->host);
    plain_address(out->host);
}

bool mcp_member_same_host(struct json_object *a, struct json_object *b)
{
    struct place first;
    struct place second;

    read_place(a, &first);
    read_place(b, &second);
    return first.host[0] && first.port == second.port && strcmp(first.host, second.host) == 0;
}
