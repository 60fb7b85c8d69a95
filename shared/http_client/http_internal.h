#pragma once
/* What the files of the HTTP client share: the client, its shards and a transfer.
 *
 *   http_client.c    open, close, admission, http_call: the fiber's side
 *   http_shard.c     one curl multi handle on libev: the loop's side
 *   http_transfer.c  an easy handle's options and callbacks
 *   http_request.c   validation of a call; its header list
 *   http_names.c     name resolution, once for all who wait for the same name
 *   http_response.c  the reply: collecting headers, looking them up
 *   http_failure.c   curl's results as errors
 */

#include <curl/curl.h>
#include <ev.h>

#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/base/text.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/loop.h"
#include "shared/http_client/http_client.h"
#include "shared/io/io.h"

struct fiber;

#define HTTP_HOST_TEXT_SIZE 160

struct http_shard {
    struct http_client *client;
    CURLM *multi;
    bool capped;          /* max_host_connections holds */
    size_t active;        /* transfers */
    ev_timer timer;       /* curl's */
    ev_timer unused;      /* closes the multi when nobody used it for long */
    struct deferred kick; /* a curl time-out of 0 ms */
};

/* What is known of a host name. */
struct http_name {
    struct list link;
    char key[HTTP_HOST_TEXT_SIZE]; /* host:port, as in http_transfer.host */
    int64_t fresh_until_ms;        /* then somebody resolves it again */
    int64_t known_until_ms;        /* until then curl's cache has it */
    bool resolving;
    size_t users; /* fibers that hold a pointer to it */
    struct cond resolved;
    struct error failure; /* of the last attempt; code 0: none */
};

struct http_client {
    struct http_client_options options;
    char *user_agent;
    char *ca_file;
    CURLSH *share;
    struct http_shard *shards; /* those without a cap, then as many with */
    size_t shards_count;       /* of each kind */
    CURL **idle;               /* easy handles */
    size_t idle_count;
    size_t idle_size;
    size_t admitted;
    struct list waiters; /* for admission, in order */
    struct list names;   /* struct http_name, the latest used first */
    size_t names_count;
    struct http_client_stats stats;
};

/* One http_call; lives on the stack of its fiber. */
struct http_transfer {
    struct http_client *client;
    const struct http_call *call;
    struct http_shard *shard; /* NULL: not in a multi */
    CURL *easy;
    struct fiber *fiber;
    bool done;
    CURLcode result;      /* when done */
    struct error failure; /* raised by a callback; code 0: none */

    int64_t start_ms;
    int64_t first_byte_at_ms; /* 0: none yet */
    int64_t last_byte_at_ms;  /* of the body, or of its head */
    int64_t enough_at_ms;     /* when the receiver had all that it wanted; 0: it has not */
    bool connected;           /* the request may have left */

    struct buf head; /* header lines of the last header block, each ended by \n */
    size_t headers_count;
    size_t header_bytes; /* of all blocks */
    bool headers_done;
    struct buf body;
    size_t body_bytes;
    bool truncated;

    void *request_headers; /* one block: nodes and their strings */
    struct curl_slist connect_to;
    char connect_to_text[ADDRESS_TEXT_SIZE + 2];
    char host[HTTP_HOST_TEXT_SIZE]; /* host:port, for error texts */
    struct text name;               /* the host alone, in the url */
    int port;                       /* 0: malformed, curl will say so */
    struct buf addresses;           /* for curl's name cache: "+host:port:address,…" */
    struct curl_slist resolve;
    bool secure;
    char curl_text[CURL_ERROR_SIZE];
};

/* http_request.c. Checks method, url and headers, and fills host, secure and the header block.
 * Returns 0, -E_INVALID or -E_LIMIT. */
MUSTCHECK int http_request_prepare(struct http_transfer *transfer, struct error *err);
struct curl_slist *http_request_headers(struct http_transfer *transfer);

/* http_names.c. Makes sure that curl's cache will know the host when this transfer is configured
 * and added without another wait in between. Returns 0, -E_UNAVAILABLE, -E_TIMEOUT, -E_CANCELED. */
SUSPENDS MUSTCHECK int http_names_resolve(struct http_transfer *transfer, struct error *err);
void http_names_clear(struct http_client *client);

/* http_transfer.c. Never suspend. */
CURL *http_easy_new(struct http_client *client); /* NULL: out of memory */
void http_transfer_configure(struct http_transfer *transfer);

/* http_shard.c */
void http_shard_add(struct http_shard *shard, struct http_transfer *transfer);
void http_shard_remove(struct http_transfer *transfer); /* closes its connection unless done */
void http_shard_close(struct http_shard *shard);

/* http_response.c */
MUSTCHECK bool http_head_line(struct http_transfer *transfer, struct text line);
void http_response_take(struct http_transfer *transfer, struct http_response *out);

/* http_failure.c. Fills err for a transfer that is done and failed; returns its code. */
int http_failure(const struct http_transfer *transfer, struct error *err);
