#pragma once
/* What the endpoints of messages share. */

#include "scheduler/api/request.h"
#include "shared/store/threads/messages.h"

/* Renders one message into the reply. Waits for a thread where it is large. */
SUSPENDS void message_show(struct request *request, const struct message *message);

/* 400: "Can't add messages to thread_… while a run run_… is active.", as OpenAI says it, since
 * clients look for that, and then the hint. Returns -E_INVALID. */
int message_refuse_busy(struct request *request, const char *verb, struct uuid run,
                        const char *hint);
