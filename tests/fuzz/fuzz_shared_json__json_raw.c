/* JSON read in place. What json_decode takes, json_raw_check takes, too; and what json_raw_write
 * makes of anything that it took is strict: json_decode takes it (integers beyond 64 bits aside),
 * and writing it once more changes nothing. */

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Visits everything, so that the sanitizers see each read. */
static void visit(struct text value, int depth)
{
    CLEANUP(buf_deinit) struct buf said;
    struct json_raw_walk walk;
    struct text inner;
    int64_t number;

    ASSERT(depth <= 64);
    buf_init(&said, 0);
    ASSERT(json_raw_type(value) != JSON_RAW_NONE);
    if (json_raw_add_string(value, &said)) {
        ASSERT(text_is_utf8(buf_text(&said)));
        ASSERT(said.len == 0 || !memchr(said.ptr, 0, said.len));
    }
    if (json_raw_int(value, &number))
        ASSERT(json_raw_type(value) == JSON_RAW_NUMBER || json_raw_type(value) == JSON_RAW_STRING);
    (void)json_raw_get(value, "a");
    json_raw_begin(value, &walk);
    while (json_raw_next(&walk, &inner)) {
        ASSERT(inner.ptr >= value.ptr);
        ASSERT(inner.ptr + inner.len <= value.ptr + value.len);
        visit(inner, depth + 1);
    }
}

static bool has_large_integer(struct text value)
{
    size_t digits = 0;

    for (size_t i = 0; i < value.len; i++) {
        digits = value.ptr[i] >= '0' && value.ptr[i] <= '9' ? digits + 1 : 0;
        if (digits > 18)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text in = {(const char *)data, size};
    CLEANUP(json_freep) struct json_object *strict = NULL;
    CLEANUP(json_freep) struct json_object *again = NULL;
    CLEANUP(buf_deinit) struct buf once;
    CLEANUP(buf_deinit) struct buf twice;
    struct text value;
    struct error err;

    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (json_raw_check(in, 64, &value, &err) < 0) {
        ASSERT(json_decode(in, 64, &strict, NULL) < 0);
        return 0;
    }
    visit(value, 1);
    json_raw_write(value, &once);
    ASSERT(!once.failed);
    if (!has_large_integer(value))
        ASSERT(json_decode(buf_text(&once), 64, &again, &err) == 0);
    ASSERT(json_raw_check(buf_text(&once), 64, &value, &err) == 0);
    json_raw_write(value, &twice);
    ASSERT(text_equal(buf_text(&once), buf_text(&twice)));
    return 0;
}
