#pragma once
/* Language models behind one shape (chat.h), and one vtable per wire format (formats/formats.h has
 * the table) whose functions are pure: values in, values out.
 *
 *     chat_request --encode--> provider_wire (url, headers, body; wire.h)
 *     body, piece by piece, then status and headers
 *                  --decoder.h--> chat_reply, or provider_failure_info
 *
 * call.h makes the HTTP call between the two and puts the reply into form (reply_form.h);
 * registry.h finds the target of a model's name.
 *
 * Ownership: a target borrows from its registry and the configuration of that, and is valid as long
 * as the registry is held.
 */

#include "providers/chat.h"
#include "providers/models/models.h"
#include "shared/http_client/http_client.h"

struct error;

/* Why a call failed, by what is to be done about it: */
/* clang-format off */
enum provider_failure {
    PROVIDER_OK,
    PROVIDER_RATE_LIMITED,     /* wait retry_after_ms, then try again; counts as no attempt */
    PROVIDER_OVERLOADED,       /* back off with jitter, try again (5xx, 408, 409, refused, reset) */
    PROVIDER_TIMED_OUT,        /* as overloaded: no complete reply within the deadline */
    PROVIDER_STREAM_CUT,       /* as overloaded: the connection closed in the midst of the reply */
    PROVIDER_MALFORMED_REPLY,  /* as overloaded, a few times: a reply that can't be read */
    PROVIDER_EMPTY_REPLY,      /* once more: a reply that says nothing and calls nothing */
    PROVIDER_REPLY_TOO_LARGE,  /* no retry: the next one would cost as much and be as large */
    PROVIDER_NO_ROOM,          /* later: whoever called had no memory for the reply */
    PROVIDER_QUOTA,            /* no retry: out of credit, or over the day's quota */
    PROVIDER_CONTEXT_OVERFLOW, /* no retry: the request is more than the model takes */
    PROVIDER_BAD_REQUEST,      /* no retry: it refuses the request (also: no such model) */
    PROVIDER_AUTH,             /* no retry: the key is missing, wrong, or not allowed to */
};
/* clang-format on */

struct provider_failure_info {
    enum provider_failure failure;
    int status;              /* of HTTP; 0: there was none */
    int64_t retry_after_ms;  /* as the provider asked, capped at 24 h; -1: it did not */
    char code[64];           /* the provider's word for it ("insufficient_quota"); may be empty */
    char message[512];       /* one sentence for people; what looks like a key is masked */
    char detail[200];        /* of a call without a response, for those who run the server alone: it
                                names addresses. Empty: there is no more to be said */
    struct chat_usage usage; /* what it cost all the same: of PROVIDER_EMPTY_REPLY */
    struct provider_limits limits;
};

/* "rate_limited", "overloaded", … */
const char *provider_failure_name(enum provider_failure failure);

struct provider;

#define PROVIDER_MODEL_SIZE 256

/* What servers of one format do differently. */
struct provider_habits {
    bool max_tokens_is_new;   /* output is limited by "max_completion_tokens", not "max_tokens" */
    bool usage_is_not_asked;  /* no "stream_options": it tells the usage unasked, or does not */
    bool efforts_are_few;     /* of efforts it takes "none", "low", "medium" and "high" alone */
    bool short_call_ids;      /* ids of calls are nine letters and digits; others are refused */
    bool answers_end_results; /* a user may speak again only after an answer to the results */
    bool system_anywhere;     /* it takes messages of the system wherever they stand */
    bool tells_cost;          /* "cost" of the usage is what the call cost, in dollars */
    bool takes_verbosity;     /* it has a word for that: others may refuse what they do not know */
};

struct provider_key {
    const char *secret; /* never logged, never shown */
    char id[13];        /* tells keys apart, and tells nothing of them: the beginning of a digest */
};

/* Where a model is served, and how. Borrows from the configuration. */
struct provider_target {
    const struct provider *provider; /* the wire format */
    const char *provider_name;       /* "openai" */
    char model[PROVIDER_MODEL_SIZE]; /* what that provider calls it */
    const char *base_url;
    const char *api_key;             /* the one to be used; "": none. Never logged, never shown */
    const struct provider_key *keys; /* all that there are; provider_target_use makes one api_key */
    size_t keys_count;
    int64_t concurrent_calls; /* of the provider, over all models; 0: no limit */
    const char *key_variable; /* the environment's variable of a key that is needed and not set;
                                * NULL: no key is missed */
    char *const *headers;     /* "Name: value" */
    size_t headers_count;
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t idle_timeout_ms; /* of a stream: without a byte, once it has begun */
    int64_t total_timeout_ms;
    int64_t context_tokens;    /* 0: not known */
    int64_t output_tokens_max; /* of one reply; 0: not known */
    struct model_abilities abilities;
    struct model_limits limits;
    struct model_prices prices;
    bool stream;       /* its replies are to come as they are made */
    bool may_stream;   /* they may, where somebody wants to see them made */
    bool native_state; /* it may keep conversations, as its operator allows (native_state.h) */
    struct provider_habits habits;
};

void provider_target_use(struct provider_target *target, size_t key);

/* The key that a header ("Name: value") of a target sets: the value of a name that ends with
 * "authorization" or "api-key", without the scheme ("Bearer") in front. Empty: it sets none. */
struct text provider_header_key(const char *header);

/* A response as it came over the wire; borrowed. */
struct provider_response {
    int status;
    const struct http_header *headers;
    size_t headers_count;
    struct text body;    /* as far as it was kept */
    int64_t now_wall_ms; /* for dates in headers */
};

enum { PROVIDER_FAILED = 1 };

enum provider_framing {
    PROVIDER_SSE,    /* server-sent events */
    PROVIDER_NDJSON, /* a JSON document a line */
};

struct provider_decoder;
struct provider_embedding;
struct provider_wire;

/* What a format says after a piece of a reply. */
enum decode_result {
    DECODE_MORE,
    DECODE_COMPLETE, /* nothing is missing: what may follow is of no interest */
    DECODE_FAILED,   /* decode_fail or decode_holds_error said why */
};

/* A wire format. Its readers get JSON that was checked (json_raw_check) and add what it says to
 * decoder->reply; they may not wait. */
struct provider {
    const char *kind; /* of the configuration: "openai_chat" */
    enum provider_framing framing;
    bool has_no_json_object; /* no word for "some JSON": it is asked for in the instructions */
    bool keeps_state;        /* it has words for chat_request's `store` and `previous` */

    /* No more of a model's context is used than this, unless the configuration says how large it
     * is. 0: all of it. */
    int64_t context_unasked_max;

    /* Fills an initialised wire. Returns 0, -E_LIMIT (the request is over 16 MiB), or -E_INVALID (a
     * message or tool that can't be said in this format; the text says which). */
    MUSTCHECK int (*encode)(const struct provider_target *target,
                            const struct chat_request *request, struct provider_wire *wire,
                            struct error *err);

    /* One event of a streamed reply: its name, which may be empty, and its document. */
    MUSTCHECK enum decode_result (*read_event)(struct provider_decoder *decoder, struct text name,
                                               struct text json);

    /* A reply that came whole. DECODE_FAILED, or anything else. */
    MUSTCHECK enum decode_result (*read_whole)(struct provider_decoder *decoder, struct text json);

    /* After the last of either, where something is left to be added. NULL: nothing ever is. */
    void (*close)(struct provider_decoder *decoder);

    const struct provider_embedding *embedding; /* embedding.h; NULL: this format has none */
};
