/* The tables of all resources. docs/openapi.yaml lists the same routes; a test compares the two. */

#include "scheduler/api/surfaces.h"

#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/control/resources.h"
#include "scheduler/api/document/resources.h"
#include "scheduler/api/files/resources.h"
#include "scheduler/api/hooks/resources.h"
#include "scheduler/api/mcp/resources.h"
#include "scheduler/api/memories/resources.h"
#include "scheduler/api/openai/conversations/resources.h"
#include "scheduler/api/openai/resources.h"
#include "scheduler/api/openai/responses/resources.h"
#include "scheduler/api/schedules/resources.h"
#include "scheduler/api/stream/resources.h"
#include "scheduler/api/tools/resources.h"

const struct endpoint_table *const surfaces[] = {
    &assistant_endpoints,
    &thread_endpoints,
    &thread_search_endpoints,
    &thread_context_endpoints,
    &thread_compact_endpoints,
    &message_create_endpoints,
    &message_endpoints,
    &run_create_endpoints,
    &run_get_endpoints,
    &run_endpoints,
    &step_endpoints,
    &tool_output_endpoints,
    &approval_endpoints,
    &model_endpoints,
    &user_memory_endpoints,
    &user_endpoints,
    &memory_endpoints,
    &memory_search_endpoints,
    &run_event_endpoints,
    &chat_completion_endpoints,
    &embedding_endpoints,
    &response_create_endpoints,
    &response_endpoints,
    &response_input_endpoints,
    &response_compact_endpoints,
    &conversation_endpoints,
    &conversation_item_endpoints,
    &usage_endpoints,
    &budget_endpoints,
    &retention_endpoints,
    &secret_endpoints,
    &tool_endpoints,
    &tool_stats_endpoints,
    &tool_test_endpoints,
    &document_endpoints,
    &file_endpoints,
    &file_content_endpoints,
    &upload_endpoints,
    &ticket_endpoints,
    &thread_socket_endpoints,
    &batch_endpoints,
    &schedule_endpoints,
    &schedule_work_endpoints,
    &webhook_endpoints,
    &webhook_log_endpoints,
    &webhook_sdk_endpoints,
    &mcp_endpoints,
};

const size_t surfaces_count = ARRAY_LENGTH(surfaces);
