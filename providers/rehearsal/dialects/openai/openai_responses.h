#pragma once
/* OpenAI's Responses: the functions of its row. */

#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json_write.h"

/* Of the row, and in its seals. */
#define RESPONSES_NAME "openai_responses"

int dialect_responses_read(const struct request *request, struct conversation *out,
                           struct problem *problem);

/* All of a request but its input, and what the reply repeats of it. */
MUSTCHECK int dialect_responses_read_settings(struct reader *reader);

/* The items of the response that a request goes on behind; TEXT_NONE: it names none, or there is
 * none of that id. */
struct text dialect_responses_previous(const struct request *request);

/* A problem with OpenAI's code for it. Returns CONVERSATION_REFUSED. */
PRINTF(4, 5)
int dialect_responses_refuse(struct problem *problem, const char *param, const char *code,
                             const char *format, ...);

void dialect_responses_write(const struct answer *answer, struct buf *out);
/* The items of an answer, and the id of its response. */
void dialect_responses_write_kept(const struct answer *answer, struct buf *out);
void dialect_responses_kept_id(const struct answer *answer, char out[DIALECT_KEPT_ID_SIZE]);
void dialect_responses_write_events(const struct answer *answer, struct event_list *out);
void dialect_responses_write_event_error(const struct problem *problem, struct event_list *out);

/* The id of the reasoning that came with a call of this id, which is marked. */
void dialect_responses_reasoning_id(struct text call_id, struct buf *out);
