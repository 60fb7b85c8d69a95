/* Frames of clients: whatever way the bytes are cut, the same comes out. The cases are of the kinds
 * that the Autobahn test suite has (its numbers stand beside them). */

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/websocket/websocket.h"
#include "tests/unit/shared_websocket/frames.h"

#define FRAMES_MAX 8

struct frame {
    unsigned head; /* 0 behind the first one: the end, unless it has a payload */
    struct text payload;
};

struct frame_case {
    const char *name;
    struct frame frames[FRAMES_MAX];
    const char *expected;
};

#define SIXTY  "012345678901234567890123456789012345678901234567890123456789"
#define LONGER SIXTY SIXTY "12345" /* 125 bytes */

/* clang-format off */
static const struct frame_case cases[] = {
    {"1.1.1 an empty text", {{FIN | TEXT_FRAME, TEXT("")}}, "text |"},
    {"1.1.2 a text", {{FIN | TEXT_FRAME, TEXT("Hello")}}, "text Hello|"},
    {"1.2.1 binary", {{FIN | BINARY, TEXT("Hello")}}, "failed 1003|"},
    {"2.1 a ping without a payload", {{FIN | PING, TEXT("")}}, "ping |"},
    {"2.2 a ping with one", {{FIN | PING, TEXT("Hello")}}, "ping Hello|"},
    {"2.3 a ping of bytes that are no text",
     {{FIN | PING, TEXT("\xFE\xFF\x80")}}, "ping \xFE\xFF\x80|"},
    {"2.4 a ping of 125 bytes", {{FIN | PING, TEXT(LONGER)}}, "ping " LONGER "|"},
    {"2.5 a ping of 126 bytes", {{FIN | PING, TEXT(LONGER "x")}}, "failed 1002|"},
    {"2.7 a pong that nobody asked for",
     {{FIN | PONG, TEXT("x")}, {FIN | PING, TEXT("y")}}, "pong x|ping y|"},
    {"2.10 several pings",
     {{FIN | PING, TEXT("1")}, {FIN | PING, TEXT("2")}, {FIN | PING, TEXT("3")}},
     "ping 1|ping 2|ping 3|"},
    {"2.11 a pong between pings",
     {{FIN | PING, TEXT("1")}, {FIN | PONG, TEXT("1")}, {FIN | PING, TEXT("2")}},
     "ping 1|pong 1|ping 2|"},
    {"3.1 the third reserved bit", {{FIN | 0x10 | TEXT_FRAME, TEXT("x")}}, "failed 1002|"},
    {"3.2 the second one, behind a text",
     {{FIN | TEXT_FRAME, TEXT("x")}, {FIN | 0x20 | TEXT_FRAME, TEXT("y")}},
     "text x|failed 1002|"},
    {"3.3 the last two of them, before a ping",
     {{FIN | 0x30 | TEXT_FRAME, TEXT("x")}, {FIN | PING, TEXT("")}}, "failed 1002|"},
    {"3.4 the first one, as of compression",
     {{FIN | 0x40 | TEXT_FRAME, TEXT("x")}}, "failed 1002|"},
    {"3.5 on a control frame", {{FIN | 0x40 | PING, TEXT("")}}, "failed 1002|"},
    {"3.6 the first two, of binary", {{FIN | 0x60 | BINARY, TEXT("x")}}, "failed 1002|"},
    {"3.7 all, of a close", {{FIN | 0x70 | CLOSE, TEXT("\x03\xE8")}}, "failed 1002|"},
    {"3.7 on a fragment that is not the first",
     {{TEXT_FRAME, TEXT("a")}, {FIN | 0x40 | CONTINUES, TEXT("b")}}, "failed 1002|"},
    {"4.1 opcodes of data that there are not", {{FIN | 3, TEXT("x")}}, "failed 1002|"},
    {"4.1.2 another", {{FIN | 4, TEXT("x")}, {FIN | PING, TEXT("")}}, "failed 1002|"},
    {"4.1.3 behind a text",
     {{FIN | TEXT_FRAME, TEXT("x")}, {FIN | 5, TEXT("y")}}, "text x|failed 1002|"},
    {"4.1.4 within one", {{TEXT_FRAME, TEXT("x")}, {FIN | 6, TEXT("y")}}, "failed 1002|"},
    {"4.1.5 the last of them", {{FIN | 7, TEXT("")}}, "failed 1002|"},
    {"4.2 opcodes of control that there are not", {{FIN | 11, TEXT("")}}, "failed 1002|"},
    {"4.2.2 another", {{FIN | 12, TEXT("x")}, {FIN | PING, TEXT("")}}, "failed 1002|"},
    {"4.2.3 behind a text",
     {{FIN | TEXT_FRAME, TEXT("x")}, {FIN | 13, TEXT("y")}}, "text x|failed 1002|"},
    {"4.2.4 within one", {{TEXT_FRAME, TEXT("x")}, {FIN | 14, TEXT("y")}}, "failed 1002|"},
    {"4.2.5 the last of them", {{FIN | 15, TEXT("x")}}, "failed 1002|"},
    {"5.1 a ping in fragments", {{PING, TEXT("a")}, {FIN | CONTINUES, TEXT("b")}}, "failed 1002|"},
    {"5.2 a pong in fragments", {{PONG, TEXT("a")}, {FIN | CONTINUES, TEXT("b")}}, "failed 1002|"},
    {"5.2 a close in fragments",
     {{CLOSE, TEXT("\x03\xE8")}, {FIN | CONTINUES, TEXT("b")}}, "failed 1002|"},
    {"5.3 a text in two",
     {{TEXT_FRAME, TEXT("Hel")}, {FIN | CONTINUES, TEXT("lo")}}, "text Hello|"},
    {"5.6 a ping between them",
     {{TEXT_FRAME, TEXT("Hel")}, {FIN | PING, TEXT("p")}, {FIN | CONTINUES, TEXT("lo")}},
     "ping p|text Hello|"},
    {"5.9 a fragment of nothing",
     {{FIN | CONTINUES, TEXT("x")}, {FIN | TEXT_FRAME, TEXT("y")}}, "failed 1002|"},
    {"5.12 the same, not the last one", {{CONTINUES, TEXT("x")}}, "failed 1002|"},
    {"5.15 one behind a whole message",
     {{TEXT_FRAME, TEXT("a")}, {FIN | CONTINUES, TEXT("b")}, {CONTINUES, TEXT("c")}},
     "text ab|failed 1002|"},
    {"5.16 a fragment of nothing before a text in two",
     {{CONTINUES, TEXT("x")}, {TEXT_FRAME, TEXT("a")}, {FIN | CONTINUES, TEXT("b")}},
     "failed 1002|"},
    {"5.18 a text within a text",
     {{TEXT_FRAME, TEXT("a")}, {FIN | TEXT_FRAME, TEXT("b")}}, "failed 1002|"},
    {"5.18 binary within a text",
     {{TEXT_FRAME, TEXT("a")}, {FIN | BINARY, TEXT("b")}}, "failed 1002|"},
    {"5.19 five fragments, two pings",
     {{TEXT_FRAME, TEXT("1")}, {CONTINUES, TEXT("2")}, {FIN | PING, TEXT("a")},
      {CONTINUES, TEXT("3")},
      {CONTINUES, TEXT("4")}, {FIN | PING, TEXT("b")}, {FIN | CONTINUES, TEXT("5")}},
     "ping a|ping b|text 12345|"},
    {"6.1.2 empty fragments",
     {{TEXT_FRAME, TEXT("")}, {CONTINUES, TEXT("")}, {FIN | CONTINUES, TEXT("")}}, "text |"},
    {"6.1.3 and one that is not",
     {{TEXT_FRAME, TEXT("")}, {CONTINUES, TEXT("x")}, {FIN | CONTINUES, TEXT("")}},
     "text x|"},
    {"6.2.1 UTF-8",
     {{FIN | TEXT_FRAME, TEXT("Hello-µ@ßöäüàá-UTF-8!!")}},
      "text Hello-µ@ßöäüàá-UTF-8!!|"},
    {"6.2.2 cut between characters",
     {{TEXT_FRAME, TEXT("Hello-µ@ß")}, {FIN | CONTINUES, TEXT("öäü")}},
     "text Hello-µ@ßöäü|"},
    {"6.2.3 cut within one",
     {{TEXT_FRAME, TEXT("\xF0\x9F")}, {CONTINUES, TEXT("\x98")}, {FIN | CONTINUES, TEXT("\x80")}},
     "text \xF0\x9F\x98\x80|"},
    {"6.3.1 a surrogate",
     {{FIN | TEXT_FRAME, TEXT("κόσμε\xED\xA0\x80" "edited")}}, "failed 1007|"},
    {"6.3.2 the same in fragments",
     {{TEXT_FRAME, TEXT("ab\xED")}, {FIN | CONTINUES, TEXT("\xA0\x80")}}, "failed 1007|"},
    {"6.4.1 wrong long before the end",
     {{TEXT_FRAME, TEXT("ab\xFE")}, {FIN | PING, TEXT("x")}}, "failed 1007|"},
    {"6.4.2 above U+10FFFF",
     {{TEXT_FRAME, TEXT("a\xF4\x90\x80\x80")}, {FIN | CONTINUES, TEXT("b")}}, "failed 1007|"},
    {"6.4.3 a surrogate that is not whole yet",
     {{TEXT_FRAME, TEXT("a\xED\xA0")}, {FIN | PING, TEXT("x")}}, "failed 1007|"},
    {"6.4.4 what may become a character",
     {{TEXT_FRAME, TEXT("a\xED\x9F")}, {FIN | PING, TEXT("x")}}, "ping x|"},
    {"6.6 half a character at the end", {{FIN | TEXT_FRAME, TEXT("a\xCE")}}, "failed 1007|"},
    {"6.6 the same, behind a fragment",
     {{TEXT_FRAME, TEXT("a\xE2\x82")}, {FIN | CONTINUES, TEXT("")}}, "failed 1007|"},
    {"7.1.1 a text, then a close",
     {{FIN | TEXT_FRAME, TEXT("x")}, {FIN | CLOSE, TEXT("\x03\xE8")}}, "text x|close 1000 |"},
    {"7.1.2 two closes",
     {{FIN | CLOSE, TEXT("\x03\xE8")}, {FIN | CLOSE, TEXT("\x03\xE9")}}, "close 1000 |"},
    {"7.1.3 nothing counts behind a close",
     {{FIN | CLOSE, TEXT("\x03\xE8")}, {FIN | PING, TEXT("x")}}, "close 1000 |"},
    {"7.1.4 no text, either",
     {{FIN | CLOSE, TEXT("\x03\xE8")}, {FIN | TEXT_FRAME, TEXT("x")}}, "close 1000 |"},
    {"7.1.5 in the midst of a message",
     {{TEXT_FRAME, TEXT("x")}, {FIN | CLOSE, TEXT("\x03\xE8")}}, "close 1000 |"},
    {"7.3.1 without a code", {{FIN | CLOSE, TEXT("")}}, "close 1005 |"},
    {"7.3.2 half a code", {{FIN | CLOSE, TEXT("\x03")}}, "failed 1002|"},
    {"7.3.3 a code alone", {{FIN | CLOSE, TEXT("\x03\xE8")}}, "close 1000 |"},
    {"7.3.4 with a reason", {{FIN | CLOSE, TEXT("\x03\xE8" "bye")}}, "close 1000 bye|"},
    {"7.3.5 the longest reason",
     {{FIN | CLOSE, TEXT("\x03\xE8" SIXTY SIXTY "123")}}, "close 1000 " SIXTY SIXTY "123|"},
    {"7.3.6 a reason that is too long", {{FIN | CLOSE, TEXT("\x03\xE8" LONGER)}}, "failed 1002|"},
    {"7.5.1 one that is not UTF-8",
     {{FIN | CLOSE, TEXT("\x03\xE8" "\xCE\xBA\xE1")}}, "failed 1007|"},
    {"7.7 codes that there are: 1001", {{FIN | CLOSE, TEXT("\x03\xE9")}}, "close 1001 |"},
    {"7.7 1003", {{FIN | CLOSE, TEXT("\x03\xEB")}}, "close 1003 |"},
    {"7.7 1002", {{FIN | CLOSE, TEXT("\x03\xEA")}}, "close 1002 |"},
    {"7.7 1007", {{FIN | CLOSE, TEXT("\x03\xEF")}}, "close 1007 |"},
    {"7.7 1008", {{FIN | CLOSE, TEXT("\x03\xF0")}}, "close 1008 |"},
    {"7.7 1009", {{FIN | CLOSE, TEXT("\x03\xF1")}}, "close 1009 |"},
    {"7.7 1010", {{FIN | CLOSE, TEXT("\x03\xF2")}}, "close 1010 |"},
    {"7.7 1011", {{FIN | CLOSE, TEXT("\x03\xF3")}}, "close 1011 |"},
    {"7.7 3000", {{FIN | CLOSE, TEXT("\x0B\xB8")}}, "close 3000 |"},
    {"7.7 3999", {{FIN | CLOSE, TEXT("\x0F\x9F")}}, "close 3999 |"},
    {"7.7 4000", {{FIN | CLOSE, TEXT("\x0F\xA0")}}, "close 4000 |"},
    {"7.7 4999", {{FIN | CLOSE, TEXT("\x13\x87")}}, "close 4999 |"},
    {"7.9 codes that there are not: 0", {{FIN | CLOSE, TEXT("\x00\x00")}}, "failed 1002|"},
    {"7.9 999", {{FIN | CLOSE, TEXT("\x03\xE7")}}, "failed 1002|"},
    {"7.9 1004", {{FIN | CLOSE, TEXT("\x03\xEC")}}, "failed 1002|"},
    {"7.9 1005, which is for none", {{FIN | CLOSE, TEXT("\x03\xED")}}, "failed 1002|"},
    {"7.9 1006, which is for a break", {{FIN | CLOSE, TEXT("\x03\xEE")}}, "failed 1002|"},
    {"7.9 1016", {{FIN | CLOSE, TEXT("\x03\xF8")}}, "failed 1002|"},
    {"7.9 1100", {{FIN | CLOSE, TEXT("\x04\x4C")}}, "failed 1002|"},
    {"7.9 2000", {{FIN | CLOSE, TEXT("\x07\xD0")}}, "failed 1002|"},
    {"7.9 2999", {{FIN | CLOSE, TEXT("\x0B\xB7")}}, "failed 1002|"},
    {"7.9 5000", {{FIN | CLOSE, TEXT("\x13\x88")}}, "failed 1002|"},
    {"7.9 65535", {{FIN | CLOSE, TEXT("\xFF\xFF")}}, "failed 1002|"},
    {"9.1 a frame of what may be", {{FIN | TEXT_FRAME, TEXT(SIXTY "1234")}}, "text " SIXTY "1234|"},
    {"9.1 a byte more", {{FIN | TEXT_FRAME, TEXT(SIXTY "12345")}}, "failed 1009|"},
    {"9.3 a message of what may be",
     {{TEXT_FRAME, TEXT(SIXTY)}, {FIN | CONTINUES,
      TEXT("1234567890123456789012345678901234567890")}},
     "text " SIXTY "1234567890123456789012345678901234567890|"},
    {"9.3 a byte more",
     {{TEXT_FRAME, TEXT(SIXTY)}, {FIN | CONTINUES,
      TEXT("12345678901234567890123456789012345678901")}},
     "failed 1009|"},
    {"9.3 messages do not add up",
     {{FIN | TEXT_FRAME, TEXT(SIXTY)}, {FIN | TEXT_FRAME, TEXT(SIXTY)}},
     "text " SIXTY "|text " SIXTY "|"},
};
/* clang-format on */

