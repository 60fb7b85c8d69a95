/* The tables of bodies. What an assistant has is described once, in shared/agent/spec.c. */

#include "scheduler/api/assistants/bodies.h"

#include "shared/agent/checks.h"
#include "shared/agent/context_settings.h"
#include "shared/agent/memory.h"
#include "shared/agent/spec.h"
#include "shared/store/answers/approvals.h"
#include "shared/store/answers/tool_outputs.h"
#include "shared/store/search/search.h"

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE
/* clang-format off */

static const struct field create_assistant[] = {
    {"model", FIELD_STRING, REQUIRED, 1, AGENT_MODEL_MAX, NULL, check_model},
};

static const struct field update_assistant[] = {
    {"model", FIELD_STRING, 0, 1, AGENT_MODEL_MAX, NULL, check_model},
};

static const struct field update_thread[] = {
    {"assistant_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"user_id", FIELD_STRING, NULLABLE, 1, USER_MAX, NULL, check_user},
    {"active", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"agent_state", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_agent_state},
    {"title", FIELD_STRING, NULLABLE, 0, THREAD_TITLE_MAX, NULL, NULL},
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
    {"tool_resources", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_tool_resources},
    {"memory_strategy", FIELD_STRING, NULLABLE, 0, 0, NULL, check_memory_strategy},
    {"memory_config", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_memory_config},
};

static const struct field fork_thread[] = {
    {"message_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"title", FIELD_STRING, NULLABLE, 1, THREAD_TITLE_MAX, NULL, NULL},
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
};

static const struct field search_threads[] = {
    {"query", FIELD_STRING, REQUIRED, 1, SEARCH_QUERY_MAX, NULL, NULL},
    {"user_id", FIELD_STRING, NULLABLE, 1, USER_MAX, NULL, check_user},
    {"assistant_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"archived", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"limit", FIELD_INTEGER, NULLABLE, 1, SEARCH_LIMIT_MAX, NULL, NULL},
    {"after", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
};

static const struct field update_metadata[] = {
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
};

static const struct field submit_outputs[] = {
    {"tool_outputs", FIELD_ARRAY, REQUIRED, 0, TOOL_OUTPUTS_MAX, NULL, check_tool_outputs},
    {"stream", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
};

#define DECISION \
    {"tool_call_id", FIELD_STRING, REQUIRED, 1, 1024, NULL, NULL}, \
    {"note", FIELD_STRING, NULLABLE, 0, APPROVAL_NOTE_MAX, NULL, NULL}, \
    {"user", FIELD_STRING, NULLABLE, 1, USER_MAX, NULL, check_user}

static const struct field approve[] = {
    DECISION,
    {"arguments", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_approved_arguments},
};

static const struct field deny[] = {
    DECISION,
};

static const struct field put_memory[] = {
    {"value", FIELD_ANY, REQUIRED | NULLABLE, 0, 0, NULL, check_memory_value},
};

static const struct field replace_memory[] = {
    {"memory", FIELD_OBJECT, REQUIRED, 0, 0, NULL, check_memory},
};

/* clang-format on */
#define TABLE(name) name, ARRAY_LENGTH(name), sizeof(name[0]), NULL, 0
#define TABLE_WITH_SPEC(name)                                                                      \
    name, ARRAY_LENGTH(name), sizeof(name[0]), &agent_fields, FIELD_OF_AGENT

const struct fields body_create_assistant = {TABLE_WITH_SPEC(create_assistant)};
const struct fields body_update_assistant = {TABLE_WITH_SPEC(update_assistant)};
const struct fields body_update_thread = {TABLE(update_thread)};
const struct fields body_fork_thread = {TABLE(fork_thread)};
const struct fields body_search_threads = {TABLE(search_threads)};
const struct fields body_update_message = {TABLE(update_metadata)};
const struct fields body_submit_outputs = {TABLE(submit_outputs)};
const struct fields body_approve = {TABLE(approve)};
const struct fields body_deny = {TABLE(deny)};
const struct fields body_update_run = {TABLE(update_metadata)};
const struct fields body_put_memory = {TABLE(put_memory)};
const struct fields body_replace_memory = {TABLE(replace_memory)};
