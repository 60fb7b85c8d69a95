#pragma once
/* Inside the store: the columns of the rows of a group of writes (columns.h), and so the parameters
 * of its statement. Each row names its write by `n`, its place in the batch. */

#include "shared/store/columns.h"

/* What is written of the run itself. was, or_was: the states that the write may follow. u: the one
 * model that was used. calls: NULL is 1. tools_from, tools_to: the first and the last of its tools
 * in TOOL_ROWS. */
/* clang-format off */
#define HEAD_ROWS(COLUMN) \
    COLUMN(1, HEAD_N, "n", 'I') \
    COLUMN(2, HEAD_ID, "id", 'U') \
    COLUMN(3, HEAD_OWNER, "owner", 'I') \
    COLUMN(4, HEAD_FENCE, "fence", 'I') \
    COLUMN(5, HEAD_STEP, "step", 'I') \
    COLUMN(6, HEAD_BECOMES, "becomes", 'T') \
    COLUMN(7, HEAD_WAS, "was", 'T') \
    COLUMN(8, HEAD_OR_WAS, "or_was", 'T') \
    COLUMN(9, HEAD_PROMPT, "prompt", 'I') \
    COLUMN(10, HEAD_COMPLETION, "completion", 'I') \
    COLUMN(11, HEAD_CACHED, "cached", 'I') \
    COLUMN(12, HEAD_CACHE_WRITE, "cache_write", 'I') \
    COLUMN(13, HEAD_REASONING, "reasoning", 'I') \
    COLUMN(14, HEAD_COST, "cost", 'I') \
    COLUMN(15, HEAD_U, "u", 'I') \
    COLUMN(16, HEAD_CALLS, "calls", 'I') \
    COLUMN(17, HEAD_LEFT_OUT, "left_out", 'I') \
    COLUMN(18, HEAD_MESSAGES, "messages", 'I') \
    COLUMN(19, HEAD_BYTES, "bytes", 'I') \
    COLUMN(20, HEAD_TOKENS, "tokens", 'I') \
    COLUMN(21, HEAD_ITERATIONS, "iterations", 'I') \
    COLUMN(22, HEAD_TOOLS_FROM, "tools_from", 'I') \
    COLUMN(23, HEAD_TOOLS_TO, "tools_to", 'I') \
    COLUMN(24, HEAD_FIRST_MS, "first_ms", 'I') \
    COLUMN(25, HEAD_DELAY_MS, "delay_ms", 'I') \
    COLUMN(26, HEAD_ERRORS, "errors", 'I') \
    COLUMN(27, HEAD_WAIT_KIND, "wait_kind", 'T') \
    COLUMN(28, HEAD_OPEN, "open", 'I') \
    COLUMN(29, HEAD_WAKES_MS, "wakes_ms", 'I') \
    COLUMN(30, HEAD_ACTION, "action", 'J') \
    COLUMN(31, HEAD_MESSAGE, "message", 'U') \
    COLUMN(32, HEAD_REASON, "reason", 'T') \
    COLUMN(33, HEAD_ERROR_CODE, "error_code", 'T') \
    COLUMN(34, HEAD_ERROR_MESSAGE, "error_message", 'T') \
    COLUMN(87, HEAD_RESULT, "result", 'W')

/* The names of the tools of all heads, those of a head each once. */
#define TOOL_ROWS(COLUMN) \
    COLUMN(35, TOOL_NAME, "name", 'T')

#define MESSAGE_ROWS(COLUMN) \
    COLUMN(36, MESSAGE_N, "n", 'I') \
    COLUMN(37, MESSAGE_ID, "id", 'U') \
    COLUMN(38, MESSAGE_SEQ, "seq", 'I') \
    COLUMN(39, MESSAGE_ROLE, "role", 'T') \
    COLUMN(40, MESSAGE_HIDDEN, "hidden", 'B') \
    COLUMN(41, MESSAGE_CONTENT, "content", 'J') \
    COLUMN(42, MESSAGE_TOOL_CALLS, "tool_calls", 'J') \
    COLUMN(43, MESSAGE_TOOL_CALL_ID, "tool_call_id", 'T') \
    COLUMN(44, MESSAGE_TOOL_NAME, "tool_name", 'T') \
    COLUMN(45, MESSAGE_OPAQUE, "opaque", 'J') \
    COLUMN(46, MESSAGE_INCOMPLETE, "incomplete", 'T') \
    COLUMN(47, MESSAGE_BYTES, "bytes", 'I') \
    COLUMN(48, MESSAGE_TOKENS, "tokens", 'I')

