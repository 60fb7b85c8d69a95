#pragma once
/* Anthropic's Messages: the functions of its row. */

#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json_write.h"

/* Of the row, and in its seals. */
#define ANTHROPIC_NAME "anthropic"

int dialect_anthropic_read(const struct request *request, struct conversation *out,
                           struct problem *problem);

/* All of a request but its messages: headers, tools, thinking, sampling. */
MUSTCHECK int dialect_anthropic_read_settings(struct reader *reader);

void dialect_anthropic_write(const struct answer *answer, struct buf *out);
void dialect_anthropic_write_events(const struct answer *answer, struct event_list *out);
