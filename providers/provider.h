#pragma once
/* Language models behind one shape: a request and a reply that no wire format shows through, and
 * one vtable per wire format (openai_chat.c, …) whose two functions are pure: values in, values
 * out.
 *
 *     chat_request --encode--> provider_wire (url, headers, body)
 *     status, headers, body --decode--> chat_reply, or provider_failure_info
 *
 * call.h makes the HTTP call between the two; registry.h finds the target of a model's name.
 *
 * Ownership: a request borrows all that it points to. What a reply points to lives in the arena
 * that the caller put into it. A target borrows from the configuration and lives as long.
 *
 * A new wire format is one file with a `struct provider`, named in the table of registry.c.
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/http_client/http_client.h"

struct error;

enum chat_role { CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

/* Zero is "not set": then nothing is sent and the provider's default holds. */
enum chat_switch { CHAT_SWITCH_UNSET, CHAT_SWITCH_OFF, CHAT_SWITCH_ON };

struct chat_tool_call {
    struct text id;
    struct text name;
    struct text arguments; /* as the model wrote them: JSON, if it did well; never checked here */
};

struct chat_message {
    enum chat_role role;
    struct text text;          /* of a tool message: the result */
    struct text content_parts; /* of a user message, instead of text: a JSON array of API content
                                * parts (type text, as a string or {"value"}, and type image_url) */
    const struct chat_tool_call *tool_calls; /* of an assistant message */
    size_t tool_calls_count;
    struct text tool_call_id; /* of a tool message: the call it answers */
    struct text
        opaque_state; /* of an assistant message: chat_reply.opaque_state of the reply it came
                       * from. Encoding drops it when the target is another provider or model */
};

struct chat_tool {
    struct text name;
    struct text description; /* may be empty */
    struct text parameters;  /* JSON Schema text; empty: no parameters */
    enum chat_switch strict;
};

struct chat_request {
    struct text instructions; /* the system message; empty: none */
    const struct chat_message *messages;
    size_t messages_count;
    const struct chat_tool *tools;
    size_t tools_count;

    struct text
        tool_choice; /* JSON text as in the API: "auto" with its quotes, or {"type":"function",…};
                      * empty: not sent. Like parallel_tool_calls sent only beside tools */
    enum chat_switch parallel_tool_calls;
    struct text
        response_format; /* JSON text as in the API; empty or "auto" with its quotes: not sent */
    bool has_temperature;
    bool has_top_p;
    double temperature;
    double top_p;
    int64_t max_completion_tokens; /* 0: not sent */
    struct text reasoning_effort;  /* empty: not sent */
    struct text user;              /* end user's id for the provider; empty: not sent */

    struct text idempotency_key; /* sent as a header; empty: none */
    int64_t deadline_ms; /* clock_ms by which the call must be over; 0: the provider's time-outs
                          * alone */
};

enum chat_finish {
    CHAT_FINISH_STOP,
    CHAT_FINISH_LENGTH, /* cut off: the text, or the arguments of the last tool call, may be partial
                         */
    CHAT_FINISH_TOOL,   /* there is at least one tool call */
    CHAT_FINISH_FILTER, /* the provider's content filter stopped it */
    CHAT_FINISH_REFUSAL, /* the model refused; `text` says why */
};

struct chat_usage {
    int64_t input_tokens;  /* cached ones included; all are 0 where the provider did not say */
    int64_t output_tokens; /* reasoning ones included */
    int64_t cached_input_tokens;
    int64_t reasoning_tokens;
};

/* What the provider's headers say about its limits; -1 where they say nothing. */
struct provider_limits {
    int64_t requests_limit;
    int64_t requests_remaining;
    int64_t requests_reset_ms; /* from now */
    int64_t tokens_limit;
    int64_t tokens_remaining;
    int64_t tokens_reset_ms;
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
    struct text model;        /* as the provider names what answered; may be empty */
    struct provider_limits limits;
};

