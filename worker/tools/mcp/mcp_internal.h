#pragma once
/* What the files of worker/tools/mcp share. Nobody else includes it. */

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/list.h"
#include "shared/base/lru.h"
#include "shared/fiber/cond.h"
#include "shared/http_client/http_client.h"
#include "shared/http_client/http_target.h"
#include "shared/mcp/mcp_era.h"
#include "shared/mcp/mcp_member.h"
#include "shared/mcp/mcp_message.h"
#include "shared/mcp/mcp_tools.h"
#include "shared/tools/open_secrets.h"
#include "worker/tools/mcp/mcp.h"

struct mcp_process;
struct redactor;
struct spawner;
struct tool_place;
struct tool_services;

#define MCP_SESSION_SIZE  257
#define MCP_MESSAGE_BYTES ((size_t)8 << 20) /* of a server, that are read */
#define MCP_CONNECT_MS    10000
#define MCP_CALL_MAX_MS   600000 /* however much progress is told of */
#define MCP_ERRAND_MS     5000
#define MCP_ERRANDS_MAX   256
#define MCP_OPEN_MS       10000 /* for `initialize`, or the start of a program */

struct mcp {
    struct mcp_options options;
    struct lru servers;
    struct spawner *spawner; /* NULL until a program is started */
    struct list processes;   /* of mcp_process.link */
    struct fiber *sweeper;
    size_t errands; /* messages to nobody's account, under way */
    struct cond errands_done;
    uint64_t next_id;  /* of requests; no id is used twice */
    struct buf filter; /* of system calls; made with the first program */
    char *bwrap;
    struct mcp_stats stats;
    bool closing;
};

/* Of a client of OAuth 2.1, with secrets in their places. */
struct mcp_client {
    struct text id; /* TEXT_NONE: none is used */
    struct text secret;
    struct text token_url; /* TEXT_NONE: found out */
    struct text scopes;    /* TEXT_NONE: none is named */
};

/* How a server is reached by one use of it: its address and headers, with secrets in their places.
 * Wiped when the use is over. */
struct mcp_reach {
    const struct config_mcp_server *configured; /* NULL: the agent names its url */
    struct http_target target;
    struct http_header headers[MCP_HEADERS_OF_MEMBER_MAX + 1];
    size_t headers_count;
    struct buf values; /* of url and headers */
    struct open_secrets secrets;
    struct redactor *redactor;
    struct mcp_client client;
    struct buf bearer; /* "Bearer …", where there is a client and it has a token */
    bool guarded;
};

/* What a client was given to use a server with (mcp_oauth.c). */
struct mcp_token {
    char *value; /* "Bearer …"; NULL: none */
    int64_t until_ms;
    uint64_t round; /* counts the times that it was asked for */
    bool asking;
    int result; /* of the last time */
    struct error error;
};

/* A server, as long as it is known. */
struct mcp_server {
    struct lru_entry entry;
    uint8_t key[SHA256_BYTES];
    struct mcp *mcp;
    size_t users;
    bool dropped; /* the last user frees it */
    enum mcp_era era;
    struct list sessions; /* of mcp_session.link */
    size_t sessions_count;
    const struct config_mcp_server *configured; /* of a program */
    struct mcp_process *process;
    int64_t next_start_ms; /* of a program that ended soon: not before */
    int64_t pause_ms;
    struct error ended; /* why it did */
    bool starting;

    struct mcp_token token;

    struct mcp_tools tools; /* with has_tools */
    bool has_tools;
    int64_t tools_until_ms;
    bool listing;
    int64_t away_until_ms; /* what the last try to list failed with holds until then */
    int away_code;
    char away[200];
    struct cond changed;
};

/* ---- mcp.c ---- */

/* The server of this key, known from now on. Given back by mcp_server_leave. */
struct mcp_server *mcp_server_enter(struct mcp *mcp, const uint8_t key[SHA256_BYTES]);
void mcp_server_leave(struct mcp_server *server);

/* A fiber that the service ends before itself; false: there are too many. `arg` is its own. */
MUSTCHECK bool mcp_errand(struct mcp *mcp, void (*fn)(void *arg), void *arg);
void mcp_errand_end(struct mcp *mcp);

/* ---- mcp_reach.c ---- */

/* For a member of the spec, in the name of a tenant. Returns 0; or what failed, in words for the
 * model: -E_INVALID, -E_NOT_FOUND, -E_CONTENT, or of the store. *out is to be closed in any case.
 */
SUSPENDS MUSTCHECK int mcp_reach_open(const struct tool_services *services, struct uuid tenant,
                                      const struct mcp_member *member, const struct text *secrets,
                                      size_t secrets_count, struct mcp_reach *out,
                                      struct error *err);
void mcp_reach_close(struct mcp_reach *reach);

/* Takes out of an error what a server said back of a secret. */
void mcp_reach_redact(const struct mcp_reach *reach, struct error *err);

/* Characters that are none of a name become %XX. */
void mcp_add_encoded(struct buf *out, struct text value);

/* What the server is known by. */
void mcp_reach_key(const struct mcp_reach *reach, struct uuid tenant, struct text label,
                   uint8_t out[SHA256_BYTES]);

/* ---- mcp_post.c ---- */

