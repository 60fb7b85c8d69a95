/* What may be asked of a model. Members that only some providers know are not offered, since which
 * one answers is the configuration's to say: they pass where they ask for nothing, as many clients
 * send them. What says nothing to a model (store, seed, service_tier, …) is taken.
 *
 * A message of the assistant is what a client got from us or from another server, and is given back
 * as it is: what stands beside its text and its calls is passed over.
 */

#include "scheduler/api/openai/chat_bodies.h"

#include "providers/embed.h"
#include "scheduler/api/openai/not_offered.h"
#include "scheduler/gateway/model_call.h"
#include "shared/agent/checks.h"
#include "shared/agent/memory.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/submit/bodies.h"

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE

#define NAME_MAX 256 /* of a participant */
#define STOP_MAX 512

static int check_one(struct json_object *value, const struct path *path, struct failure *failure)
{
    return json_object_get_int64(value) == 1 ? 0 : refuse_parameter(path, failure);
}

static int check_stop_text(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    static const struct field text = {NULL, FIELD_STRING, REQUIRED, 1, STOP_MAX, NULL, NULL};

    return fields_check_one(&text, value, path, failure);
}

static int check_stop_texts(struct json_object *value, const struct path *path,
                            struct failure *failure)
{
    return fields_each(value, path, check_stop_text, failure);
}

/* A text, or up to four of them. */
static int check_stop(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field several = {NULL,           FIELD_ARRAY, NULLABLE,        0,
                                         CHAT_STOPS_MAX, NULL,        check_stop_texts};

    if (json_object_is_type(value, json_type_string))
        return check_stop_text(value, path, failure);
    return fields_check_one(&several, value, path, failure);
}

/* ["text"] */
static int check_modalities(struct json_object *value, const struct path *path,
                            struct failure *failure)
{
    for (size_t i = 0; i < json_object_array_length(value); i++)
        if (!text_is(json_string(json_object_array_get_idx(value, i)), "text"))
            return refuse_parameter(path, failure);
    return 0;
}

/* ---- messages ---- */

static int check_image(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const details[] = {"auto", "low", "high", NULL};
    static const struct field list[] = {
        {"url", FIELD_STRING, REQUIRED, 1, INT32_MAX, NULL, NULL},
        {"detail", FIELD_STRING, NULLABLE, 0, 0, details, NULL},
    };
    int r = fields_check(FIELDS(list), value, path, failure);

    return r < 0 ? r : check_image_url(value, path, failure);
}

