/* The events of a response: whenever they are told, and in whichever pieces texts come, each has
 * the same number; and a reader that comes back behind any of them gets exactly what it lacks.
 *
 * A play is told twice: as it is when all is stored, and as it happens, with drafts. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "scheduler/api/openai/responses/events/response_events.h"
#include "shared/events/frame.h"
#include "shared/json/json.h"

#define EVENTS_MAX 100

#define SPEC                                                                                       \
    "{\"model\":\"gpt-4o\",\"instructions\":\"\",\"tools\":["                                      \
    "{\"type\":\"function\",\"function\":{\"name\":\"weather\"}},{\"type\":\"calculator\"}],"      \
    "\"response\":{\"background\":true,\"store\":true}}"

struct told {
    int64_t number;
    char type[64];
    char delta[200];
    struct json_object *data;
};

struct telling {
    struct response_tape tape;
    struct buf out;
    struct story story;
    struct told events[EVENTS_MAX];
    size_t count;
};

static void take_line(struct telling *telling, struct text line)
{
    struct told *event = &telling->events[telling->count];
    struct error err;

    if (text_starts(line, "event: ")) {
        cr_assert(telling->count < EVENTS_MAX);
        *event = (struct told){.number = -1};
        (void)snprintf(event->type, sizeof(event->type), "%.*s", (int)line.len - 7, line.ptr + 7);
    }
    if (!text_starts(line, "data: {"))
        return;
    line.ptr += 6;
    line.len -= 6;
    cr_assert_eq(json_decode(line, JSON_DEPTH_DEFAULT, &event->data, &err), 0, "%s", err.text);
    cr_assert(text_is(json_get_text(event->data, "type"), event->type));
    event->number = json_get_int(event->data, "sequence_number", -1);
    (void)snprintf(event->delta, sizeof(event->delta), "%.*s",
                   TEXT_ARGS(json_get_text(event->data, "delta")));
    telling->count++;
}

static void take(struct telling *telling)
{
    struct text rest = buf_text(&telling->out);
    struct text line;

    while (text_cut(rest, '\n', &line, &rest))
        take_line(telling, line);
    buf_reset(&telling->out);
}

static void tell(void *arg, const struct story_event *event)
{
    struct telling *telling = arg;

    response_events.write(&telling->tape, &telling->out, event);
    take(telling);
}

static struct telling *begin(int64_t after)
{
    struct telling *telling = calloc(1, sizeof(*telling));

    response_tape_init(&telling->tape, NULL, after);
    buf_init(&telling->out, 0);
    telling->story = (struct story){.tell = tell, .arg = telling};
    return telling;
}

static void finish(struct telling *telling)
{
    for (size_t i = 0; i < telling->count; i++)
        json_free(telling->events[i].data);
    response_tape_deinit(&telling->tape);
    buf_deinit(&telling->out);
    free(telling);
}

/* ---- the play: thinks aloud, calls two functions, gets a sum, answers ---- */

static struct uuid id(uint8_t n)
{
    struct uuid uuid = {{n}};

    uuid.bytes[15] = 0x40;
    return uuid;
}

static const char thought[] = "Hm: Z\303\274rich?";
static const char first[] = "Let me see: Z\303\274rich.";
static const char last[] = "It is 12 degrees, \342\202\254 3.";

static struct message messages[2];
static struct run_step steps[4];

static struct run make_run(enum run_status status)
{
    return (struct run){
        .id = id(99),
        .status = status,
        .step = 4,
        .spec = TEXT(SPEC),
        .metadata = TEXT("{}"),
        .started_at = 5,
        .created_at = 4,
    };
}