static void check(const char *name, struct text bytes, const char *expected)
{
    for (size_t piece = 1; piece <= bytes.len; piece++)
        cr_expect_str_eq(events_of(bytes, piece), expected, "%s by %zu: %s", name, piece,
                         events_of(bytes, piece));
}

Test(websocket, frames_come_out_as_they_were_meant_however_they_are_cut)
{
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(buf_deinit) struct buf bytes;

        buf_init(&bytes, 0);
        for (size_t k = 0; k < FRAMES_MAX && (cases[i].frames[k].payload.ptr); k++)
            client_frame(&bytes, cases[i].frames[k].head, cases[i].frames[k].payload);
        check(cases[i].name, buf_text(&bytes), cases[i].expected);
    }
}

/* Of the groups 6.5 to 6.23: `good` bytes are part of what may be UTF-8, the next one is not.
 * -1: all are, and it ends with a whole character; -2: the end comes within one. */
/* clang-format off */
static const struct {
    const char *name;
    struct text bytes;
    int good;
} texts[] = {
    {"6.5 Greek", TEXT("\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5"), -1},
    {"6.6.1 half of it", TEXT("\xCE"), -2},
    {"6.6.4 two of three bytes", TEXT("\xCE\xBA\xE1\xBD"), -2},
    {"6.6.6 three of four", TEXT("\xF0\x9F\x98"), -2},
    {"6.7.2 the first of two bytes", TEXT("\xC2\x80"), -1},
    {"6.7.3 of three", TEXT("\xE0\xA0\x80"), -1},
    {"6.7.4 of four", TEXT("\xF0\x90\x80\x80"), -1},
    {"6.8.1 of five", TEXT("\xF8\x88\x80\x80\x80"), 0},
    {"6.8.2 of six", TEXT("\xFC\x84\x80\x80\x80\x80"), 0},
    {"6.9.1 the last of one byte", TEXT("\x7F"), -1},
    {"6.9.2 of two", TEXT("\xDF\xBF"), -1},
    {"6.9.3 of three", TEXT("\xEF\xBF\xBF"), -1},
    {"6.9.4 of four", TEXT("\xF4\x8F\xBF\xBF"), -1},
    {"6.10.1 above it", TEXT("\xF7\xBF\xBF\xBF"), 0},
    {"6.10.2 of five", TEXT("\xFB\xBF\xBF\xBF\xBF"), 0},
    {"6.10.3 of six", TEXT("\xFD\xBF\xBF\xBF\xBF\xBF"), 0},
    {"6.11.1 before the surrogates", TEXT("\xED\x9F\xBF"), -1},
    {"6.11.2 behind them", TEXT("\xEE\x80\x80"), -1},
    {"6.11.3 what stands in for others", TEXT("\xEF\xBF\xBD"), -1},
    {"6.11.5 behind the last", TEXT("\xF4\x90\x80\x80"), 1},
    {"6.12.1 a continuation alone", TEXT("\x80"), 0},
    {"6.12.2 the last of them", TEXT("ab\xBF"), 2},
    {"6.12.8 two, behind a whole character", TEXT("\xC2\x80\x80\xBF"), 2},
    {"6.13.1 a beginning without an end", TEXT("\xC2 x"), 1},
    {"6.13.2 of three bytes", TEXT("\xE0 x"), 1},
    {"6.13.3 of four", TEXT("\xF0 x"), 1},
    {"6.14.2 the last byte is missing", TEXT("\xE0\xA0 x"), 2},
    {"6.14.3 of four", TEXT("\xF0\x90\x80 x"), 3},
    {"6.15 another begins within one", TEXT("\xE0\xA0\xE0"), 2},
    {"6.16.1 a byte that there is not", TEXT("\xFE"), 0},
    {"6.16.2 another", TEXT("a\xFF"), 1},
    {"6.17.1 an overlong slash", TEXT("\xC0\xAF"), 0},
    {"6.17.2 in three bytes", TEXT("\xE0\x80\xAF"), 1},
    {"6.17.3 in four", TEXT("\xF0\x80\x80\xAF"), 1},
    {"6.18.1 the last that is overlong", TEXT("\xC1\xBF"), 0},
    {"6.18.2 in three bytes", TEXT("\xE0\x9F\xBF"), 1},
    {"6.18.3 in four", TEXT("\xF0\x8F\xBF\xBF"), 1},
    {"6.19.1 an overlong zero", TEXT("\xC0\x80"), 0},
    {"6.19.2 in three bytes", TEXT("\xE0\x80\x80"), 1},
    {"6.20.1 the first surrogate", TEXT("\xED\xA0\x80"), 1},
    {"6.20.4 the last of the first half", TEXT("\xED\xAF\xBF"), 1},
    {"6.20.5 the first of the second", TEXT("\xED\xB0\x80"), 1},
    {"6.20.7 the last of all", TEXT("\xED\xBF\xBF"), 1},
    {"6.21.1 a pair of them", TEXT("a\xED\xA0\x80\xED\xB0\x80"), 2},
    {"6.22.1 no character, and yet", TEXT("\xEF\xBF\xBE"), -1},
    {"6.22.3 of another plane", TEXT("\xF0\x9F\xBF\xBE"), -1},
    {"6.22.34 of the last one", TEXT("\xF4\x8F\xBF\xBE"), -1},
};
/* clang-format on */

