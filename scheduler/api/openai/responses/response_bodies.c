/* What may be asked for. Members that are not offered pass where they ask for nothing; what says
 * nothing to a model (prompt_cache_key, stream_options, …) is taken. */

#include "scheduler/api/openai/responses/response_bodies.h"

#include "scheduler/api/openai/items/item_checks.h"
#include "scheduler/api/openai/items/items.h"
#include "scheduler/api/openai/not_offered.h"
#include "shared/agent/checks.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/submit/bodies.h"

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE

/* clang-format off */
#define TYPE              {"type", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL}
#define PASSED(name)      {name, FIELD_ANY, NULLABLE, 0, 0, NULL, NULL}
/* clang-format on */

/* ---- tools ---- */

static const char *const approvals[] = {"always", "never", NULL};
static const char *const labels[] = {ITEM_SERVER_LABEL, NULL};

static int check_tool_in_list(struct json_object *value, const struct path *path,
                              struct failure *failure)
{
    return fields_expect(FIELD_STRING, value, path, failure);
}

static int check_allowed_tools(struct json_object *value, const struct path *path,
                               struct failure *failure)
{
    static const struct field named[] = {
        {"tool_names", FIELD_ARRAY, NULLABLE, 0, 128, NULL, NULL},
    };
    struct path names = {path, "tool_names", 0};
    struct json_object *list = value;
    char where[192];
    int r;

    if (!value)
        return 0;
    if (json_object_is_type(value, json_type_object)) {
        r = fields_check(FIELDS(named), value, path, failure);
        list = json_get(value, "tool_names");
        return r < 0 || !list ? r : fields_each(list, &names, check_tool_in_list, failure);
    }
    if (json_object_is_type(value, json_type_array))
        return fields_each(value, path, check_tool_in_list, failure);
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected an array of strings.", where);
}

static int check_approval(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    if (!value)
        return 0;
    if (json_object_is_type(value, json_type_string))
        return fields_word(json_string(value), approvals, path, failure);
    return refuse_parameter(path, failure);
}

/* As Chat Completions has it. */
static int check_nested(struct json_object *value, const struct path *path, struct failure *failure)
{
    char where[192];

    (void)value;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "unsupported_parameter",
                       "Unsupported parameter: '%s'. In the Responses API its members stand in the "
                       "tool itself: 'name', 'parameters', …",
                       where);
}

