#pragma once
/* What a run of one call asks: its spec is the body of an endpoint of OpenAI's, which was checked
 * when the run was made, and its result is what that endpoint would have answered:
 *
 *     {"status_code": 200, "request_id": "run_…", "body": {…}}
 *
 * Such a run has no thread, no tools and no steps. */

#include "providers/embed.h"
#include "providers/openai_api/chat_request.h"
#include "providers/openai_api/embedding_input.h"
#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "worker/run/task/ending.h"
#include "worker/run/task/setup.h"

/* Of a result, with what is around the body. Whoever needs larger ones asks for them alone. */
#define SINGLE_RESULT_BYTES_MAX ((size_t)2 << 20)

enum single_kind { SINGLE_COMPLETION, SINGLE_EMBEDDING };

struct single_call {
    enum single_kind kind;
    struct uuid run;
    struct json_object *body; /* the ask borrows from it */
    size_t body_bytes;
    struct chat_ask ask;
    struct embedding_input input;
    struct embedding_reply vectors;
    const char *answered_by; /* "provider/model" */
};

/* From a spec to the call, and to what a run's setup says of its models. The call lives in the
 * arena; single_call_free it. Returns 0, -E_INVALID with what is wrong, or -E_LIMIT. */
MUSTCHECK int single_call_parse(struct text spec, enum single_kind kind, struct uuid run,
                                struct arena *arena, struct run_setup *setup,
                                struct single_call **out, struct error *err);
void single_call_free(struct single_call *call); /* accepts NULL */

/* Each returns RUN_FINISH: the run is completed with what the model answered, or failed with what a
 * client would be told of that. */
SUSPENDS int single_call_answered(const struct single_call *call, const struct chat_reply *reply,
                                  int64_t created, struct ending *ending);
int single_call_failed(const struct single_call *call, const struct provider_failure_info *failure,
                       const char *code, struct ending *ending);