/* A frame of which all has come, or all but the last byte; then the rest. */
static void check_text(const char *name, struct text bytes, int good)
{
    CLEANUP(buf_deinit) struct buf frame;
    char expected[80];

    if (good == -1)
        (void)snprintf(expected, sizeof(expected), "text %.*s|", TEXT_ARGS(bytes));
    else
        (void)snprintf(expected, sizeof(expected), "failed 1007|");
    buf_init(&frame, 0);
    client_frame(&frame, FIN | TEXT_FRAME, bytes);
    check(name, buf_text(&frame), expected);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        buf_reset(&frame);
        client_frame(&frame, TEXT_FRAME, (struct text){bytes.ptr, cut});
        client_frame(&frame, FIN | CONTINUES, (struct text){bytes.ptr + cut, bytes.len - cut});
        check(name, buf_text(&frame), expected);
    }
}

/* Which byte of a text ends the connection, where the frame goes on behind it; -1: none. */
static int failing_byte(struct text bytes)
{
    CLEANUP(buf_deinit) struct buf frame;
    int failed = -1;

    buf_init(&frame, 0);
    client_frame(&frame, FIN | TEXT_FRAME, bytes);
    frame.ptr[1] = (char)(frame.ptr[1] + 10);
    for (size_t i = 0; i < bytes.len && failed < 0; i++)
        if (*events_of((struct text){frame.ptr, 6 + i + 1}, 1))
            failed = (int)i;
    return failed;
}

