/* Lines of asks. */

#include "shared/events/asks.h"

#include <stdio.h>

#define CHANNEL_START "live:"

void live_channel_new(char out[LIVE_CHANNEL_MAX])
{
    uint8_t bytes[12];
    char *end;

    random_bytes(bytes, sizeof(bytes));
    end = out + snprintf(out, LIVE_CHANNEL_MAX, CHANNEL_START);
    *text_put_hex(end, bytes, sizeof(bytes)) = '\0';
}

void asks_begin(struct buf *line, struct text channel, bool whole)
{
    buf_add_string(line, whole ? "whole " : "listen ");
    buf_add_text(line, channel);
}

void asks_add(struct buf *line, struct uuid run)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(run, text);
    buf_add_char(line, ' ');
    buf_add_string(line, text);
}

/* The channel of asks itself is none that anybody listens on. */
static bool is_channel(struct text channel)
{
    return text_starts(channel, CHANNEL_START) && channel.len < LIVE_CHANNEL_MAX &&
           !text_is(channel, ASKS_CHANNEL);
}

/* The next word of the line. False: there is none. */
static bool next_word(struct text *rest, struct text *out)
{
    if (rest->len == 0)
        return false;
    if (!text_cut(*rest, ' ', out, rest)) {
        *out = *rest;
        *rest = TEXT_NONE;
    }
    return true;
}

size_t asks_read(struct text line, asks_fn fn, void *arg)
{
    struct text rest = line;
    struct text channel;
    struct text word;
    size_t count = 0;
    bool whole;

    if (!next_word(&rest, &word) || !next_word(&rest, &channel) || !is_channel(channel))
        return 0;
    whole = text_is(word, "whole");
    if (!whole && !text_is(word, "listen"))
        return 0;
    while (count < ASKS_IDS_MAX && next_word(&rest, &word)) {
        struct uuid run;

        if (!uuid_parse(word, &run))
            continue;
        fn(channel, run, whole, arg);
        count++;
    }
    return count;
}
