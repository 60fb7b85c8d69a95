/* Tests of drafts: pieces that come twice, late, or not at all. */

#include <criterion/criterion.h>

#include "scheduler/live/draft.h"

static struct uuid reply(uint8_t n)
{
    struct uuid uuid = {{n}};

    return uuid;
}

static bool take(struct draft *draft, enum frame_kind kind, uint8_t of, uint32_t offset,
                 const char *text)
{
    struct frame frame = {
        .kind = kind, .reply = reply(of), .offset = offset, .text = text_of(text)};

    return draft_take(draft, &frame);
}

static bool take_call(struct draft *draft, uint8_t of, uint32_t number, const char *id_text)
{
    struct frame frame = {.kind = FRAME_CALL,
                          .reply = reply(of),
                          .number = number,
                          .text = text_of(id_text),
                          .name = TEXT("tool")};

    return draft_take(draft, &frame);
}

Test(draft, grows_by_what_is_new)
{
    struct draft draft = {.gap = false};

    cr_assert(take(&draft, FRAME_TEXT, 1, 0, "Hel"));
    cr_assert_not(take(&draft, FRAME_TEXT, 1, 0, "Hel"), "twice");
    cr_assert_not(take(&draft, FRAME_TEXT, 1, 1, "e"));
    cr_assert(take(&draft, FRAME_TEXT, 1, 1, "ello"), "partly known");
    cr_assert(text_is(buf_text(&draft.text), "Hello"));
    cr_assert(take(&draft, FRAME_REASONING, 1, 0, "why"));
    cr_assert(text_is(buf_text(&draft.reasoning), "why"));
    cr_assert_not(draft.gap);
    cr_assert_eq(draft.bytes, 8);
    draft_drop(&draft);
    cr_assert(uuid_is_zero(draft.reply));
}

Test(draft, sees_what_is_missing)
{
    struct draft draft = {.gap = false};

    cr_assert(take(&draft, FRAME_TEXT, 1, 0, "Hel"));
    cr_assert_not(take(&draft, FRAME_TEXT, 1, 4, "o"));
    cr_assert(draft.gap);
    draft.gap = false;
    cr_assert(take(&draft, FRAME_TEXT, 1, 0, "Hello"), "the whole, which was asked for");
    cr_assert_not(draft.gap);
    cr_assert_not(take_call(&draft, 1, 1, "b"));
    cr_assert(draft.gap, "call 0 is missing");
    draft.gap = false;
    cr_assert_not(take(&draft, FRAME_ARGUMENTS, 1, 0, "{}"));
    cr_assert(draft.gap, "of a call that is not known");
    draft_drop(&draft);
}

Test(draft, a_later_reply_takes_its_place_and_an_earlier_one_is_passed_over)
{
    struct draft draft = {.gap = false};

    cr_assert(take(&draft, FRAME_TEXT, 2, 0, "two"));
    cr_assert_not(take(&draft, FRAME_TEXT, 1, 0, "one"));
    cr_assert(text_is(buf_text(&draft.text), "two"));
    cr_assert(take_call(&draft, 2, 0, "a"));
    cr_assert(take(&draft, FRAME_REFUSAL, 3, 0, "no"));
    cr_assert(draft.refuses);
    cr_assert(text_is(buf_text(&draft.text), "no"));
    cr_assert_eq(draft.calls_count, 0);
    cr_assert_not(take(&draft, FRAME_STORED, 4, 0, ""));
    cr_assert(uuid_equal(draft.reply, reply(3)));
    draft_drop(&draft);
}

Test(draft, has_calls_in_their_order)
{
    struct draft draft = {.gap = false};
    struct frame piece = {.kind = FRAME_ARGUMENTS, .reply = reply(1), .number = 1};

    cr_assert(take_call(&draft, 1, 0, "a"));
    cr_assert(take_call(&draft, 1, 1, "b"));
    cr_assert_not(take_call(&draft, 1, 1, "c"));
    piece.text = TEXT("{\"x\":");
    cr_assert(draft_take(&draft, &piece));
    piece.offset = 5;
    piece.text = TEXT("1}");
    cr_assert(draft_take(&draft, &piece));
    cr_assert(text_is(buf_text(&draft.calls[1].arguments), "{\"x\":1}"));
    cr_assert(text_is(buf_text(&draft.calls[1].id), "b"));
    cr_assert_eq(draft.calls[0].arguments.len, 0);
    draft_drop(&draft);
}