struct mcp_post {
    struct mcp *mcp;
    const struct mcp_reach *reach;
    const char *verb; /* NULL: POST */
    enum mcp_era era;
    const char *version; /* of a session; NULL: none is said */
    const char *session; /* "": none */
    const char *method;
    struct text name; /* of what the method is about; TEXT_NONE: nothing */
    const struct http_header *more;
    size_t more_count;
    struct text body;
    int64_t id;      /* of the request; 0: a notification */
    int64_t idle_ms; /* without a sign of progress */
    int64_t deadline_ms;
};

struct mcp_posted {
    int status;
    bool has_message;
    struct mcp_incoming message;
    char session[MCP_SESSION_SIZE];
    bool list_changed;
    char said[160]; /* of a body that is no message, in words */
};

/* Returns 0 with *out, to be given to mcp_posted_deinit. -E_UNAVAILABLE: nothing was sent;
 * -E_NOT_FOUND: there is no such host, or none that may be reached; -E_DENIED: a redirect that is
 * not followed; -E_CLOSED, -E_TIMEOUT, -E_PROTOCOL, -E_LIMIT: something may have been done. */
SUSPENDS MUSTCHECK int mcp_post(const struct mcp_post *post, struct mcp_posted *out,
                                struct error *err);
void mcp_posted_deinit(struct mcp_posted *posted);

/* The same, by a fiber of its own, of a message whose answer nobody waits for. */
void mcp_post_later(const struct mcp_post *post);

/* ---- mcp_oauth.c ---- */

/* Puts a token into the reach that has a client: one that is kept, or a new one, for which one of
 * those who need it asks. Returns 0; -E_DENIED, -E_UNAVAILABLE, -E_PROTOCOL, -E_LIMIT, -E_INVALID,
 * in words for the model. */
SUSPENDS MUSTCHECK int mcp_token_use(struct mcp_server *server, struct mcp_reach *reach,
                                     int64_t deadline_ms, struct error *err);

/* The server does not take the token that this reach has. */
void mcp_token_refused(struct mcp_server *server, const struct mcp_reach *reach);

void mcp_token_forget(struct mcp_token *token);

/* One request of an authorization server. `guarded`: the address has to pass the guard. Returns 0
 * with *out of any status; -E_UNAVAILABLE, -E_INVALID (its address), -E_LIMIT. */
struct mcp_oauth_request {
    struct mcp *mcp;
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t headers_count;
    struct text body;
    bool guarded;
    int64_t deadline_ms;
};
SUSPENDS MUSTCHECK int mcp_oauth_ask(const struct mcp_oauth_request *request,
                                     struct http_response *out, struct error *err);

/* ---- mcp_oauth_find.c ---- */

/* Where a server's tokens come from: its own metadata (RFC 9728), then those of the authorization
 * server that they name (RFC 8414). Returns as mcp_oauth_ask, or -E_PROTOCOL. */
struct mcp_token_place {
    struct buf url;
    bool in_body; /* the client stands there, and in no header */
    bool guarded;
};
SUSPENDS MUSTCHECK int mcp_oauth_find(struct mcp *mcp, const struct mcp_reach *reach,
                                      int64_t deadline_ms, struct mcp_token_place *out,
                                      struct error *err);

/* ---- mcp_process.c ---- */

struct mcp_asking;

/* As mcp_ask, of a server that is a program. */
SUSPENDS MUSTCHECK int mcp_process_ask(struct mcp_asking *asking, struct error *err);

/* Ends those that nobody has used for a while; all of them, with 0. */
SUSPENDS void mcp_processes_sweep(struct mcp *mcp, int64_t idle_ms);

/* ---- mcp_ask.c ---- */

struct mcp_asking {
    struct mcp_server *server;
    struct mcp_reach *reach;
    struct uuid scope; /* with whom the session is shared */
    const char *method;
    struct text name;
    struct text members;           /* of `params` */
    struct json_object *headers;   /* names, and the arguments that they repeat; NULL: none */
    struct json_object *arguments; /* these */
    bool progress;
    const char *traceparent;
    bool may_repeat; /* having been done twice does no harm */
    int64_t idle_ms;
    int64_t deadline_ms;
    struct mcp_incoming answer; /* result, or an error of the server's */
    bool sent;                  /* the server may have begun to do it */
    bool unauthorized;          /* the last message was answered 401 */
};

/* Asks a server, in the era that it speaks, with a session where it has them. Returns 0 with the
 * answer, to be given to mcp_incoming_deinit; or what failed, in words for the model. */
SUSPENDS MUSTCHECK int mcp_ask(struct mcp_asking *asking, struct error *err);

/* Forgets and ends sessions that nobody has used for so long. */
void mcp_sessions_sweep(struct mcp_server *server, int64_t idle_ms);

/* ---- mcp_offer.c ---- */

/* With whom a run's session is shared. */
struct uuid mcp_scope(const struct mcp_member *member, const struct tool_place *place);

/* ---- mcp_list.c ---- */

/* The tools of a server. *out is the server's, and as it is until the next suspension. Returns 0,
 * or why there are none, in words for the model. */
SUSPENDS MUSTCHECK int mcp_list(struct mcp_server *server, struct mcp_reach *reach,
                                struct uuid scope, int64_t deadline_ms,
                                const struct mcp_tools **out, struct error *err);
void mcp_list_forget(struct mcp_server *server);
