#pragma once
/* A conversation with a language model: what is asked of it and what it answers, in one shape that
 * no wire format shows through.
 *
 * Ownership: a request borrows all that it points to. What a reply points to lives in the arena
 * that the caller put into it.
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct trace_headers;

enum chat_role { CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

/* Zero is "not set": then nothing is sent and the provider's default holds. */
enum chat_switch { CHAT_SWITCH_UNSET, CHAT_SWITCH_OFF, CHAT_SWITCH_ON };

/* A piece of a user's message. Each new kind is a case in every format's encoder, which either
 * says it or refuses it. */
enum chat_part_kind { CHAT_PART_TEXT, CHAT_PART_IMAGE_URL };

struct chat_part {
    enum chat_part_kind kind;
    struct text text;   /* of CHAT_PART_TEXT */
    struct text url;    /* of CHAT_PART_IMAGE_URL: http(s) or data */
    struct text detail; /* of CHAT_PART_IMAGE_URL: "low", "high", …; empty: not set */
    struct text file;   /* the same: the id of the file whose bytes it is. Until somebody has put
                         * them into `url`, that is empty, and the part can't be sent */
};

/* A call of a tool. In a reply of provider_call, and in all that is sent, id, name and arguments
 * keep the rules of reply_form.h. */
struct chat_tool_call {
    struct text id;
    struct text name;
    struct text arguments; /* a JSON object */
    struct text problem;   /* why it can't be carried out, for the model; TEXT_NONE: it can */
    struct text said; /* what the model wrote where that differs: a JSON object with "id", "name"
                            * or "arguments", shortened; TEXT_NONE: nothing differs */
};

struct chat_message {
    enum chat_role role;
    struct text text; /* of a tool message: the result */
    struct text
        system; /* of a user message: the operator says it, in these words, and not the user.
                         * `text` says so, for servers that know system messages at the beginning
                         * only. TEXT_NONE: the user says it */
    const struct chat_part *parts; /* of a user message, instead of text */
    size_t parts_count;
    const struct chat_tool_call *tool_calls; /* of an assistant message */
    size_t tool_calls_count;
    struct text tool_call_id; /* of a tool message: the call it answers */
    struct text opaque_state; /* of an assistant message: chat_reply.opaque_state of the reply it
                               * came from. Dropped when the target is another provider or model */
    size_t stored; /* which message of a history it is, from 1; 0: none. No format says it */
};

struct chat_tool {
    struct text name;
    struct text description; /* may be empty */
    struct text parameters;  /* JSON Schema text; empty: no parameters */
    enum chat_switch strict;
};

enum chat_tool_choice_kind {
    CHAT_TOOL_CHOICE_UNSET,
    CHAT_TOOL_CHOICE_AUTO,
    CHAT_TOOL_CHOICE_NONE,
    CHAT_TOOL_CHOICE_REQUIRED,
    CHAT_TOOL_CHOICE_FUNCTION, /* the one of that name */
};

struct chat_tool_choice {
    enum chat_tool_choice_kind kind;
    struct text name; /* of CHAT_TOOL_CHOICE_FUNCTION */
};

enum chat_format_kind {
    CHAT_FORMAT_UNSET,
    CHAT_FORMAT_TEXT,
    CHAT_FORMAT_JSON_OBJECT,
    CHAT_FORMAT_JSON_SCHEMA,
};

struct chat_format {
    enum chat_format_kind kind;
    struct text name; /* the rest is of CHAT_FORMAT_JSON_SCHEMA */
    struct text description;
    struct text schema; /* JSON Schema text, as it was written; may be empty */
    enum chat_switch strict;
};

#define CHAT_STOPS_MAX 4

struct chat_sink; /* chat_event.h */

struct chat_request {
    struct text instructions; /* the system message; empty: none */
    const struct chat_message *messages;
    size_t messages_count;
    const struct chat_tool *tools;
    size_t tools_count;

    struct chat_tool_choice tool_choice; /* this and the next are sent beside tools only */
    enum chat_switch parallel_tool_calls;
    struct chat_format response_format;
    bool has_temperature;
    bool has_top_p;
    bool has_presence_penalty; /* these two are hints: not said where there is no word for them */
    bool has_frequency_penalty;
    double temperature;
    double top_p;
    double presence_penalty;
    double frequency_penalty;
    const struct text *stops; /* where one of these texts would come, the reply ends without it */
    size_t stops_count;       /* at most CHAT_STOPS_MAX */

