/* The tables of bodies from which things are made. OpenAI's members come first, ours after them.
 * What a run has of its agent is described once, in shared/agent/spec.c. */

#include "shared/submit/bodies.h"

#include "shared/agent/checks.h"
#include "shared/agent/context_settings.h"
#include "shared/agent/spec.h"
#include "shared/submit/times/delays.h"

static const char *const roles[] = {"user", "assistant", "system", NULL};
static const char *const when_busy[] = {"reject", "queue", "steer", NULL};
static const char *const priorities[] = {"high", "normal", "low", NULL};
static const char *const which_thread[] = {"new", "active", NULL};
static const char *const multitask[] = {"reject", "enqueue", "interrupt", "rollback", NULL};

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE
/* clang-format off */

#define ASSISTANT {"assistant_id", FIELD_STRING, REQUIRED, 0, 0, NULL, NULL}

#define INPUT {"input", FIELD_STRING, NULLABLE, 1, INPUT_MAX, NULL, NULL}

#define RUN                                                                                        \
    {"user", FIELD_STRING, NULLABLE, 1, USER_MAX, NULL, check_user},                               \
    {"if_pending", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},                                     \
    {"webhook", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_webhook},                                \
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},                                      \
    {"stream", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},                                         \
    {"multitask_strategy", FIELD_STRING, NULLABLE, 0, 0, multitask, NULL},                         \
    {"priority", FIELD_STRING, NULLABLE, 0, 0, priorities, NULL},                                  \
    {"start_after", FIELD_ANY, NULLABLE, 0, 0, NULL, check_instant},                               \
    {"expires_in", FIELD_INTEGER, NULLABLE, 1, DELAY_MAX_S, NULL, NULL},                           \
    {"deadline", FIELD_ANY, NULLABLE, 0, 0, NULL, check_instant}

static const struct field create_thread[] = {
    {"assistant_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"user_id", FIELD_STRING, NULLABLE, 1, USER_MAX, NULL, check_user},
    {"active", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
    {"agent_state", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_agent_state},
    {"title", FIELD_STRING, NULLABLE, 1, THREAD_TITLE_MAX, NULL, NULL},
    {"messages", FIELD_ARRAY, NULLABLE, 0, 1000, NULL, check_messages},
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
    {"tool_resources", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_tool_resources},
    {"memory_strategy", FIELD_STRING, NULLABLE, 0, 0, NULL, check_memory_strategy},
    {"memory_config", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_memory_config},
};

#define MESSAGE                                                                                    \
    {"role", FIELD_STRING, REQUIRED, 0, 0, roles, NULL},                                           \
    {"content", FIELD_ANY, REQUIRED, 0, 0, NULL, check_content},                                   \
    {"attachments", FIELD_ARRAY, NULLABLE, 0, 20, NULL, check_attachments},                        \
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL}

static const struct field message_of_many[] = {MESSAGE};

static const struct field create_message[] = {
    MESSAGE,
    {"on_busy", FIELD_STRING, NULLABLE, 0, 0, when_busy, NULL},
    {"run", FIELD_ANY, NULLABLE, 0, 0, NULL, check_message_run},
    {"stream", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},
};

static const struct field create_run[] = {
    ASSISTANT,
    INPUT,
    RUN,
    {"additional_instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},
    {"additional_messages", FIELD_ARRAY, NULLABLE, 0, 1000, NULL, check_messages},
};

/* Of a message, which is the only one: the agent is the thread's where none is named. */
static const struct field run_of_message[] = {
    {"assistant_id", FIELD_STRING, 0, 0, 0, NULL, NULL},
    RUN,
    {"additional_instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},
};

static const struct field create_thread_and_run[] = {
    ASSISTANT,
    INPUT,
    RUN,
    {"thread", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_thread},
    {"tool_resources", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_tool_resources},
};

static const struct field run_assistant[] = {
    {"thread_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},
    {"thread", FIELD_STRING, NULLABLE, 0, 0, which_thread, NULL},
    INPUT,
    RUN,
    {"additional_instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL},
};

/* clang-format on */
#define TABLE(name)           name, ARRAY_LENGTH(name), sizeof(name[0]), NULL, 0
#define TABLE_WITH_SPEC(name) name, ARRAY_LENGTH(name), sizeof(name[0]), &agent_fields, FIELD_OF_RUN

const struct fields body_create_thread = {TABLE(create_thread)};
const struct fields body_message = {TABLE(message_of_many)};
const struct fields body_create_message = {TABLE(create_message)};
const struct fields body_create_run = {TABLE_WITH_SPEC(create_run)};
const struct fields body_run_of_message = {TABLE_WITH_SPEC(run_of_message)};
const struct fields body_create_thread_and_run = {TABLE_WITH_SPEC(create_thread_and_run)};
const struct fields body_run_assistant = {TABLE_WITH_SPEC(run_assistant)};
