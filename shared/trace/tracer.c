#include "shared/trace/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_client.h"
#include "shared/trace/pairs.h"
#include "shared/trace/span.h"
#include "shared/trace/tracer_internal.h"

#define BATCH_SPANS    512
#define BATCH_BYTES    ((size_t)1 << 19) /* proxies take 1 MB unless told otherwise */
#define REQUEST_BYTES  (BATCH_BYTES + SPAN_BYTES_MAX + ((size_t)64 << 10))
#define ANSWER_BYTES   ((size_t)64 << 10)
#define PERIOD_MS      1000
#define SEND_MS        10000
#define RETRY_BASE_MS  1000
#define RETRY_CAP_MS   30000
#define RETRY_AFTER_MS 300000
#define LAST_MS        2000
#define TRY_MS         5000

bool tracer_samples(const struct tracer *tracer, const struct span_start *start,
                    const struct trace_context *context)
{
    const struct trace_context *same = start->apart ? NULL : start->linked;
    const struct trace_context *above = start->parent ? start->parent : same;

    return sampler_takes(&tracer->sampler, above, context);
}

void tracer_take(struct tracer *tracer, const struct buf *json)
{
    if (json->failed) {
        tracer->queue.dropped++;
        return;
    }
    if (!span_queue_add(&tracer->queue, buf_text(json)))
        return;
    tracer->stats.recorded++;
    if (tracer->queue.count == BATCH_SPANS)
        service_wake(&tracer->service);
}

const struct trace_headers *tracer_tell_provider(const struct tracer *tracer,
                                                 const struct trace_context *context,
                                                 struct trace_headers *out)
{
    if (!tracer || !tracer->tell_providers || !context)
        return NULL;
    trace_headers_of(context, out);
    return out;
}

/* The first `count` spans are not kept any longer. */
static void let_go(struct tracer *tracer, size_t count)
{
    span_queue_drop_first(&tracer->queue, count);
    tracer->sends = 0;
    backoff_reset(&tracer->backoff);
}

static int send_batch(struct tracer *tracer, size_t count, int64_t within_ms,
                      struct otlp_answer *answer, int64_t *out_after_ms, struct error *err)
{
    CLEANUP(buf_deinit) struct buf body;
    struct http_response response = {0};
    struct http_call call = {
        .method = "POST",
        .url = buf_string(&tracer->url),
        .headers = tracer->headers,
        .headers_count = tracer->headers_count,
        .total_timeout_ms = within_ms,
        .max_body_bytes = ANSWER_BYTES,
        .truncate_body = true,
    };
    int r;

    buf_init(&body, REQUEST_BYTES);
    otlp_write_request(buf_text(&tracer->resource), &tracer->queue, count, &body);
    r = buf_check(&body, err);
    if (r < 0)
        return r;
    call.body = buf_text(&body);
    r = http_call(tracer->http, &call, &response, err);
    if (r < 0)
        return r;
    otlp_read_answer(response.status, response.body, answer);
    *out_after_ms =
        otlp_retry_after_ms(http_response_header(&response, "retry-after"), RETRY_AFTER_MS);
    if (answer->verdict != OTLP_TAKEN)
        r = error_set(err, E_UNAVAILABLE, "the collector answered with status %d", response.status);
    http_response_deinit(&response);
    return r;
}

/* A batch was too large for whoever took it: its halves follow, one after the other. */
static bool halve(struct tracer *tracer, size_t count, const struct otlp_answer *answer)
{
    if (answer->verdict != OTLP_LARGE || count < 2)
        return false;
    tracer->stats.failures++;
    tracer->most = tracer->sending = count / 2;
    tracer->wait_ms = 0;
    return true;
}

/* A batch failed: it is kept for another try, or not. */
static void keep_or_drop(struct tracer *tracer, size_t count, bool again, int64_t after_ms)
{
    tracer->stats.failures++;
    tracer->wait_ms = after_ms >= 0 ? after_ms : backoff_next_ms(&tracer->backoff);
    if (again && ++tracer->sends < TRACER_SENDS_MAX)
        return;
    tracer->queue.dropped += count;
    span_queue_drop_first(&tracer->queue, count);
    tracer->sends = 0; /* the backoff goes on: it is the same collector */
    tracer->sending = 0;
}

static void took(struct tracer *tracer, size_t count, const struct otlp_answer *answer)
{
    uint64_t rejected = (uint64_t)answer->rejected < count ? (uint64_t)answer->rejected : count;

    if (rejected > 0)
        log_warn("the collector of traces rejected spans", LOG_INT("spans", (int64_t)rejected),
                 LOG_STR("message", answer->message));
    tracer->stats.rejected += rejected;
    tracer->stats.sent += count - rejected;
    let_go(tracer, count);
    tracer->sending = 0;
    tracer->wait_ms = tracer->queue.count >= tracer->most ? 0 : tracer->period_ms;
    tracer->most += tracer->most / 4 + 1;
    if (tracer->most > BATCH_SPANS)
        tracer->most = BATCH_SPANS;
}

