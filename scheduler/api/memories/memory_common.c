/* What the endpoints of memories share. */

#include "scheduler/api/memories/memory_common.h"

#include "scheduler/gateway/gateway.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/recall/memory_text.h"

/* Who waits for a reply has it without a vector then. */
#define VECTOR_MS 5000

static void write_id(struct json_write *write, const char *name, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    json_write_text(write, name, uuid_is_zero(id) ? TEXT_NONE : text_of(text));
}

static void write_time(struct json_write *write, const char *name, int64_t time)
{
    if (time > 0)
        json_write_int(write, name, time);
    else
        json_write_null(write, name);
}

void memory_write(struct json_write *write, struct text user, const struct memory *memory)
{
    write_id(write, "id", ID_MEMORY, memory->id);
    json_write_string(write, "object", "memory");
    json_write_text(write, "user_id", user);
    write_id(write, "assistant_id", ID_ASSISTANT, memory->agent);
    json_write_string(write, "kind", memory_kind_names[memory->kind]);
    json_write_text(write, "text", memory->text);
    json_write_open_object(write, "source");
    json_write_string(write, "type", memory_source_names[memory->source]);
    write_id(write, "run_id", ID_RUN, memory->source_run);
    write_id(write, "thread_id", ID_THREAD, memory->source_thread);
    json_write_close(write);
    json_write_int(write, "version", memory->version);
    json_write_int(write, "recalls", memory->recalls);
    write_time(write, "last_recalled_at", memory->last_recalled_at);
    json_write_int(write, "created_at", memory->created_at);
    json_write_int(write, "updated_at", memory->updated_at);
    write_time(write, "replaced_at", memory->replaced_at);
    write_id(write, "superseded_by", ID_MEMORY, memory->superseded_by);
}

int memory_vector(struct request *request, struct text user, struct text said, bool is_question,
                  struct text *out_vector, struct text *out_model)
{
    struct vectors_means means = gateway_vectors(request->api->gateway, request->api->registry);
    const struct vectors_ask ask = {
        .texts = &said,
        .count = 1,
        .purpose = is_question ? VECTORS_QUERY : VECTORS_DOCUMENT,
        .tenant = request->store.tenant,
        .user = user,
        .requests_per_minute = request->rates.requests_per_minute,
        .tokens_per_minute = request->rates.tokens_per_minute,
        .deadline_ms = deadline_in(VECTOR_MS),
    };
    struct vectors vectors;
    struct error err;
    int r = vectors_make(&means, &ask, &request->exchange->arena, &vectors, &err);

    if (r < 0)
        return request_failed(request, &err);
    *out_vector = r == 0 ? vectors.items[0] : TEXT_NONE;
    *out_model = out_vector->ptr ? vectors.model : TEXT_NONE;
    return 0;
}

static int failed(const struct path *path, int condition, struct failure *failure)
{
    switch (condition) {
    case MEMORY_TEXT_LONG:
        return failure_set(failure, 400, path, "string_above_max_length",
                           "Invalid 'text': string too long. Expected at most %d bytes in UTF-8.",
                           MEMORY_TEXT_MAX);
    case MEMORY_TEXT_EMPTY:
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid 'text': it says nothing. Expected a sentence.");
    default:
        return failure_set(failure, 400, path, "invalid_value", "Invalid 'text': it is no UTF-8.");
    }
}

int check_memory_text(struct json_object *value, const struct path *path, struct failure *failure)
{
    CLEANUP(arena_deinit) struct arena arena;
    struct memory_text text;
    int r;

    arena_init(&arena, 0);
    r = memory_text_make(&arena, json_string(value), &text);
    return r == 0 ? 0 : failed(path, r, failure);
}
