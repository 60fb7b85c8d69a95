#pragma once
/* How much of its thread a run is given: what agent, thread and request say, and what comes of it.
 *
 * An agent and a thread have `memory_strategy`, a word, and `memory_config`, numbers; a request has
 * OpenAI's truncation_strategy. A run's spec keeps all of them as they stood when it was made. The
 * strategy is that of the request, else of the thread, else of the agent; else what is older than
 * strategies: as much of the thread as fits. Each number is the thread's, else the agent's, else
 * its default. What a request says comes with no numbers but its own. Pure. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/check/fields.h"
#include "shared/json/json.h"

struct error;
struct failure;

enum context_strategy {
    CONTEXT_AUTO,          /* all that fits, the newest first */
    CONTEXT_NONE,          /* what the run brings and does */
    CONTEXT_LAST_MESSAGES, /* the newest max_messages */
    CONTEXT_FIRST_LAST,    /* the first preserve_first, and the newest max_messages */
    CONTEXT_SUMMARIZE,     /* a summary of what is old, and all that is behind it */
    CONTEXT_VECTOR,        /* the newest max_messages, and top_k turns that are near to the last */
};

/* Who says which. */
enum context_source { CONTEXT_OF_DEFAULT, CONTEXT_OF_AGENT, CONTEXT_OF_THREAD, CONTEXT_OF_RUN };

#define CONTEXT_MESSAGES       50
#define CONTEXT_PRESERVE_FIRST 3
#define CONTEXT_MESSAGES_MAX   4000 /* as many as a run is ever given */
#define CONTEXT_PRESERVE_MAX   1000
#define CONTEXT_TOP_K          5
#define CONTEXT_TOP_K_MAX      50
#define CONTEXT_THRESHOLD      0.2
#define CONTEXT_TOKENS_MIN     256
#define CONTEXT_TOKENS_MAX     INT32_MAX
#define CONTEXT_TRIGGER_TOKENS 8000
#define CONTEXT_MODEL_MAX      256 /* characters */

struct context_settings {
    enum context_strategy strategy;
    enum context_source from;
    int64_t max_messages;   /* of LAST_MESSAGES, FIRST_LAST and VECTOR; else 0 */
    int64_t max_tokens;     /* of all messages that are sent; 0: as many as the model takes */
    int64_t preserve_first; /* of FIRST_LAST; else 0 */
    int64_t top_k;          /* of VECTOR; else 0 */
    double score_threshold; /* of VECTOR: what is less near is not given; else 0 */
    int64_t trigger_tokens; /* of SUMMARIZE: from so many on that no summary speaks of one is made;
                             * else 0 */
    struct text summary_model; /* of SUMMARIZE, borrowed of the spec; TEXT_NONE: the run's own */
};

/* "auto", "first_last", … */
const char *context_strategy_name(enum context_strategy strategy);

/* "default", "agent", "thread", "run" */
const char *context_source_name(enum context_source source);

/* memory_strategy and memory_config of an agent or a thread: field_check_fn. */
int check_memory_strategy(struct json_object *value, const struct path *path,
                          struct failure *failure);
int check_memory_config(struct json_object *value, const struct path *path,
                        struct failure *failure);

/* Of a run's spec, from which a text of *out is borrowed. What is odd there is as if nobody had
 * said it. */
void context_settings_read(struct json_object *spec, struct context_settings *out);

/* Of what it says, trigger_tokens and summary_model alone, whatever the strategy. */
void context_settings_read_summaries(struct json_object *spec, struct context_settings *out);

/* A thread keeps both as one object, {"strategy", "config"}. What a body (NULL: none) says of them
 * becomes one in the arena, where null takes away what is there; TEXT_NONE: it says nothing.
 * Returns 0, or -E_LIMIT. */
MUSTCHECK int context_settings_said(struct json_object *body, struct arena *arena, struct text *out,
                                    struct error *err);
