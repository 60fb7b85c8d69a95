/* Any bytes as the body of any endpoint: decoding, checking, the failure's own rendering. What
 * passes as a run is frozen into a spec, which must be JSON again. */

#include <stdlib.h>

#include "scheduler/api/assistants/bodies.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_json(struct buf *buf)
{
    struct json_object *object;
    struct error err;

    ASSERT(json_decode(buf_text(buf), JSON_DEPTH_DEFAULT + 4, &object, &err) == 0);
    json_free(object);
    buf_deinit(buf);
}

static void check(struct fields fields, struct json_object *object, bool is_run)
{
    struct agent_spec agent = {0};
    struct failure failure;
    struct buf out;
    int r = fields_check(fields, object, NULL, &failure);

    buf_init(&out, 0);
    buf_add_char(&out, '[');
    if (r == 0 && is_run) {
        r = run_spec_write(&agent, object, &(struct run_prompt){0}, &out, &failure);
        buf_add_char(&out, r < 0 ? ',' : ' ');
    }
    if (r < 0)
        failure_render(&failure, &out);
    buf_add_char(&out, ']');
    must_be_json(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = {(const char *)data, size};
    struct json_object *object;
    struct error err;

    if (json_decode(text, JSON_DEPTH_DEFAULT, &object, &err) < 0)
        return 0;
    if (json_object_is_type(object, json_type_object)) {
        check(body_create_assistant, object, false);
        check(body_create_thread, object, false);
        check(body_create_message, object, false);
        check(body_create_run, object, true);
        check(body_create_thread_and_run, object, true);
    }
    json_free(object);
    return 0;
}
