/* A form, piece by piece.
 *
 *   START ── the first boundary ──► BEHIND ── CR LF ──► HEADERS ── an empty line ──► DATA
 *                                     │ ▲                                             │
 *                                    "--" └──────────── a further boundary ───────────┘
 *                                     ▼
 *                                  EPILOGUE, which may have CR LF, once or twice
 *
 * All of them lead to FAILED, too. A delimiter begins with the one CR that is in it, so a match
 * that fails was none of its own beginning either: what had matched is data, and the search goes on
 * with the byte that did not.
 */

#include "shared/multipart/multipart.h"

#include "shared/base/error.h"
#include "shared/multipart/parameters.h"

enum { START, BEHIND, HEADERS, DATA, EPILOGUE, FAILED };

#define LINE_END_BYTES 2

static int fail(struct multipart *form, int r)
{
    form->state = FAILED;
    return r;
}

#define FAIL(form, err, ...) fail(form, error_set(err, E_PROTOCOL, __VA_ARGS__))

static void drop(struct text *in, size_t count)
{
    in->ptr += count;
    in->len -= count;
}

/* ---- the boundary ---- */

/* RFC 2046, section 5.1.1. */
static bool is_boundary(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
            (c == '\0' || !strchr("'()+_,-./:=? ", c)))
            return false;
    }
    return text.len > 0 && text.len <= MULTIPART_BOUNDARY_MAX && text.ptr[text.len - 1] != ' ';
}

int multipart_init(struct multipart *form, struct text content_type, struct error *err)
{
    struct text boundary = TEXT_NONE;
    struct parameter parameter;
    struct text rest;
    struct text head = parameters_head(content_type, &rest);
    int r = 0;

    *form = (struct multipart){.state = START, .matched = LINE_END_BYTES};
    buf_init(&form->line, MULTIPART_HEADER_BYTES_MAX);
    buf_init(&form->storage, (size_t)4 * MULTIPART_HEADER_BYTES_MAX);
    if (!text_is_nocase(head, "multipart/form-data"))
        return error_set(err, E_INVALID, "the content type is not multipart/form-data");
    while ((r = parameters_next(&rest, &parameter, err)) == 0) {
        if (!text_is_nocase(parameter.name, "boundary"))
            continue;
        if (boundary.ptr)
            return error_set(err, E_INVALID, "the content type has two boundaries");
        boundary = parameter.value;
    }
    if (r < 0)
        return error_set(err, E_INVALID,
                         "the content type is malformed: it must be "
                         "multipart/form-data; boundary=TEXT");
    if (!boundary.ptr)
        return error_set(err, E_INVALID, "the content type names no boundary");
    if (!is_boundary(boundary))
        return error_set(err, E_INVALID,
                         "the boundary must be 1 to %d letters, digits or characters of "
                         "'()+_,-./:=?",
                         MULTIPART_BOUNDARY_MAX);
    memcpy(form->delimiter, "\r\n--", 4);
    memcpy(form->delimiter + 4, boundary.ptr, boundary.len);
    form->delimiter_bytes = 4 + boundary.len;
    return 0;
}

void multipart_deinit(struct multipart *form)
{
    buf_deinit(&form->line);
    buf_deinit(&form->storage);
}

/* ---- headers ---- */

/* A text of the part, kept until it ends. Its place is known by its offset while they grow. */
static int keep(struct multipart *form, struct text value, bool quoted, struct text *out,
                struct error *err)
{
    size_t at = form->storage.len;

    if (out->ptr)
        return FAIL(form, err, "a part has the same header or parameter twice");
    if (quoted)
        parameter_unescape(value, &form->storage);
    else
        buf_add_text(&form->storage, value);
    *out = (struct text){form->storage.ptr + at, form->storage.len - at};
    if (!text_is_utf8(*out))
        return FAIL(form, err, "a name in the headers of a part is not UTF-8");
    return 0;
}