static const struct field text_part[] = {
    {"type", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
    {"text", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
};

static int check_part_type(struct json_object *part, const char *const *types,
                           const struct path *path, struct failure *failure)
{
    struct path type = {path, "type", 0};
    struct text text = json_get_text(part, "type");

    return text.ptr ? fields_word(text, types, &type, failure) : 0;
}

static int check_user_part(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    static const char *const types[] = {"text", "image_url", NULL};
    static const struct field image[] = {
        {"type", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
        {"image_url", FIELD_OBJECT, REQUIRED, 0, 0, NULL, check_image},
    };
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r == 0)
        r = check_part_type(value, types, path, failure);
    if (r < 0)
        return r;
    if (text_is(json_get_text(value, "type"), "image_url"))
        return fields_check(FIELDS(image), value, path, failure);
    return fields_check(FIELDS(text_part), value, path, failure);
}

static int check_text_part(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    static const char *const types[] = {"text", NULL};
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r == 0)
        r = check_part_type(value, types, path, failure);
    return r < 0 ? r : fields_check(FIELDS(text_part), value, path, failure);
}

static int check_answer_part(struct json_object *value, const struct path *path,
                             struct failure *failure)
{
    static const char *const types[] = {"text", "refusal", NULL};
    static const struct field refusal[] = {
        {"type", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
        {"refusal", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
    };
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r == 0)
        r = check_part_type(value, types, path, failure);
    if (r < 0)
        return r;
    if (text_is(json_get_text(value, "type"), "refusal"))
        return fields_check(FIELDS(refusal), value, path, failure);
    return fields_check(FIELDS(text_part), value, path, failure);
}

/* A string, or an array of at least one part. */
static int check_content_of(struct json_object *value, const struct path *path,
                            field_check_fn check_part, struct failure *failure)
{
    char where[192];

    if (json_object_is_type(value, json_type_string))
        return 0;
    if (json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0)
        return fields_each(value, path, check_part, failure);
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected a string or an array of objects.", where);
}

static int check_user_content(struct json_object *value, const struct path *path,
                              struct failure *failure)
{
    return check_content_of(value, path, check_user_part, failure);
}

static int check_texts(struct json_object *value, const struct path *path, struct failure *failure)
{
    return check_content_of(value, path, check_text_part, failure);
}

static int check_answer(struct json_object *value, const struct path *path, struct failure *failure)
{
    return value ? check_content_of(value, path, check_answer_part, failure) : 0;
}

static int check_called(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {"name", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
        {"arguments", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},
        {"parsed_arguments", FIELD_ANY, NULLABLE, 0, 0, NULL, NULL},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

static int check_call(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const types[] = {"function", NULL};
    static const struct field list[] = {
        {"id", FIELD_STRING, REQUIRED, 1, 1024, NULL, NULL},
        {"type", FIELD_STRING, 0, 0, 0, types, NULL},
        {"index", FIELD_INTEGER, NULLABLE, 0, 0, NULL, NULL},
        {"function", FIELD_OBJECT, REQUIRED, 0, 0, NULL, check_called},
    };
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    return r < 0 ? r : fields_check(FIELDS(list), value, path, failure);
}

static int check_calls(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_call, failure);
}

/* clang-format off */
#define ROLE {"role", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL}
#define NAME {"name", FIELD_STRING, NULLABLE, 0, NAME_MAX, NULL, NULL}

static const struct field system_message[] = {
    ROLE,
    {"content", FIELD_ANY, REQUIRED, 0, 0, NULL, check_texts},
    NAME,
};

static const struct field user_message[] = {
    ROLE,
    {"content", FIELD_ANY, REQUIRED, 0, 0, NULL, check_user_content},
    NAME,
};

static const struct field assistant_message[] = {
    ROLE,
    {"content", FIELD_ANY, NULLABLE, 0, 0, NULL, check_answer},
    {"refusal", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"tool_calls", FIELD_ARRAY, NULLABLE, 0, 128, NULL, check_calls},
    {"audio", FIELD_ANY, NULLABLE, 0, 0, NULL, check_nothing},
    {"function_call", FIELD_ANY, NULLABLE, 0, 0, NULL, check_nothing},
    NAME,
    {"annotations", FIELD_ANY, NULLABLE, 0, 0, NULL, NULL},
    {"parsed", FIELD_ANY, NULLABLE, 0, 0, NULL, NULL},
    {"reasoning", FIELD_ANY, NULLABLE, 0, 0, NULL, NULL},
    {"reasoning_content", FIELD_ANY, NULLABLE, 0, 0, NULL, NULL},
    {"provider_state", FIELD_OBJECT, NULLABLE, 0, 0, NULL, fields_check_numbers},
};

static const struct field tool_message[] = {
    ROLE,
    {"content", FIELD_ANY, REQUIRED, 0, 0, NULL, check_texts},
    {"tool_call_id", FIELD_STRING, REQUIRED, 1, 1024, NULL, NULL},
    NAME,
};
/* clang-format on */

static int check_message(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    static const char *const roles[] = {"developer", "system", "user", "assistant", "tool", NULL};
    const struct fields tables[] = {FIELDS(system_message), FIELDS(system_message),
                                    FIELDS(user_message), FIELDS(assistant_message),
                                    FIELDS(tool_message)};
    static const struct field any[] = {ROLE};
    struct path role_path = {path, "role", 0};
    struct text role;
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r < 0)
        return r;
    role = json_get_text(value, "role");
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        if (text_is(role, roles[i]))
            return fields_check(tables[i], value, path, failure);
    return role.ptr ? fields_word(role, roles, &role_path, failure)
                    : fields_check(FIELDS(any), value, path, failure);
}

static int check_messages_of_chat(struct json_object *value, const struct path *path,
                                  struct failure *failure)
{
    return fields_each(value, path, check_message, failure);
}

/* ---- what the model may do ---- */

/* Functions of the client are all that there are: nothing is executed here. */
static int check_type(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const types[] = {"function", NULL};
    struct path type = {path, "type", 0};
    struct text text = json_get_text(value, "type");

    return text.ptr ? fields_word(text, types, &type, failure) : 0;
}

static int check_functions(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    int r = fields_each(value, path, check_type, failure);

    return r < 0 ? r : check_tools(value, path, failure);
}

static int check_choice(struct json_object *value, const struct path *path, struct failure *failure)
{
    int r = json_object_is_type(value, json_type_object) ? check_type(value, path, failure) : 0;

    return r < 0 ? r : check_tool_choice(value, path, failure);
}

static int check_stream_options(struct json_object *value, const struct path *path,
                                struct failure *failure)
{
    static const struct field list[] = {
        {"include_usage", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
        {"include_obfuscation", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                      "high", "xhigh",   "max", NULL};
static const char *const verbosities[] = {"low", "medium", "high", NULL};

static int check_of_responses(struct json_object *value, const struct path *path,
                              struct failure *failure)
{
    static const struct renamed list[] = {
        {"input", "messages"},
        {"max_output_tokens", "max_completion_tokens"},
        {"reasoning", "reasoning_effort"},
        {"text", "response_format"},
        {NULL, NULL},
    };

    (void)value;
    return refuse_renamed(list, "Chat Completions", path, failure);
}

/* clang-format off */
#define OF_RESPONSES(name) \
    {name, FIELD_ANY, NULLABLE | FIELD_ELSEWHERE, 0, 0, NULL, check_of_responses}
#define IGNORED(name, kind) {name, kind, NULLABLE, 0, 0, NULL, NULL}

static const struct field chat_completion[] = {
    {"model", FIELD_STRING, REQUIRED, 1, AGENT_MODEL_MAX, NULL, check_model},
    {"messages", FIELD_ARRAY, REQUIRED, 1, CHAT_MESSAGES_MAX, NULL, check_messages_of_chat},
    {"stream", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"stream_options", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_stream_options},
    {"temperature", FIELD_NUMBER, NULLABLE, 0, 2, NULL, NULL},
    {"top_p", FIELD_NUMBER, NULLABLE, 0, 1, NULL, NULL},
    {"max_tokens", FIELD_INTEGER, NULLABLE, 1, INT32_MAX, NULL, NULL},
    {"max_completion_tokens", FIELD_INTEGER, NULLABLE, 1, INT32_MAX, NULL, NULL},
    {"reasoning_effort", FIELD_STRING, NULLABLE, 0, 0, efforts, NULL},
    {"response_format", FIELD_ANY, NULLABLE, 0, 0, NULL, check_response_format},
    {"tools", FIELD_ARRAY, NULLABLE, 0, 128, NULL, check_functions},
    {"tool_choice", FIELD_ANY, NULLABLE, 0, 0, NULL, check_choice},
    {"parallel_tool_calls", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"user", FIELD_STRING, NULLABLE, 0, USER_MAX, NULL, check_user},
    {"safety_identifier", FIELD_STRING, NULLABLE, 0, USER_MAX, NULL, check_user},
    {"service_tier", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"fallbacks", FIELD_ARRAY, NULLABLE, 0, CHAT_FALLBACKS_MAX, NULL, check_fallbacks},
    {"stop", FIELD_ANY, NULLABLE, 0, 0, NULL, check_stop},
    {"presence_penalty", FIELD_NUMBER, NULLABLE, -2, 2, NULL, NULL},
    {"frequency_penalty", FIELD_NUMBER, NULLABLE, -2, 2, NULL, NULL},
    {"n", FIELD_INTEGER, NULLABLE, 0, 0, NULL, check_one},
    {"modalities", FIELD_ARRAY, NULLABLE, 0, 0, NULL, check_modalities},
    {"verbosity", FIELD_STRING, NULLABLE, 0, 0, verbosities, NULL},
    IGNORED("store", FIELD_BOOLEAN),
    IGNORED("metadata", FIELD_METADATA),
    IGNORED("seed", FIELD_INTEGER),
    IGNORED("prompt_cache_key", FIELD_STRING),
    IGNORED("prompt_cache_retention", FIELD_STRING),
    NOT_OFFERED("audio"),
    NOT_OFFERED("function_call"),
    NOT_OFFERED("functions"),
    NOT_OFFERED("logit_bias"),
    NOT_OFFERED("logprobs"),
    NOT_OFFERED("moderation"),
    NOT_OFFERED("prediction"),
    NOT_OFFERED("prompt_cache_options"),
    NOT_OFFERED("top_logprobs"),
    NOT_OFFERED("web_search_options"),
    OF_RESPONSES("input"),
    OF_RESPONSES("max_output_tokens"),
    OF_RESPONSES("reasoning"),
    OF_RESPONSES("text"),
};
/* clang-format on */

const struct fields body_chat_completion = {chat_completion, ARRAY_LENGTH(chat_completion),
                                            sizeof(chat_completion[0]), NULL, 0};

/* ---- vectors ---- */

static int check_input_text(struct json_object *value, const struct path *path,
                            struct failure *failure)
{
    struct text text = json_string(value);
    char where[64];

    path_format(path, where, sizeof(where));
    if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_array))
        return failure_set(failure, 400, path, "unsupported_value",
                           "Invalid '%s': tokens are not taken here, since each model has its "
                           "own. Send texts.",
                           where);
    if (!text.ptr)
        return fields_expect(FIELD_STRING, value, path, failure);
    if (text.len > 0 && text.len <= EMBEDDING_TEXT_BYTES_MAX)
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': expected a text of 1 to %zu bytes.", where,
                       EMBEDDING_TEXT_BYTES_MAX);
}

static int check_input(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list = {
        .name = "input", .kind = FIELD_ARRAY, .min = 1, .max = EMBEDDING_INPUTS_MAX};
    int r;

    if (!json_object_is_type(value, json_type_array))
        return check_input_text(value, path, failure);
    r = fields_check_one(&list, value, path, failure);
    return r < 0 ? r : fields_each(value, path, check_input_text, failure);
}

static const char *const encodings[] = {"float", "base64", NULL};

/* clang-format off */
static const struct field embedding[] = {
    {"model", FIELD_STRING, REQUIRED, 1, AGENT_MODEL_MAX, NULL, check_model},
    {"input", FIELD_ANY, REQUIRED, 0, 0, NULL, check_input},
    {"encoding_format", FIELD_STRING, NULLABLE, 0, 0, encodings, NULL},
    {"dimensions", FIELD_INTEGER, NULLABLE, 1, EMBEDDING_DIMENSIONS_MAX, NULL, NULL},
    {"user", FIELD_STRING, NULLABLE, 0, USER_MAX, NULL, check_user},
};
/* clang-format on */

const struct fields body_embedding = {embedding, ARRAY_LENGTH(embedding), sizeof(embedding[0]),
                                      NULL, 0};
