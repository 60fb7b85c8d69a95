#pragma once
/* Responses as JSON: a run, in the words of https://platform.openai.com/docs/api-reference/responses
 * Pure. */

#include "shared/base/text.h"
#include "shared/store/runs/runs.h"

/* Appends the response that is the run. `output`: its items, separated by commas. */
void response_write(const struct run *run, struct text output, struct buf *out);

/* What the request said that no other run has: RESPONSE_MEMBER of the run's spec, a JSON object
 * with the members background, store, model, previous_response_id, conversation, summary,
 * service_tier, user, safety_identifier and prompt_cache_key, each as it is shown; conversation is
 * whether the run is on one. A run that was not made as a response has none. */
#define RESPONSE_MEMBER "response"

/* That member; TEXT_NONE: there is none. */
struct text response_said(const struct run *run);

/* Whether it was asked for in the background. */
bool response_is_background(const struct run *run);

/* Whether nothing of it is to be kept once it was shown. */
bool response_is_unstored(const struct run *run);

/* Whether its thread is there for it and those that go on behind it, and for nobody else. */
bool response_has_own_thread(const struct run *run);

/* Its status, as this API names it. */
const char *response_status(enum run_status status);
