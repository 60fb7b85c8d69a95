#pragma once
/* A model, tried: two small calls, as a worker would make them, and what of them works.
 *
 *   streamed   a few words of text: text, stream (it comes in pieces), usage
 *   as set     one call of a tool: tools (it comes with the argument that was asked for), usage
 *
 * Where the configuration has streaming off, what goes wrong with the streamed call is told and
 * counts for nothing: then the text is asked for once more, whole.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/json/json.h"

struct http_client;

enum trial_mark {
    TRIAL_UNKNOWN, /* not come so far */
    TRIAL_WORKS,
    TRIAL_FAILS,
    TRIAL_IN_WORDS, /* of tools: the model has none of its own, and calls them in its text */
};

struct model_trial {
    enum trial_mark text;
    enum trial_mark tools;
    enum trial_mark stream;
    enum trial_mark usage;
    bool stream_is_on; /* in the configuration: workers stream its replies */
    int64_t first_ms;  /* of the streamed one: until the first piece of text; -1: none came */
    int64_t total_ms;  /* until its end; -1: nobody was asked */
    int64_t cost_micros;
    char problem[320]; /* what a person should know; empty: all is well */
};

/* Tries a model, each of both calls within timeout_ms. Whatever the server does becomes a mark and
 * a problem. Returns 0, or -E_CANCELED. */
SUSPENDS MUSTCHECK int model_trial_run(struct http_client *http,
                                       const struct provider_target *target, int64_t timeout_ms,
                                       struct model_trial *out, struct error *err);

/* What is said of a provider of which no model is known. Pure. */
void model_trial_missing(const char *provider, struct model_trial *out);

/* Whether all that workers need of the model works. Pure. */
bool model_trial_passed(const struct model_trial *trial);

/* One line of a table, without its line break, and the line above all. Pure. */
void model_trial_head(size_t name_width, struct buf *out);
void model_trial_format(const char *name, size_t name_width, const struct model_trial *trial,
                        struct buf *out);

/* The same as an object: model, works (as model_trial_passed), text, tools, stream, usage (true,
 * false, null: unknown; tools also "in words"), stream_is_on, first_token_ms, total_ms,
 * cost_micros, problem. The caller frees. Pure. */
struct json_object *model_trial_json(const char *name, const struct model_trial *trial);
