#pragma once
/* Language models behind one shape (chat.h), and one vtable per wire format (formats/formats.h has
 * the table) whose functions are pure: values in, values out.
 *
 *     chat_request --encode--> provider_wire (url, headers, body)
 *     body, piece by piece, then status and headers
 *                  --begin, feed, finish--> chat_reply, or provider_failure_info
 *
 * call.h makes the HTTP call between the two and puts the reply into form (reply_form.h);
 * registry.h finds the target of a model's name.
 *
 * Ownership: a target borrows from the configuration and lives as long.
 */

#include "providers/chat.h"
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
    struct chat_usage usage; /* what it cost all the same: of PROVIDER_EMPTY_REPLY */
    struct provider_limits limits;
};

/* "rate_limited", "overloaded", … */
const char *provider_failure_name(enum provider_failure failure);

struct provider;

#define PROVIDER_MODEL_SIZE 256

/* Where a model is served, and how. Borrows from the configuration. */
struct provider_target {
    const struct provider *provider; /* the wire format */
    const char *provider_name;       /* "openai" */
    char model[PROVIDER_MODEL_SIZE]; /* what that provider calls it */
    const char *base_url;
    const char *api_key;      /* "": none. Never logged, never shown */
    const char *key_variable; /* the environment's variable of a key that is needed and not set;
                                * NULL: no key is missed */
    char *const *headers;     /* "Name: value" */
    size_t headers_count;
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t total_timeout_ms;
    int64_t context_tokens;    /* 0: not known */
    int64_t output_tokens_max; /* of one reply; 0: not known */
    bool max_tokens_is_new;    /* limits output by "max_completion_tokens", not "max_tokens" */
};

/* The key that a header ("Name: value") of a target sets: the value of a name that ends with
 * "authorization" or "api-key", without the scheme ("Bearer") in front. Empty: it sets none. */
struct text provider_header_key(const char *header);

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
    struct text body;    /* as far as it was kept */
    int64_t now_wall_ms; /* for dates in headers */
};

enum { PROVIDER_FAILED = 1 };

/* Reads one reply while it arrives. A format that reads replies as a whole has no begin, feed and
 * end: then all that comes is kept in `body`. So do all formats there are; none reads streams, and
 * none has embed. */
struct provider_decoder {
    const struct provider_target *target;
    struct buf body;
    void *state; /* the format's own */
};

struct provider {
    const char *kind; /* of the configuration: "openai_chat" */

    /* Fills an initialised wire. Returns 0, -E_LIMIT (the request is over 16 MiB), or -E_INVALID (a
     * message or tool that can't be said in this format; the text says which). */
    MUSTCHECK int (*encode)(const struct provider_target *target,
                            const struct chat_request *request, struct provider_wire *wire,
                            struct error *err);

    void (*begin)(struct provider_decoder *decoder);

    /* A piece of the body. False: no more of it is wanted, and finish is called, which says why.
     * May not wait. */
    MUSTCHECK bool (*feed)(struct provider_decoder *decoder, struct text bytes);

    /* After the last piece, with status and headers; with neither (status 0) after feed wanted no
     * more. Returns 0 with *out, or PROVIDER_FAILED with *out_failure. Never fails for reasons of
     * our own: a reply too large for its arena is PROVIDER_REPLY_TOO_LARGE. */
    MUSTCHECK int (*finish)(struct provider_decoder *decoder,
                            const struct provider_response *response, struct chat_reply *out,
                            struct provider_failure_info *out_failure);

    void (*end)(struct provider_decoder *decoder); /* frees what begin and feed made */

    /* Texts to vectors: the url, headers and body of a request. NULL: this format has none. */
    MUSTCHECK int (*embed)(const struct provider_target *target, const struct text *texts,
                           size_t count, struct provider_wire *wire, struct error *err);
};

/* Begins a reply of at most body_bytes_max; provider_decoder_deinit in any case. */
void provider_decoder_init(struct provider_decoder *decoder, const struct provider_target *target,
                           size_t body_bytes_max);
void provider_decoder_deinit(struct provider_decoder *decoder);

/* As feed and finish of the target's format. `response` comes without its body. */
MUSTCHECK bool provider_decoder_feed(struct provider_decoder *decoder, struct text bytes);
MUSTCHECK int provider_decoder_finish(struct provider_decoder *decoder,
                                      const struct provider_response *response,
                                      struct chat_reply *out,
                                      struct provider_failure_info *out_failure);
