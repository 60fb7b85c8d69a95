#pragma once
/* What OpenAI's own dialects and those made after them share: paths, keys, errors, headers. */

#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json_write.h"

extern const char *const dialect_openai_key_headers[];

/* "/v1/x" and "/x" are the path "/x"; so is "/openai/v1/x" where `groq`. */
bool dialect_openai_path_is(struct text path, const char *rest, bool groq);

int dialect_openai_write_error(const struct problem *problem, struct buf *out);
void dialect_openai_write_event_error(const struct problem *problem, struct event_list *out);
void dialect_openai_write_headers(const struct limit_state *limits, const struct problem *problem,
                                  dialect_header_fn add, void *arg);

/* x-ratelimit-…-requests and -tokens of two limits, and on a 429 when to try again. */
void dialect_openai_write_limits(const struct limit_state *requests,
                                 const struct limit_state *tokens, const struct problem *problem,
                                 dialect_header_fn add, void *arg);

/* {"message", "type", "param", "code"} as a member. */
void dialect_openai_write_error_object(struct json_write *write, const char *name,
                                       const struct problem *problem);

/* retry-after in whole seconds, where a limit is reached. */
void dialect_retry_after(const struct problem *problem, dialect_header_fn add, void *arg);
