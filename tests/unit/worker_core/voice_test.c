/* Tests of voices and their audience: what is said is told once, and to whom. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "worker/live/audience.h"
#include "worker/live/voice.h"

static struct uuid id(uint8_t n)
{
    struct uuid uuid = {{1}};

    uuid.bytes[15] = n;
    return uuid;
}

static void say(struct voice *voice, enum chat_event_kind kind, size_t number, const char *text)
{
    struct chat_event event = {.kind = kind, .number = number, .text = text_of(text)};

    voice_hear(voice, &event);
}

static size_t tell(const struct voice *voice, bool whole, struct frame *out, size_t max,
                   struct buf *frames)
{
    struct text bytes;
    size_t count = 0;

    buf_reset(frames);
    voice_tell(voice, whole, frames);
    bytes = buf_text(frames);
    while (count < max && frame_next(&bytes, &out[count]))
        count++;
    cr_assert_eq(bytes.len, 0);
    return count;
}

Test(voice, tells_what_was_not_told_or_all)
{
    CLEANUP(buf_deinit) struct buf frames;
    struct voice voice = {.speaks = false};
    struct chat_event call = {
        .kind = CHAT_EVENT_CALL, .number = 0, .id = TEXT("call_1"), .name = TEXT("add")};
    struct frame told[8];

    buf_init(&frames, 0);
    say(&voice, CHAT_EVENT_TEXT, 0, "lost");
    cr_assert_eq(voice_untold(&voice), 0, "it is silent");
    voice_begin(&voice, id(1), id(2), true);
    say(&voice, CHAT_EVENT_REASONING, 0, "so");
    say(&voice, CHAT_EVENT_TEXT, 0, "Hel");
    cr_assert_eq(voice_untold(&voice), 5);
    cr_assert_eq(tell(&voice, false, told, 8, &frames), 2);
    cr_assert_eq(told[0].kind, FRAME_REASONING);
    cr_assert(text_is(told[1].text, "Hel") && told[1].offset == 0);
    cr_assert(uuid_equal(told[1].run, id(1)) && uuid_equal(told[1].reply, id(2)));
    voice_told(&voice);
    cr_assert_eq(voice_untold(&voice), 0);
    say(&voice, CHAT_EVENT_TEXT, 0, "lo");
    voice_hear(&voice, &call);
    say(&voice, CHAT_EVENT_ARGUMENTS, 0, "{}");
    say(&voice, CHAT_EVENT_ARGUMENTS, 1, "of no call");
    cr_assert_eq(tell(&voice, false, told, 8, &frames), 3);
    cr_assert(text_is(told[0].text, "lo") && told[0].offset == 3);
    cr_assert(told[1].kind == FRAME_CALL && text_is(told[1].text, "call_1") &&
              text_is(told[1].name, "add"));
    cr_assert(told[2].kind == FRAME_ARGUMENTS && text_is(told[2].text, "{}"));
    voice_told(&voice);
    cr_assert_eq(tell(&voice, false, told, 8, &frames), 0);
    cr_assert_eq(tell(&voice, true, told, 8, &frames), 4);
    cr_assert(text_is(told[1].text, "Hello"));
    voice_begin(&voice, id(1), id(3), true);
    cr_assert_eq(tell(&voice, true, told, 8, &frames), 0, "another reply");
    voice_deinit(&voice);
}

Test(voice, is_bounded_and_tells_valid_text)
{
    CLEANUP(buf_deinit) struct buf piece;
    CLEANUP(buf_deinit) struct buf frames;
    struct voice voice = {.speaks = false};
    struct chat_event call = {.kind = CHAT_EVENT_CALL, .id = TEXT("\xff"), .name = TEXT("n")};
    struct frame told[4];

    buf_init(&piece, 0);
    buf_init(&frames, 0);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&piece, 'x');
    voice_begin(&voice, id(1), id(2), true);
    for (int i = 0; i < 20; i++)
        say(&voice, CHAT_EVENT_TEXT, 0, buf_string(&piece));
    cr_assert(voice.bytes <= VOICE_BYTES_MAX);
    say(&voice, CHAT_EVENT_TEXT, 0, "y");
    cr_assert(!memchr(voice.text.said.ptr, 'y', voice.text.said.len),
              "the piece before is missing");
    voice_begin(&voice, id(1), id(2), true);
    for (size_t i = 0; i < 2 * VOICE_CALLS_MAX; i++) {
        call.number = i;
        voice_hear(&voice, &call);
    }
    cr_assert_eq(voice.calls_count, VOICE_CALLS_MAX);
    voice_begin(&voice, id(1), id(3), true);
    call.number = 0;
    voice_hear(&voice, &call);
    cr_assert_eq(tell(&voice, false, told, 4, &frames), 1);
    cr_assert(text_is(told[0].text, "\xef\xbf\xbd"));
    voice_deinit(&voice);
}

Test(voice, keeps_the_beginning_while_nobody_listens)
{
    CLEANUP(buf_deinit) struct buf piece;
    CLEANUP(buf_deinit) struct buf frames;
    struct voice voice = {.speaks = false};
    struct frame told[4];

    buf_init(&piece, 0);
    buf_init(&frames, 0);
    for (int i = 0; i < 10000; i++)
        buf_add_char(&piece, 'x');
    voice_begin(&voice, id(1), id(2), false);
    say(&voice, CHAT_EVENT_TEXT, 0, buf_string(&piece));
    voice.heard = true; /* somebody comes, who is told all of it, and what is said then */
    say(&voice, CHAT_EVENT_TEXT, 0, "y");
    cr_assert_eq(tell(&voice, true, told, 4, &frames), 1);
    cr_assert_eq(told[0].text.len, 10001);
    voice_begin(&voice, id(1), id(3), false);
    for (int i = 0; i < 20; i++)
        say(&voice, CHAT_EVENT_TEXT, 0, buf_string(&piece));
    cr_assert_leq(voice.bytes, VOICE_UNHEARD_BYTES_MAX);
    voice_deinit(&voice);
    cr_assert_not(voice.heard);
}

