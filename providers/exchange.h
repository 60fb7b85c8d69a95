#pragma once
/* One request of a provider over HTTP, and the class of failure where no complete response came.
 * What is asked and how the reply is read is the caller's: call.h for conversations. */

#include "providers/wire/wire.h"
#include "shared/base/compiler.h"

struct error;
struct trace_headers;

/* Owns the wire, which the caller fills, and the response. */
struct provider_exchange {
    struct http_client *client;
    const struct provider_target *target;
    struct provider_wire wire;
    int64_t deadline_ms;     /* clock_ms; 0: the provider's time-outs alone */
    size_t body_bytes_max;   /* of the reply */
    int64_t idle_timeout_ms; /* without a byte, once the reply has begun; 0: none */
    enum http_take (*on_body)(void *arg, struct text bytes); /* as of http_call; needed */
    void *arg;
    const struct trace_headers *trace; /* sent; NULL: none */

    bool began; /* to reply */
    struct http_response response;
};

void provider_exchange_init(struct provider_exchange *exchange, struct http_client *client,
                            const struct provider_target *target);
void provider_exchange_deinit(struct provider_exchange *exchange);

/* Whether the target can be called at all: it has the key that it needs. Returns 0, or
 * PROVIDER_FAILED with *out_failure. */
MUSTCHECK int provider_exchange_check(const struct provider_target *target,
                                      struct provider_failure_info *out_failure);

/* Sends what is in the wire and waits for the response, within the provider's time-outs and the
 * deadline. Returns 0 for any complete response, whatever its status; PROVIDER_FAILED with
 * *out_failure, whose message names no address; or -E_CANCELED, and -E_LIMIT or -E_INVALID where
 * the traceparent can't be sent. */
SUSPENDS MUSTCHECK int provider_exchange_run(struct provider_exchange *exchange,
                                             struct provider_failure_info *out_failure,
                                             struct error *err);

/* The head of the response, its body left out. Borrows from the exchange. */
struct provider_response provider_exchange_head(const struct provider_exchange *exchange);
