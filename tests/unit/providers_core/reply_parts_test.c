/* The order of a reply's parts, written and walked along. */

#include <criterion/criterion.h>

#include "providers/reply/reply_parts.h"

static struct chat_tool_call calls[] = {
    {.id = TEXT("a"), .name = TEXT("f")},
    {.id = TEXT("b"), .name = TEXT("g")},
};

static struct chat_message message(const char *text, size_t calls_count)
{
    return (struct chat_message){.role = CHAT_ASSISTANT,
                                 .text = text_of(text),
                                 .tool_calls = calls,
                                 .tool_calls_count = calls_count};
}

/* What a walk gives, one word a part. */
static const char *walked(const struct chat_message *message, const char *parts)
{
    static struct buf out;
    struct reply_parts_walk walk;
    enum reply_part part;

    buf_deinit(&out);
    buf_init(&out, 0);
    reply_parts_walk(message, text_of(parts), &walk);
    while ((part = reply_parts_next(&walk)) != REPLY_PART_NONE)
        if (part == REPLY_PART_ITEM)
            buf_printf(&out, "item %.*s|", TEXT_ARGS(walk.item));
        else if (part == REPLY_PART_TEXT)
            buf_printf(&out, "text %.*s%.*s|", TEXT_ARGS(walk.text), TEXT_ARGS(walk.note));
        else
            buf_printf(&out, "call %.*s|", TEXT_ARGS(walk.call->id));
    return buf_string(&out);
}

Test(reply_parts, are_walked_along_in_the_order_in_which_they_were_written)
{
    struct chat_message told = message("one, two", 2);
    CLEANUP(buf_deinit) struct buf parts;

    buf_init(&parts, 0);
    reply_parts_begin_item(&parts);
    buf_add_string(&parts, "{\"x\":[1]}");
    reply_parts_end_item(&parts);
    reply_parts_add_text(&parts, 5, TEXT("\"n\""));
    reply_parts_add_call(&parts);
    reply_parts_add_text(&parts, 3, TEXT_NONE);
    reply_parts_begin_item(&parts);
    buf_add_string(&parts, "7");
    reply_parts_end_item(&parts);
    reply_parts_add_call(&parts);
    reply_parts_close(&parts);
    cr_assert_str_eq(buf_string(&parts),
                     "[{\"item\":{\"x\":[1]}},{\"text\":5,\"note\":\"n\"},{\"call\":true},"
                     "{\"text\":3},{\"item\":7},{\"call\":true}]");
    cr_assert_str_eq(walked(&told, buf_string(&parts)),
                     "item {\"x\":[1]}|text one, \"n\"|call a|text two|item 7|call b|");
}

Test(reply_parts, a_message_without_them_is_its_text_and_its_calls)
{
    struct chat_message told = message("text", 2);
    struct chat_message silent = message("", 1);

    cr_assert_str_eq(walked(&told, ""), "text text|call a|call b|");
    cr_assert_str_eq(walked(&silent, ""), "call a|");
}

Test(reply_parts, what_does_not_fit_the_message_is_left_out)
{
    struct chat_message told = message("t\xC3\xA9xt", 1);
    static const char *const wrong[] = {
        "{}",
        "[]",
        "7",
        "[{\"item\":1},{\"text\":5}]",
        "[{\"item\":1},{\"text\":4},{\"call\":true}]",
        "[{\"item\":1},{\"text\":6},{\"call\":true}]",
        "[{\"item\":1},{\"text\":2},{\"text\":3},{\"call\":true}]",
        "[{\"item\":1},{\"text\":5},{\"call\":true},{\"call\":true}]",
        "[{\"item\":1},{\"text\":9223372036854775807},{\"text\":5},{\"call\":true}]",
        "[{\"item\":1},{\"text\":-5},{\"text\":4},{\"call\":true}]",
        "[{\"item\":1},null,[],\"text\"]",
    };

    cr_assert_str_eq(walked(&told, "[{\"item\":1},{\"text\":3},{\"call\":true},{\"text\":2}]"),
                     "item 1|text t\xC3\xA9|call a|text xt|");
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_assert_str_eq(walked(&told, wrong[i]), "text t\xC3\xA9xt|call a|", "%s", wrong[i]);
}

static size_t kept_bytes(size_t limit, bool with_item, struct text note)
{
    CLEANUP(buf_deinit) struct buf parts;

    buf_init(&parts, limit);
    reply_parts_add_text(&parts, 5, note);
    reply_parts_begin_item(&parts);
    buf_add_string(&parts, with_item ? "\"x\"" : "null");
    reply_parts_end_item(&parts);
    reply_parts_add_call(&parts);
    reply_parts_close(&parts);
    return parts.len;
}

Test(reply_parts, a_list_that_is_too_long_or_says_nothing_is_dropped)
{
    cr_assert_gt(kept_bytes(100, true, TEXT_NONE), 0);
    cr_assert_gt(kept_bytes(100, false, TEXT("\"n\"")), 0);
    cr_assert_eq(kept_bytes(20, true, TEXT_NONE), 0);
    cr_assert_eq(kept_bytes(100, false, TEXT_NONE), 0);
}
