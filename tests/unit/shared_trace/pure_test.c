/* What is pure of traces: contexts, samplers, pairs, the queue, the wire format. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/trace/otlp.h"
#include "shared/trace/pairs.h"
#include "shared/trace/sampler.h"
#include "shared/trace/span_queue.h"
#include "shared/trace/trace_context.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN   "00f067aa0ba902b7"
#define PARENT "00-" TRACE "-" SPAN "-01"

Test(traceparent, is_read_and_written)
{
    struct trace_context context;
    char text[TRACEPARENT_SIZE];

    cr_assert(traceparent_parse(TEXT(PARENT), &context));
    cr_assert_eq(context.trace_id[0], 0x4b);
    cr_assert_eq(context.trace_id[15], 0x36);
    cr_assert_eq(context.span_id[7], 0xb7);
    cr_assert_eq(context.flags, TRACE_SAMPLED);
    traceparent_format(&context, text);
    cr_assert_str_eq(text, PARENT);
}

Test(traceparent, of_later_versions_is_read_as_version_00)
{
    struct trace_context context;
    char text[TRACEPARENT_SIZE];

    cr_assert(traceparent_parse(TEXT("01-" TRACE "-" SPAN "-01"), &context));
    cr_assert(traceparent_parse(TEXT("fe-" TRACE "-" SPAN "-03-and-more"), &context));
    traceparent_format(&context, text);
    cr_assert_str_eq(text, "00-" TRACE "-" SPAN "-03");
    cr_assert(traceparent_parse(TEXT("00-" TRACE "-" SPAN "-fe"), &context));
    cr_assert_eq(context.flags, TRACE_RANDOM, "flags that nobody knows are not passed on");
}

Test(traceparent, that_is_none_is_refused)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-01x",
        "01-" TRACE "-" SPAN "-01x",
        "ff-" TRACE "-" SPAN "-01",
        "0x-" TRACE "-" SPAN "-01",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "00-" TRACE "-" SPAN "-0g",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct trace_context context = {.flags = 77};

        cr_assert_not(traceparent_parse(text_of(bad[i]), &context), "%s", bad[i]);
        cr_assert_eq(context.flags, 77, "%s", bad[i]);
    }
}

Test(traceparent, a_child_is_of_the_same_trace_and_another_span)
{
    struct trace_context parent = trace_context_new();
    struct trace_context child = trace_context_child(&parent);
    struct trace_context other = trace_context_new();

    cr_assert_eq(memcmp(parent.trace_id, child.trace_id, TRACE_ID_BYTES), 0);
    cr_assert_neq(memcmp(parent.span_id, child.span_id, SPAN_ID_BYTES), 0);
    cr_assert_eq(parent.flags, child.flags);
    cr_assert_neq(memcmp(parent.trace_id, other.trace_id, TRACE_ID_BYTES), 0);
}

static struct sampler sampler(const char *name, const char *argument)
{
    struct sampler out;
    const char *complaint = sampler_read(name, argument, &out);

    cr_assert_null(complaint, "%s", complaint);
    return out;
}

/* A context whose right 7 bytes are `value` of 2^56. */
static struct trace_context context_of(uint64_t value, uint8_t flags)
{
    struct trace_context context = {.trace_id = {[0] = 1}, .span_id = {1}, .flags = flags};

    for (int i = 15; i > 8; i--, value >>= 8)
        context.trace_id[i] = (uint8_t)value;
    return context;
}

