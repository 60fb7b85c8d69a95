#pragma once
/* What a reply says, before a dialect gives it its form. Borrows all that it points to. */

#include "providers/rehearsal/request/conversation.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct answer_call {
    struct text id;
    struct text name;
    struct text arguments; /* JSON as a rule, but anything that the script says */
};

enum answer_end { ANSWER_STOP, ANSWER_LENGTH, ANSWER_CALLS, ANSWER_FILTER };

/* Tokens, counted as OpenAI does: `input` includes cached and cache_write, `output` reasoning. */
struct usage {
    int64_t input;
    int64_t output;
    int64_t cached;
    int64_t cache_write;
    int64_t reasoning;
};

#define ANSWER_ID_SIZE 24 /* 22 hexadecimal digits, a zero */

struct answer {
    const struct conversation *conversation;
    char id[ANSWER_ID_SIZE]; /* what the ids of the reply are made of */
    int64_t now_wall_ms;
    struct text text;      /* TEXT_NONE: none */
    struct text reasoning; /* TEXT_NONE: none */
    char mark[9];          /* of the reasoning: seal.h */
    const struct answer_call *calls;
    size_t calls_count;
    enum answer_end end;
    const char *end_word; /* what the script has for `end`, where no dialect knows it; or NULL */
    struct usage usage;
    size_t chunk_bytes; /* of text in an event of a stream */
    int64_t ms;         /* how long it took, for vendors that say it */
};

/* The next piece of a text that is streamed: at least a character, and at most about `bytes`. Of
 * an empty text nothing. */
bool answer_chunk(struct text *rest, size_t bytes, struct text *out);

/* Arguments as a JSON object, as dialects that have no text for them say it: what is none becomes
 * {"arguments": "the text"}. */
void answer_add_object(struct text arguments, struct buf *out);
