#pragma once
/* Strings in, strings out.
 *
 * struct text is a borrowed piece of bytes, not necessarily ended by a zero. struct buf builds a
 * text up to a limit; going over the limit, or running out of memory, makes it `failed` for good:
 * appends then do nothing, and the user checks once at the end (buf_check). The bytes of a buf are
 * always followed by a zero that is not counted.
 */

#include <stdarg.h>
#include <string.h>

#include "shared/base/compiler.h"

struct error;

struct text {
    const char *ptr;
    size_t len;
};

#define TEXT(literal) ((struct text){"" literal, sizeof(literal) - 1})
#define TEXT_NONE     ((struct text){NULL, 0})

static inline struct text text_of(const char *string)
{
    return (struct text){string, string ? strlen(string) : 0};
}

/* For printf: printf("%.*s", TEXT_ARGS(t)). */
#define TEXT_ARGS(t) (int)(t).len, (t).ptr

bool text_equal(struct text a, struct text b);
bool text_is(struct text a, const char *string);
bool text_is_nocase(struct text a, const char *string); /* ASCII only */
bool text_starts(struct text a, const char *prefix);
bool text_ends(struct text a, const char *suffix);
struct text text_trim(struct text a); /* without blanks, tabs, CR and LF at both ends */

/* Split at the first separator: *head before it, *rest after it. False (outputs untouched) when
 * there is none. */
bool text_cut(struct text a, char separator, struct text *head, struct text *rest);

/* Whole text as a decimal number. False, output untouched, for anything else or on overflow. */
MUSTCHECK bool text_to_int(struct text a, int64_t *out);

/* 0 to 15 for a hexadecimal digit of either case, else -1. */
int text_hex_digit(char c);

/* Writes two lower-case hexadecimal digits for each byte, and no zero. Returns where it ended. */
char *text_put_hex(char *to, const uint8_t *bytes, size_t len);

/* Valid UTF-8 as RFC 3629 has it (no surrogates, no overlong forms). */
bool text_is_utf8(struct text a);

/* For hash tables of names (FNV-1a): not where strangers may choose the names, who could make them
 * meet. */
uint64_t text_hash(struct text a);

/* Characters (code points) of a text that is UTF-8. */
size_t text_characters(struct text a);

/* The longest beginning of at most max_bytes that does not end within a character. Of a text that
 * is UTF-8 the excerpt is UTF-8, too. */
struct text text_prefix(struct text a, size_t max_bytes);

/* How many of its first bytes a JSON string says as they are: up to a quote, a backslash or a
 * control character (DEL counts as one). */
size_t text_json_plain(struct text a);

/* At most `size` - 1 bytes of a text, cut between characters, always ended by a zero. For names
 * from outside that a message repeats; control characters become '?'. */
void text_excerpt(struct text text, char *out, size_t size);

struct buf {
    char *ptr; /* NULL until the first append */
    size_t len;
    size_t size;
    size_t limit; /* bytes */
    bool failed;
};

/* limit 0 means 16 MiB. buf_deinit frees and may be used with CLEANUP. */
void buf_init(struct buf *buf, size_t limit);
void buf_deinit(struct buf *buf);

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_text(struct buf *buf, struct text text);
void buf_add_string(struct buf *buf, const char *string);
void buf_add_char(struct buf *buf, char c);
void buf_add_int(struct buf *buf, int64_t value); /* its digits */
void buf_printf(struct buf *buf, const char *format, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list args) PRINTF(2, 0);

/* Append as valid UTF-8 without NUL: what is none of it becomes U+FFFD, one for a wrong byte and
 * the continuation bytes right behind it. */
void buf_add_utf8(struct buf *buf, struct text text);

/* Append as a JSON string, quotes included. The text must be UTF-8. */
void buf_add_json(struct buf *buf, struct text text);
void buf_add_json_string(struct buf *buf, const char *string); /* NULL becomes null */

/* Empty it, keep the memory and the limit. */
void buf_reset(struct buf *buf);

/* Drop `len` bytes at the front. */
void buf_consume(struct buf *buf, size_t len);

/* Make room for `len` more bytes and return where they go; buf->len is the caller's to raise.
 * NULL when the limit does not allow it (the buf is then failed). */
char *buf_reserve(struct buf *buf, size_t len);

/* Returns 0, or -E_LIMIT when an append went over the limit. */
MUSTCHECK int buf_check(const struct buf *buf, struct error *err);

struct text buf_text(const struct buf *buf);

/* Borrowed, ended by a zero, "" when empty. */
const char *buf_string(const struct buf *buf);

/* Moves the bytes out: the caller frees them. The buf is then empty. Never NULL. */
char *buf_take(struct buf *buf);
