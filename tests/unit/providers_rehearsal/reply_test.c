/* Parts of replies: vectors, seals, events, chunks. */

#include <math.h>

#include <criterion/criterion.h>

#include "providers/rehearsal/reply/answer.h"
#include "providers/rehearsal/reply/event_list.h"
#include "providers/rehearsal/reply/seal.h"
#include "providers/rehearsal/reply/vectors.h"
#include "shared/base/compiler.h"

static double near(const char *a, const char *b)
{
    float one[VECTOR_DIMENSIONS];
    float two[VECTOR_DIMENSIONS];
    double sum = 0;

    vector_of(text_of(a), VECTOR_DIMENSIONS, one);
    vector_of(text_of(b), VECTOR_DIMENSIONS, two);
    for (size_t i = 0; i < VECTOR_DIMENSIONS; i++)
        sum += (double)one[i] * (double)two[i];
    return sum;
}

Test(vectors, are_of_length_one_and_the_same_for_the_same_text)
{
    static const char *const texts[] = {
        "", "a", "The cat sat on the mat.", "日本語のテキスト", "...", "x x x x x x"};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        cr_assert_float_eq(near(texts[i], texts[i]), 1, 1e-6, "%s", texts[i]);
}

Test(vectors, similar_texts_are_near)
{
    const char *question = "How do I cancel my subscription?";

    cr_assert_gt(near(question, "HOW do I cancel my subscription"), 0.99);
    cr_assert_gt(near(question, "To cancel a subscription, open your account"), 0.3);
    cr_assert_gt(near(question, "cancelled subscriptions"), 0.2);
    cr_assert_lt(near(question, "The weather in Oslo is fine today"), 0.2);
    cr_assert_gt(near("invoice", "invoices"), near("invoice", "voyage") + 0.2);
}

Test(vectors, any_number_of_dimensions)
{
    static float vector[VECTOR_DIMENSIONS_MAX];
    static const size_t dimensions[] = {1, 2, 3, 255, 1536, VECTOR_DIMENSIONS_MAX};

    for (size_t i = 0; i < ARRAY_LENGTH(dimensions); i++) {
        double sum = 0;

        vector_of(TEXT("one two three four"), dimensions[i], vector);
        for (size_t n = 0; n < dimensions[i]; n++)
            sum += (double)vector[n] * (double)vector[n];
        cr_assert_float_eq(sum, 1, 1e-5, "%zu", dimensions[i]);
    }
}

Test(vectors, as_json_and_as_base64)
{
    CLEANUP(buf_deinit) struct buf out = {0};
    static const float vector[] = {1, -0.5F, 0};

    buf_init(&out, 0);
    vector_add_json(vector, 3, &out);
    cr_assert_str_eq(buf_string(&out), "[1,-0.5,0]");
    buf_reset(&out);
    vector_add_base64(vector, 3, &out);
    cr_assert(text_is(buf_text(&out), "\"AACAPwAAAL8AAAAA\""));
}

Test(seals, open_for_what_they_were_made_for_alone)
{
    char mark[SEAL_MARK_SIZE];
    char other[SEAL_MARK_SIZE];
    char seal[SEAL_SIZE];
    char opened[SEAL_MARK_SIZE];

    seal_mark(TEXT("thought"), mark);
    seal_mark(TEXT("thoughts"), other);
    cr_assert_str_neq(mark, other);
    seal_make("d", TEXT("m"), mark, seal);
    cr_assert(seal_open("d", TEXT("m"), text_of(seal), opened));
    cr_assert_str_eq(opened, mark);
    cr_assert_not(seal_open("e", TEXT("m"), text_of(seal), opened));
    cr_assert_not(seal_open("d", TEXT("n"), text_of(seal), opened));
    for (size_t i = 0; i < SEAL_SIZE - 1; i++) {
        char was = seal[i];

        seal[i] = was == 'A' ? 'B' : 'A';
        cr_assert_not(seal_open("d", TEXT("m"), text_of(seal), opened), "%zu", i);
        seal[i] = was;
    }
    cr_assert_not(seal_open("d", TEXT("m"), TEXT(""), opened));
    cr_assert_not(seal_open("d", TEXT("m"), TEXT_NONE, opened));
}

