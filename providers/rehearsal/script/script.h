#pragma once
/* The script of the rehearsal LLM: ordered rules of what to reply to which conversation.
 *
 * In YAML:
 *
 *     seed: 7                        # of delays in a range and of probabilities
 *     offered_tools_only: true       # a step that calls a tool not on offer does not match
 *     context_tokens: {'gpt-4o*': 8000}   # of models by glob: longer requests are refused
 *     limits:                        # the first that fits a key and a model rules them
 *       - {model: 'gpt-*', key: 'sk-*', requests_per_minute: 60, tokens_per_minute: 1000,
 *          input_tokens_per_minute: 800, output_tokens_per_minute: 200,
 *          requests_per_day: 1000, concurrent: 5}
 *     stream: {chunk_ms: 20, chunk_tokens: 4}   # where an action does not say
 *     tables:                        # before the rules; for templates: {{1|zone}}
 *       zone: {tokyo: Asia/Tokyo}
 *     rules:
 *       - name: flaky
 *         when: {model: 'gpt-*', user: 'regex', system: 'regex', any: 'regex',
 *                header: {name: x-tier, matches: free}, arithmetic: true, embeddings: false,
 *                after_tool: true, tool_results: 1, tool: 'regex',
 *                times: 2, skip: 1, every: 10, probability: 0.1}
 *         then: {status: 429, headers: {retry-after: 1}, body: '…'}
 *       - name: product
 *         when: {user: '([0-9]+) boxes of ([0-9]+)'}
 *         steps:                     # one for each round of tool calls; the last one repeats
 *           - calls: [{name: calculator, arguments: {expression: '{{1}}*{{2}}'}}]
 *           - text: 'That makes {{tool}}.'
 *
 * An action has text, or calls, or status and body, and besides: reasoning, delay_ms (a number or
 * [from, to]), headers, finish_reason, usage {prompt_tokens, completion_tokens, cached_tokens,
 * cache_write_tokens, reasoning_tokens}, chunk_ms, chunk_tokens, and one fault: close (before, or a
 * number of bytes of the body), malformed, stall, or in a stream cut_after, stall_after,
 * malformed_after (a number of events) or error_after (the same, or {events, status}).
 *
 * A script owns all that it points to. Only its counters and its random state change after
 * loading.
 */

#include <regex.h>

#include "providers/rehearsal/request/limit.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define SCRIPT_CAPTURES 10 /* the whole match and nine groups */

enum script_fault {
    SCRIPT_FAULT_NONE,
    SCRIPT_FAULT_CLOSE_BEFORE, /* close without a byte of reply */
    SCRIPT_FAULT_CLOSE_WITHIN, /* close after fault_bytes of the body */
    SCRIPT_FAULT_MALFORMED,    /* a complete reply whose JSON is cut */
    SCRIPT_FAULT_STALL,        /* never reply */
    /* The others are of streams, after fault_events of its events; a whole reply has none. */
    SCRIPT_FAULT_CUT_AFTER,       /* the connection closes */
    SCRIPT_FAULT_STALL_AFTER,     /* nothing more comes */
    SCRIPT_FAULT_ERROR_AFTER,     /* an error of error_status, as the last event */
    SCRIPT_FAULT_MALFORMED_AFTER, /* the next event's JSON is cut, the rest is well */
};

struct script_pair {
    const char *key;
    const char *value;
};

struct script_pairs {
    struct script_pair *items;
    size_t count;
};

struct script_table {
    const char *name;
    struct script_pairs pairs; /* keys in lower case */
};

struct script_call {
    const char *name;
    const char *arguments; /* template; of JSON text unless raw */
    bool raw;              /* given as a string: passed on whatever it is */
};