Test(voice, tells_arguments_as_they_will_be_stored)
{
    CLEANUP(buf_deinit) struct buf frames;
    struct voice voice = {.speaks = false};
    struct chat_event call = {.kind = CHAT_EVENT_CALL, .id = TEXT("c"), .name = TEXT("n")};
    struct frame told[4];

    buf_init(&frames, 0);
    voice_begin(&voice, id(1), id(2), true);
    voice_hear(&voice, &call);
    say(&voice, CHAT_EVENT_ARGUMENTS, 0, " ");
    say(&voice, CHAT_EVENT_ARGUMENTS, 0, "\n{\"a\" ");
    cr_assert_eq(tell(&voice, false, told, 4, &frames), 2);
    cr_assert(text_is(told[1].text, "{\"a\"") && told[1].offset == 0);
    voice_told(&voice);
    cr_assert_eq(voice_untold(&voice), 0);
    say(&voice, CHAT_EVENT_ARGUMENTS, 0, ": 1} \n");
    cr_assert_eq(tell(&voice, false, told, 4, &frames), 1);
    cr_assert(text_is(told[0].text, " : 1}") && told[0].offset == 4);
    voice_told(&voice);
    cr_assert_eq(voice_untold(&voice), 0);
    voice_begin(&voice, id(1), id(3), true);
    voice_hear(&voice, &call);
    say(&voice, CHAT_EVENT_ARGUMENTS, 0, "\"{}\"");
    cr_assert_eq(tell(&voice, false, told, 4, &frames), 1, "a string becomes what it holds");
    voice_begin(&voice, id(1), id(4), true);
    say(&voice, CHAT_EVENT_TEXT, 0, "Hel");
    voice_hear(&voice, &call);
    say(&voice, CHAT_EVENT_TEXT, 0, "lo");
    cr_assert_eq(tell(&voice, false, told, 4, &frames), 2);
    cr_assert(told[1].kind == FRAME_CALL && told[1].offset == 3, "what came before the call");
    voice_deinit(&voice);
}

Test(audience, holds_until_the_ask_runs_out)
{
    struct audience audience;
    struct audience_of *of;

    audience_init(&audience);
    cr_assert_null(audience_find(&audience, id(1), 0));
    audience_ask(&audience, TEXT("live:a"), id(1), false, 1000);
    audience_ask(&audience, TEXT("live:b"), id(1), true, 2000);
    of = audience_find(&audience, id(1), 3000);
    cr_assert(of && of->count == 2);
    cr_assert(!of->channels[0].whole && of->channels[1].whole);
    audience_ask(&audience, TEXT("live:b"), id(1), false, 4000);
    of = audience_find(&audience, id(1), 1000 + ASK_HOLDS_MS);
    cr_assert(of && of->count == 1);
    cr_assert_str_eq(of->channels[0].name, "live:b");
    cr_assert(of->channels[0].whole, "it was not told yet");
    cr_assert_null(audience_find(&audience, id(1), 4000 + ASK_HOLDS_MS));
    cr_assert_null(audience_find(&audience, id(2), 0));
    audience_deinit(&audience);
}

Test(audience, expects_whoever_is_announced_until_he_has_asked)
{
    struct audience audience;
    struct audience_of *of;

    audience_init(&audience);
    audience_expect(&audience, id(1), 1000);
    of = audience_find(&audience, id(1), 2000);
    cr_assert(of && of->count == 0);
    audience_ask(&audience, TEXT("live:a"), id(1), true, 3000);
    of = audience_find(&audience, id(1), 3000);
    cr_assert(of && of->count == 1);
    cr_assert_not_null(audience_find(&audience, id(1), 2000 + ASK_HOLDS_MS), "he listens");
    cr_assert_null(audience_find(&audience, id(1), 3000 + ASK_HOLDS_MS));
    audience_expect(&audience, id(2), 0);
    cr_assert_null(audience_find(&audience, id(2), ASK_HOLDS_MS), "he never came");
    audience_deinit(&audience);
}

Test(audience, has_bounds)
{
    struct audience audience;
    struct audience_of *of;
    char name[16];

    audience_init(&audience);
    for (int i = 0; i < 2 * AUDIENCE_CHANNELS_MAX; i++) {
        snprintf(name, sizeof(name), "live:%d", i);
        audience_ask(&audience, text_of(name), id(1), false, i);
    }
    of = audience_find(&audience, id(1), 10);
    cr_assert_eq(of->count, AUDIENCE_CHANNELS_MAX);
    for (size_t i = 0; i < of->count; i++)
        cr_assert_geq(of->channels[i].until_ms, AUDIENCE_CHANNELS_MAX + ASK_HOLDS_MS);
    for (int i = 0; i < AUDIENCE_RUNS_MAX + 10; i++)
        audience_ask(&audience, TEXT("live:a"), uuid_new(), false, 10);
    cr_assert_eq(audience.runs.count, AUDIENCE_RUNS_MAX);
    cr_assert_null(audience_find(&audience, id(1), 10), "it made room");
    audience_deinit(&audience);
}