Test(sampler, decides_by_the_parent_or_by_the_share_that_its_name_says)
{
    const struct trace_context own = context_of((uint64_t)1 << 55, 0); /* the middle */
    const struct trace_context yes = context_of(0, TRACE_SAMPLED);
    const struct trace_context no = context_of(UINT64_MAX, TRACE_RANDOM);
    static const struct {
        const char *name;
        const char *argument;
        bool root, below_sampled, below_unsampled;
    } rows[] = {
        {"", "", true, true, false},
        {"always_on", "0", true, true, true},
        {"always_off", "1", false, false, false},
        {"traceidratio", "0.5", true, true, true},
        {"traceidratio", "0.49", false, false, false},
        {"parentbased_always_on", "", true, true, false},
        {"parentbased_always_off", "", false, true, false},
        {"parentbased_traceidratio", "0.51", true, true, false},
        {"parentbased_traceidratio", "0.01", false, true, false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sampler it = sampler(rows[i].name, rows[i].argument);

        cr_expect_eq(sampler_takes(&it, NULL, &own), rows[i].root, "%s", rows[i].name);
        cr_expect_eq(sampler_takes(&it, &yes, &own), rows[i].below_sampled, "%s", rows[i].name);
        cr_expect_eq(sampler_takes(&it, &no, &own), rows[i].below_unsampled, "%s", rows[i].name);
    }
}

Test(sampler, takes_all_at_1_none_at_0_and_about_as_many_as_the_ratio_says)
{
    struct sampler all = sampler("traceidratio", "1");
    struct sampler none = sampler("traceidratio", "0");
    struct sampler tenth = sampler("traceidratio", "0.1");
    const struct trace_context last = context_of(UINT64_MAX, 0);
    const struct trace_context first = context_of(0, 0);
    int taken = 0;

    cr_assert(sampler_takes(&all, NULL, &first));
    cr_assert_not(sampler_takes(&none, NULL, &last));
    for (int i = 0; i < 100000; i++) {
        struct trace_context context = trace_context_new();

        taken += sampler_takes(&tenth, NULL, &context);
    }
    cr_assert(taken > 9000 && taken < 11000, "%d", taken); /* ten deviations */
}

Test(sampler, refuses_other_names_and_arguments)
{
    static const char *const bad[] = {"-0.1", "1.1", "x", "0.1x", "nan", "0x1", "1e-2", "."};
    struct sampler out;

    cr_assert_not_null(sampler_read("jaeger_remote", "", &out));
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        cr_assert_not_null(sampler_read("traceidratio", bad[i], &out), "%s", bad[i]);
}

Test(pairs, are_names_and_values_with_what_is_special_in_percent)
{
    struct pair pairs[PAIRS_MAX];
    struct arena arena;
    size_t count;

    arena_init(&arena, 0);
    cr_assert_null(pairs_read(TEXT(" authorization = Bearer%20a%3Db%2C , x-empty=,,k=a=b,"), &arena,
                              pairs, &count));
    cr_assert_eq(count, 3);
    cr_assert(text_is(pairs[0].name, "authorization"));
    cr_assert(text_is(pairs[0].value, "Bearer a=b,"));
    cr_assert(text_is(pairs[1].name, "x-empty"));
    cr_assert_eq(pairs[1].value.len, 0);
    cr_assert(text_is(pairs[2].value, "a=b"));
    cr_assert_null(pairs_read(TEXT("  "), &arena, pairs, &count));
    cr_assert_eq(count, 0);
    arena_deinit(&arena);
}

Test(pairs, that_are_none_are_refused)
{
    static const char *const bad[] = {"name",  "=value", "a b=c",  "a=%",   "a=%4", "a=%4x",
                                      "a=%00", "a=%0a",  "a=\x01", "a=%ff", "a:b=c"};
    struct buf many;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        cr_assert_not_null(pairs_check(bad[i]), "%s", bad[i]);
    buf_init(&many, 0);
    for (int i = 0; i <= PAIRS_MAX; i++) {
        cr_assert_null(pairs_check(buf_string(&many)));
        buf_printf(&many, "a%d=b,", i);
    }
    cr_assert_str_eq(pairs_check(buf_string(&many)), "has more than 32 pairs");
    buf_deinit(&many);
}

Test(span_queue, keeps_order_and_drops_what_finds_no_room)
{
    struct span_queue queue;

    span_queue_init(&queue, 3, 100);
    for (int round = 0; round < 5; round++) {
        cr_assert(span_queue_add(&queue, TEXT("one")));
        cr_assert(span_queue_add(&queue, TEXT("two")));
        cr_assert(text_is(span_queue_at(&queue, 0), "one"));
        cr_assert(text_is(span_queue_at(&queue, 1), "two"));
        span_queue_drop_first(&queue, 2);
    }
    for (int i = 0; i < 3; i++)
        cr_assert(span_queue_add(&queue, TEXT("x")));
    cr_assert_not(span_queue_add(&queue, TEXT("x")), "as many as it takes");
    cr_assert_eq(queue.dropped, 1);
    span_queue_drop_first(&queue, 3);
    cr_assert(span_queue_charge(&queue, 98));
    cr_assert_not(span_queue_add(&queue, TEXT("one")), "what is under way counts, too");
    cr_assert(span_queue_add(&queue, TEXT("xy")));
    cr_assert_not(span_queue_charge(&queue, 1));
    span_queue_give_back(&queue, 98);
    cr_assert_eq(queue.bytes, 2);
    span_queue_deinit(&queue);
}

Test(span_queue, a_batch_is_bounded_by_number_and_bytes_and_never_empty)
{
    struct span_queue queue;

    span_queue_init(&queue, 10, 1000);
    cr_assert_eq(span_queue_batch(&queue, 5, 100), 0);
    for (int i = 0; i < 4; i++)
        span_queue_add(&queue, TEXT("0123456789"));
    cr_assert_eq(span_queue_batch(&queue, 3, 100), 3);
    cr_assert_eq(span_queue_batch(&queue, 9, 100), 4);
    cr_assert_eq(span_queue_batch(&queue, 9, 29), 2);
    cr_assert_eq(span_queue_batch(&queue, 9, 5), 1);
    span_queue_deinit(&queue);
}

static struct otlp_span span_of(void)
{
    struct otlp_span span = {
        .name = "chat gpt \"x\"", .kind = SPAN_CLIENT, .start_us = 1700000000123456, .message = ""};

    cr_assert(traceparent_parse(TEXT(PARENT), &span.context));
    span.end_us = span.start_us + 5;
    return span;
}

Test(otlp, a_span_is_written_as_the_protocol_says)
{
    struct otlp_span span = span_of();
    struct buf out;

    buf_init(&out, 0);
    otlp_write_span(&span, &out);
    cr_assert_str_eq(buf_string(&out),
                     "{\"traceId\":\"" TRACE "\",\"spanId\":\"" SPAN "\",\"flags\":257,"
                     "\"name\":\"chat gpt \\\"x\\\"\",\"kind\":3,"
                     "\"startTimeUnixNano\":\"1700000000123456000\","
                     "\"endTimeUnixNano\":\"1700000000123461000\"}");
    buf_reset(&out);
    span.has_parent = true;
    span.parent_is_remote = true;
    cr_assert(traceparent_parse(TEXT("00-" TRACE "-0000000000000001-01"), &span.parent));
    span.failed = true;
    span.message = "it \xff broke";
    span.attributes = TEXT("{A}");
    span.links = TEXT("{L}");
    otlp_write_span(&span, &out);
    cr_assert_str_eq(buf_string(&out), "{\"traceId\":\"" TRACE "\",\"spanId\":\"" SPAN "\","
                                       "\"parentSpanId\":\"0000000000000001\",\"flags\":769,"
                                       "\"name\":\"chat gpt \\\"x\\\"\",\"kind\":3,"
                                       "\"startTimeUnixNano\":\"1700000000123456000\","
                                       "\"endTimeUnixNano\":\"1700000000123461000\","
                                       "\"attributes\":[{A}],\"links\":[{L}],"
                                       "\"status\":{\"code\":2,\"message\":\"it \uFFFD broke\"}}");
    buf_deinit(&out);
}

Test(otlp, values_have_their_types_and_integers_are_strings)
{
    const struct text words[] = {TEXT("stop"), TEXT("a\nb")};
    struct buf out;

    buf_init(&out, 0);
    otlp_add_text(&out, "t", TEXT("é\""));
    otlp_add_int(&out, "i", INT64_MIN);
    otlp_add_double(&out, "d", 0.25);
    otlp_add_bool(&out, "b", true);
    otlp_add_texts(&out, "a", words, 2);
    otlp_add_texts(&out, "e", words, 0);
    cr_assert_str_eq(buf_string(&out),
                     "{\"key\":\"t\",\"value\":{\"stringValue\":\"é\\\"\"}},"
                     "{\"key\":\"i\",\"value\":{\"intValue\":\"-9223372036854775808\"}},"
                     "{\"key\":\"d\",\"value\":{\"doubleValue\":0.25}},"
                     "{\"key\":\"b\",\"value\":{\"boolValue\":true}},"
                     "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":["
                     "{\"stringValue\":\"stop\"},{\"stringValue\":\"a\\nb\"}]}}},"
                     "{\"key\":\"e\",\"value\":{\"arrayValue\":{\"values\":[]}}}");
    buf_deinit(&out);
}

Test(otlp, a_request_holds_the_first_spans_below_resource_and_scope)
{
    struct json_object *request;
    struct span_queue queue;
    struct error err;
    struct buf out;

    span_queue_init(&queue, 3, 1000);
    span_queue_add(&queue, TEXT("1"));
    span_queue_add(&queue, TEXT("2"));
    span_queue_add(&queue, TEXT("3"));
    buf_init(&out, 0);
    otlp_write_request(TEXT("\"R\""), &queue, 2, &out);
    cr_assert_str_eq(buf_string(&out),
                     "{\"resourceSpans\":[{\"resource\":{\"attributes\":[\"R\"]},\"scopeSpans\":"
                     "[{\"scope\":{\"name\":\"penstock\",\"version\":\"" PENSTOCK_VERSION "\"},"
                     "\"spans\":[1,2]}]}]}");
    cr_assert_eq(json_decode(buf_text(&out), 64, &request, &err), 0);
    json_free(request);
    buf_deinit(&out);
    span_queue_deinit(&queue);
}

static struct otlp_answer answer_of(int status, const char *body)
{
    struct otlp_answer answer;

    otlp_read_answer(status, text_of(body), &answer);
    return answer;
}

Test(otlp, only_four_statuses_are_worth_another_try)
{
    static const int again[] = {429, 502, 503, 504};
    static const int refused[] = {301, 400, 401, 404, 408, 500, 501, 505};

    for (size_t i = 0; i < ARRAY_LENGTH(again); i++)
        cr_assert_eq(answer_of(again[i], "{}").verdict, OTLP_AGAIN, "%d", again[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        cr_assert_eq(answer_of(refused[i], "{}").verdict, OTLP_REFUSED, "%d", refused[i]);
    cr_assert_eq(answer_of(413, "{}").verdict, OTLP_LARGE);
    cr_assert_eq(answer_of(200, "").verdict, OTLP_TAKEN);
    cr_assert_eq(answer_of(202, "no json").verdict, OTLP_TAKEN);
}

Test(otlp, what_a_collector_rejects_is_told)
{
    struct otlp_answer answer =
        answer_of(200, "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"old\"}}");

    cr_assert_eq(answer.rejected, 3);
    cr_assert_str_eq(answer.message, "old");
    cr_assert_eq(answer_of(200, "{\"partialSuccess\":{\"rejectedSpans\":2}}").rejected, 2);
    cr_assert_eq(answer_of(200, "{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}").rejected, 0);
    cr_assert_eq(answer_of(200, "{\"partialSuccess\":{\"rejectedSpans\":-5}}").rejected, 0);
    cr_assert_eq(answer_of(200, "{\"partialSuccess\":7}").rejected, 0);
    cr_assert_eq(answer_of(200, "{}").rejected, 0);
}

Test(otlp, how_long_to_wait_is_whole_seconds_up_to_a_cap)
{
    cr_assert_eq(otlp_retry_after_ms(TEXT("7"), 60000), 7000);
    cr_assert_eq(otlp_retry_after_ms(TEXT("0"), 60000), 0);
    cr_assert_eq(otlp_retry_after_ms(TEXT("99999999999999"), 60000), 60000);
    cr_assert_eq(otlp_retry_after_ms(TEXT("-1"), 60000), -1);
    cr_assert_eq(otlp_retry_after_ms(TEXT("Wed, 21 Oct 2026 07:28:00 GMT"), 60000), -1);
    cr_assert_eq(otlp_retry_after_ms(TEXT_NONE, 60000), -1);
}
