/* Spans, as they come into the queue of a tracer that sends nothing. */

#include <criterion/criterion.h>

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/trace/span.h"
#include "shared/trace/tracer_internal.h"

static struct tracer tracer;

static void open_tracer(size_t spans, size_t bytes, bool content)
{
    tracer = (struct tracer){.content = content, .sampler = {.by_parent = true}};
    span_queue_init(&tracer.queue, spans, bytes);
}

static struct span *root(void)
{
    return span_begin(&tracer, &(struct span_start){.kind = SPAN_SERVER}, "GET %s", "/x");
}

/* The span that ended `place`th. The caller frees it. */
static struct json_object *ended(size_t place)
{
    struct json_object *span = NULL;
    struct error err;

    cr_assert_eq(json_decode(span_queue_at(&tracer.queue, place), 64, &span, &err), 0);
    return span;
}

static size_t attributes_of(struct json_object *span)
{
    struct json_object *attributes = json_get(span, "attributes");

    return attributes ? json_object_array_length(attributes) : 0;
}

Test(span, is_written_when_it_ends_and_gives_back_what_it_held)
{
    struct json_object *json;
    struct span *span;

    clock_freeze(5000, 1700000000000);
    open_tracer(8, 100000, false);
    span = root();
    span_int(span, "a", 7);
    clock_freeze(5250, 1600000000000); /* somebody sets the clock back */
    span_end(span);
    json = ended(0);
    cr_assert_str_eq(json_get_string(json, "name"), "GET /x");
    cr_assert_str_eq(json_get_string(json, "startTimeUnixNano"), "1700000000000000000");
    cr_assert_str_eq(json_get_string(json, "endTimeUnixNano"), "1700000000250000000");
    cr_assert_not(json_has(json, "parentSpanId"));
    cr_assert_eq(tracer.queue.bytes, span_queue_at(&tracer.queue, 0).len);
    cr_assert_eq(tracer.stats.recorded, 1);
    json_free(json);
    span_queue_deinit(&tracer.queue);
}

Test(span, below_another_has_its_trace_and_names_it)
{
    struct json_object *json;
    struct json_object *above_json;
    struct span *above;
    struct span *below;
    struct span *later;

    open_tracer(8, 100000, false);
    above = root();
    below = span_begin(
        &tracer, &(struct span_start){.kind = SPAN_CLIENT, .parent = span_context(above, NULL)},
        "below");
    later = span_begin(
        &tracer, &(struct span_start){.kind = SPAN_CONSUMER, .linked = span_context(above, NULL)},
        "later");
    span_fail(below, "timeout", "it took too long");
    span_end(below);
    span_end(above);
    span_end(later);
    json = ended(0);
    above_json = ended(1);
    cr_assert_str_eq(json_get_string(json, "traceId"), json_get_string(above_json, "traceId"));
    cr_assert_str_eq(json_get_string(json, "parentSpanId"), json_get_string(above_json, "spanId"));
    cr_assert_eq(json_get_int(json_get(json, "status"), "code", 0), 2);
    json_free(json);
    json = ended(2);
    cr_assert_not(json_has(json, "parentSpanId"), "what follows from a span is not below it");
    cr_assert_str_eq(json_get_string(json, "traceId"), json_get_string(above_json, "traceId"));
    cr_assert_str_eq(
        json_get_string(json_object_array_get_idx(json_get(json, "links"), 0), "spanId"),
        json_get_string(above_json, "spanId"));
    json_free(json);
    json_free(above_json);
    span_queue_deinit(&tracer.queue);
}

Test(span, apart_is_of_another_trace_than_what_it_is_linked_to_and_sampled_by_itself)
{
    const struct trace_context asked = trace_context_new(); /* not sampled */
    const struct span_start apart = {.kind = SPAN_PRODUCER, .linked = &asked, .apart = true};
    struct json_object *json;
    struct json_object *link;
    struct span *span;
    char hex[2 * TRACE_ID_BYTES + 1];

    *text_put_hex(hex, asked.trace_id, TRACE_ID_BYTES) = '\0';
    open_tracer(8, 100000, false);
    cr_assert_null(
        span_begin(&tracer, &(struct span_start){.kind = SPAN_PRODUCER, .linked = &asked}, "x"));
    span = span_begin(&tracer, &apart, "create runs");
    cr_assert_not_null(span);
    span_end(span);
    json = ended(0);
    link = json_object_array_get_idx(json_get(json, "links"), 0);
    cr_assert_str_eq(json_get_string(link, "traceId"), hex);
    cr_assert_str_neq(json_get_string(json, "traceId"), hex);
    cr_assert_not(json_has(json, "parentSpanId"));
    json_free(json);
    span_queue_deinit(&tracer.queue);
}

