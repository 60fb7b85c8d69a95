#pragma once
/* The bodies that the rehearsal LLM sends, in OpenAI's shapes. Pure. */

#include "providers/rehearsal/decide.h"
#include "shared/base/text.h"

struct reply_usage {
    int64_t prompt_tokens;
    int64_t completion_tokens;
};

/* Estimated as a quarter of the bytes unless the script says otherwise. */
struct reply_usage reply_usage_of(const struct conversation *conversation,
                                  const struct decision *decision);

/* A chat.completion. */
void reply_completion(struct buf *out, const struct conversation *conversation,
                      const struct decision *decision, uint64_t number, int64_t now_wall_ms);

/* {"error":{"message","type","param","code"}}; param and code may be NULL. */
void reply_error(struct buf *out, int status, const char *message, const char *param,
                 const char *code);

/* The body that fits a status the script asks for without giving a body. */
void reply_status(struct buf *out, int status);
