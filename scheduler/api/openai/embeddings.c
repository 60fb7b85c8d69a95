/* Vectors of texts: https://platform.openai.com/docs/api-reference/embeddings/create
 *
 * The texts are checked by the table of bodies; what is read of them and written of the answer is
 * in providers/openai_api, since runs do the same. */

#include "providers/openai_api/chat_request.h"
#include "providers/openai_api/embedding_input.h"
#include "providers/openai_api/embedding_list.h"
#include "scheduler/api/openai/chat_bodies.h"
#include "scheduler/api/openai/model_answer.h"
#include "scheduler/api/openai/resources.h"
#include "shared/base/error.h"

SUSPENDS static void write_reply(struct request *request, const struct model_call *call)
{
    bool base64 = text_is(json_get_text(request->body, "encoding_format"), "base64");

    embedding_list_write(&request->reply, model_answer_name(request, call), &call->vectors, base64);
}

static int embed(struct request *request)
{
    struct model_call *call = arena_calloc(&request->exchange->arena, 1, sizeof(*call));
    struct embedding_input input;
    struct error err;
    int r;

    r = call ? embedding_input_read(request->body, &request->exchange->arena, &input, &err)
             : error_set(&err, E_LIMIT, "no room");
    if (r < 0)
        return request_failed(request, &err);
    call->models[call->models_count++] = json_get_text(request->body, "model");
    call->request = &input.weighed;
    call->texts = &input.request;
    call->user = chat_request_user(request->body);
    call->turn = CHAT_TURN_NORMAL;
    r = model_answer_check(request, call->models, call->models_count);
    if (r == 0)
        r = model_answer_start(request, call);
    if (r < 0)
        return r;
    r = model_answer_await(request, call);
    if (r == 0)
        write_reply(request, call);
    model_call_end(call);
    return r;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/embeddings",
     .handle = embed,
     .takes = TAKES_JSON,
     .body = &body_embedding},
};
/* clang-format on */

const struct endpoint_table embedding_endpoints = ENDPOINT_TABLE(table);
