/* The tools beside the agents, and what each agent is as a tool: a table, with what clients are
 * told of arguments, as JSON Schema, and by what they are checked. */

#include "scheduler/api/mcp/mcp.h"
#include "shared/store/answers/tool_outputs.h"
#include "shared/submit/bodies.h"

enum { WAIT_MAX_S = 600 };

/* clang-format off */
#define WAIT   {"wait_s", FIELD_INTEGER, FIELD_NULLABLE, 0, WAIT_MAX_S, NULL, NULL}
#define RUN_ID {"run_id", FIELD_STRING, FIELD_REQUIRED, 0, 0, NULL, NULL}

static const struct field of_agent[] = {
    {"input", FIELD_STRING, FIELD_REQUIRED, 1, INPUT_MAX, NULL, NULL},
    {"thread_id", FIELD_STRING, FIELD_NULLABLE, 0, 0, NULL, NULL},
    {"user", FIELD_STRING, FIELD_NULLABLE, 1, USER_MAX, NULL, NULL},
    WAIT,
};

static const struct field of_get[] = {RUN_ID, WAIT};
static const struct field of_cancel[] = {RUN_ID};
static const struct field of_outputs[] = {
    RUN_ID,
    {"tool_outputs", FIELD_ARRAY, FIELD_REQUIRED, 0, TOOL_OUTPUTS_MAX, NULL, NULL},
    WAIT,
};
static const struct field of_list[] = {
    {"cursor", FIELD_STRING, FIELD_NULLABLE, 0, 0, NULL, NULL},
};

#define TABLE(name)                                                                                \
    static const struct fields name##_fields = {name, ARRAY_LENGTH(name), sizeof(name[0]), NULL, 0}

TABLE(of_agent);
TABLE(of_get);
TABLE(of_cancel);
TABLE(of_outputs);
TABLE(of_list);

#define STRING(name, description)                                                                  \
    "\"" name "\":{\"type\":\"string\",\"description\":\"" description "\"}"

#define WAIT_SCHEMA(seconds)                                                                       \
    ",\"wait_s\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":600,\"description\":"             \
    "\"Seconds to wait for the end; " seconds " by default. What takes longer goes on, and the "   \
    "result says how far it is.\"}"

#define RUN_SCHEMA STRING("run_id", "The run, as a result named it.")

#define OPEN     "{\"type\":\"object\",\"properties\":{"
#define REQUIRED "},\"required\":["
#define CLOSE    "],\"additionalProperties\":false}"

static const char agent_schema[] =
    OPEN STRING("input", "What the agent is to do.")
    "," STRING("thread_id", "The conversation to go on with, as an earlier result named it. Left "
                            "out: a new one.")
    "," STRING("user", "For whom this is, where the agent remembers people.")
    WAIT_SCHEMA("50")
    REQUIRED "\"input\"" CLOSE;

static const char get_schema[] = OPEN RUN_SCHEMA WAIT_SCHEMA("0") REQUIRED "\"run_id\"" CLOSE;

static const char cancel_schema[] = OPEN RUN_SCHEMA REQUIRED "\"run_id\"" CLOSE;

static const char outputs_schema[] =
    OPEN RUN_SCHEMA
    ",\"tool_outputs\":{\"type\":\"array\",\"description\":\"One for each call.\",\"items\":"
    OPEN STRING("tool_call_id", "The call.") "," STRING("output", "What came of it.")
    REQUIRED "\"tool_call_id\",\"output\"" CLOSE "}"
    WAIT_SCHEMA("50")
    REQUIRED "\"run_id\",\"tool_outputs\"" CLOSE;

static const char list_schema[] =
    OPEN STRING("cursor", "'next_cursor' of the page before. Left out: the first page.")
    REQUIRED CLOSE;

static const char run_output[] =
    OPEN "\"run_id\":{\"type\":\"string\"},\"thread_id\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"string\",\"enum\":[\"queued\",\"in_progress\",\"requires_action\","
    "\"cancelling\",\"completed\",\"incomplete\",\"failed\",\"cancelled\",\"expired\"]},"
    "\"output\":{\"type\":\"string\"},\"incomplete_reason\":{\"type\":\"string\"},"
    "\"error\":{\"type\":\"object\"},\"required_action\":{\"type\":\"object\"}"
    REQUIRED "\"run_id\",\"status\"]}";

static const char list_output[] =
    OPEN "\"agents\":{\"type\":\"array\",\"items\":"
    OPEN "\"tool\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
    "\"description\":{\"type\":\"string\"}" REQUIRED "\"tool\"]}},"
    "\"next_cursor\":{\"type\":\"string\"}"
    REQUIRED "\"agents\"]}";
/* clang-format on */

const struct mcp_tool mcp_agent_tool = {
    .description = "An agent of this server. Hand it work in plain words.",
    .schema = agent_schema,
    .output = run_output,
    .annotations = "{\"openWorldHint\":true}",
    .arguments = &of_agent_fields,
};

const struct mcp_tool mcp_tools[] = {
    {.name = "run_get",
     .title = "Look at a run",
     .description = "What became of a run: its status, and its answer when it has ended.",
     .schema = get_schema,
     .output = run_output,
     .annotations = "{\"readOnlyHint\":true}",
     .arguments = &of_get_fields,
     .call = mcp_run_get},
    {.name = "run_cancel",
     .title = "Cancel a run",
     .description = "Gives a run up that has not ended. What it did is not undone.",
     .schema = cancel_schema,
     .output = run_output,
     .annotations = "{\"destructiveHint\":true,\"idempotentHint\":true}",
     .arguments = &of_cancel_fields,
     .call = mcp_run_cancel},
    {.name = "run_submit_outputs",
     .title = "Answer what a run asked",
     .description = "Answers all calls of a run whose status is requires_action, and lets it go "
                    "on. Its 'required_action' says which calls these are.",
     .schema = outputs_schema,
     .output = run_output,
     .annotations = "{\"openWorldHint\":true}",
     .arguments = &of_outputs_fields,
     .call = mcp_run_submit_outputs},
    {.name = "agents_list",
     .title = "List the agents",
     .description = "The agents of this server, each by the name of its tool; a hundred at once.",
     .schema = list_schema,
     .output = list_output,
     .annotations = "{\"readOnlyHint\":true}",
     .arguments = &of_list_fields,
     .call = mcp_agents_list},
};

const size_t mcp_tools_count = ARRAY_LENGTH(mcp_tools);
