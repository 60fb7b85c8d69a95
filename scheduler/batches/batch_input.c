#include "scheduler/batches/batch_input.h"

#include "shared/base/error.h"

/* What a line may have beside itself, where a file was written as Windows does: a mark of the order
 * of bytes before the first one, and "\r" behind each. */
#define MARK         "\xEF\xBB\xBF"
#define AROUND_BYTES (sizeof(MARK) - 1 + 1)

/* A wave of lines is mostly a small part of what a store gives at once. Who reads on is given more
 * each time. */
#define FIRST_BYTES ((size_t)32 << 10)

void batch_input_open(struct batch_input *input, struct blob_stores *blobs,
                      const struct blob_ref *ref, int64_t at_byte, int64_t line)
{
    *input = (struct batch_input){
        .blobs = blobs, .ref = *ref, .at = at_byte, .line = line, .piece_bytes = FIRST_BYTES};
    buf_init(&input->held, BATCH_LINE_BYTES_MAX + 2 * BLOB_READ_BYTES);
}

void batch_input_close(struct batch_input *input)
{
    buf_deinit(&input->held);
}

int64_t batch_input_at(const struct batch_input *input)
{
    return input->at + (int64_t)input->used;
}

/* Drops what was used, and reads a piece more. Returns 0, BATCH_INPUT_END or a failure. */
SUSPENDS static int read_more(struct batch_input *input, struct error *err)
{
    int64_t from;
    size_t count;
    char *to;
    int r;

    buf_consume(&input->held, input->used);
    input->at += (int64_t)input->used;
    input->used = 0;
    from = input->at + (int64_t)input->held.len;
    if (from >= input->ref.bytes)
        return BATCH_INPUT_END;
    to = buf_reserve(&input->held, input->piece_bytes);
    if (!to)
        return error_set(err, E_LIMIT, "a line of the input is too long");
    r = blob_read(input->blobs, &input->ref, from, (uint8_t *)to, input->piece_bytes, &count, err);
    if (r < 0)
        return r;
    input->held.len += count;
    if (input->piece_bytes < BLOB_READ_BYTES)
        input->piece_bytes *= 2;
    return 0;
}

static struct text rest_of(const struct batch_input *input)
{
    return (struct text){input->held.ptr ? input->held.ptr + input->used : "",
                         input->held.len - input->used};
}

/* Skips what is left of a line that is too long. */
SUSPENDS static int skip_line(struct batch_input *input, struct error *err)
{
    for (;;) {
        struct text rest = rest_of(input);
        const char *end = memchr(rest.ptr, '\n', rest.len);
        int r;

        input->used += end ? (size_t)(end - rest.ptr) + 1 : rest.len;
        if (end)
            return 0;
        r = read_more(input, err);
        if (r != 0)
            return r == BATCH_INPUT_END ? 0 : r;
    }
}

/* Takes off what is not the line's own, and judges how long it is then. */
static void bare(const struct batch_input *input, struct batch_input_line *line)
{
    struct text *text = &line->text;

    if (input->line == 0 && text_starts(*text, MARK))
        *text = (struct text){text->ptr + sizeof(MARK) - 1, text->len - (sizeof(MARK) - 1)};
    if (text->len > 0 && text->ptr[text->len - 1] == '\r')
        text->len--;
    line->too_long = text->len > BATCH_LINE_BYTES_MAX;
}

/* The next line, blank or not. */
SUSPENDS static int next_line(struct batch_input *input, struct batch_input_line *out,
                              struct error *err)
{
    size_t looked = 0;

    for (;;) {
        struct text rest = rest_of(input);
        const char *end = memchr(rest.ptr + looked, '\n', rest.len - looked);
        int r;

        *out = (struct batch_input_line){.at_byte = batch_input_at(input), .text = rest};
        if (end) {
            out->text.len = (size_t)(end - rest.ptr);
            input->used += out->text.len + 1;
            bare(input, out);
            return 0;
        }
        if (rest.len > BATCH_LINE_BYTES_MAX + AROUND_BYTES) {
            out->too_long = true;
            out->text.len = 0;
            return skip_line(input, err);
        }
        looked = rest.len;
        r = read_more(input, err);
        if (r == BATCH_INPUT_END && rest.len > 0) {
            out->text = rest_of(input);
            input->used += rest.len;
            bare(input, out);
            return 0;
        }
        if (r != 0)
            return r;
    }
}

int batch_input_next(struct batch_input *input, struct batch_input_line *out, struct error *err)
{
    int r;

    do {
        r = next_line(input, out, err);
        if (r != 0)
            return r;
        out->line = ++input->line;
        out->text = text_trim(out->text);
    } while (out->text.len == 0 && !out->too_long);
    return 0;
}