static int take_disposition(struct multipart *form, struct text value, struct error *err)
{
    struct parameter parameter;
    struct text rest;
    struct text head = parameters_head(value, &rest);
    int r;

    if (form->has_disposition)
        return FAIL(form, err, "a part has two Content-Disposition headers");
    form->has_disposition = true;
    if (!text_is_nocase(head, "form-data"))
        return FAIL(form, err, "the Content-Disposition of a part must be form-data");
    while ((r = parameters_next(&rest, &parameter, err)) == 0) {
        if (text_is_nocase(parameter.name, "filename*"))
            return FAIL(form, err,
                        "filename* is not accepted: write the name of the file in UTF-8 as "
                        "filename");
        if (text_is_nocase(parameter.name, "name"))
            r = keep(form, parameter.value, parameter.quoted, &form->part.name, err);
        else if (text_is_nocase(parameter.name, "filename"))
            r = keep(form, parameter.value, parameter.quoted, &form->part.filename, err);
        if (r < 0)
            return r;
    }
    if (r < 0) {
        (void)error_wrap(err, "the Content-Disposition of a part is malformed");
        return fail(form, r);
    }
    if (!form->part.name.ptr)
        return FAIL(form, err, "the Content-Disposition of a part has no name");
    return 0;
}

static int take_transfer_encoding(struct multipart *form, struct text value, struct error *err)
{
    if (text_is_nocase(value, "binary") || text_is_nocase(value, "8bit") ||
        text_is_nocase(value, "7bit"))
        return 0;
    return FAIL(form, err,
                "the Content-Transfer-Encoding of a part must be binary: send its bytes "
                "as they are");
}

static int take_header(struct multipart *form, struct text line, struct error *err)
{
    struct text name;
    struct text value;

    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return FAIL(form, err, "a header of a part is folded");
    if (!text_cut(line, ':', &name, &value) || name.len == 0 || text_trim(name).len != name.len)
        return FAIL(form, err, "a header of a part is not written as 'Name: value'");
    value = text_trim(value);
    if (text_is_nocase(name, "content-disposition"))
        return take_disposition(form, value, err);
    if (text_is_nocase(name, "content-type"))
        return keep(form, value, false, &form->part.type, err);
    if (text_is_nocase(name, "content-transfer-encoding"))
        return take_transfer_encoding(form, value, err);
    return 0;
}

static void begin_part(struct multipart *form)
{
    form->state = HEADERS;
    form->headers = form->header_bytes = 0;
    form->has_disposition = false;
    form->part = (struct multipart_part){.name = TEXT_NONE};
    buf_reset(&form->line);
    buf_reset(&form->storage);
    /* All of its texts are no longer than its headers, so the storage never moves. */
    if (!buf_reserve(&form->storage, MULTIPART_HEADER_BYTES_MAX))
        form->storage.failed = true;
}

/* The line that is complete. Returns MULTIPART_MORE for a header. */
static int take_line(struct multipart *form, struct error *err)
{
    int r;

    if (form->line.len > 0) {
        if (++form->headers > MULTIPART_HEADERS_MAX)
            return fail(form, error_set(err, E_LIMIT, "a part has more than %d headers",
                                        MULTIPART_HEADERS_MAX));
        r = take_header(form, buf_text(&form->line), err);
        buf_reset(&form->line);
        return r < 0 ? r : MULTIPART_MORE;
    }
    if (!form->has_disposition)
        return FAIL(form, err, "a part has no Content-Disposition");
    form->state = DATA;
    return MULTIPART_PART;
}

static int take_header_byte(struct multipart *form, char c, struct error *err)
{
    if (++form->header_bytes > MULTIPART_HEADER_BYTES_MAX)
        return fail(form, error_set(err, E_LIMIT, "the headers of a part are over %d bytes",
                                    MULTIPART_HEADER_BYTES_MAX));
    if (form->after_cr) {
        form->after_cr = false;
        if (c != '\n')
            return FAIL(form, err, "a header of a part has a CR that no LF follows");
        return take_line(form, err);
    }
    if (c == '\r') {
        form->after_cr = true;
        return MULTIPART_MORE;
    }
    if ((unsigned char)c == 0x7f || ((unsigned char)c < 0x20 && c != '\t'))
        return FAIL(form, err,
                    "a header of a part has a control character, or an LF that no CR "
                    "precedes");
    buf_add_char(&form->line, c);
    return MULTIPART_MORE;
}

/* ---- what lies between ---- */

static int take_start(struct multipart *form, char c, struct error *err)
{
    if (c != form->delimiter[form->matched])
        return FAIL(form, err,
                    "the body does not begin with '--' and the boundary that the "
                    "Content-Type names");
    if (++form->matched == form->delimiter_bytes) {
        form->matched = 0;
        form->state = BEHIND;
    }
    return MULTIPART_MORE;
}