Test(websocket, what_is_no_utf8_ends_with_the_byte_that_makes_it_so)
{
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        check_text(texts[i].name, texts[i].bytes, texts[i].good);
        cr_expect_eq(failing_byte(texts[i].bytes), texts[i].good < 0 ? -1 : texts[i].good, "%s",
                     texts[i].name);
    }
}

/* 1.1 and 9: as long as lengths of one, two and eight bytes say; 10.1: in frames of 1,300. */
Test(websocket, a_text_is_as_long_as_its_length_says_whole_and_in_fragments)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 200000};
    static const size_t pieces[] = {1, 997, 2048, 1 << 20};
    static char text[200000];

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
        for (size_t k = 0; k < 2; k++) {
            CLEANUP(buf_deinit) struct buf bytes;
            size_t step = k ? 1300 : sizeof(text);
            size_t at = 0;

            buf_init(&bytes, 0);
            do {
                size_t left = lengths[i] - at;
                size_t len = left < step ? left : step;

                client_frame(&bytes, (at > 0 ? CONTINUES : TEXT_FRAME) | (len == left ? FIN : 0U),
                             (struct text){text, len});
                at += len;
            } while (at < lengths[i]);
            for (size_t p = 0; p < ARRAY_LENGTH(pieces); p++)
                cr_expect_eq(length_of(buf_text(&bytes), pieces[p]), (int64_t)lengths[i],
                             "%zu by %zu", lengths[i], pieces[p]);
        }
}