/* clang-format off */
static const struct field function_tool[] = {
    TYPE,
    {"name", FIELD_STRING, REQUIRED, 0, 0, NULL, check_tool_name},
    {"description", FIELD_STRING, NULLABLE, 0, 4096, NULL, NULL},
    {"parameters", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_schema},
    {"strict", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    NOT_OFFERED("defer_loading"),
    {"function", FIELD_ANY, NULLABLE | FIELD_ELSEWHERE, 0, 0, NULL, check_nested},
};

static const struct field server_tool[] = {
    TYPE,
    {"server_label", FIELD_STRING, REQUIRED, 0, 0, labels, NULL},
    {"allowed_tools", FIELD_ANY, NULLABLE, 0, 0, NULL, check_allowed_tools},
    {"require_approval", FIELD_ANY, NULLABLE, 0, 0, NULL, check_approval},
    PASSED("server_description"),
    NOT_OFFERED("server_url"),
    NOT_OFFERED("connector_id"),
    NOT_OFFERED("authorization"),
    NOT_OFFERED("headers"),
    NOT_OFFERED("defer_loading"),
};
/* clang-format on */

/* A tool of the agent that OpenAI has, too, by one of the names that its SDKs give it. Where a user
 * is is told to no engine. */
static const struct field web_search_tool[] = {
    {"type", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
    {"filters", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_web_filters},
    {"search_context_size", FIELD_STRING, NULLABLE, 0, 0, web_context_sizes, NULL},
    {"user_location", FIELD_ANY, NULLABLE, 0, 0, NULL, NULL},
};

bool response_tool_searches(struct text type)
{
    return text_starts(type, "web_search") &&
           (text_is(type, "web_search") || text_is(type, "web_search_2025_08_26") ||
            text_is(type, "web_search_preview") || text_is(type, "web_search_preview_2025_03_11"));
}

static int refuse_tool(struct text type, const struct path *path, struct failure *failure)
{
    struct path type_path = {path, "type", 0};
    char shown[64];

    text_excerpt(type, shown, sizeof(shown));
    return failure_set(failure, 400, &type_path, "unsupported_value",
                       "The tool '%s' is not offered here. Supported values are: 'function', "
                       "'web_search', and 'mcp' with the server_label '" ITEM_SERVER_LABEL
                       "' for the tools of an agent.",
                       shown);
}

static int check_tool(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct path type_path = {path, "type", 0};
    struct text type;
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r < 0)
        return r;
    type = json_get_text(value, "type");
    if (text_is(type, "function"))
        return fields_check(FIELDS(function_tool), value, path, failure);
    if (text_is(type, "mcp"))
        return fields_check(FIELDS(server_tool), value, path, failure);
    if (response_tool_searches(type))
        return fields_check(FIELDS(web_search_tool), value, path, failure);
    if (type.ptr)
        return refuse_tool(type, path, failure);
    return failure_set(failure, 400, &type_path, "missing_required_parameter",
                       "Missing required parameter: the 'type' of a tool.");
}

static int check_tools_of_response(struct json_object *value, const struct path *path,
                                   struct failure *failure)
{
    int r = fields_each(value, path, check_tool, failure);

    for (size_t i = 1; r == 0 && i < json_object_array_length(value); i++) {
        struct text name = json_get_text(json_object_array_get_idx(value, i), "name");
        struct path item = {path, NULL, i};

        for (size_t k = 0; r == 0 && name.ptr && k < i; k++)
            if (text_equal(name, json_get_text(json_object_array_get_idx(value, k), "name")))
                r = failure_set(failure, 400, &item, "duplicate_value",
                                "Duplicate tool '%.*s': the names of tools must differ.",
                                TEXT_ARGS(name));
    }
    return r;
}

static int check_choice(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const words[] = {"none", "auto", "required", NULL};
    static const struct field function[] = {
        TYPE,
        {"name", FIELD_STRING, REQUIRED, 0, 0, NULL, check_tool_name},
    };
    static const struct field server[] = {
        TYPE,
        {"server_label", FIELD_STRING, REQUIRED, 0, 0, labels, NULL},
        {"name", FIELD_STRING, REQUIRED, 1, 64, NULL, NULL},
    };
    static const char *const types[] = {"function", "mcp", NULL};
    struct path type_path = {path, "type", 0};
    struct text type;

    if (!value)
        return 0;
    if (json_object_is_type(value, json_type_string))
        return fields_word(json_string(value), words, path, failure);
    if (!json_object_is_type(value, json_type_object))
        return failure_set(failure, 400, path, "invalid_type",
                           "Invalid type for 'tool_choice': expected one of 'none', 'auto', "
                           "'required', or an object.");
    type = json_get_text(value, "type");
    if (text_is(type, "function"))
        return fields_check(FIELDS(function), value, path, failure);
    if (text_is(type, "mcp"))
        return fields_check(FIELDS(server), value, path, failure);
    return fields_word(type.ptr ? type : TEXT(""), types, &type_path, failure);
}

/* ---- the answer ---- */

static int check_format(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const types[] = {"text", "json_object", "json_schema", NULL};
    static const struct field plain[] = {TYPE};
    static const struct field schema[] = {
        TYPE,
        {"name", FIELD_STRING, REQUIRED, 0, 0, NULL, check_tool_name},
        {"description", FIELD_STRING, NULLABLE, 0, 4096, NULL, NULL},
        {"schema", FIELD_OBJECT, REQUIRED, 0, 0, NULL, check_schema},
        {"strict", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    };
    struct path type_path = {path, "type", 0};
    struct text type = json_get_text(value, "type");

    if (text_is(type, "json_schema"))
        return fields_check(FIELDS(schema), value, path, failure);
    if (type.ptr && fields_word(type, types, &type_path, failure) < 0)
        return -E_INVALID;
    return fields_check(FIELDS(plain), value, path, failure);
}

static int check_text(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const verbosities[] = {"low", "medium", "high", NULL};
    static const struct field list[] = {
        {"format", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_format},
        {"verbosity", FIELD_STRING, NULLABLE, 0, 0, verbosities, NULL},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

static int check_reasoning(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                          "high", "xhigh",   "max", NULL};
    static const char *const summaries[] = {"auto", "concise", "detailed", NULL};
    static const struct field list[] = {
        {"effort", FIELD_STRING, NULLABLE, 0, 0, efforts, NULL},
        {"summary", FIELD_STRING, NULLABLE, 0, 0, summaries, NULL},
        {"generate_summary", FIELD_STRING, NULLABLE, 0, 0, summaries, NULL},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

/* What is asked to be shown besides. There is nothing of most of it, and images are always shown.
 */
static int check_include_one(struct json_object *value, const struct path *path,
                             struct failure *failure)
{
    static const char *const words[] = {"file_search_call.results",
                                        "web_search_call.results",
                                        "web_search_call.action.sources",
                                        "code_interpreter_call.outputs",
                                        "computer_call_output.output.image_url",
                                        "message.input_image.image_url",
                                        "reasoning.encrypted_content",
                                        NULL};
    int r = fields_expect(FIELD_STRING, value, path, failure);

    if (r < 0)
        return r;
    if (text_is(json_string(value), "message.output_text.logprobs"))
        return refuse_parameter(path, failure);
    return fields_word(json_string(value), words, path, failure);
}

static int check_include(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    return fields_each(value, path, check_include_one, failure);
}

static int check_truncation_of(struct json_object *value, const struct path *path,
                               struct failure *failure)
{
    if (text_is(json_string(value), "auto"))
        return 0;
    return failure_set(
        failure, 400, path, "unsupported_value",
        "Invalid value for 'truncation'. The oldest messages are left out here where "
        "a conversation does not fit its model. Supported values are: 'auto'.");
}

static int check_stream_options(struct json_object *value, const struct path *path,
                                struct failure *failure)
{
    static const struct field list[] = {PASSED("include_obfuscation")};

    return fields_check(FIELDS(list), value, path, failure);
}

/* ---- where it stands ---- */

static int check_conversation(struct json_object *value, const struct path *path,
                              struct failure *failure)
{
    static const struct field list[] = {{"id", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL}};

    if (!value || json_object_is_type(value, json_type_string))
        return 0;
    if (json_object_is_type(value, json_type_object))
        return fields_check(FIELDS(list), value, path, failure);
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for 'conversation': expected a string or an object.");
}

static int check_of_chat(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    static const struct renamed list[] = {
        {"messages", "input"},
        {"max_tokens", "max_output_tokens"},
        {"max_completion_tokens", "max_output_tokens"},
        {"reasoning_effort", "reasoning.effort"},
        {"response_format", "text.format"},
        {"verbosity", "text.verbosity"},
        {NULL, NULL},
    };

    (void)value;
    return refuse_renamed(list, "the Responses API", path, failure);
}

/* clang-format off */
#define OF_CHAT(name) {name, FIELD_ANY, NULLABLE | FIELD_ELSEWHERE, 0, 0, NULL, check_of_chat}

#define ASKED                                                                                      \
    {"model", FIELD_STRING, REQUIRED, 1, AGENT_MODEL_MAX, NULL, check_model},                      \
    {"input", FIELD_ANY, NULLABLE, 0, 0, NULL, check_input},                                       \
    {"instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},                               \
    {"conversation", FIELD_ANY, NULLABLE, 0, 0, NULL, check_conversation},                         \
    {"previous_response_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},                            \
    {"tools", FIELD_ARRAY, NULLABLE, 0, 128, NULL, check_tools_of_response},                       \
    {"tool_choice", FIELD_ANY, NULLABLE, 0, 0, NULL, check_choice},                                \
    {"parallel_tool_calls", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},                            \
    {"text", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_text},                                      \
    {"reasoning", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_reasoning},                            \
    {"truncation", FIELD_STRING, NULLABLE, 0, 0, NULL, check_truncation_of},                       \
    OF_CHAT("messages"), OF_CHAT("max_tokens"), OF_CHAT("max_completion_tokens"),                  \
    OF_CHAT("reasoning_effort"), OF_CHAT("response_format"), OF_CHAT("verbosity")

static const struct field response[] = {
    ASKED,
    {"background", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"store", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"stream", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"stream_options", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_stream_options},
    {"include", FIELD_ARRAY, NULLABLE, 0, 32, NULL, check_include},
    {"max_output_tokens", FIELD_INTEGER, NULLABLE, 1, INT32_MAX, NULL, NULL},
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
    {"temperature", FIELD_NUMBER, NULLABLE, 0, 2, NULL, NULL},
    {"top_p", FIELD_NUMBER, NULLABLE, 0, 1, NULL, NULL},
    {"user", FIELD_STRING, NULLABLE, 0, USER_MAX, NULL, check_user},
    {"safety_identifier", FIELD_STRING, NULLABLE, 0, USER_MAX, NULL, check_user},
    {"service_tier", FIELD_STRING, NULLABLE, 0, 64, NULL, NULL},
    {"prompt_cache_key", FIELD_STRING, NULLABLE, 0, 1024, NULL, NULL},
    PASSED("prompt_cache_retention"),
    PASSED("prompt_cache_options"),
    NOT_OFFERED("context_management"),
    NOT_OFFERED("frequency_penalty"),
    NOT_OFFERED("max_tool_calls"),
    NOT_OFFERED("moderation"),
    NOT_OFFERED("presence_penalty"),
    NOT_OFFERED("prompt"),
    NOT_OFFERED("top_logprobs"),
};

static const struct field compact[] = {
    {"model", FIELD_STRING, REQUIRED, 1, AGENT_MODEL_MAX, NULL, check_model},
    {"input", FIELD_ANY, NULLABLE, 0, 0, NULL, check_input},
    {"previous_response_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},
    {"service_tier", FIELD_STRING, NULLABLE, 0, 64, NULL, NULL},
    {"prompt_cache_key", FIELD_STRING, NULLABLE, 0, 1024, NULL, NULL},
    PASSED("prompt_cache_retention"),
    PASSED("prompt_cache_options"),
};

static const struct field input_tokens[] = {
    ASKED,
    NOT_OFFERED("personality"),
};
/* clang-format on */

#define TABLE(name) name, ARRAY_LENGTH(name), sizeof(name[0]), NULL, 0

const struct fields body_response = {TABLE(response)};
const struct fields body_compact = {TABLE(compact)};
const struct fields body_input_tokens = {TABLE(input_tokens)};
