/* Titles from messages. */

#include "shared/submit/title.h"

#include "shared/base/compiler.h"

/* Controls of C0 and blanks; those of other scripts are left as they are. */
static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

/* A byte that begins a character. */
static bool begins(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* The next word, without the blanks around it. */
static struct text next_word(struct text *rest)
{
    struct text word;

    while (rest->len > 0 && is_blank(*rest->ptr))
        *rest = (struct text){rest->ptr + 1, rest->len - 1};
    word = (struct text){rest->ptr, 0};
    while (word.len < rest->len && !is_blank(word.ptr[word.len]))
        word.len++;
    *rest = (struct text){rest->ptr + word.len, rest->len - word.len};
    return word;
}

static size_t characters(struct text text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += begins(text.ptr[i]);
    return count;
}

/* The first `max` characters. */
static struct text cut(struct text text, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        if (begins(text.ptr[i]) && count++ == max)
            return (struct text){text.ptr, i};
    return text;
}

struct text title_of(struct text text, struct arena *arena)
{
    CLEANUP(buf_deinit) struct buf title;
    struct text word = next_word(&text);
    size_t used = 0;

    buf_init(&title, 0);
    for (; word.len > 0; word = next_word(&text)) {
        size_t more = characters(word) + (used > 0);

        if (used + more >= TITLE_MADE_MAX) {
            if (used == 0)
                buf_add_text(&title, cut(word, TITLE_MADE_MAX - 1));
            buf_add_string(&title, "…");
            break;
        }
        if (used > 0)
            buf_add_char(&title, ' ');
        buf_add_text(&title, word);
        used += more;
    }
    if (title.len == 0 || title.failed)
        return TEXT_NONE;
    text = (struct text){arena_copy(arena, buf_text(&title)), title.len};
    return text.ptr ? text : TEXT_NONE;
}
