/* A zone and a point in time, with a line break between. What is understood is told as the same
 * instant. */

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/time/rfc3339.h"
#include "worker/tools/builtin/current_time.h"

#define NOW_MS INT64_C(1774747800000)

static void add(struct json_object *arguments, const char *key, struct text value)
{
    json_object_object_add(arguments, key, json_object_new_string_len(value.ptr, (int)value.len));
}

static void check_result(struct text result, struct text at)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    int64_t asked = NOW_MS / 1000;
    int64_t told = 0;

    ASSERT(json_decode(result, 4, &object, NULL) == 0);
    ASSERT(json_get_string(object, "timezone") && json_get_string(object, "weekday"));
    if (at.len > 0)
        ASSERT(rfc3339_parse(at, &asked));
    ASSERT(json_get_int(object, "unix", INT64_MIN) == asked);
    /* Years before 0001 and after 9999 are only reached by an offset, and cannot be read again. */
    if (rfc3339_parse(json_get_text(object, "iso8601"), &told))
        ASSERT(told == asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *split = size ? memchr(data, '\n', size) : NULL;
    size_t zone_len = split ? (size_t)(split - data) : size;
    struct text at = {split ? (const char *)split + 1 : "", split ? size - zone_len - 1 : 0};
    CLEANUP(json_freep) struct json_object *arguments = json_object_new_object();
    CLEANUP(buf_deinit) struct buf out;
    struct error err = {0};
    int r;

    buf_init(&out, 1 << 16);
    add(arguments, "timezone", (struct text){(const char *)data, zone_len});
    if (at.len > 0)
        add(arguments, "at", at);
    r = current_time_evaluate(arguments, NOW_MS, &out, &err);
    if (r == 0) {
        check_result(buf_text(&out), at);
    } else {
        ASSERT(r == -E_INVALID);
        ASSERT(err.text[0]);
    }
    return 0;
}
