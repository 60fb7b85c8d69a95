#pragma once
/* One try of a webhook: an event, signed, to a URL of a user, whose addresses the SSRF guard looks
 * at each time (shared/net/guard.h). */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/hooks/hook_sign.h"
#include "shared/tools/open_secrets.h"

struct guard_options;
struct http_client;
struct trace_context;
struct tracer;

#define HOOK_ANSWER_BYTES 1024 /* of an answer that are kept */
#define HOOK_TIMEOUT_MS   15000

/* What is known of a try beside what is sent. */
struct hook_trace {
    struct tracer *tracer;               /* NULL: telemetry is off */
    const struct trace_context *context; /* of what it tells of; NULL: of no trace */
    struct text type;
    int64_t tries; /* before this one */
};

struct hook_message {
    const char *url;
    struct open_secrets_options vault; /* of those that the URL refers to; no pg: it may not */
    const struct hook_secret *secret;
    const struct hook_secret *previous; /* signs, too; NULL, or without bytes: none */
    const char *id;                     /* the same in all tries */
    struct text body;
    struct hook_trace trace;
};

enum hook_result {
    HOOK_OK,
    HOOK_FAILED,
    HOOK_GONE,     /* 410 */
    HOOK_CANCELED, /* it may have arrived */
};

struct hook_reply {
    enum hook_result result;
    int status; /* 0: there was no answer */
    int64_t duration_ms;
    int64_t retry_after_ms; /* 0: none */
    char error[200];        /* empty: none */
    struct buf answer;      /* its first bytes, as text and without the secrets; buf_deinit */
};

/* What 2xx is is done, whatever the rest of its answer. *out is filled whatever comes of it. */
SUSPENDS void hook_send(struct http_client *http, const struct guard_options *guard,
                        const struct hook_message *message, struct hook_reply *out);

/* What is said of an event: {"id","object":"event","created_at","type","timestamp","data"}. The
 * same bytes each time. */
struct hook_event {
    struct uuid id;
    struct text type;
    int64_t created_at;
    struct text data;  /* a JSON object */
    struct text texts; /* another one, whose members join it; TEXT_NONE: none */
};

void hook_body_write(const struct hook_event *event, struct buf *out);
