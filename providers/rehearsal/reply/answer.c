/* Pieces of an answer. */

#include "providers/rehearsal/reply/answer.h"

#include "shared/json/json_raw.h"

bool answer_chunk(struct text *rest, size_t bytes, struct text *out)
{
    if (!rest->len)
        return false;
    *out = text_prefix(*rest, bytes);
    for (size_t more = bytes + 1; !out->len && more <= bytes + 4; more++)
        *out = text_prefix(*rest, more);
    if (!out->len)
        *out = *rest;
    rest->ptr += out->len;
    rest->len -= out->len;
    return true;
}

void answer_add_object(struct text arguments, struct buf *out)
{
    struct text value;

    if (json_raw_check(arguments, JSON_RAW_DEPTH_MAX, &value, NULL) == 0 &&
        json_raw_type(value) == JSON_RAW_OBJECT) {
        json_raw_write(value, out);
        return;
    }
    buf_add_string(out, "{\"arguments\":");
    buf_add_json(out, arguments);
    buf_add_char(out, '}');
}
