/* Members of `tools` that are servers. */

#include "shared/mcp/mcp_member.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/check/fields.h"
#include "shared/check/header_rules.h"
#include "shared/mcp/mcp_tools.h"
#include "shared/secrets/reference.h"

#define URL_MAX         2048
#define VALUE_MAX       8192 /* characters of a header */
#define DESCRIPTION_MAX 1024
#define ALLOWED_MAX     128
#define APPROVAL_MAX_S  31536000 /* as of other tools (shared/agent/tools/approval.h) */

static const char *const classes[] = {"pure", "idempotent", "once", NULL};
static const char *const scopes[] = {
    [MCP_SESSION_THREAD] = "thread",
    [MCP_SESSION_RUN] = "run",
    [MCP_SESSION_SHARED] = "shared",
    NULL,
};

bool mcp_is_member(struct json_object *item)
{
    return text_is(json_get_text(item, "type"), "mcp");
}

void mcp_member_read(struct json_object *item, struct mcp_member *out)
{
    struct json_object *allowed = json_get(item, "allowed_tools");
    struct text session = json_get_text(item, "session");

    *out = (struct mcp_member){
        .label = json_get_text(item, "server_label"),
        .url = json_get_text(item, "server_url"),
        .authorization = json_get_text(item, "authorization"),
        .headers = json_get(item, "headers"),
        .oauth = json_get(item, "oauth"),
        .description = json_get_text(item, "server_description"),
        .class = json_get_text(item, "class"),
        .trusted = json_get_bool(item, "trusted", false),
        .timeout_ms = json_get_int(item, "timeout_ms", MCP_TIMEOUT_MS),
        .max_result_bytes =
            (size_t)json_get_int(item, "max_result_bytes", (int64_t)MCP_RESULT_BYTES),
    };
    if (json_object_is_type(allowed, json_type_array))
        out->allowed = allowed;
    else
        out->allowed = json_get(allowed, "tool_names");
    out->read_only = json_get_bool(allowed, "read_only", false);
    for (size_t i = 0; scopes[i]; i++)
        if (text_is(session, scopes[i]))
            out->session = (enum mcp_session_scope)i;
}

static bool has_name(struct json_object *list, struct text name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (text_equal(json_string(json_object_array_get_idx(list, i)), name))
            return true;
    return false;
}

bool mcp_member_allows(const struct mcp_member *member, struct text tool, bool says_read_only)
{
    if (member->read_only && !says_read_only)
        return false;
    return !member->allowed || has_name(member->allowed, tool);
}

/* ---- checks ---- */

static int check_label(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text label = json_string(value);
    bool fits = label.len > 0 && label.len <= MCP_LABEL_MAX;

    for (size_t i = 0; fits && i < label.len; i++) {
        char c = label.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        fits = letter || (i > 0 && ((c >= '0' && c <= '9') || c == '_' || c == '-'));
    }
    if (fits)
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid 'server_label': expected a letter, and letters, digits, '_' and "
                       "'-' behind it, of at most %d characters.",
                       MCP_LABEL_MAX);
}

static int check_references(struct text text, const struct path *path, struct failure *failure)
{
    struct error err;

    if (references_check(text, &err) == 0)
        return 0;
    return failure_set(failure, 400, path, "invalid_value", "Invalid value: %s.", err.text);
}

/* What a url may look like at all; whether it can be reached is seen when it is called. */
static int check_url(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text url = json_string(value);
    size_t begin = text_starts(url, "https://") ? 8 : text_starts(url, "http://") ? 7 : 0;
    size_t end = begin;
    bool fits = begin > 0;

    while (end < url.len && !strchr("/?#", url.ptr[end]))
        end++;
    fits = fits && end > begin && !memchr(url.ptr + begin, '@', end - begin) &&
           !memchr(url.ptr + begin, '$', end - begin) && !memchr(url.ptr, '#', url.len);
    for (size_t i = 0; i < url.len; i++)
        fits = fits && url.ptr[i] > ' ' && url.ptr[i] != 0x7f && url.ptr[i] != '\\';
    if (!fits)
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid '%s': expected http:// or https://, a host, and a path, "
                           "without a user or a fragment; a secret may stand behind the host only.",
                           path->name ? path->name : "server_url");
    return check_references(url, path, failure);
}