    /* Where the provider keeps conversations (providers/native/native_state.h). */
    bool store;           /* it is to keep this one */
    struct text previous; /* what it calls what it has kept; empty: nothing */
    size_t known;         /* so many messages at the front are that, and are not sent again */

    int64_t max_completion_tokens; /* 0: not sent */
    struct text reasoning_effort;  /* empty: not sent */
    struct text verbosity;         /* of the answer: "low", "medium", "high"; empty: not sent. A
                                    * hint, too */
    bool stream;                   /* the reply is to come as it is made */

    struct text idempotency_key;       /* sent as a header; empty: none */
    const struct trace_headers *trace; /* sent as headers; NULL: none */
    int64_t deadline_ms;     /* clock_ms by which the call must be over; 0: the provider's time-outs
                              * alone */
    size_t answer_bytes_max; /* of the reply's text and arguments; 0: CHAT_ANSWER_BYTES_MAX */

    const struct chat_sink *sink; /* is told of the reply as it arrives; NULL: nobody listens */

    /* Asked while the reply arrives, whenever there are CHAT_ROOM_STEP more of it: whether there is
     * room for so many bytes. Runs on the loop's stack and must not wait. NULL: there is. */
    bool (*has_room)(void *arg, size_t reply_bytes);
    void *arg;
};

#define CHAT_ROOM_STEP ((size_t)64 << 10)

/* What a model says in one reply has at most this many bytes unless the caller wants otherwise. The
 * longest answers of today's models have about 128,000 tokens, half a megabyte. */
#define CHAT_ANSWER_BYTES_MAX ((size_t)1 << 20)

/* Of what it thought the beginning is kept. */
#define CHAT_REASONING_BYTES_MAX ((size_t)256 << 10)

enum chat_finish {
    CHAT_FINISH_STOP,
    CHAT_FINISH_LENGTH,  /* cut off: the text, or the arguments of the last call, may be partial */
    CHAT_FINISH_TOOL,    /* there is at least one tool call */
    CHAT_FINISH_FILTER,  /* the provider's content filter stopped it */
    CHAT_FINISH_REFUSAL, /* the model refused; `text` says why */
};

/* No less than 0 and no more than CHAT_TOKENS_MAX each; 0 where the provider did not say. */
struct chat_usage {
    int64_t input_tokens;        /* those of the cache included */
    int64_t output_tokens;       /* reasoning ones included */
    int64_t cached_input_tokens; /* read from the provider's cache */
    int64_t cache_write_tokens;  /* of the input, put into it */
    int64_t reasoning_tokens;
    int64_t told_micros; /* what it cost, where the provider says so; 0: it does not */
    int64_t cost_micros; /* that, or by the prices of the model (models/cost.h); provider_call
                          * fills it */
};

/* A thousand times the largest context there is, and so little that the sum of a billion calls is
 * an int64_t. */
#define CHAT_TOKENS_MAX ((int64_t)1000000000)

/* What the provider's headers say about its limits; -1 where they say nothing. Some limit tokens in
 * and out together, some each by itself. */
struct provider_limits {
    int64_t requests_limit;
    int64_t requests_remaining;
    int64_t requests_reset_ms; /* from now */
    int64_t tokens_limit;
    int64_t tokens_remaining;
    int64_t tokens_reset_ms;
    int64_t input_tokens_limit;
    int64_t input_tokens_remaining;
    int64_t input_tokens_reset_ms;
    int64_t output_tokens_limit;
    int64_t output_tokens_remaining;
    int64_t output_tokens_reset_ms;
};

struct chat_reply {
    struct arena *arena; /* the caller sets it; owns the rest */
    struct text text;    /* TEXT_NONE: none */
    struct chat_tool_call *tool_calls;
    size_t tool_calls_count;
    enum chat_finish finish;
    struct chat_usage usage;
    struct text opaque_state; /* JSON to be stored with the message and given back with it, or
                               * TEXT_NONE. It survives a round trip through jsonb */
    struct text reasoning;    /* what it thought before, where that is told: for people, nobody is
                               * sent it. TEXT_NONE: nothing */
    struct text model;        /* as the provider names what answered; may be empty */
    struct text answered_by;  /* "provider/model": that name, or the one that was asked for */
    struct text state_id;     /* what the provider calls what it kept of the exchange; empty: it
                               * has kept nothing, or nobody asked it to */
    struct provider_limits limits;
};