/* A batch that is sent again is the same one. */
static int send_first(struct tracer *tracer, int64_t within_ms, struct error *err)
{
    struct otlp_answer answer = {.verdict = OTLP_AGAIN};
    int64_t after_ms = -1;
    size_t count;
    int r;

    if (tracer->sending == 0)
        tracer->sending = span_queue_batch(&tracer->queue, tracer->most, BATCH_BYTES);
    count = tracer->sending;
    tracer->wait_ms = tracer->period_ms;
    if (count == 0)
        return 0;
    r = send_batch(tracer, count, within_ms, &answer, &after_ms, err);
    if (r == -E_CANCELED)
        return r;
    if (r < 0 && halve(tracer, count, &answer))
        return 0;
    if (r < 0)
        keep_or_drop(tracer, count, r != -E_INVALID && answer.verdict == OTLP_AGAIN, after_ms);
    else
        took(tracer, count, &answer);
    return r;
}

static int send_round(void *arg, struct error *err)
{
    return send_first(arg, SEND_MS, err);
}

static int64_t wait_ms(void *arg)
{
    const struct tracer *tracer = arg;

    return tracer->wait_ms;
}

static const char *read_headers(struct tracer *tracer, const char *text)
{
    struct pair pairs[PAIRS_MAX];
    size_t count = 0;
    const char *complaint = pairs_read(text_of(text), &tracer->arena, pairs, &count);

    if (complaint)
        return complaint;
    tracer->headers = arena_calloc(&tracer->arena, count + 1, sizeof(*tracer->headers));
    ASSERT(tracer->headers); /* of a setting's length */
    tracer->headers[0] = (struct http_header){TEXT("content-type"), TEXT("application/json")};
    for (size_t i = 0; i < count; i++)
        tracer->headers[i + 1] = (struct http_header){pairs[i].name, pairs[i].value};
    tracer->headers_count = count + 1;
    return NULL;
}

static void write_own(struct buf *out, const struct tracer_options *options)
{
    const char *name = options->service_name[0] ? options->service_name : options->program;
    char host[256] = "";
    char instance[300];

    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(instance, sizeof(instance), "%s:%d", host, (int)getpid());
    otlp_add_text(out, "service.name", text_of(name));
    otlp_add_text(out, "service.version", TEXT(PENSTOCK_VERSION));
    otlp_add_text(out, "service.instance.id", text_of(instance));
    otlp_add_text(out, "host.name", text_of(host));
    otlp_add_int(out, "process.pid", getpid());
    otlp_add_text(out, "telemetry.sdk.name", TEXT("penstock"));
    otlp_add_text(out, "telemetry.sdk.language", TEXT("c"));
    otlp_add_text(out, "telemetry.sdk.version", TEXT(PENSTOCK_VERSION));
}

/* Ours are sure; of the others service.name is the setting's, as OpenTelemetry has it. */
static const char *write_resource(struct tracer *tracer, const struct tracer_options *options)
{
    struct pair pairs[PAIRS_MAX];
    struct tracer_options named = *options;
    size_t count = 0;
    const char *complaint =
        pairs_read(text_of(options->resource_attributes), &tracer->arena, pairs, &count);

    for (size_t i = 0; !complaint && i < count; i++) {
        if (!text_is(pairs[i].name, "service.name"))
            continue;
        if (!named.service_name[0])
            named.service_name = pairs[i].value.ptr;
        pairs[i].value = TEXT_NONE;
    }
    if (complaint)
        return complaint;
    write_own(&tracer->resource, &named);
    for (size_t i = 0; i < count; i++) {
        char key[128];

        text_excerpt(pairs[i].name, key, sizeof(key));
        if (pairs[i].value.ptr)
            otlp_add_text(&tracer->resource, key, pairs[i].value);
    }
    return NULL;
}

static void tracer_free(struct tracer *tracer)
{
    span_queue_deinit(&tracer->queue);
    buf_deinit(&tracer->url);
    buf_deinit(&tracer->resource);
    arena_deinit(&tracer->arena);
    free(tracer);
}

static int read_options(struct tracer *tracer, const struct tracer_options *options,
                        struct error *err)
{
    const char *name = "the headers for the collector";
    const char *complaint = read_headers(tracer, options->headers);