static bool has_secret(struct text text)
{
    struct reference_piece piece;

    while (reference_next(&text, &piece, NULL) == 0)
        if (piece.is_secret)
            return true;
    return false;
}

static int check_authorization(struct json_object *value, const struct path *path,
                               struct failure *failure)
{
    if (check_references(json_string(value), path, failure) < 0)
        return -E_INVALID;
    if (has_secret(json_string(value)))
        return header_value_fits(json_string(value))
                   ? 0
                   : failure_set(failure, 400, path, "invalid_value",
                                 "Invalid 'authorization': it can't be sent as a header.");
    return failure_set(failure, 400, path, "secret_expected",
                       "A token is kept as a secret: store it (PUT /v1/secrets/NAME), name it in "
                       "the 'secrets' of the assistant, and say '${secret:NAME}' here.");
}

static int check_client_secret(struct json_object *value, const struct path *path,
                               struct failure *failure)
{
    if (check_references(json_string(value), path, failure) < 0)
        return -E_INVALID;
    if (has_secret(json_string(value)))
        return 0;
    return failure_set(failure, 400, path, "secret_expected",
                       "The secret of a client is kept as a secret: store it (PUT "
                       "/v1/secrets/NAME), name it in the 'secrets' of the assistant, and say "
                       "'${secret:NAME}' here.");
}

static int check_plain(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text text = json_string(value);

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~' || text.ptr[i] == '$')
            return failure_set(failure, 400, path, "invalid_value",
                               "Invalid '%s': expected printable ASCII without '$'.", path->name);
    return 0;
}

static int check_oauth(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field members[] = {
        {.name = "token_url",
         .kind = FIELD_STRING,
         .flags = FIELD_NULLABLE,
         .min = 1,
         .max = URL_MAX,
         .check = check_url},
        {.name = "client_id",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = 512,
         .check = check_plain},
        {.name = "client_secret",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = VALUE_MAX,
         .check = check_client_secret},
        {.name = "scopes",
         .kind = FIELD_STRING,
         .flags = FIELD_NULLABLE,
         .min = 1,
         .max = 1024,
         .check = check_plain},
    };

    return fields_check(FIELDS(members), value, path, failure);
}

static int check_header(struct text name, struct json_object *value, const struct path *path,
                        struct failure *failure)
{
    static const struct field text = {.kind = FIELD_STRING, .max = VALUE_MAX};
    static const char *const own[] = {"accept", "content-type", "last-event-id"};
    bool fits = header_name_fits(name) && !header_is_reserved(name) &&
                !(name.len >= 4 && strncasecmp(name.ptr, "mcp-", 4) == 0);
    int r;

    for (size_t i = 0; i < ARRAY_LENGTH(own); i++)
        fits = fits && !text_is_nocase(name, own[i]);
    if (!fits)
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid 'headers': '%.60s' is no name of a header, or one that is "
                           "not for you to choose.",
                           name.ptr);
    r = fields_check_one(&text, value, path, failure);
    if (r == 0 && !header_value_fits(json_string(value)))
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid 'headers': the value of '%.60s' can't be sent.", name.ptr);
    return r == 0 ? check_references(json_string(value), path, failure) : r;
}

static int check_headers(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    int r = 0;

    if (json_object_object_length(value) > MCP_HEADERS_OF_MEMBER_MAX)
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid 'headers': expected %d at most.", MCP_HEADERS_OF_MEMBER_MAX);
    json_object_object_foreach(value, name, member)
    {
        struct path place = {path, name, 0};

        if (r == 0)
            r = check_header(text_of(name), member, &place, failure);
    }
    return r;
}

static int check_tool_name(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    static const struct field name = {.kind = FIELD_STRING, .min = 1, .max = MCP_TOOL_NAME_MAX};

    return fields_check_one(&name, value, path, failure);
}

static int check_names(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_tool_name, failure);
}

/* Names, or {tool_names, read_only}. */
static int check_allowed(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    static const struct field list = {
        .kind = FIELD_ARRAY, .max = ALLOWED_MAX, .check = check_names};
    static const struct field members[] = {
        {.name = "tool_names",
         .kind = FIELD_ARRAY,
         .flags = FIELD_NULLABLE,
         .max = ALLOWED_MAX,
         .check = check_names},
        {.name = "read_only", .kind = FIELD_BOOLEAN, .flags = FIELD_NULLABLE},
    };

    if (!value)
        return 0;
    if (json_object_is_type(value, json_type_object))
        return fields_check(FIELDS(members), value, path, failure);
    return fields_check_one(&list, value, path, failure);
}