Test(seals, marks_are_found_in_ids_of_the_rehearsal_alone)
{
    struct text mark;

    cr_assert(seal_marked_id(TEXT("call_0123456789abcdef01234567r89abcdef"), &mark));
    cr_assert(text_is(mark, "89abcdef"));
    cr_assert(seal_marked_id(TEXT("0123456789abcdef01234567r89abcdef"), &mark));
    cr_assert_not(seal_marked_id(TEXT("call_0123456789abcdef01234567"), &mark));
    cr_assert_not(seal_marked_id(TEXT("call_0123456789abcdef0123456xr89abcdef"), &mark));
    cr_assert_not(seal_marked_id(TEXT("call_0123456789abcdef01234567r89abcdeg"), &mark));
    cr_assert_not(seal_marked_id(TEXT("r89abcdef"), &mark));
    cr_assert_not(seal_marked_id(TEXT_NONE, &mark));
}

static const char *framed(enum event_framing framing, bool malformed)
{
    static struct buf out;
    struct event_list events;

    buf_deinit(&out);
    buf_init(&out, 0);
    event_list_init(&events, framing);
    for (int i = 0; i < 2; i++) {
        event_list_begin(&events, i ? "end" : NULL);
        buf_add_string(&events.bytes, "{\"n\":1}");
        event_list_end(&events);
    }
    buf_add_text(&out, event_list_at(&events, 0));
    if (malformed)
        event_list_add_malformed(&events, 1, &out);
    else
        buf_add_text(&out, event_list_at(&events, 1));
    buf_add_text(&out, event_list_closing(&events));
    event_list_deinit(&events);
    return buf_string(&out);
}

Test(events, framings)
{
    cr_assert_str_eq(framed(EVENTS_SSE, false),
                     "data: {\"n\":1}\n\nevent: end\ndata: {\"n\":1}\n\n");
    cr_assert_str_eq(framed(EVENTS_SSE_CRLF, false),
                     "data: {\"n\":1}\r\n\r\nevent: end\r\ndata: {\"n\":1}\r\n\r\n");
    cr_assert_str_eq(framed(EVENTS_NDJSON, false), "{\"n\":1}\n{\"n\":1}\n");
    cr_assert_str_eq(framed(EVENTS_JSON_LIST, false), "[{\"n\":1},\r\n{\"n\":1}]");
    cr_assert_str_eq(framed(EVENTS_SSE, true), "data: {\"n\":1}\n\nevent: end\ndata: {\"n\"\n\n");
    cr_assert_str_eq(framed(EVENTS_NDJSON, true), "{\"n\":1}\n{\"n\"\n");
}

Test(answers, chunks_end_between_characters)
{
    struct text rest = TEXT("aé日🎈b");
    struct text piece;
    size_t bytes = 0;
    size_t count = 0;

    while (answer_chunk(&rest, 1, &piece)) {
        cr_assert(text_is_utf8(piece));
        bytes += piece.len;
        count++;
    }
    cr_assert_eq(bytes, 11);
    cr_assert_eq(count, 5);
    rest = TEXT("aé日🎈b");
    cr_assert(answer_chunk(&rest, 4, &piece));
    cr_assert(text_is(piece, "aé"));
}

Test(answers, arguments_as_an_object)
{
    static const char *const cases[][2] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {" {\"a\":[1,2]} ", "{\"a\":[1,2]}"},
        {"{broken", "{\"arguments\":\"{broken\"}"},
        {"[1]", "{\"arguments\":\"[1]\"}"},
        {"", "{\"arguments\":\"\"}"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(buf_deinit) struct buf out = {0};

        buf_init(&out, 0);
        answer_add_object(text_of(cases[i][0]), &out);
        cr_assert_str_eq(buf_string(&out), cases[i][1]);
    }
}