Test(websocket, a_frame_without_a_mask_is_refused)
{
    check("text", TEXT("\x81\x05Hello"), "failed 1002|");
    check("ping", TEXT("\x89\x01x"), "failed 1002|");
    check("empty", TEXT("\x81\x00"), "failed 1002|");
}

Test(websocket, a_length_is_said_in_as_few_bytes_as_it_takes)
{
    check("16 bits for 5", TEXT("\x81\xFE\x00\x05\x01\x02\x03\x04Hello"), "failed 1002|");
    check("64 bits for 5", TEXT("\x81\xFF\x00\x00\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04Hello"),
          "failed 1002|");
    check("the highest bit", TEXT("\x81\xFF\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04x"),
          "failed 1002|");
}

Test(websocket, a_length_that_is_only_said_takes_no_memory)
{
    check("exabytes", TEXT("\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x02\x03\x04x"),
          "failed 1009|");
}

Test(websocket, a_message_has_so_many_fragments_at_most)
{
    CLEANUP(buf_deinit) struct buf bytes;

    buf_init(&bytes, 0);
    client_frame(&bytes, TEXT_FRAME, TEXT("x"));
    for (size_t i = 1; i < WEBSOCKET_FRAGMENTS_MAX - 1; i++)
        client_frame(&bytes, CONTINUES, TEXT(""));
    client_frame(&bytes, FIN | CONTINUES, TEXT("y"));
    cr_expect_str_eq(events_of(buf_text(&bytes), 4096), "text xy|");

    buf_reset(&bytes);
    client_frame(&bytes, TEXT_FRAME, TEXT("x"));
    for (size_t i = 0; i < WEBSOCKET_FRAGMENTS_MAX; i++)
        client_frame(&bytes, CONTINUES, TEXT(""));
    cr_expect_str_eq(events_of(buf_text(&bytes), 4096), "failed 1008|");
}