int mcp_member_check(struct json_object *item, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "server_label",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .check = check_label},
        {.name = "server_url",
         .kind = FIELD_STRING,
         .flags = FIELD_NULLABLE,
         .min = 1,
         .max = URL_MAX,
         .check = check_url},
        {.name = "authorization",
         .kind = FIELD_STRING,
         .flags = FIELD_NULLABLE,
         .min = 1,
         .max = VALUE_MAX,
         .check = check_authorization},
        {.name = "headers", .kind = FIELD_OBJECT, .flags = FIELD_NULLABLE, .check = check_headers},
        {.name = "oauth", .kind = FIELD_OBJECT, .flags = FIELD_NULLABLE, .check = check_oauth},
        {.name = "server_description",
         .kind = FIELD_STRING,
         .flags = FIELD_NULLABLE,
         .max = DESCRIPTION_MAX},
        {.name = "allowed_tools",
         .kind = FIELD_ANY,
         .flags = FIELD_NULLABLE,
         .check = check_allowed},
        {.name = "require_approval", .kind = FIELD_ANY, .flags = FIELD_NULLABLE},
        {.name = "approval_timeout",
         .kind = FIELD_INTEGER,
         .flags = FIELD_NULLABLE,
         .min = 1,
         .max = APPROVAL_MAX_S},
        {.name = "class", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .words = classes},
        {.name = "trusted", .kind = FIELD_BOOLEAN, .flags = FIELD_NULLABLE},
        {.name = "timeout_ms",
         .kind = FIELD_INTEGER,
         .flags = FIELD_NULLABLE,
         .min = 100,
         .max = MCP_TIMEOUT_MAX_MS},
        {.name = "max_result_bytes",
         .kind = FIELD_INTEGER,
         .flags = FIELD_NULLABLE,
         .min = 256,
         .max = (int64_t)MCP_RESULT_BYTES_MAX},
        {.name = "session", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .words = scopes},
    };
    struct text names[MCP_SECRETS_MAX + 1];
    int r = fields_check(FIELDS(list), item, path, failure);

    if (r == 0 && mcp_member_secrets(item, names) > MCP_SECRETS_MAX)
        r = failure_set(failure, 400, path, "invalid_value",
                        "A server may refer to %d secrets at most.", MCP_SECRETS_MAX);
    if (r == 0 && !json_get(item, "server_url") &&
        (json_get(item, "authorization") || json_get(item, "headers") || json_get(item, "oauth")))
        r = failure_set(failure, 400, path, "invalid_value",
                        "A server without a 'server_url' is one that the operator configured, and "
                        "takes no 'authorization', no 'oauth' and no 'headers'.");
    if (r == 0 && json_get(item, "authorization") && json_get(item, "oauth"))
        r = failure_set(failure, 400, path, "invalid_value",
                        "'authorization' and 'oauth' are two ways to say the same: leave one out.");
    return r;
}

/* ---- secrets ---- */

static size_t find_in(struct text text, struct text *out, size_t count)
{
    struct reference_piece piece;

    while (reference_next(&text, &piece, NULL) == 0) {
        bool known = !piece.is_secret;

        for (size_t i = 0; !known && i < count; i++)
            known = text_equal(out[i], piece.text);
        if (!known && count <= MCP_SECRETS_MAX)
            out[count++] = piece.text;
    }
    return count;
}

size_t mcp_member_secrets(struct json_object *item, struct text out[MCP_SECRETS_MAX + 1])
{
    struct json_object *headers = json_get(item, "headers");
    size_t count = find_in(json_get_text(item, "server_url"), out, 0);

    count = find_in(json_get_text(item, "authorization"), out, count);
    count = find_in(json_get_text(json_get(item, "oauth"), "client_secret"), out, count);
    count = find_in(json_get_text(json_get(item, "oauth"), "token_url"), out, count);
    if (!json_object_is_type(headers, json_type_object))
        return count;
    json_object_object_foreach(headers, name, value)
    {
        (void)name;
        count = find_in(json_string(value), out, count);
    }
    return count;
}
