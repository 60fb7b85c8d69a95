#include "shared/mcp/mcp_era.h"

#include <stdio.h>

static const char *const legacy_versions[] = {MCP_VERSION_LEGACY, "2025-06-18", "2025-03-26",
                                              "2024-11-05"};

static bool is_of_newer(int64_t code)
{
    return code == MCP_CODE_HEADER || code == MCP_CODE_CAPABILITY || code == MCP_CODE_VERSION;
}

/* Servers say in many ways that they do not know a session: 404 as the specification has it, 400
 * and 401 with an error of their own. */
static bool is_lost(const struct mcp_http_answer *answer)
{
    int64_t code = answer->message && answer->message->is_error ? answer->message->code : 0;

    if (!answer->with_session)
        return false;
    if (answer->status == 404)
        return true;
    return (answer->status == 400 || answer->status == 401) && (code == -32000 || code == -32001);
}

static bool is_legacy(struct text version)
{
    for (size_t i = 0; i < ARRAY_LENGTH(legacy_versions); i++)
        if (text_is(version, legacy_versions[i]))
            return true;
    return false;
}

/* An error that servers of the newer era have. One that names the versions that it speaks may name
 * older ones that are ours, too; else what it says is for whoever asked. */
static enum mcp_verdict judge_newer(const struct mcp_incoming *message)
{
    struct json_object *supported = json_get(message->data, "supported");
    size_t count =
        json_object_is_type(supported, json_type_array) ? json_object_array_length(supported) : 0;

    for (size_t i = 0; message->code == MCP_CODE_VERSION && i < count; i++)
        if (is_legacy(json_string(json_object_array_get_idx(supported, i))))
            return MCP_OTHER_ERA;
    return MCP_ANSWERED;
}

static enum mcp_verdict judge_guess(const struct mcp_http_answer *answer)
{
    const struct mcp_incoming *message = answer->message;
    bool is_error = message && message->is_error;

    if (is_error && is_of_newer(message->code))
        return judge_newer(message);
    if (answer->status == 404 && is_error && message->code == MCP_CODE_NO_METHOD)
        return MCP_ANSWERED;
    if (answer->status >= 200 && answer->status < 300)
        return message && !is_error ? MCP_ANSWERED : MCP_OTHER_ERA;
    return answer->status >= 400 && answer->status < 500 && answer->status != 429 ? MCP_OTHER_ERA
                                                                                  : MCP_REFUSED;
}

enum mcp_verdict mcp_judge_http(const struct mcp_http_answer *answer)
{
    const struct mcp_incoming *message = answer->message;

    if (is_lost(answer))
        return MCP_SESSION_LOST;
    if (answer->status == 401 || answer->status == 403)
        return MCP_NOT_ALLOWED;
    if (answer->is_guess)
        return judge_guess(answer);
    if (message)
        return MCP_ANSWERED;
    return MCP_REFUSED;
}

enum mcp_verdict mcp_judge_discover(const struct mcp_incoming *message)
{
    if (!message->is_error)
        return MCP_ANSWERED;
    return is_of_newer(message->code) ? judge_newer(message) : MCP_OTHER_ERA;
}

bool mcp_version_chosen(struct json_object *result, char out[MCP_VERSION_SIZE])
{
    struct text chosen = json_get_text(result, "protocolVersion");

    if (!is_legacy(chosen))
        return false;
    (void)snprintf(out, MCP_VERSION_SIZE, "%.*s", TEXT_ARGS(chosen));
    return true;
}
