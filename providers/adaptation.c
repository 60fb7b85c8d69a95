/* What a model does not take, said in another way. */

#include "providers/adaptation.h"

#include <stdlib.h>

#include "providers/prompted/prompted_format.h"
#include "providers/prompted/prompted_tools.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static bool has_images(const struct chat_request *request)
{
    for (size_t i = 0; i < request->messages_count; i++)
        for (size_t k = 0; k < request->messages[i].parts_count; k++)
            if (request->messages[i].parts[k].kind == CHAT_PART_IMAGE_URL)
                return true;
    return false;
}

/* Tools that may be called, and those that were: a history with calls is no text either. */
static bool has_tools(const struct chat_request *request)
{
    if (request->tools_count > 0)
        return true;
    for (size_t i = 0; i < request->messages_count; i++)
        if (request->messages[i].role == CHAT_TOOL || request->messages[i].tool_calls_count > 0)
            return true;
    return false;
}

static bool lacks_format(const struct provider_target *target, const struct chat_request *request)
{
    switch (request->response_format.kind) {
    case CHAT_FORMAT_UNSET:
    case CHAT_FORMAT_TEXT:
        break;
    case CHAT_FORMAT_JSON_OBJECT:
        return target->provider->has_no_json_object;
    case CHAT_FORMAT_JSON_SCHEMA:
        return !target->abilities.structured_output;
    }
    return false;
}

/* The format first: a call of a tool is then still allowed in place of the answer. */
static int say_in_words(struct adaptation *adaptation, struct error *err)
{
    struct chat_request *request = &adaptation->request;
    struct chat_request before = *request;
    int r = 0;

    if (adaptation->format)
        r = prompted_format(&before, &adaptation->arena, request, err);
    if (r == 0 && adaptation->tools) {
        before = *request;
        r = prompted_tools_encode(&before, &adaptation->arena, request, err);
    }
    return r;
}

int adaptation_init(struct adaptation *adaptation, const struct provider_target *target,
                    const struct chat_request *asked, struct error *err)
{
    int r;

    adaptation->asked = asked;
    adaptation->request = *asked;
    adaptation->tools = !target->abilities.tools && has_tools(asked);
    adaptation->format = lacks_format(target, asked);
    adaptation->stream = NULL;
    arena_init(&adaptation->arena, 0);
    if (!target->abilities.images && has_images(asked))
        return error_set(err, E_INVALID,
                         "model '%s' of %s takes no images: leave them out of the thread, or use a "
                         "model that takes them",
                         target->model, target->provider_name);
    if (!target->abilities.reasoning_effort)
        adaptation->request.reasoning_effort = TEXT_NONE;
    r = say_in_words(adaptation, err);
    if (r == 0 && adaptation->tools && asked->sink) {
        adaptation->stream = xcalloc(1, sizeof(*adaptation->stream));
        prompted_stream_init(adaptation->stream, asked, asked->sink);
        adaptation->request.sink = &adaptation->stream->sink;
    }
    return r;
}

void adaptation_deinit(struct adaptation *adaptation)
{
    if (adaptation->stream)
        prompted_stream_deinit(adaptation->stream);
    free(adaptation->stream);
    arena_deinit(&adaptation->arena);
}

int adaptation_read(const struct adaptation *adaptation, struct chat_reply *reply,
                    struct error *err)
{
    int r = 0;

    if (adaptation->tools)
        r = prompted_tools_decode(adaptation->asked, reply, err);
    if (r == 0 && adaptation->format)
        prompted_format_tidy(adaptation->asked, reply);
    return r;
}