static void make_play(void)
{
    messages[0] = (struct message){
        .id = id(1),
        .role = MESSAGE_ASSISTANT,
        .content = TEXT("[{\"type\":\"text\",\"text\":{\"value\":\"Let me see: Z\303\274rich.\","
                        "\"annotations\":[]}}]"),
        .status = TEXT("completed"),
    };
    messages[1] = (struct message){
        .id = id(3),
        .role = MESSAGE_ASSISTANT,
        .content = TEXT("[{\"type\":\"text\",\"text\":{\"value\":\"It is 12 degrees, \342\202\254 "
                        "3.\",\"annotations\":[]}}]"),
        .status = TEXT("completed"),
    };
    steps[0] = (struct run_step){.id = reply_message_step(id(1)),
                                 .seq = 1,
                                 .type = STEP_MESSAGE_CREATION,
                                 .status = STEP_COMPLETED,
                                 .message_id = id(1),
                                 .reasoning = text_of(thought)};
    steps[1] = (struct run_step){
        .id = reply_calls_step(id(1), true),
        .seq = 2,
        .type = STEP_TOOL_CALLS,
        .status = STEP_COMPLETED,
        .tool_calls =
            TEXT("[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"calculator\","
                 "\"arguments\":\"{\\\"expression\\\":\\\"1+2\\\"}\",\"output\":\"3\"}},"
                 "{\"id\":\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"calculator\","
                 "\"arguments\":\"{\\\"expression\\\":\\\"4\\\"}\",\"output\":\"4\"}}]"),
    };
    steps[2] = (struct run_step){.id = reply_message_step(id(3)),
                                 .seq = 3,
                                 .type = STEP_MESSAGE_CREATION,
                                 .status = STEP_COMPLETED,
                                 .message_id = id(3)};
    steps[3] = (struct run_step){
        .id = reply_calls_step(id(5), false),
        .seq = 4,
        .type = STEP_TOOL_CALLS,
        .status = STEP_COMPLETED,
        .tool_calls =
            TEXT("[{\"id\":\"call_3\",\"type\":\"function\",\"function\":{\"name\":\"weather\","
                 "\"arguments\":\"{\\\"city\\\":\\\"Bern\\\"}\",\"output\":null}},"
                 "{\"id\":\"call_4\",\"type\":\"function\",\"function\":{\"name\":\"weather\","
                 "\"arguments\":\"{\\\"city\\\":\\\"Uri\\\"}\",\"output\":null}}]"),
    };
}

static void store_step(struct telling *telling, size_t i)
{
    story_step(&telling->story, &steps[i], i == 0 ? &messages[0] : i == 2 ? &messages[1] : NULL);
}

/* As it is when it has ended. */
static struct telling *tell_stored(int64_t after)
{
    struct telling *telling = begin(after);
    struct run run = make_run(RUN_COMPLETED);

    story_run(&telling->story, &run);
    for (size_t i = 0; i < 4; i++)
        store_step(telling, i);
    return telling;
}

static void frame(struct draft *draft, uint8_t reply, enum frame_kind kind, uint32_t number,
                  uint32_t offset, const char *text, const char *name)
{
    const struct frame one = {.kind = kind,
                              .run = id(99),
                              .reply = id(reply),
                              .number = number,
                              .offset = offset,
                              .text = text_of(text),
                              .name = text_of(name)};

    (void)draft_take(draft, &one);
}

/* With what it thought before; NULL: nothing. */
static void tell_drafted_text(struct telling *telling, uint8_t reply, const char *thinks,
                              const char *text)
{
    static const size_t pieces[] = {3, 9, 100};
    struct draft draft = {.gap = false};
    size_t told = 0;

    if (thinks) {
        char begun[3] = {thinks[0], thinks[1]};

        frame(&draft, reply, FRAME_REASONING, 0, 0, begun, "");
        story_draft(&telling->story, &draft);
        frame(&draft, reply, FRAME_REASONING, 0, 2, thinks + 2, "");
        story_draft(&telling->story, &draft);
    }

    for (size_t i = 0; i < ARRAY_LENGTH(pieces) && told < strlen(text); i++) {
        struct text piece = {text + told, strlen(text) - told};
        char copy[100];

        piece = text_prefix(piece, pieces[i]);
        (void)snprintf(copy, sizeof(copy), "%.*s", TEXT_ARGS(piece));
        frame(&draft, reply, FRAME_TEXT, 0, (uint32_t)told, copy, "");
        told += piece.len;
        story_draft(&telling->story, &draft);
    }
    draft_drop(&draft);
}

static void tell_drafted_calls(struct telling *telling)
{
    struct draft draft = {.gap = false};

    frame(&draft, 5, FRAME_CALL, 0, 0, "call_3", "weather");
    frame(&draft, 5, FRAME_ARGUMENTS, 0, 0, "{\"city\":", "");
    story_draft(&telling->story, &draft);
    frame(&draft, 5, FRAME_ARGUMENTS, 0, 8, "\"Bern\"}", "");
    frame(&draft, 5, FRAME_CALL, 1, 0, "call_4", "weather");
    frame(&draft, 5, FRAME_ARGUMENTS, 1, 0, "{\"ci", "");
    story_draft(&telling->story, &draft);
    draft_drop(&draft);
}

/* As it happens. */
static struct telling *tell_live(void)
{
    struct telling *telling = begin(-1);
    static struct run run;

