/* Forms out of arbitrary bytes. Whole or in pieces, the same parts, the same bytes and the same
 * refusal come out.
 *
 * The input's first byte says how the pieces are cut. */

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/multipart/multipart.h"

static void note(struct buf *log, const struct multipart_part *part)
{
    buf_printf(log, "\npart %zu ", part->name.len);
    buf_add_text(log, part->name);
    if (part->filename.ptr) {
        buf_printf(log, " file %zu ", part->filename.len);
        buf_add_text(log, part->filename);
    }
    buf_add_text(log, part->type);
    ASSERT(text_is_utf8(part->name) && text_is_utf8(part->filename));
    buf_add_char(log, '\n');
}

static int feed(struct multipart *form, struct text piece, struct buf *log, struct error *err)
{
    for (;;) {
        struct text data = TEXT_NONE;
        size_t before = piece.len;
        int r = multipart_next(form, &piece, &data, err);

        ASSERT(piece.len <= before);
        if (r == MULTIPART_MORE || r < 0)
            return r;
        if (r == MULTIPART_DATA) {
            ASSERT(data.len > 0);
            buf_add_text(log, data);
        } else if (r == MULTIPART_PART) {
            note(log, multipart_part(form));
        } else {
            buf_add_string(log, r == MULTIPART_PART_END ? "\nends\n" : "\nend\n");
        }
    }
}

static void run(struct text body, unsigned seed, struct buf *log)
{
    struct multipart form;
    struct error err = {0};
    int r = multipart_init(&form, TEXT("multipart/form-data; boundary=b"), &err);

    ASSERT(r == 0);
    for (size_t at = 0; r == 0 && at < body.len;) {
        size_t len = body.len - at;
        char *piece;

        if (seed != 0) {
            seed = seed * 1103515245U + 12345U;
            len = 1 + (seed >> 16) % (len < 13 ? len : 13);
        }
        piece = malloc(len);
        ASSERT(piece);
        memcpy(piece, body.ptr + at, len);
        r = feed(&form, (struct text){piece, len}, log, &err);
        free(piece);
        at += len;
    }
    if (r == 0)
        r = multipart_end(&form, &err);
    if (r < 0)
        buf_printf(log, "\n%s", err.text);
    multipart_deinit(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text body = {(const char *)data + 1, size - 1};
    struct buf whole;
    struct buf pieces;

    if (size < 1)
        return 0;
    buf_init(&whole, 0);
    buf_init(&pieces, 0);
    run(body, 0, &whole);
    run(body, 1 + data[0], &pieces);
    ASSERT(text_equal(buf_text(&whole), buf_text(&pieces)));
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}