/* `matched` counts the hyphens. */
static int take_behind(struct multipart *form, char c, struct error *err)
{
    if (form->after_cr) {
        form->after_cr = false;
        if (c != '\n')
            return FAIL(form, err, "a boundary is followed by a CR without LF");
        if (form->parts == MULTIPART_PARTS_MAX)
            return fail(form, error_set(err, E_LIMIT, "the form has more than %d parts",
                                        MULTIPART_PARTS_MAX));
        form->parts++;
        begin_part(form);
    } else if (c == '\r' && form->matched == 0) {
        form->after_cr = true;
    } else if (c != '-') {
        return FAIL(form, err, "a boundary is followed by something else than CR LF or '--'");
    } else if (++form->matched == 2) {
        form->matched = 0;
        form->state = EPILOGUE;
        return MULTIPART_END;
    }
    return MULTIPART_MORE;
}

static int take_epilogue(struct multipart *form, char c, struct error *err)
{
    if (form->matched == 2 * LINE_END_BYTES || c != "\r\n\r\n"[form->matched])
        return FAIL(form, err, "the body goes on behind its last boundary");
    form->matched++;
    return MULTIPART_MORE;
}

/* ---- data ---- */

static int end_part(struct multipart *form)
{
    form->matched = 0;
    form->state = BEHIND;
    return MULTIPART_PART_END;
}

/* A delimiter that began in an earlier piece. */
static int go_on_matching(struct multipart *form, struct text *in, struct text *out_data)
{
    while (in->len > 0 && form->matched < form->delimiter_bytes &&
           in->ptr[0] == form->delimiter[form->matched]) {
        form->matched++;
        drop(in, 1);
    }
    if (form->matched == form->delimiter_bytes)
        return end_part(form);
    if (in->len == 0)
        return MULTIPART_MORE;
    *out_data = (struct text){form->delimiter, form->matched};
    form->matched = 0;
    return MULTIPART_DATA;
}

/* Where a delimiter, or a beginning of it that ends the piece, begins; in.len: nowhere. */
static size_t find_delimiter(const struct multipart *form, struct text in)
{
    size_t at = 0;

    while (at < in.len) {
        const char *cr = memchr(in.ptr + at, '\r', in.len - at);
        size_t there;

        if (!cr)
            return in.len;
        at = (size_t)(cr - in.ptr);
        there = in.len - at < form->delimiter_bytes ? in.len - at : form->delimiter_bytes;
        if (memcmp(cr, form->delimiter, there) == 0)
            return at;
        at++;
    }
    return in.len;
}

static int take_data(struct multipart *form, struct text *in, struct text *out_data)
{
    size_t at;

    if (form->matched > 0)
        return go_on_matching(form, in, out_data);
    at = find_delimiter(form, *in);
    if (at == 0)
        return go_on_matching(form, in, out_data);
    *out_data = (struct text){in->ptr, at};
    drop(in, at);
    return MULTIPART_DATA;
}

int multipart_next(struct multipart *form, struct text *in, struct text *out_data,
                   struct error *err)
{
    int r = MULTIPART_MORE;

    while (r == MULTIPART_MORE && in->len > 0) {
        char c = in->ptr[0];

        if (form->state == DATA) {
            r = take_data(form, in, out_data);
            continue;
        }
        drop(in, 1);
        if (form->state == START)
            r = take_start(form, c, err);
        else if (form->state == BEHIND)
            r = take_behind(form, c, err);
        else if (form->state == HEADERS)
            r = take_header_byte(form, c, err);
        else if (form->state == EPILOGUE)
            r = take_epilogue(form, c, err);
        else
            return error_set(err, E_PROTOCOL, "the form was malformed");
    }
    return r;
}

int multipart_end(const struct multipart *form, struct error *err)
{
    if (form->state == EPILOGUE && form->matched % LINE_END_BYTES == 0)
        return 0;
    if (form->state == START && form->matched == LINE_END_BYTES)
        return error_set(err, E_PROTOCOL, "the body is empty");
    if (form->state == FAILED)
        return error_set(err, E_PROTOCOL, "the form was malformed");
    return error_set(err, E_PROTOCOL, "the body ends before its last boundary");
}

const struct multipart_part *multipart_part(const struct multipart *form)
{
    return &form->part;
}
