#pragma once
/* A request of a provider as it goes over the wire: url, headers, body. Pure.
 *
 * What is composed (a bearer token) and what is cut out of lines of the configuration is copied
 * into the wire's own arena. No value with a line break or another control character gets in:
 * headers can't be smuggled through a key or an id.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"

struct error;

enum { PROVIDER_WIRE_HEADERS_MAX = 32 };

/* Owns body and what the headers and url point to. */
struct provider_wire {
    struct arena arena;
    const char *url;
    struct http_header *headers; /* in the arena: a wire lies on the stack of each waiting run */
    size_t headers_count;
    struct buf body;
};

void provider_wire_init(struct provider_wire *wire);
void provider_wire_deinit(struct provider_wire *wire);

/* Copies both texts. Returns 0, -E_LIMIT when there are more headers than fit, or -E_INVALID for an
 * empty name or a control character. */
MUSTCHECK int provider_wire_add_header(struct provider_wire *wire, struct text name,
                                       struct text value, struct error *err);

/* How a format addresses its server. */
struct wire_address {
    const char *path;           /* behind the base_url: "/chat/completions" */
    const char *key_header;     /* that carries the key: "Authorization" */
    const char *key_scheme;     /* in front of it: "Bearer "; may be "" */
    const char *version_header; /* another one that the format needs; NULL: none */
    const char *version;
    struct text idempotency_key; /* empty: none */
    bool stream;                 /* the reply is to come as it is made */
};

/* Sets url and headers: those of the configuration, and of ours each that is not among them (the
 * type of the body, what is accepted, the key, the idempotency key). Returns 0, -E_LIMIT
 * or -E_INVALID. */
MUSTCHECK int provider_wire_address(struct provider_wire *wire,
                                    const struct provider_target *target,
                                    const struct wire_address *address, struct error *err);

/* Makes room for the request's body, so that it is allocated once: texts grow a little by
 * escapes. */
void provider_wire_reserve(struct provider_wire *wire, const struct chat_request *request);

/* Returns 0, or -E_LIMIT when the body has become too large. */
MUSTCHECK int provider_wire_check(const struct provider_wire *wire,
                                  const struct provider_target *target, struct error *err);