    run = make_run(RUN_IN_PROGRESS);
    story_run(&telling->story, &run);
    tell_drafted_text(telling, 1, thought, first);
    store_step(telling, 0);
    store_step(telling, 1);
    tell_drafted_text(telling, 3, NULL, last);
    store_step(telling, 2);
    tell_drafted_calls(telling);
    store_step(telling, 3);
    return telling;
}

static bool is_delta(const struct told *event)
{
    return strstr(event->type, ".delta") != NULL;
}

/* The structural events, and the texts between them. */
static void write_down(const struct telling *telling, size_t from, size_t to, struct buf *out)
{
    for (size_t i = from; i < to; i++) {
        if (is_delta(&telling->events[i]))
            buf_add_string(out, telling->events[i].delta);
        else
            buf_printf(out, "\n%s\n", telling->events[i].type);
    }
}

Test(response_events, have_one_order)
{
    static const char expected[] =
        "\nresponse.created\n\nresponse.queued\n\nresponse.in_progress\n"
        "\nresponse.output_item.added\n\nresponse.reasoning_summary_part.added\n"
        "Hm: Z\303\274rich?"
        "\nresponse.reasoning_summary_text.done\n\nresponse.reasoning_summary_part.done\n"
        "\nresponse.output_item.done\n"
        "\nresponse.output_item.added\n\nresponse.content_part.added\nLet me see: Z\303\274rich."
        "\nresponse.output_text.done\n\nresponse.content_part.done\n\nresponse.output_item.done\n"
        "\nresponse.output_item.added\n\nresponse.mcp_call.in_progress\n{\"expression\":\"1+2\"}"
        "\nresponse.mcp_call_arguments.done\n"
        "\nresponse.output_item.added\n\nresponse.mcp_call.in_progress\n{\"expression\":\"4\"}"
        "\nresponse.mcp_call_arguments.done\n"
        "\nresponse.mcp_call.completed\n\nresponse.output_item.done\n"
        "\nresponse.mcp_call.completed\n\nresponse.output_item.done\n"
        "\nresponse.output_item.added\n\nresponse.content_part.added\n"
        "It is 12 degrees, \342\202\254 3."
        "\nresponse.output_text.done\n\nresponse.content_part.done\n\nresponse.output_item.done\n"
        "\nresponse.output_item.added\n{\"city\":\"Bern\"}"
        "\nresponse.function_call_arguments.done\n\nresponse.output_item.done\n"
        "\nresponse.output_item.added\n{\"city\":\"Uri\"}"
        "\nresponse.function_call_arguments.done\n\nresponse.output_item.done\n";
    struct telling *telling;
    struct buf written;

    make_play();
    for (int live = 0; live < 2; live++) {
        telling = live ? tell_live() : tell_stored(-1);
        buf_init(&written, 0);
        write_down(telling, 0, telling->count, &written);
        cr_assert_str_eq(buf_string(&written), expected);
        buf_deinit(&written);
        finish(telling);
    }
}

Test(response_events, have_the_same_numbers_whenever_they_are_told)
{
    struct telling *stored;
    struct telling *live;
    size_t at = 0;

    make_play();
    stored = tell_stored(-1);
    live = tell_live();
    cr_assert_gt(live->count, stored->count);
    for (size_t i = 0; i < live->count; i++) {
        const struct told *event = &live->events[i];

        if (i > 0)
            cr_assert_gt(event->number, live->events[i - 1].number);
        if (is_delta(event) && is_delta(&live->events[i + 1]))
            continue; /* a later piece has the number of the whole */
        cr_assert_eq(event->number, stored->events[at].number, "%s: %d and %d", event->type,
                     (int)event->number, (int)stored->events[at].number);
        cr_assert_str_eq(event->type, stored->events[at].type);
        at++;
    }
    cr_assert_eq(at, stored->count);
    cr_assert_eq(stored->events[0].number, 0);
    cr_assert_eq(stored->events[4].number, 4);
    cr_assert_eq(stored->events[5].number, 4 + (int)strlen(thought));
    finish(stored);
    finish(live);
}

Test(response_events, go_on_behind_any_number)
{
    struct telling *live;
    struct buf whole;

    make_play();
    live = tell_live();
    buf_init(&whole, 0);
    write_down(live, 0, live->count, &whole);
    for (size_t i = 0; i < live->count; i++) {
        struct telling *rest = tell_stored(live->events[i].number);
        struct buf both;

        buf_init(&both, 0);
        write_down(live, 0, i + 1, &both);
        write_down(rest, 0, rest->count, &both);
        cr_assert_str_eq(buf_string(&both), buf_string(&whole));
        if (rest->count > 0)
            cr_assert_gt(rest->events[0].number, live->events[i].number);
        buf_deinit(&both);
        finish(rest);
    }
    buf_deinit(&whole);
    finish(live);
}

