#pragma once
/* The client of the HTTP API that commands use: where the server is, the key, JSON in and out, and
 * retries of what may be asked again.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;
struct http_client;
struct http_response;
struct sse_event;

/* Where the server is: PENSTOCK_URL and PENSTOCK_API_KEY, and what is missing of them from
 * ./.penstock/dev.env. */
struct client_settings {
    char *url; /* without "/v1" and without a slash at the end */
    char *api_key;
    char origin[96];        /* for messages: where url came from */
    const char *key_origin; /* the same of api_key */
};

/* Returns 0, or -E_INVALID for a malformed url, or -E_DENIED when there is no key. */
MUSTCHECK int client_settings_read(struct client_settings *out, struct error *err);
void client_settings_deinit(struct client_settings *settings);

struct client {
    struct http_client *http;
    struct client_settings settings;
    int64_t retry_for_ms; /* how long a call is tried again; default 3 000 */
    uint64_t retries;     /* made so far */
};

/* Returns 0 or what client_settings_read returns. client_close also after a failure. */
MUSTCHECK int client_open(struct client *out, struct error *err);
SUSPENDS void client_close(struct client *client);

struct client_call {
    const char *method;
    const char *path;            /* "/v1/runs?limit=20" */
    struct text body;            /* TEXT_NONE: none */
    const char *content_type;    /* of the body; NULL: JSON */
    const char *idempotency_key; /* NULL: none; with one, a POST may be sent again */
    bool repeatable;             /* made twice it has the effect of once; a GET need not say so */
    const char *range;           /* "bytes=0-9": only these of what is there; NULL: all */
    int64_t timeout_ms;          /* 0: a minute */
    bool raw;                    /* the reply is not JSON, but bytes of a file */
};

struct client_reply {
    struct json_object *json;
    struct http_response *raw; /* in place of json, where the call wanted that; else NULL */
    int64_t poll_after_ms;     /* of openai-poll-after-ms; 0: absent */
};

/* Makes a call, again where that is safe, with capped, jittered backoff that honours retry-after.
 * Any call is made again when nothing was sent, and after 429. A GET, a call with an idempotency
 * key and one that is repeatable are made again after 408 and 5xx too (503 included: the server may
 * have done it and not know), and when the reply was lost. Returns 0 for a 2xx reply,
 * *out being the caller's to client_reply_deinit. Otherwise, with a text for people:
 * -E_UNAVAILABLE, -E_TIMEOUT, -E_CLOSED; -E_DENIED (401, 403); -E_NOT_FOUND (404); -E_CONFLICT
 * (409); -E_REJECTED (other statuses); -E_PROTOCOL (no JSON); -E_CANCELED. */
SUSPENDS MUSTCHECK int client_send(struct client *client, const struct client_call *call,
                                   struct client_reply *out, struct error *err);
void client_reply_deinit(struct client_reply *reply);

/* A call whose reply is events, which are told as they come, on the loop's stack: tell() must not
 * wait, and returns whether it wants more. Until the first event has come it is made again as
 * client_send does. Returns 0 when the reply has ended or no more is wanted; or as client_send, and
 * then events may have been told: who wants the rest asks for what is behind the last one. */
struct client_stream {
    struct client_call call;
    bool (*tell)(void *arg, const struct sse_event *event);
    void *arg;
};
SUSPENDS MUSTCHECK int client_follow(struct client *client, const struct client_stream *stream,
                                     struct error *err);

/* GET path. */
SUSPENDS MUSTCHECK int client_get(struct client *client, const char *path, struct client_reply *out,
                                  struct error *err);

/* POST a body (which may be NULL) to where two have the effect of one: repeated as a GET is. */
SUSPENDS MUSTCHECK int client_post(struct client *client, const char *path,
                                   struct json_object *body, struct client_reply *out,
                                   struct error *err);

/* POST a body to where each creates something, with an Idempotency-Key of its own: repeated as a
 * GET is, and at most one is created. */
SUSPENDS MUSTCHECK int client_post_once(struct client *client, const char *path,
                                        struct json_object *body, struct client_reply *out,
                                        struct error *err);

/* Walks all pages of a list: path without `after` and `limit` ("/v1/assistants?order=asc"). each()
 * borrows an element and returns 0 to go on, 1 to stop, or an error. At most max_items are asked
 * for. Returns 0, or what failed. */
struct client_walk {
    const char *path;
    size_t max_items;
    int (*each)(void *arg, struct json_object *item, struct error *err);
    void *arg;
};
SUSPENDS MUSTCHECK int client_walk(struct client *client, const struct client_walk *walk,
                                   struct error *err);

/* OpenAI's sentences often leave it to an error's "param" which member they are about. Who shows no
 * more than a sentence has it begin with this: "tools[0].type: ", or nothing where the sentence
 * names the member. Pure. */
#define CLIENT_MEMBER_SIZE 200
void client_name_member(struct text param, struct text message, char out[CLIENT_MEMBER_SIZE]);

/* How long to wait before the next try: what backoff says, and never less than the server asked for
 * (up to 60 s; a tenth of the backoff more keeps clients apart). Pure. */
int64_t client_wait_ms(int64_t backoff_ms, int64_t retry_after_ms);

/* Whether an id or name can go into a path as it is. */
bool client_is_plain(const char *word);

/* A word as a part of a path or a query, whatever its letters are. The caller's; never NULL. */
char *client_encode(const char *word);