#define CALL_ROWS(COLUMN) \
    COLUMN(49, CALL_N, "n", 'I') \
    COLUMN(50, CALL_NO, "call_no", 'I') \
    COLUMN(51, CALL_ID, "call_id", 'T') \
    COLUMN(52, CALL_NAME, "name", 'T') \
    COLUMN(53, CALL_ARGUMENTS, "arguments", 'T') \
    COLUMN(54, CALL_CLASS, "class", 'T') \
    COLUMN(55, CALL_STATE, "state", 'T') \
    COLUMN(56, CALL_IDEMPOTENCY_KEY, "idempotency_key", 'T') \
    COLUMN(57, CALL_RESULT, "result", 'T') \
    COLUMN(58, CALL_IS_ERROR, "is_error", 'B') \
    COLUMN(59, CALL_KIND, "kind", 'T') \
    COLUMN(60, CALL_DUE_MS, "due_ms", 'I') \
    COLUMN(88, CALL_TOOK_MS, "took_ms", 'I') \
    COLUMN(89, CALL_WENT, "went", 'J')

#define STEP_ROWS(COLUMN) \
    COLUMN(61, STEP_N, "n", 'I') \
    COLUMN(62, STEP_ID, "id", 'U') \
    COLUMN(63, STEP_SEQ, "seq", 'I') \
    COLUMN(64, STEP_TYPE, "type", 'T') \
    COLUMN(65, STEP_STATUS, "status", 'T') \
    COLUMN(66, STEP_MESSAGE_ID, "message_id", 'U') \
    COLUMN(67, STEP_CALLS, "tool_calls", 'J') \
    COLUMN(68, STEP_USAGE, "usage", 'J') \
    COLUMN(69, STEP_LAST_ERROR, "last_error", 'J') \
    COLUMN(70, STEP_MODEL, "model", 'T') \
    COLUMN(71, STEP_COST, "cost", 'I') \
    COLUMN(72, STEP_TRIED, "tried", 'J') \
    COLUMN(73, STEP_LEFT_OUT, "left_out", 'I') \
    COLUMN(86, STEP_REASONING, "reasoning", 'T')

/* The models that were used; `n` is a model's place among them. */
#define MODEL_ROWS(COLUMN) \
    COLUMN(74, MODEL_N, "n", 'I') \
    COLUMN(75, MODEL_PROVIDER, "provider", 'T') \
    COLUMN(76, MODEL_MODEL, "model", 'T')

/* What writes used that used several models. Each number is put, so that all are found at once. */
#define USAGE_ROWS(COLUMN) \
    COLUMN(77, USAGE_N, "n", 'I') \
    COLUMN(78, USAGE_U, "u", 'I') \
    COLUMN(79, USAGE_CALLS, "calls", 'I') \
    COLUMN(80, USAGE_PROMPT, "prompt", 'I') \
    COLUMN(81, USAGE_COMPLETION, "completion", 'I') \
    COLUMN(82, USAGE_CACHED, "cached", 'I') \
    COLUMN(83, USAGE_CACHE_WRITE, "cache_write", 'I') \
    COLUMN(84, USAGE_REASONING, "reasoning", 'I') \
    COLUMN(85, USAGE_COST, "cost", 'I')

/* Memory runs that follow from an ending. */
#define FOLLOW_ROWS(COLUMN) \
    COLUMN(90, FOLLOW_N, "n", 'I') \
    COLUMN(91, FOLLOW_ID, "id", 'U') \
    COLUMN(92, FOLLOW_ABOUT, "about", 'T') \
    COLUMN(93, FOLLOW_SPEC, "spec", 'W') \
    COLUMN(94, FOLLOW_DELAY_MS, "delay_ms", 'I')

#define WRITE_ROWS(COLUMN) \
    HEAD_ROWS(COLUMN) \
    TOOL_ROWS(COLUMN) \
    MESSAGE_ROWS(COLUMN) \
    CALL_ROWS(COLUMN) \
    STEP_ROWS(COLUMN) \
    MODEL_ROWS(COLUMN) \
    USAGE_ROWS(COLUMN) \
    FOLLOW_ROWS(COLUMN)
/* clang-format on */

enum write_column { WRITE_ROWS(COLUMN_ENUM) };
enum { WRITE_COLUMNS = 0 WRITE_ROWS(COLUMN_COUNT) };
