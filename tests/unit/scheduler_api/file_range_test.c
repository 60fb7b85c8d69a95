/* Ranges of bytes. */

#include <criterion/criterion.h>

#include "scheduler/api/files/file_range.h"

static void gives(const char *header, int64_t bytes, int expected, int64_t from, int64_t count)
{
    struct file_range range = {-1, -1};
    int r = file_range_read(text_of(header), bytes, &range);

    cr_assert_eq(r, expected, "%s of %d: %d", header, (int)bytes, r);
    if (r == 0)
        cr_assert(range.from == from && range.count == count, "%s: %d %d", header, (int)range.from,
                  (int)range.count);
}

Test(file_range, ranges_are_read_as_the_rfc_has_them)
{
    gives("bytes=0-0", 10, 0, 0, 1);
    gives("bytes=2-5", 10, 0, 2, 4);
    gives("bytes=9-", 10, 0, 9, 1);
    gives("bytes=0-99", 10, 0, 0, 10);
    gives("bytes=-3", 10, 0, 7, 3);
    gives("bytes=-99", 10, 0, 0, 10);
    gives("BYTES= 1-2 ", 10, 0, 1, 2);
    gives("bytes=10-", 10, RANGE_BEYOND, 0, 0);
    gives("bytes=10-12", 10, RANGE_BEYOND, 0, 0);
    gives("bytes=2-99999999999999999999", 10, 0, 2, 8);
    gives("bytes=-99999999999999999999", 10, 0, 0, 10);
    gives("bytes=99999999999999999999-", 10, RANGE_BEYOND, 0, 0);
    gives("bytes=-0", 10, RANGE_BEYOND, 0, 0);
    gives("bytes=0-", 0, RANGE_BEYOND, 0, 0);
    gives("bytes=-1", 0, RANGE_BEYOND, 0, 0);
}

Test(file_range, what_is_malformed_or_of_several_ranges_means_all)
{
    static const char *const headers[] = {
        "",          "bytes",       "bytes=",      "bytes=-",     "bytes=a-b",
        "bytes=5-4", "bytes=0-1,3", "bytes=+1-2",  "bytes=1-+2",  "bytes=--1",
        "items=0-1", "bytes 0-1",   "bytes=1 - 2", "bytes=0x1-2", "bytes=9999999999999999999x-",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++)
        gives(headers[i], 10, RANGE_WHOLE, 0, 0);
}
