/* Any bytes as the body of a request of any dialect: it is refused with a message, in a body that
 * is JSON, or answered, whole and streamed, by what is JSON. The first byte picks the dialect. */

#include <stdlib.h>
#include <string.h>

#include "providers/rehearsal/dialects/dialect.h"
#include "providers/rehearsal/reply/seal.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

static const struct dialect *const dialects[] = {
    &dialect_openai_chat, &dialect_openai_responses, &dialect_openai_embeddings,
    &dialect_groq,        &dialect_anthropic,        &dialect_gemini,
    &dialect_ollama,
};

static struct text find_header(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "anthropic-version") == 0 ? TEXT("2023-06-01") : TEXT_NONE;
}

static void check_json(struct text json)
{
    CLEANUP(json_freep) struct json_object *parsed = NULL;

    ASSERT(json_decode(json, 200, &parsed, NULL) == 0);
}

static void refused(const struct dialect *dialect, const struct problem *problem)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    ASSERT(problem->status >= 400 && problem->message[0]);
    buf_init(&body, 0);
    ASSERT(dialect->write_error(problem, &body) >= 400);
    check_json(buf_text(&body));
}

static void stream(const struct dialect *dialect, const struct answer *answer)
{
    struct event_list events;

    event_list_init(&events, EVENTS_NDJSON);
    dialect->write_events(answer, &events);
    for (size_t i = 0; i < events.count; i++) {
        struct text event = event_list_at(&events, i);

        if (!text_is(event, "[DONE]\n"))
            check_json(event);
    }
    event_list_deinit(&events);
}

static void answered(const struct dialect *dialect, const struct conversation *conversation)
{
    static const struct answer_call call = {
        .id = TEXT("call_0"), .name = TEXT("f"), .arguments = TEXT("{\"x\":1}")};
    CLEANUP(buf_deinit) struct buf body = {0};
    struct answer answer = {
        .conversation = conversation,
        .id = "0123456789abcdef012345",
        .text = conversation->user,
        .reasoning = TEXT("Hm"),
        .calls = &call,
        .calls_count = 1,
        .end = ANSWER_CALLS,
        .chunk_bytes = 3,
    };

    seal_mark(answer.reasoning, answer.mark);
    buf_init(&body, 0);
    dialect->write(&answer, &body);
    check_json(buf_text(&body));
    if (answer.text.len < 4096)
        stream(dialect, &answer);
}

static void embedded(const struct dialect *dialect, const struct request *request)
{
    struct conversation conversation = {.text_bytes = 0};
    struct embedding_request embedding = {.count = 0};
    struct problem problem = {.status = 0};

    if (dialect->read_embedding(request, &conversation, &embedding, &problem) != 0) {
        refused(dialect, &problem);
        return;
    }
    ASSERT(embedding.dimensions > 0);
    ASSERT(embedding.count == 0 || embedding.texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    const struct dialect *dialect;
    struct conversation conversation;
    struct problem problem = {.status = 0};
    struct arena arena;
    struct request request = {.path_model = TEXT("gemini-3-pro"),
                              .key = TEXT("k"),
                              .header = find_header,
                              .arena = &arena,
                              .keep_texts = true};

    if (size == 0)
        return 0;
    dialect = dialects[data[0] % ARRAY_LENGTH(dialects)];
    if (json_decode((struct text){(const char *)data + 1, size - 1}, JSON_DEPTH_DEFAULT, &body,
                    NULL) < 0)
        return 0;
    request.body = body;
    arena_init(&arena, 0);
    if (dialect->read_embedding)
        embedded(dialect, &request);
    if (dialect->read && dialect->read(&request, &conversation, &problem) == 0)
        answered(dialect, &conversation);
    else if (dialect->read)
        refused(dialect, &problem);
    arena_deinit(&arena);
    return 0;
}