/* Why a call failed, by what is to be done about it:
 *
 *   RATE_LIMITED     wait retry_after_ms, then try again; counts as no attempt
 *   OVERLOADED       back off with jitter, try again, then fall back (5xx, 408, 409, refused,
 * reset) TIMED_OUT        as OVERLOADED: no complete reply within the deadline STREAM_CUT       as
 * OVERLOADED: the connection closed in the midst of the reply MALFORMED_REPLY  as OVERLOADED, a few
 * times: a reply that no retry may cure is a defect there QUOTA            no retry: out of credit
 * or over the day's quota CONTEXT_OVERFLOW shorten the context once, then try again BAD_REQUEST no
 * retry: the provider refuses the request as it is (also: no such model) AUTH             no retry:
 * the key is missing, wrong, or not allowed to
 */
enum provider_failure {
    PROVIDER_OK,
    PROVIDER_RATE_LIMITED,
    PROVIDER_OVERLOADED,
    PROVIDER_TIMED_OUT,
    PROVIDER_STREAM_CUT,
    PROVIDER_MALFORMED_REPLY,
    PROVIDER_QUOTA,
    PROVIDER_CONTEXT_OVERFLOW,
    PROVIDER_BAD_REQUEST,
    PROVIDER_AUTH,
};

struct provider_failure_info {
    enum provider_failure failure;
    int status;             /* of HTTP; 0: there was none */
    int64_t retry_after_ms; /* as the provider asked, capped at 24 h; -1: it did not */
    char code[64];          /* the provider's word for it ("insufficient_quota"); may be empty */
    char message[512];      /* one sentence for people; what looks like a key is masked */
    struct provider_limits limits;
};

/* "rate_limited", "overloaded", … */
const char *provider_failure_name(enum provider_failure failure);

/* Whether the same request may succeed later (the first five failures above). */
bool provider_failure_is_transient(enum provider_failure failure);

struct provider;

#define PROVIDER_MODEL_SIZE 256

/* Where a model is served, and how. Borrows from the configuration. */
struct provider_target {
    const struct provider *provider; /* the wire format */
    const char *provider_name;       /* "openai" */
    char model[PROVIDER_MODEL_SIZE]; /* what that provider calls it */
    const char *base_url;
    const char *api_key;  /* "": none. Never logged, never shown */
    char *const *headers; /* "Name: value" */
    size_t headers_count;
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t total_timeout_ms;
    int64_t context_tokens; /* 0: not known */
    bool max_tokens_is_new; /* limits output by "max_completion_tokens", not "max_tokens" */
};

enum { PROVIDER_WIRE_HEADERS_MAX = 32 };

/* A request as it goes over the wire. Owns body and what the headers and url point to. */
struct provider_wire {
    struct arena arena;
    const char *url;
    struct http_header headers[PROVIDER_WIRE_HEADERS_MAX];
    size_t headers_count;
    struct buf body;
};

void provider_wire_init(struct provider_wire *wire);
void provider_wire_deinit(struct provider_wire *wire);

/* Copies both texts. Returns 0, -E_LIMIT when there are more headers than fit, or -E_INVALID for an
 * empty name or a control character. */
MUSTCHECK int provider_wire_add_header(struct provider_wire *wire, struct text name,
                                       struct text value, struct error *err);

/* A response as it came over the wire; borrowed. */
struct provider_response {
    int status;
    const struct http_header *headers;
    size_t headers_count;
    struct text body;
    int64_t now_wall_ms; /* for dates in headers */
};

enum { PROVIDER_FAILED = 1 };

struct provider {
    const char *kind; /* of the configuration: "openai_chat" */

    /* Fills an initialised wire. Returns 0, -E_LIMIT (the request is over 16 MiB), or -E_INVALID (a
     * message or tool that can't be said in this format; the text says which). */
    MUSTCHECK int (*encode)(const struct provider_target *target,
                            const struct chat_request *request, struct provider_wire *wire,
                            struct error *err);

    /* Returns 0 with *out, or PROVIDER_FAILED with *out_failure. Never fails for reasons of our
     * own: a reply too large for its arena is PROVIDER_MALFORMED_REPLY. */
    MUSTCHECK int (*decode)(const struct provider_target *target,
                            const struct provider_response *response, struct chat_reply *out,
                            struct provider_failure_info *out_failure);
};

extern const struct provider provider_openai_chat;
