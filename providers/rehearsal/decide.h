#pragma once
/* What the rehearsal LLM does with a conversation: the first rule that matches, filled in. Pure but
 * for the script's counters and random state. */

#include "providers/rehearsal/request/conversation.h"
#include "providers/rehearsal/script/script.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"

struct decision_call {
    struct text name;
    struct text arguments;
};

struct decision {
    struct script_rule *rule;           /* NULL: none matched; the text says so */
    const struct script_action *action; /* of the rule, or of a reply that says that none matched */
    struct text text;                   /* TEXT_NONE: none */
    struct text reasoning;              /* TEXT_NONE: none */
    struct text body;                   /* TEXT_NONE: to be made */
    struct decision_call *calls;
    size_t calls_count;
    int64_t delay_ms; /* -1: the server's default */
    int64_t chunk_ms; /* between events of a stream */
    size_t unfilled;  /* placeholders that had no value */
};

/* Looks a request's header up; TEXT_NONE: absent. */
typedef struct text (*decide_header_fn)(void *arg, const char *name);

struct decide_input {
    const struct conversation *conversation;
    bool embeddings;         /* else a chat */
    decide_header_fn header; /* NULL: there are none */
    void *header_arg;
};

/* Fills *out from the arena. Returns 0, or -E_LIMIT when the reply is over 4 MiB. */
MUSTCHECK int decide(struct script *script, const struct decide_input *input, struct arena *arena,
                     struct decision *out, struct error *err);