Test(draft, sees_that_the_text_before_a_call_is_missing)
{
    struct draft draft = {.gap = false};
    struct frame call = {
        .kind = FRAME_CALL, .reply = reply(1), .offset = 3, .text = TEXT("c"), .name = TEXT("n")};

    cr_assert_not(draft_take(&draft, &call));
    cr_assert(draft.gap && draft.calls_count == 0);
    draft.gap = false;
    cr_assert(take(&draft, FRAME_TEXT, 1, 0, "Hel"));
    cr_assert(draft_take(&draft, &call));
    cr_assert_not(draft.gap);
    draft_drop(&draft);
}

Test(draft, a_piece_that_begins_within_a_character_is_none_of_the_text)
{
    struct draft draft = {.gap = false};

    cr_assert(take(&draft, FRAME_TEXT, 1, 0, "ab"));
    cr_assert_not(take(&draft, FRAME_TEXT, 1, 1, "€"));
    cr_assert(text_is(buf_text(&draft.text), "ab"));
    draft_drop(&draft);
}

Test(draft, is_bounded)
{
    CLEANUP(buf_deinit) struct buf piece;
    struct draft draft = {.gap = false};
    uint32_t at = 0;

    buf_init(&piece, 0);
    for (size_t i = 0; i < FRAME_TEXT_MAX; i++)
        buf_add_char(&piece, 'x');
    while (take(&draft, FRAME_TEXT, 1, at, buf_string(&piece)))
        at += (uint32_t)piece.len;
    cr_assert(draft.text.len <= DRAFT_BYTES_MAX);
    cr_assert(draft.text.len > DRAFT_BYTES_MAX - 2 * FRAME_TEXT_MAX);
    cr_assert_not(draft.text.failed);
    for (int i = 0; i < 3; i++, at += 1)
        cr_assert_not(take(&draft, FRAME_TEXT, 1, at + FRAME_TEXT_MAX, "y"));
    cr_assert_not(draft.gap, "what is above the bound is not asked for again");
    draft_drop(&draft);
}

Test(draft, the_whole_of_a_draft_that_is_nearly_full_is_taken)
{
    CLEANUP(buf_deinit) struct buf piece;
    struct draft draft = {.gap = false};
    uint32_t at = 0;

    buf_init(&piece, 0);
    for (size_t i = 0; i < FRAME_TEXT_MAX; i++)
        buf_add_char(&piece, 'x');
    while (at + FRAME_TEXT_MAX < DRAFT_BYTES_MAX) {
        cr_assert(take(&draft, FRAME_TEXT, 1, at, buf_string(&piece)));
        at += (uint32_t)piece.len;
    }
    cr_assert(take(&draft, FRAME_TEXT, 1, at, "almost"));
    buf_reset(&piece);
    for (size_t i = 0; i < FRAME_TEXT_MAX; i++)
        buf_add_char(&piece, 'x');
    memcpy(piece.ptr + FRAME_TEXT_MAX - 6, "almost", 6);
    buf_add_string(&piece, "all");
    cr_assert(take(&draft, FRAME_TEXT, 1, at + 6 - FRAME_TEXT_MAX, buf_string(&piece)));
    cr_assert_eq(draft.text.len, at + 9);
    draft_drop(&draft);
}

/* A thought is told before its answer begins, so an answer without it would be told for good. */
Test(draft, an_answer_waits_for_the_thought_that_came_before)
{
    struct draft draft = {.gap = false};
    struct frame text = {
        .kind = FRAME_TEXT, .reply = reply(1), .thought = 3, .text = TEXT("Hello")};
    struct frame call = {.kind = FRAME_CALL, .reply = reply(1), .thought = 3, .name = TEXT("tool")};

    cr_assert_not(draft_take(&draft, &text));
    cr_assert(draft.gap && draft.text.len == 0);
    draft.gap = false;
    cr_assert_not(draft_take(&draft, &call));
    cr_assert(draft.gap);
    draft.gap = false;
    cr_assert(take(&draft, FRAME_REASONING, 1, 0, "why"));
    cr_assert(draft_take(&draft, &text) && draft_take(&draft, &call));
    cr_assert_not(draft.gap);
    draft_drop(&draft);
}