struct script_action {
    const char *text;      /* template; NULL: none */
    const char *reasoning; /* template; NULL: none */
    struct script_call *calls;
    size_t calls_count;
    int status;       /* default 200 */
    const char *body; /* template; NULL: made from the rest */
    struct script_pairs headers;
    int64_t delay_from_ms; /* -1: the default of the server */
    int64_t delay_to_ms;
    enum script_fault fault;
    int64_t fault_bytes;
    int64_t fault_events;
    int error_status;
    const char *finish_reason; /* NULL: what fits */
    int64_t prompt_tokens;     /* -1: estimated; of the whole prompt */
    int64_t completion_tokens; /* -1: estimated; reasoning included */
    int64_t reasoning_tokens;  /* -1: estimated */
    int64_t cached_tokens;     /* of the prompt */
    int64_t cache_write_tokens;
    int64_t chunk_from_ms; /* between events of a stream; -1: as the script says for all */
    int64_t chunk_to_ms;
    int64_t chunk_tokens; /* of text in an event; 0: as the script says for all */
};

struct script_rule {
    const char *name;
    const char *model; /* glob; NULL: any */
    bool embeddings;   /* it plays those and no chats */
    regex_t *user;     /* NULL: any */
    regex_t *system;   /* of the instructions; NULL: any, or none */
    regex_t *any;      /* of some message, whoever's; NULL: any */
    int arithmetic;    /* whether the user asks a plain question of arithmetic; -1: either */
    regex_t *tool;     /* of the last tool result; NULL: any, or none */
    const char *header_name;
    regex_t *header;      /* NULL: it must only be there */
    int after_tool;       /* whether the last message is a tool result; -1: either */
    int64_t tool_results; /* since the last user message; -1: any number */
    int64_t times;        /* matches only that often; -1: always */
    int64_t skip;         /* not the first so many times */
    int64_t every;        /* each so manyth time; 0: each */
    double probability;   /* below 0: always */
    struct script_action *steps;
    size_t steps_count;

    int64_t seen; /* times that the conditions held */
    int64_t used; /* times that it was chosen */
};

/* Limits of each key and model that it fits. */
struct script_limit {
    const char *key;              /* glob; NULL: any */
    const char *model;            /* glob; NULL: any */
    int64_t allowed[LIMIT_KINDS]; /* 0: no such limit */
};

struct script_context {
    const char *model; /* glob */
    int64_t tokens;
};

struct script {
    struct arena arena;
    struct script_table *tables;
    size_t tables_count;
    struct script_rule *rules;
    size_t rules_count;
    struct script_limit *limits;
    size_t limits_count;
    struct script_context *contexts;
    size_t contexts_count;
    int64_t chunk_ms;     /* between events of a stream; default 0 */
    int64_t chunk_tokens; /* 0: as the text's length makes sense */
    bool offered_tools_only;
    bool looks_at_all; /* a rule has `any` */
    uint64_t random;   /* state; never 0 */
    regex_t **regexes; /* all of them, to be freed */
    size_t regexes_count;
};

/* Parses a script of at most 1 MiB. `name` stands for it in errors. Returns 0 with *out, or
 * -E_INVALID ("demo.yaml:12:7: …") or -E_LIMIT. */
MUSTCHECK int script_parse(const char *name, struct text yaml, struct script **out,
                           struct error *err);

/* As script_parse, from a file. Besides -E_NOT_FOUND and -E_SYSTEM. */
MUSTCHECK int script_load(const char *path, struct script **out, struct error *err);

void script_free(struct script *script); /* accepts NULL */
void script_freep(struct script **script);

/* Tokens of a model's context; 0: it has no limit. */
int64_t script_context_tokens(const struct script *script, const char *model);

/* The limits of a key and a model, or NULL. */
const struct script_limit *script_find_limit(const struct script *script, const char *key,
                                             const char *model);

/* The table of that name, or NULL. */
const struct script_table *script_find_table(const struct script *script, struct text name);

/* A number from `from` to `to`, both included. Advances the script's random state. */
int64_t script_random(struct script *script, int64_t from, int64_t to);

/* Appends the script that is compiled in, as YAML. */
void script_builtin(struct buf *out);

/* As script_parse, of the script that is compiled in. */
MUSTCHECK int script_parse_builtin(struct script **out, struct error *err);