Test(response_events, never_begin_within_a_character)
{
    struct telling *rest;
    int64_t umlaut;

    make_play();
    umlaut = 4 + (int64_t)strlen("Hm: Z");
    rest = tell_stored(umlaut + 1); /* its first byte, which nobody was told alone */
    cr_assert_str_eq(rest->events[0].delta, "rich?");
    finish(rest);
    rest = tell_stored(umlaut);
    cr_assert_str_eq(rest->events[0].delta, "\303\274rich?");
    finish(rest);
}

Test(response_events, say_what_an_item_is)
{
    struct telling *stored;
    struct json_object *item;

    make_play();
    stored = tell_stored(-1);
    for (size_t i = 0; i < stored->count; i++) {
        const struct told *event = &stored->events[i];
        int64_t place = json_get_int(event->data, "output_index", -1);

        if (strcmp(event->type, "response.output_item.done") != 0)
            continue;
        item = json_get(event->data, "item");
        if (place == 0) {
            cr_assert(text_is(json_get_text(item, "type"), "reasoning"));
            cr_assert(text_is(json_get_text(item, "id"), "rs_01000000000000000000000000000040"));
        }
        if (place == 1 || place == 4)
            cr_assert(text_is(json_get_text(item, "type"), "message"));
        if (place == 2 || place == 3) {
            cr_assert(text_is(json_get_text(item, "type"), "mcp_call"));
            cr_assert(text_is(json_get_text(item, "server_label"), "penstock"));
            cr_assert(text_is(json_get_text(item, "output"), place == 2 ? "3" : "4"));
            /* of the message that the calls came with */
            cr_assert(
                text_starts(json_get_text(item, "id"), "mcp_01000000000000000000000000000040"));
        }
        if (place >= 5) {
            cr_assert(text_is(json_get_text(item, "type"), "function_call"));
            cr_assert(text_is(json_get_text(item, "call_id"), place == 5 ? "call_3" : "call_4"));
            cr_assert(text_is(json_get_text(item, "id"),
                              place == 5 ? "fc_0500000000000000000000000000004000"
                                         : "fc_0500000000000000000000000000004001"));
        }
    }
    finish(stored);
}

Test(response_events, number_anew_behind_what_was_lost)
{
    struct telling *telling = begin(-1);
    struct run run = make_run(RUN_IN_PROGRESS);

    make_play();
    story_run(&telling->story, &run);
    tell_drafted_text(telling, 0x11, NULL, "This will never be stored");
    cr_assert_lt(telling->events[telling->count - 1].number, RESPONSE_NUMBERS_LOST);
    store_step(telling, 0);
    cr_assert_str_eq(telling->events[telling->count - 1].type, "response.output_item.done");
    cr_assert_gt(telling->events[telling->count - 1].number, RESPONSE_NUMBERS_LOST);
    for (size_t i = 0; i < telling->count; i++)
        if (strcmp(telling->events[i].type, "response.output_item.done") == 0 &&
            json_get_int(telling->events[i].data, "output_index", -1) == 0) {
            cr_assert(text_is(json_get_text(json_get(telling->events[i].data, "item"), "status"),
                              "incomplete"));
            cr_assert_gt(telling->events[i].number, RESPONSE_NUMBERS_LOST);
        }
    finish(telling);
}

Test(response_events, number_anew_behind_thoughts_that_were_lost)
{
    struct telling *telling = begin(-1);
    struct run run = make_run(RUN_IN_PROGRESS);
    struct draft draft = {.gap = false};

    make_play();
    story_run(&telling->story, &run);
    frame(&draft, 0x11, FRAME_REASONING, 0, 0, "Of what nobody said", "");
    story_draft(&telling->story, &draft);
    draft_drop(&draft);
    cr_assert_lt(telling->events[telling->count - 1].number, RESPONSE_NUMBERS_LOST);
    store_step(telling, 0);
    for (size_t i = 0; i < telling->count; i++)
        if (strcmp(telling->events[i].type, "response.output_item.done") == 0 &&
            json_get_int(telling->events[i].data, "output_index", -1) == 0) {
            cr_assert(text_is(json_get_text(json_get(telling->events[i].data, "item"), "status"),
                              "incomplete"));
            cr_assert_gt(telling->events[i].number, RESPONSE_NUMBERS_LOST);
        }
    cr_assert_eq(json_get_int(telling->events[telling->count - 1].data, "output_index", -1), 2);
    finish(telling);
}
