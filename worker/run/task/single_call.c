/* Runs of one call. */

#include "worker/run/task/single_call.h"

#include <stdio.h>
#include <string.h>

#include "providers/openai_api/call_failure.h"
#include "providers/openai_api/chat_reply.h"
#include "providers/openai_api/embedding_list.h"
#include "providers/wire/failure.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"

#define BODY_DEPTH (JSON_DEPTH_DEFAULT * 2)

static int read_ask(struct single_call *call, struct arena *arena, struct error *err)
{
    struct json_object *input = json_get(call->body, "input");
    int r;

    if (call->kind == SINGLE_COMPLETION
            ? !json_object_is_type(json_get(call->body, "messages"), json_type_array)
            : !json_object_is_type(input, json_type_array) &&
                  !json_object_is_type(input, json_type_string))
        return error_set(err, E_INVALID, "nothing is asked");
    if (call->kind == SINGLE_COMPLETION)
        return chat_request_read(call->body, arena, &call->ask, err);
    r = embedding_input_read(call->body, arena, &call->input, err);
    call->ask.models[call->ask.models_count++] = json_get_text(call->body, "model");
    return r;
}

static int set_up(struct single_call *call, struct arena *arena, struct run_setup *setup,
                  struct error *err)
{
    const struct chat_ask *ask = &call->ask;

    if (ask->models_count == 0 || ask->models[0].len == 0)
        return error_set(err, E_INVALID, "the run's spec names no model");
    setup->model = ask->models[0];
    setup->fallbacks_count = ask->models_count - 1;
    setup->fallbacks = arena_calloc(arena, ask->models_count, sizeof(*setup->fallbacks));
    if (!setup->fallbacks)
        return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
    for (size_t i = 0; i < setup->fallbacks_count; i++)
        setup->fallbacks[i] = ask->models[i + 1];
    setup->asked = call->kind == SINGLE_COMPLETION ? &ask->request : &call->input.weighed;
    setup->texts = call->kind == SINGLE_EMBEDDING ? &call->input.request : NULL;
    return 0;
}

int single_call_parse(struct text spec, enum single_kind kind, struct uuid run, struct arena *arena,
                      struct run_setup *setup, struct single_call **out, struct error *err)
{
    struct single_call *call = arena_calloc(arena, 1, sizeof(*call));
    int r;

    if (!call)
        return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
    call->kind = kind;
    call->run = run;
    call->body_bytes = spec.len;
    r = json_decode(spec, BODY_DEPTH, &call->body, err);
    if (r == 0 && !json_object_is_type(call->body, json_type_object))
        r = error_set(err, E_INVALID, "no JSON object");
    if (r == 0)
        r = read_ask(call, arena, err);
    if (r == 0)
        r = set_up(call, arena, setup, err);
    if (r == 0)
        r = setup_parse_trace(call->body, arena, setup, err);
    *out = call;
    return r < 0 ? error_wrap(err, "the run's spec") : 0;
}

void single_call_free(struct single_call *call)
{
    if (call)
        json_free(call->body);
}

/* The result up to its body. */
static void open_result(const struct single_call *call, int status, struct json_write *write,
                        struct buf *out)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, call->run, id);
    buf_init(out, SINGLE_RESULT_BYTES_MAX);
    json_write_init(write, out);
    json_write_open_object(write, NULL);
    json_write_int(write, "status_code", status);
    json_write_string(write, "request_id", id);
    json_write_name(write, "body");
}

static int too_large(const struct single_call *call, struct ending *ending)
{
    struct provider_failure_info failure;

    provider_failure_set(&failure, PROVIDER_REPLY_TOO_LARGE, NULL,
                         "the answer takes more than %zu bytes, which is more than a run keeps",
                         SINGLE_RESULT_BYTES_MAX);
    return single_call_failed(call, &failure, "server_error", ending);
}

SUSPENDS static void write_body(const struct single_call *call, const struct chat_reply *reply,
                                int64_t created, struct buf *out)
{
    struct text model = text_of(call->answered_by);
    struct chat_naming naming;
    char run[ID_TEXT_SIZE];
    char id[64];

    if (call->kind == SINGLE_EMBEDDING) {
        embedding_list_write(out, model, &call->vectors,
                             text_is(json_get_text(call->body, "encoding_format"), "base64"));
        return;
    }
    id_format(ID_RUN, call->run, run);
    (void)snprintf(id, sizeof(id), "chatcmpl-%s", run + strlen(id_prefix(ID_RUN)));
    naming = (struct chat_naming){id, created, model};
    chat_completion_write(out, &naming, reply);
}

int single_call_answered(const struct single_call *call, const struct chat_reply *reply,
                         int64_t created, struct ending *ending)
{
    CLEANUP(buf_deinit) struct buf result;
    struct json_write write;
    char *copy;

    open_result(call, 200, &write, &result);
    write_body(call, reply, created, &result);
    json_write_close(&write);
    copy = result.failed ? NULL : arena_copy(ending->arena, buf_text(&result));
    if (!copy)
        return too_large(call, ending);
    ending_completed(ending);
    ending->end.result = (struct text){copy, result.len};
    return RUN_FINISH;
}

int single_call_failed(const struct single_call *call, const struct provider_failure_info *failure,
                       const char *code, struct ending *ending)
{
    CLEANUP(buf_deinit) struct buf result;
    struct json_write write;
    struct failure told = {0};
    char *copy;

    call_failure(failure, &told);
    open_result(call, told.status, &write, &result);
    failure_render(&told, &result);
    json_write_close(&write);
    copy = result.failed ? NULL : arena_copy(ending->arena, buf_text(&result));
    ending_failed(ending, code, "%s", failure->message);
    if (copy)
        ending->end.result = (struct text){copy, result.len};
    return RUN_FINISH;
}
