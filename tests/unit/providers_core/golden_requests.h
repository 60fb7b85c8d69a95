#pragma once
/* The requests whose bodies are kept in tests/golden, and the servers that they are encoded for.
 *
 * To add a request: a row in golden_requests.c. To add a server: a row there, and what its bodies
 * are judged by in tests/e2e/golden.test.mjs. */

#include "providers/chat.h"
#include "providers/provider.h"

struct golden_case {
    const char *name; /* of the file, without ".json" */
    struct chat_request request;
    bool for_all;   /* sent to servers that are told a few requests only, too */
    bool has_links; /* it names images by their address */
    bool has_stops; /* it says what ends the reply */
    bool has_state; /* its calls have the opaque state of the server */
};

struct golden_server {
    const char *folder; /* below tests/golden */
    const struct provider *format;
    const char *provider_name;
    const char *base_url; /* its habits are those of models/servers.h */
    const char *model;
    const char *state; /* the format's own, as a message with the calls brings it; NULL: none */
    const char *embedding_model; /* NULL: it is not asked for vectors */
    int64_t context_tokens;
    bool takes_no_links; /* to images */
    bool takes_no_stops;
    bool is_brief; /* a variation of another one: only what is for all */
};

size_t golden_cases(const struct golden_case **out);
size_t golden_servers(const struct golden_server **out);

bool golden_is_sent(const struct golden_server *server, const struct golden_case *one);
