#pragma once
/* OTLP/HTTP in its JSON form: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
 * Ids are lower-case hex, 64-bit integers are strings, enums are numbers. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/trace/trace_context.h"

struct span_queue;

enum span_kind {
    SPAN_INTERNAL = 1,
    SPAN_SERVER,
    SPAN_CLIENT,
    SPAN_PRODUCER,
    SPAN_CONSUMER,
};

/* A span that has ended. */
struct otlp_span {
    struct trace_context context;
    struct trace_context parent;
    bool has_parent;
    bool parent_is_remote; /* the span above is of another process */
    const char *name;
    enum span_kind kind;
    int64_t start_us; /* wall clock */
    int64_t end_us;
    struct text attributes; /* as otlp_add_* wrote them, with commas between */
    struct text links;      /* as otlp_add_link wrote them */
    bool failed;
    const char *message; /* of a failure; may be empty */
};

void otlp_add_text(struct buf *out, const char *key, struct text value);
void otlp_add_int(struct buf *out, const char *key, int64_t value);
void otlp_add_double(struct buf *out, const char *key, double value);
void otlp_add_bool(struct buf *out, const char *key, bool value);
void otlp_add_texts(struct buf *out, const char *key, const struct text *values, size_t count);
void otlp_add_link(struct buf *out, const struct trace_context *to);

void otlp_write_span(const struct otlp_span *span, struct buf *out);

/* The body of a request with the first `count` spans of a queue. `resource`: attributes. */
void otlp_write_request(struct text resource, const struct span_queue *queue, size_t count,
                        struct buf *out);

/* What is done with spans after an answer. */
enum otlp_verdict {
    OTLP_TAKEN,   /* all but `rejected` of them, which are not sent again */
    OTLP_AGAIN,   /* later: 429, 502, 503, 504 */
    OTLP_LARGE,   /* fewer of them at once: 413 */
    OTLP_REFUSED, /* not at all */
};

struct otlp_answer {
    enum otlp_verdict verdict;
    int64_t rejected;
    char message[160]; /* what the collector says of these; may be empty */
};

void otlp_read_answer(int status, struct text body, struct otlp_answer *out);

/* A Retry-After header of whole seconds, as milliseconds of at most `max_ms`; -1: it says none. */
int64_t otlp_retry_after_ms(struct text header, int64_t max_ms);
