#include "scheduler/api/files/file_range.h"

/* Digits alone. One that is too large for a number is beyond the end of any file. */
static bool read_number(struct text text, int64_t *out)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    if (text.len > 0 && !text_to_int(text, out))
        *out = INT64_MAX;
    return text.len > 0;
}

/* The last so many. */
static int read_suffix(struct text count, int64_t bytes, struct file_range *out)
{
    int64_t wanted;

    if (!read_number(count, &wanted))
        return RANGE_WHOLE;
    if (wanted == 0 || bytes == 0)
        return RANGE_BEYOND;
    if (wanted > bytes)
        wanted = bytes;
    *out = (struct file_range){bytes - wanted, wanted};
    return 0;
}

int file_range_read(struct text header, int64_t bytes, struct file_range *out)
{
    struct text unit;
    struct text range;
    struct text first;
    struct text last;
    int64_t from;
    int64_t to = bytes - 1;

    if (!text_cut(header, '=', &unit, &range) || !text_is_nocase(text_trim(unit), "bytes") ||
        !text_cut(text_trim(range), '-', &first, &last))
        return RANGE_WHOLE;
    if (first.len == 0)
        return read_suffix(last, bytes, out);
    if (!read_number(first, &from) || (last.len > 0 && !read_number(last, &to)) ||
        (last.len > 0 && to < from))
        return RANGE_WHOLE;
    if (from >= bytes)
        return RANGE_BEYOND;
    if (to >= bytes)
        to = bytes - 1;
    *out = (struct file_range){from, to - from + 1};
    return 0;
}
