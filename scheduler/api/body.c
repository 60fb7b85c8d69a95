/* Bodies of requests, from bytes to checked JSON. */

#include "scheduler/api/body.h"

#include "scheduler/api/access/shares.h"
#include "scheduler/api/admit.h"
#include "scheduler/api/request.h"
#include "shared/fiber/offload.h"

/* The body as JSON, and what is wrong with it. Touches nothing but the request. */
static int decode_body(struct request *request, struct text body)
{
    struct error err;
    int r = json_decode(body, JSON_DEPTH_DEFAULT, &request->body, &err);

    if (r < 0)
        return failure_param(&request->failure, 400, NULL, NULL,
                             "We could not parse the JSON body of your request: %s. The body must "
                             "be one JSON object in UTF-8.",
                             err.text);
    r = fields_expect(FIELD_OBJECT, request->body, NULL, &request->failure);
    return r < 0 ? r
                 : fields_check(*request->endpoint->body, request->body, NULL, &request->failure);
}

struct decoding {
    struct request *request;
    struct text body;
    int result;
};

static void decode(void *arg)
{
    struct decoding *decoding = arg;

    decoding->result = decode_body(decoding->request, decoding->body);
}

static int decode_large(struct decoding *decoding)
{
    struct request *request = decoding->request;
    struct budget *readers = &request->share->readers;
    struct error err;

    if (budget_take(readers, 1, request->exchange->deadline_ms, &err) < 0)
        return request_crowded(request, &err);
    offload_large(decoding->body.len, decode, decoding);
    budget_give(readers, 1);
    return decoding->result;
}

int body_read(struct request *request)
{
    struct decoding decoding = {.request = request, .body = request->exchange->body};
    size_t max = request_body_max(request, SIZE_MAX);

    if (request->endpoint->takes == TAKES_FORM)
        return 0; /* the endpoint reads it, and knows what is too much */
    if (decoding.body.len > max)
        return failure_param(&request->failure, 413, NULL, NULL,
                             "The body of this request is larger than %zu bytes.", max);
    if (request->endpoint->takes != TAKES_JSON)
        return 0;
    if (text_trim(decoding.body).len == 0)
        decoding.body = TEXT("{}");
    if (decoding.body.len >= OFFLOAD_LARGE_BYTES)
        return decode_large(&decoding);
    return decode_body(request, decoding.body);
}