Test(span, has_the_state_of_its_trace_and_keeps_it_for_those_below)
{
    struct trace_context given = trace_context_new();
    char state[] = "rojo=1";
    struct json_object *json;
    struct span *above;
    struct span *below;

    given.flags |= TRACE_SAMPLED;
    given.state = text_of(state);
    open_tracer(8, 100000, false);
    above = span_begin(&tracer, &(struct span_start){.kind = SPAN_SERVER, .parent = &given}, "a");
    memset(state, '?', sizeof(state) - 1); /* it was borrowed */
    below = span_begin(
        &tracer, &(struct span_start){.kind = SPAN_CLIENT, .parent = span_context(above, NULL)},
        "b");
    span_end(above);
    cr_assert(text_is(span_context(below, NULL)->state, "rojo=1"));
    span_end(below);
    for (size_t i = 0; i < 2; i++) {
        json = ended(i);
        cr_assert_str_eq(json_get_string(json, "traceState"), "rojo=1");
        json_free(json);
    }
    cr_assert_eq(tracer.queue.bytes,
                 span_queue_at(&tracer.queue, 0).len + span_queue_at(&tracer.queue, 1).len);
    span_queue_deinit(&tracer.queue);
}

Test(span, that_is_not_recorded_is_null_and_everything_takes_that)
{
    const struct trace_context unsampled = trace_context_new();

    open_tracer(8, 100000, true);
    cr_assert_null(span_begin(NULL, &(struct span_start){.kind = SPAN_SERVER}, "off"));
    cr_assert_null(span_begin(
        &tracer, &(struct span_start){.kind = SPAN_SERVER, .parent = &unsampled}, "not sampled"));
    span_text(NULL, "a", TEXT("b"));
    span_int(NULL, "a", 1);
    span_double(NULL, "a", 1);
    span_bool(NULL, "a", true);
    span_texts(NULL, "a", NULL, 0);
    span_content(NULL, "a", TEXT("b"));
    span_fail(NULL, "a", "b");
    cr_assert_not(span_takes_content(NULL));
    cr_assert_eq(span_context(NULL, &unsampled), &unsampled);
    span_end(NULL);
    cr_assert_eq(tracer.queue.count, 0);
    cr_assert_eq(tracer.queue.dropped, 0);
    span_queue_deinit(&tracer.queue);
}

Test(span, shows_content_only_where_that_is_switched_on)
{
    struct json_object *json;
    struct span *span;

    for (int on = 0; on < 2; on++) {
        open_tracer(8, 100000, on);
        span = root();
        span_content(span, "gen_ai.input.messages", TEXT("secret"));
        span_end(span);
        json = ended(0);
        cr_assert_eq(attributes_of(json), (size_t)on);
        json_free(json);
        span_queue_deinit(&tracer.queue);
    }
}

Test(span, leaves_out_what_there_is_no_room_for_and_stays_whole)
{
    static char large[SPAN_VALUE_BYTES + 10];
    struct json_object *json;
    struct span *span;

    memset(large, 'x', sizeof(large) - 1);
    open_tracer(8, 1 << 20, true);
    span = root();
    for (int i = 0; i < 10; i++)
        span_content(span, "large", text_of(large));
    span_text(span, "short", text_of(large));
    span_end(span);
    json = ended(0);
    cr_assert_eq(attributes_of(json), 4, "three of 32 KiB, and a short one");
    cr_assert_leq(span_queue_at(&tracer.queue, 0).len, SPAN_BYTES_MAX + 8192);
    json_free(json);
    span_queue_deinit(&tracer.queue);
}

Test(span, is_dropped_and_counted_where_there_is_no_room_for_it)
{
    struct span *span;

    open_tracer(1, 4096, false);
    span = root();
    cr_assert_not_null(span);
    cr_assert(span_queue_charge(&tracer.queue, 4096 - tracer.queue.bytes));
    cr_assert_null(root());
    cr_assert_eq(tracer.queue.dropped, 1);
    span_int(span, "a", 1);
    span_queue_give_back(&tracer.queue, 4096 - 1000);
    span_end(span);
    cr_assert_eq(tracer.queue.count, 1);
    span_end(root());
    cr_assert_eq(tracer.queue.dropped, 2, "there is one place");
    span_queue_deinit(&tracer.queue);
}
