/* The tables of bodies. OpenAI's members come first, ours after them. */

#include "scheduler/api/assistants/bodies.h"

#include "scheduler/api/assistants/checks.h"
#include "shared/store/runs/tool_outputs.h"

static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                      "high", "xhigh",   "max", NULL};
static const char *const roles[] = {"user", "assistant", NULL};
static const char *const priorities[] = {"high", "normal", "low", NULL};
static const char *const multitask[] = {"reject", "enqueue", "interrupt", "rollback", NULL};

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE
/* clang-format off */

/* What assistants and runs share. */
#define SAMPLING                                                                                   \
    {"temperature", FIELD_NUMBER, NULLABLE, 0, 2, NULL, NULL},                                     \
    {"top_p", FIELD_NUMBER, NULLABLE, 0, 1, NULL, NULL},                                           \
    {"response_format", FIELD_ANY, NULLABLE, 0, 0, NULL, check_response_format},                   \
    {"reasoning_effort", FIELD_STRING, NULLABLE, 0, 0, efforts, NULL},                             \
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},                                      \
    {"max_iterations", FIELD_INTEGER, NULLABLE, 1, 200, NULL, NULL},                               \
    {"timeout_seconds", FIELD_INTEGER, NULLABLE, 1, 86400, NULL, NULL},                            \
    {"http_allow", FIELD_ARRAY, NULLABLE, 0, 100, NULL, check_http_allow}

#define ASSISTANT                                                                                  \
    {"name", FIELD_STRING, NULLABLE, 0, 256, NULL, NULL},                                          \
    {"description", FIELD_STRING, NULLABLE, 0, 512, NULL, NULL},                                   \
    {"instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},                               \
    {"tools", FIELD_ARRAY, NULLABLE, 0, 128, NULL, check_tools},                                   \
    {"tool_resources", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_tool_resources},                  \
    SAMPLING

#define RUN                                                                                        \
    {"assistant_id", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL},                                    \
    {"model", FIELD_STRING, NULLABLE, 1, 256, NULL, check_model},                                  \
    {"instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},                               \
    {"tools", FIELD_ARRAY, NULLABLE, 0, 128, NULL, check_tools},                                   \
    {"stream", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, check_stream},                                 \
    {"max_prompt_tokens", FIELD_INTEGER, NULLABLE, 256, INT32_MAX, NULL, NULL},                    \
    {"max_completion_tokens", FIELD_INTEGER, NULLABLE, 256, INT32_MAX, NULL, NULL},                \
    {"truncation_strategy", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_truncation},                 \
    {"tool_choice", FIELD_ANY, NULLABLE, 0, 0, NULL, check_tool_choice},                           \
    {"parallel_tool_calls", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},                            \
    {"multitask_strategy", FIELD_STRING, NULLABLE, 0, 0, multitask, NULL},                         \
    {"priority", FIELD_STRING, NULLABLE, 0, 0, priorities, NULL},                                  \
    SAMPLING

static const struct field create_assistant[] = {
    {"model", FIELD_STRING, REQUIRED, 1, 256, NULL, check_model},
    ASSISTANT,
};

static const struct field update_assistant[] = {
    {"model", FIELD_STRING, 0, 1, 256, NULL, check_model},
    ASSISTANT,
};

static const struct field create_thread[] = {
    {"messages", FIELD_ARRAY, NULLABLE, 0, 1000, NULL, check_messages},
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
    {"tool_resources", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_tool_resources},
};

static const struct field update_thread[] = {
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
    {"tool_resources", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_tool_resources},
};

static const struct field create_message[] = {
    {"role", FIELD_STRING, REQUIRED, 0, 0, roles, NULL},
    {"content", FIELD_ANY, REQUIRED, 0, 0, NULL, check_content},
    {"attachments", FIELD_ARRAY, NULLABLE, 0, 0, NULL, check_attachments},
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
};

static const struct field update_metadata[] = {
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
};

static const struct field submit_outputs[] = {
    {"tool_outputs", FIELD_ARRAY, REQUIRED, 0, TOOL_OUTPUTS_MAX, NULL, check_tool_outputs},
    {"stream", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, check_stream},
};

static const struct field create_run[] = {
    RUN,
    {"additional_instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},
    {"additional_messages", FIELD_ARRAY, NULLABLE, 0, 1000, NULL, check_messages},
};

static const struct field create_thread_and_run[] = {
    RUN,
    {"thread", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_thread},
    {"tool_resources", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_tool_resources},
};

/* clang-format on */
#define TABLE(name)                                                                                \
    {                                                                                              \
        name, ARRAY_LENGTH(name)                                                                   \
    }

const struct fields body_create_assistant = TABLE(create_assistant);
const struct fields body_update_assistant = TABLE(update_assistant);
const struct fields body_create_thread = TABLE(create_thread);
const struct fields body_update_thread = TABLE(update_thread);
const struct fields body_create_message = TABLE(create_message);
const struct fields body_update_message = TABLE(update_metadata);
const struct fields body_create_run = TABLE(create_run);
const struct fields body_create_thread_and_run = TABLE(create_thread_and_run);
const struct fields body_submit_outputs = TABLE(submit_outputs);
const struct fields body_update_run = TABLE(update_metadata);
