/* Colours and clean text for terminals. */

#include "scheduler/cli/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_terminal(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

/* It is a terminal, and NO_COLOR is not set. */
static bool has_colours(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    if (no_colour && *no_colour)
        return false;
    return is_terminal(stream) && term && strcmp(term, "dumb") != 0;
}

const char *terminal_colour(FILE *stream, enum terminal_colour colour)
{
    static const char *const codes[] = {
        [TERMINAL_PLAIN] = "\033[0m", [TERMINAL_BOLD] = "\033[1m",   [TERMINAL_DIM] = "\033[2m",
        [TERMINAL_RED] = "\033[31m",  [TERMINAL_GREEN] = "\033[32m", [TERMINAL_YELLOW] = "\033[33m",
        [TERMINAL_CYAN] = "\033[36m",
    };

    return has_colours(stream) ? codes[colour] : "";
}

/* Length of a C0 or C1 control character or DEL at `at`, or 0. C1 is 0xC2 0x80..0x9F in UTF-8. */
static size_t control_length(struct text text, size_t at)
{
    unsigned char c = (unsigned char)text.ptr[at];

    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
        return 1;
    if (c == 0xC2 && at + 1 < text.len && (unsigned char)text.ptr[at + 1] < 0xA0)
        return 2;
    return 0;
}

void terminal_clean(struct text text, struct buf *out)
{
    size_t at = 0;

    while (at < text.len) {
        size_t skip = control_length(text, at);

        if (skip == 0)
            buf_add_char(out, text.ptr[at++]);
        at += skip;
    }
}

void terminal_print(FILE *stream, struct text text)
{
    CLEANUP(buf_deinit) struct buf clean = {0};

    if (text.len == 0)
        return;
    if (!is_terminal(stream)) {
        (void)fwrite(text.ptr, 1, text.len, stream);
        return;
    }
    buf_init(&clean, 0);
    terminal_clean(text, &clean);
    (void)fwrite(buf_string(&clean), 1, clean.len, stream);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void terminal_shorten(struct text text, size_t width, struct buf *out)
{
    size_t shown = 0;
    bool gap = false;

    text = text_trim(text);
    for (size_t at = 0; at < text.len;) {
        size_t skip = control_length(text, at);
        unsigned char c = (unsigned char)text.ptr[at];

        if (is_space((char)c) || skip > 0) {
            gap = true;
            at += skip ? skip : 1;
            continue;
        }
        if ((c & 0xC0) != 0x80) { /* a character begins */
            if (shown + gap + 1 > width) {
                buf_add_string(out, "\xE2\x80\xA6");
                return;
            }
            shown += gap + 1;
        }
        if (gap)
            buf_add_char(out, ' ');
        gap = false;
        buf_add_char(out, (char)c);
        at++;
    }
}

void terminal_print_line(FILE *stream, struct text text, size_t width)
{
    CLEANUP(buf_deinit) struct buf line = {0};

    buf_init(&line, 0);
    terminal_shorten(text, width, &line);
    (void)fwrite(buf_string(&line), 1, line.len, stream);
}

void terminal_complain(const char *format, ...)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    CLEANUP(buf_deinit) struct buf clean = {0};
    va_list args;

    buf_init(&text, 0);
    buf_init(&clean, 0);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    terminal_clean(buf_text(&text), &clean);
    for (size_t i = 0; i < clean.len; i++)
        if (clean.ptr[i] == '\n')
            clean.ptr[i] = ' ';
    (void)fprintf(stderr, "penstock: %s\n", buf_string(&clean));
}