Test(websocket, an_idle_reader_holds_nothing)
{
    CLEANUP(buf_deinit) struct buf bytes;
    struct websocket_reader reader;
    struct text what;

    buf_init(&bytes, 0);
    client_frame(&bytes, FIN | TEXT_FRAME, TEXT("Hello"));
    websocket_reader_init(&reader, FRAME_MAX, MESSAGE_MAX);
    websocket_feed(&reader, buf_text(&bytes));
    cr_expect_eq(websocket_next(&reader, &what), WEBSOCKET_TEXT);
    cr_expect_eq(websocket_next(&reader, &what), WEBSOCKET_MORE);
    cr_expect_null(reader.frames);
    cr_expect_null(reader.message.ptr);
    websocket_feed(&reader, (struct text){bytes.ptr, 3});
    cr_expect_eq(websocket_next(&reader, &what), WEBSOCKET_MORE);
    cr_expect_not_null(reader.frames, "a frame has come in part");
    websocket_reader_deinit(&reader);
}

static void check_written(struct text payload, struct text head)
{
    CLEANUP(buf_deinit) struct buf out;
    size_t begun;

    buf_init(&out, 0);
    websocket_write(&out, WEBSOCKET_OP_TEXT, payload);
    cr_assert_eq(out.len, head.len + payload.len);
    cr_expect_arr_eq(out.ptr, head.ptr, head.len);
    cr_expect_arr_eq(out.ptr + head.len, payload.ptr, payload.len);
    begun = websocket_begin(&out, WEBSOCKET_OP_TEXT); /* behind it, in two pieces */
    buf_add(&out, payload.ptr, payload.len / 2);
    buf_add(&out, payload.ptr + payload.len / 2, payload.len - payload.len / 2);
    websocket_end(&out, begun);
    cr_assert_eq(out.len, 2 * begun);
    cr_expect_arr_eq(out.ptr, out.ptr + begun, begun);
}