    if (!complaint) {
        name = "the resource attributes";
        complaint = write_resource(tracer, options);
    }
    if (!complaint) {
        name = "the sampler";
        complaint = sampler_read(options->sampler, options->sampler_argument, &tracer->sampler);
    }
    if (complaint)
        return error_set(err, E_INVALID, "telemetry: %s %s", name, complaint);
    if (options->traces_endpoint[0])
        buf_add_string(&tracer->url, options->traces_endpoint);
    else
        buf_printf(&tracer->url, "%s%sv1/traces", options->endpoint,
                   text_ends(text_of(options->endpoint), "/") ? "" : "/");
    tracer->content = options->content;
    tracer->tell_providers = options->tell_providers;
    tracer->period_ms = options->period_ms > 0 ? options->period_ms : PERIOD_MS;
    return 0;
}

/* All but the service. Returns as tracer_try. */
static int open_tracer(const struct tracer_options *options, struct tracer **out, struct error *err)
{
    const struct http_client_options http = {.max_transfers = 1};
    struct tracer *tracer;
    int r;

    if (!options->endpoint[0] && !options->traces_endpoint[0])
        return TRACER_OFF;
    tracer = xcalloc(1, sizeof(*tracer));
    span_queue_init(&tracer->queue, SPAN_QUEUE_SPANS, SPAN_QUEUE_BYTES);
    buf_init(&tracer->url, 0);
    buf_init(&tracer->resource, 0);
    arena_init(&tracer->arena, 0);
    tracer->most = BATCH_SPANS;
    tracer->backoff.policy = (struct backoff_policy){RETRY_BASE_MS, RETRY_CAP_MS};
    r = read_options(tracer, options, err);
    if (r == 0)
        r = http_client_open(&http, &tracer->http, err);
    if (r < 0)
        tracer_free(tracer);
    else
        *out = tracer;
    return r;
}

int tracer_try(const struct tracer_options *options, struct error *err)
{
    struct otlp_answer answer;
    struct tracer *tracer;
    int64_t after_ms;
    int r = open_tracer(options, &tracer, err);

    if (r != 0)
        return r;
    r = send_batch(tracer, 0, TRY_MS, &answer, &after_ms, err);
    http_client_close(tracer->http);
    tracer_free(tracer);
    return r;
}

int tracer_start(const struct tracer_options *options, struct tracer **out, struct error *err)
{
    struct tracer *tracer;
    int r;

    *out = NULL;
    r = open_tracer(options, &tracer, err);
    if (r != 0)
        return r < 0 ? r : 0;
    service_start(&tracer->service,
                  &(struct service_options){
                      .name = "traces",
                      .round = send_round,
                      .arg = tracer,
                      .wait_ms = wait_ms,
                      .late = true,
                      .trouble = "traces can't be sent now; what finds no room is dropped",
                      .recovered = "traces are sent again",
                  });
    *out = tracer;
    return 0;
}

void tracer_stop(struct tracer *tracer)
{
    int64_t deadline_ms = deadline_in(LAST_MS);
    struct error err;

    if (!tracer)
        return;
    service_stop(&tracer->service);
    fiber_shield_enter();
    while (tracer->queue.count > 0 && clock_ms() < deadline_ms)
        if (send_first(tracer, deadline_ms - clock_ms(), &err) < 0)
            break;
    http_client_close(tracer->http);
    fiber_shield_leave();
    tracer_free(tracer);
}

void tracer_stats_get(const struct tracer *tracer, struct tracer_stats *out)
{
    *out = tracer->stats;
    out->dropped = tracer->queue.dropped;
    out->queued = tracer->queue.count;
}

static const struct metric rows[] = {
    METRIC_COUNTS(tracer_stats, METRIC_UINT64, recorded, "penstock_spans_recorded_total",
                  "Spans that ended and are to be sent. Where telemetry is off it has no metrics."),
    METRIC_COUNTS(tracer_stats, METRIC_UINT64, sent, "penstock_spans_sent_total",
                  "Spans that the collector took."),
    METRIC_COUNTS(tracer_stats, METRIC_UINT64, dropped, "penstock_spans_dropped_total",
                  "Spans that were dropped: there was no room for them, or the collector did not "
                  "take them."),
    METRIC_COUNTS(tracer_stats, METRIC_UINT64, rejected, "penstock_spans_rejected_total",
                  "Spans that the collector rejected when it took the others of their batch."),
    METRIC_COUNTS(tracer_stats, METRIC_UINT64, failures, "penstock_spans_send_failures_total",
                  "Requests to the collector that failed."),
    METRIC_SHOWS(tracer_stats, METRIC_SIZE, queued, "penstock_spans_queued",
                 "Spans that wait to be sent."),
};

const struct metric_table tracer_metrics = METRIC_TABLE(rows);

void tracer_metrics_render(const struct tracer *tracer, struct buf *out)
{
    struct tracer_stats stats;

    if (!tracer)
        return;
    tracer_stats_get(tracer, &stats);
    metric_table_render(&tracer_metrics, &stats, out);
}
