/* Any bytes as a script: it is refused with the place of the mistake, or decides about a
 * conversation. */

#include <string.h>

#include "providers/rehearsal/decide.h"
#include "providers/rehearsal/dialects/dialect.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

static const char request_text[] =
    "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"12 boxes at 2.50\"},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\","
    "\"function\":{\"name\":\"calculator\",\"arguments\":\"{}\"}}]},"
    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"{\\\"a\\\":{\\\"b\\\":7.5}}\"}],"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"calculator\"}}]}";

static void play(struct script *script)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct conversation conversation;
    struct problem problem;
    struct request request = {.arena = NULL};
    struct decide_input input = {.conversation = &conversation};
    struct decision decision;
    struct arena arena;
    struct error err = {0};
    int r;

    arena_init(&arena, 8 << 20);
    ASSERT(json_decode(text_of(request_text), 16, &body, NULL) == 0);
    request = (struct request){.body = body, .arena = &arena, .keep_texts = true};
    ASSERT(dialect_openai_chat.read(&request, &conversation, &problem) == 0);
    r = decide(script, &input, &arena, &decision, &err);
    ASSERT(r == 0 || r == -E_LIMIT);
    if (r == 0)
        ASSERT(decision.action);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script *script = NULL;
    struct error err = {0};
    int r = script_parse("fuzz", (struct text){(const char *)data, size}, &script, &err);

    if (r < 0) {
        ASSERT(r == -E_INVALID || r == -E_LIMIT);
        ASSERT(strncmp(err.text, "fuzz", 4) == 0);
        return 0;
    }
    play(script);
    script_free(script);
    return 0;
}