Test(websocket, a_written_frame_says_its_length_in_one_of_three_ways)
{
    static char zeros[70000];

    check_written(TEXT(""), TEXT("\x81\x00"));
    check_written(TEXT("Hello"), TEXT("\x81\x05"));
    check_written((struct text){zeros, 125}, TEXT("\x81\x7D"));
    check_written((struct text){zeros, 126}, TEXT("\x81\x7E\x00\x7E"));
    check_written((struct text){zeros, 65535}, TEXT("\x81\x7E\xFF\xFF"));
    check_written((struct text){zeros, 65536}, TEXT("\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00"));
}

Test(websocket, a_close_says_its_code_and_as_much_of_the_reason_as_there_is_room_for)
{
    CLEANUP(buf_deinit) struct buf out;

    buf_init(&out, 0);
    websocket_write_close(&out, 4401, TEXT("no"));
    cr_assert_eq(out.len, 6);
    cr_expect_arr_eq(out.ptr, "\x88\x04\x11\x31no", 6);
    buf_reset(&out);
    websocket_write_close(&out, WEBSOCKET_NO_CODE, TEXT_NONE);
    cr_expect_arr_eq(out.ptr, "\x88\x00", 2);
    buf_reset(&out);
    websocket_write_close(&out, 1011, TEXT(LONGER "ä"));
    cr_assert_eq(out.len, 2 + 125);
    buf_reset(&out);
    websocket_write_close(&out, 1011, TEXT(SIXTY SIXTY "12ä"));
    cr_assert_eq(out.len, 2 + 2 + 122, "no character is halved");
}
